"""The demo's processes: started on free ports of this machine, and ended whatever happens."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import tomli_w

from streamfit.errors import InputError
from streamfit.recording.mcap_file import SessionFile

_GRACE = 6.0
"""s that a process has to end by itself after SIGTERM."""


@dataclass(frozen=True)
class Addresses:
    """Where the daemon of the demo is reached."""

    ingest: str
    publish: str
    control: str
    http: str


def free_addresses() -> Addresses:
    """Four ports of this machine that nobody uses."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(4)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
    ingest, publish, control = (f"tcp://127.0.0.1:{port}" for port in ports[:3])
    return Addresses(ingest, publish, control, f"127.0.0.1:{ports[3]}")


def write_config(folder: Path, recording: SessionFile, addresses: Addresses) -> Path:
    """A configuration for `streamfit serve` in `folder`, with what is attached to the recording beside it."""
    session = {"cameras": "cameras.toml", "keypoints": "keypoints.toml"}
    texts = {"cameras.toml": recording.cameras_toml, "keypoints.toml": recording.keypoints_toml}
    if recording.subject_toml is not None:
        session["subject"] = "subject.toml"
        texts["subject.toml"] = recording.subject_toml
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    config = {
        "ingest": {"bind": addresses.ingest},
        "publish": {"bind": addresses.publish},
        "control": {"bind": addresses.control},
        "http": {"bind": addresses.http},
        "session": session,
        "state": {"directory": "state"},
    }
    path = folder / "demo.toml"
    path.write_text(tomli_w.dumps(config), encoding="utf-8")
    return path


@contextmanager
def process(arguments: Sequence[str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m ...` while the context lasts, its output in `log` (None: that of this process).

    It gets SIGTERM at the end, SIGKILL if that does not help, and SIGTERM also where this process is killed.
    """
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb")) if log else None
        child = subprocess.Popen(
            [sys.executable, "-m", "streamfit.demo.child", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the parent, which ends them all in order
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def wait_until_ready(daemon: subprocess.Popen[bytes], http: str, log: Path, seconds: float) -> None:
    """Return when the daemon is ready; InputError with its last words if it ends or takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and daemon.poll() is None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{http}/healthz", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.05)
    why = f"ended with code {daemon.returncode}" if daemon.poll() is not None else f"not ready in {seconds:g} s"
    raise InputError(f"the demo's daemon: {why}: {last_line(log)}")


def last_line(log: Path) -> str:
    """The last line that says something, for an error message."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM unwinds the stack as Ctrl-C does: processes are ended and the terminal is restored."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
