"""A daemon on a simulated stream: in real time, with both cores busy, at full speed, and from its start."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lib.busy import busy_cores
from benchmarks.lib.served import Heard, Served, play, serve
from benchmarks.lib.stream import Shape, simulate
from streamfit.model import Skeleton
from streamfit.recording.mcap_file import read_session

CACHE = "JAX_COMPILATION_CACHE_DIR"
STARTED = 0.5
"""s of a recording in which the first fit is made: latencies count from there on."""


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


@contextmanager
def recorded(seconds: float, shape: Shape | None = None) -> Iterator[tuple[Path, int]]:
    """A session file of the usual stream, or of that shape, and its number of instants."""
    shape = shape or Shape()
    stream = simulate(Skeleton.load(), shape, round(seconds * shape.rate))
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
