"""A daemon that talks, a recording to send to it, and the tools as processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from talking_daemon import CAMERAS, KEYPOINTS, TOOLS, Run, TalkingDaemon, keypoints
from zmq.auth.thread import ThreadAuthenticator

from streamfit.recording.mcap_file import SessionWriter
from streamfit.transport.curve import ServerKeys, load_server_keys, make_keys


@contextmanager
def talking(keys: ServerKeys | None = None) -> Iterator[TalkingDaemon]:
    daemon, stop = TalkingDaemon(keys=keys), threading.Event()
    with zmq.Context() as context:
        authenticator = ThreadAuthenticator(context)
        if keys is not None:
            authenticator.start()
            authenticator.configure_curve(domain="*", location=keys.clients)
        thread = threading.Thread(target=daemon.serve, args=(context, stop))
        thread.start()
        while not daemon.control:
            time.sleep(0.005)
        try:
            yield daemon
        finally:
            stop.set()
            thread.join()
            if keys is not None:
                authenticator.stop()


@pytest.fixture
def daemon() -> Iterator[TalkingDaemon]:
    with talking() as daemon:
        yield daemon


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[TalkingDaemon]:
    """A daemon that only the client of keys/known.key_secret may talk to."""
    make_keys(tmp_path / "keys", ["known"])
    make_keys(tmp_path / "other", ["stranger"])
    (tmp_path / "other" / "server.key").write_bytes((tmp_path / "keys" / "server.key").read_bytes())
    keys = load_server_keys(tmp_path / "keys" / "server.key_secret", tmp_path / "keys" / "clients")
    with talking(keys) as daemon:
        yield daemon


@pytest.fixture
def tool(tmp_path: Path) -> Run:
    """Runs a tool to its end, in a process of its own."""

    def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(TOOLS / name), *map(str, arguments)]
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """100 instants at 100 Hz of session s1."""
    path = tmp_path / "s1.mcap"
    with SessionWriter(path, CAMERAS, KEYPOINTS) as writer:
        for i in range(100):
            writer.write("keypoints", keypoints(i / 100), 10**18 + i * 10**7, i * 10**7)
    return path
