"""A daemon on a simulated stream: in real time, with both cores busy, at full speed, from its start, and for long."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from busy import busy_cores
from served import Heard, Served, play, serve
from stream import Shape, simulate

from streamfit.session.mcap_file import read_session
from streamfit.skeleton import Skeleton

CACHE = "JAX_COMPILATION_CACHE_DIR"
STARTED = 0.5
"""s of a recording in which the first fit is made: latencies count from there on."""
MINUTE = 60.0


@dataclass(frozen=True)
class Played:
    """What one recording gave: latencies in ms, of the daemon and as a client sees them; None at full speed."""

    sent: int
    answered: int
    gaps: int
    latency_p50: float | None
    latency_p99: float | None
    client_p99: float | None
    per_second: float
    compilations: int


@dataclass(frozen=True)
class Soak:
    """Resident memory (MB) two minutes in and at the end, and p99 of latency (ms) in the first and the last minute."""

    minutes: float
    memory_2: float
    memory_end: float
    first_p99: float
    last_p99: float


@contextmanager
def recorded(seconds: float) -> Iterator[tuple[Path, int]]:
    """A session file of the usual stream, and its number of instants."""
    stream = simulate(Skeleton.load(), Shape(), round(seconds * Shape().rate))
    with tempfile.TemporaryDirectory(prefix="streamfit-bench-") as folder:
        path = Path(folder) / "walk.mcap"
        stream.write(path)
        yield path, len(stream.t)


def play_all(path: Path, instants: int, real_time: bool = True) -> dict[str, Played]:
    """One daemon; the recording in real time, with as many busy processes as there are cores, and at full speed."""
    out = {}
    with serve(read_session(path)) as served:
        if real_time:
            for name, load in (("real time", 0), ("with busy cores", os.cpu_count() or 1)):
                with busy_cores(load) if load else nullcontext():
                    heard = play(served, path)
                out[name] = _played(heard, served, instants, 1.0)
        out["full speed"] = _played(play(served, path, speed=0.0), served, instants, 0.0)
    return out


def start_times(path: Path) -> dict[str, float]:
    """s from start to ready with nothing compiled yet, and once more."""
    before = os.environ.get(CACHE)
    with tempfile.TemporaryDirectory(prefix="streamfit-bench-") as cache:
        os.environ[CACHE] = cache
        try:
            return {name: _ready_s(path) for name in ("cold", "warm")}
        finally:
            if before is None:
                del os.environ[CACHE]
            else:
                os.environ[CACHE] = before


def soak(path: Path, instants: int, minutes: float) -> Soak:
    """A daemon for long, the recording over and over again."""
    rounds = round(minutes * MINUTE * Shape().rate / instants)
    with serve(read_session(path)) as served:
        heard = play(served, path, loop=rounds)
    seconds = heard.memory[:, 0] - heard.received[0]
    since = heard.received - heard.received[0]
    first, last = heard.latency[since < MINUTE], heard.latency[since > since[-1] - MINUTE]
    at_2 = heard.memory[np.abs(seconds - 2 * MINUTE).argmin(), 1]
    p99 = [1000 * float(np.percentile(latency, 99)) for latency in (first, last)]
    return Soak(since[-1] / MINUTE, at_2 / 1e6, heard.memory[seconds <= since[-1]][-1, 1] / 1e6, *p99)


def _ready_s(path: Path) -> float:
    with serve(read_session(path)) as served:
        return served.ready_s


def _played(heard: Heard, served: Served, sent: int, speed: float) -> Played:
    return Played(
        sent=sent,
        answered=len(heard.t),
        gaps=heard.gaps,
        latency_p50=heard.latency_ms(50, STARTED) if speed else None,
        latency_p99=heard.latency_ms(99, STARTED) if speed else None,
        client_p99=heard.client_ms(99) if speed else None,
        per_second=heard.per_second,
        compilations=served.compilations(),
    )
