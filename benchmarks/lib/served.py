"""A real daemon in a process of its own, recordings played into its sockets, and what comes out of them."""

import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import zmq

from streamfit.demo.processes import Addresses, free_addresses, process, wait_until_ready, write_config
from streamfit.errors import InputError
from streamfit.protocol.codec import decode_array, decode_map
from streamfit.recording.mcap_file import SessionFile

REPLAY = Path(__file__).parents[2] / "tools" / "replay.py"
SILENCE = 3.0
"""s without an answer after which a recording is over."""
SILENT = 10.0
"""s without a status after which the daemon has fallen."""
READY = 180.0
"""s that a daemon may take to be ready."""


@dataclass(frozen=True)
class Served:
    """A daemon that is ready, `ready_s` after its start."""

    addresses: Addresses
    pid: int
    ready_s: float

    def compilations(self) -> int:
        """How many there were since it is ready."""
        with urllib.request.urlopen(f"http://{self.addresses.http}/metrics", timeout=5) as answer:
            found = re.search(r"^streamfit_compilations_after_ready\S* (\S+)", answer.read().decode(), re.M)
        assert found is not None, "the daemon publishes no streamfit_compilations_after_ready"
        return int(float(found.group(1)))


@dataclass(frozen=True, eq=False)
class Heard:
    """T answers (`kinematics`) to one recording: `t`, `latency`, `received` (this process's clock) in s, `q` (T, D).

    `memory` (N, 2): the daemon's resident bytes at times on this process's clock, once a second.
    """

    t: np.ndarray
    q: np.ndarray
    latency: np.ndarray
    received: np.ndarray
    gaps: int
    states: dict[str, int]
    coordinates: tuple[str, ...]
    units: tuple[str, ...]
    memory: np.ndarray

    def latency_ms(self, share: float, after: float = 0.0) -> float:
        """A percentile (0..100) of the daemon's latency, of the instants that far (s) from the first."""
        return 1000 * float(np.percentile(self.latency[self.t >= self.t[0] + after], share))

    def client_ms(self, share: float) -> float:
        """A percentile of the delay that a client sees, counted from the answer that came soonest after its instant."""
        delay = self.received - self.t
        return 1000 * float(np.percentile(delay - delay.min(), share))

    @property
    def per_second(self) -> float:
        return (len(self.t) - 1) / float(self.received[-1] - self.received[0])


@contextmanager
def serve(recording: SessionFile) -> Iterator[Served]:
    """A daemon for the rig, the keypoints and the person of a recording, until the context ends. InputError."""
    with tempfile.TemporaryDirectory(prefix="streamfit-bench-") as name:
        folder, addresses = Path(name), free_addresses()
        config, log = write_config(folder, recording, addresses), folder / "daemon.log"
        started = time.monotonic()
        with process(["streamfit.cli.main", "serve", str(config)], log) as daemon:
            wait_until_ready(daemon, addresses.http, log, READY)
            yield Served(addresses, daemon.pid, time.monotonic() - started)


def play(served: Served, path: Path, speed: float = 1.0, loop: int = 1, session: str = "") -> Heard:
    """Play a recording into a daemon (`speed` 0: as fast as it is answered), and listen until it falls silent.

    `session` is that of the recording, where others may be answered meanwhile.

    InputError where it answers nothing, or has fallen.
    """
    answers: list[tuple[float, float, float, int]] = []
    q, states, memory = [], Counter[str](), []
    coordinates: list[str] = []
    units: list[str] = []
    daemon = psutil.Process(served.pid)
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, 1_000_000)
        for topic in (f"kinematics/{session}", f"model/{session}", "status"):
            socket.subscribe(topic)
        socket.connect(served.addresses.publish)
        if not socket.poll(1000 * SILENT):
            raise InputError(f"{served.addresses.publish}: the daemon, process {served.pid}, has stopped or hangs")
        socket.recv_multipart()
        addresses = ["--ingest", served.addresses.ingest, "--publish", served.addresses.publish]
        player = subprocess.Popen(
            [sys.executable, str(REPLAY), str(path), *addresses, "--speed", str(speed), "--loop", str(loop)],
            stdout=subprocess.DEVNULL,
        )
        last = time.monotonic()
        while player.poll() is None or time.monotonic() - last < SILENCE:
            if not socket.poll(100):
                continue
            _, payload = socket.recv_multipart()
            message, now = decode_map(payload), time.monotonic()
            if message["type"] == "model":
                coordinates, units = message["coordinates"], message["units"]
            elif message["type"] == "kinematics":
                answers.append((message["t"], message["latency"], now, message["seq"]))
                q.append(decode_array(message["q"]))
                states[message["state"]] += 1
                last = now
            else:
                memory.append((now, daemon.memory_info().rss))
    if not answers:
        raise InputError(f"{path}: the daemon answered nothing; is its calibration that of its keypoints?")
    t, latency, received, _ = np.array(answers).T
    return Heard(
        t=t,
        q=np.array(q),
        latency=latency,
        received=received,
        gaps=sum(after[3] - before[3] - 1 for before, after in pairwise(answers)),
        states=dict(states),
        coordinates=tuple(coordinates),
        units=tuple(units),
        memory=np.array(memory),
    )
