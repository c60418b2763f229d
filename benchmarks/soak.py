#!/usr/bin/env python
"""A daemon for long, at full speed: whether memory, descriptors, threads or latency grow, or anything is lost."""

import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
import zmq
from rich.console import Console
from rich.table import Table

from streamfit.daemon.threads import single_threaded

single_threaded()

from churn import Churn, as_arrays, churning  # noqa: E402 - JAX only now
from daemon_runs import recorded  # noqa: E402
from served import REPLAY, Served, serve  # noqa: E402
from stream import SESSION  # noqa: E402

from streamfit.session.mcap_file import read_session  # noqa: E402
from streamfit.view.terminal import Show, progress, run  # noqa: E402
from streamfit.wire.packing import decode_array, decode_map  # noqa: E402

SECONDS = 10.0
"""Of the walk that is played over and over."""
FOR_EVER = 10**9
PARTS = 10
"""Of the run; the first is not looked at: caches fill there."""
MEMORY, LATENCY, HANDLES = 0.02, 0.25, 3
"""Shares that memory and the median latency may grow by, and how many descriptors or threads may be more."""
SILENCE = 10.0
"""s without an answer after which the daemon is taken to be stuck."""


@dataclass(frozen=True)
class Part:
    """A tenth of the run: `answers` and their latency (ms), and the daemon's process at its end."""

    minute: float
    answers: int
    latency_p50: float
    latency_p99: float
    memory_mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Soaked:
    """What a run gave; `gaps` in the sequence of the one session that runs all the time."""

    parts: list[Part]
    gaps: int
    skipped: int
    compilations: int
    rounds: int

    @property
    def missed(self) -> list[str]:
        """What must not be."""
        first, last = self.parts[1], self.parts[-1]
        checks = {
            f"memory grows by {last.memory_mb / first.memory_mb - 1:.1%}": (
                last.memory_mb > first.memory_mb * (1 + MEMORY)
            ),
            f"latency grows from {first.latency_p50:.0f} to {last.latency_p50:.0f} ms": (
                last.latency_p50 > first.latency_p50 * (1 + LATENCY)
            ),
            f"{last.descriptors - first.descriptors} descriptors more": (
                last.descriptors > first.descriptors + HANDLES
            ),
            f"{last.threads - first.threads} threads more": last.threads > first.threads + HANDLES,
            f"{self.gaps} gaps": self.gaps > 0,
            f"{self.skipped} instants skipped": self.skipped > 0,
            f"{self.compilations} compilations": self.compilations > 0,
        }
        return [what for what, wrong in checks.items() if wrong]


@click.command(
    epilog="""\b
Examples:
  benchmarks/soak.py --minutes 5
  benchmarks/soak.py --minutes 120               what eight hours at 60 Hz bring, where a core answers 240 per second
  benchmarks/soak.py --minutes 30 --still        nothing but the one session
"""
)
@click.option("--minutes", type=click.FloatRange(min=0.2), default=5.0, show_default=True)
@click.option("--still", is_flag=True, help="No sessions, people, consumers and requests that come and go.")
def soak(minutes: float, still: bool) -> int:
    """Play a walk into a daemon over and over, as fast as it is answered, while others come and go.

    Exits with 1 where memory, descriptors, threads or latency have grown, or anything was lost or compiled.
    """
    with progress() as show, recorded(SECONDS) as (path, _):
        show("starting a daemon", 0.0)
        recording = read_session(path)
        first = decode_map(next(iter(recording.messages({"keypoints"}))).payload)
        views = as_arrays([v | {"xyc": decode_array(v["xyc"])} for v in first["views"]])
        with serve(recording) as served, nullcontext() if still else churning(served.addresses, views) as churn:
            soaked = run_for(minutes, served, path, churn, show)
    Console(width=160).print(table(soaked))
    for what in soaked.missed:
        click.echo(f"MISSED: {what}", err=True)
    return 1 if soaked.missed else 0


def run_for(minutes: float, served: Served, path: Path, churn: Churn | None, show: Show) -> Soaked:
    """Play, listen and look for so long."""
    addresses = ["--ingest", served.addresses.ingest, "--publish", served.addresses.publish]
    command = [sys.executable, str(REPLAY), str(path), *addresses, "--speed", "0", "--loop", str(FOR_EVER)]
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, 100_000)
        for topic in (f"kinematics/{SESSION}/", "status"):
            socket.subscribe(topic)
        socket.connect(served.addresses.publish)
        socket.recv_multipart()
        player = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            listener = Listener(psutil.Process(served.pid), minutes)
            while not listener.done:
                assert socket.poll(1000 * SILENCE), "the daemon has fallen silent"
                listener.take(decode_map(socket.recv_multipart()[1]))
                show(f"{listener.answers} instants answered", listener.share)
        finally:
            player.kill()
            player.wait()
    rounds = 0 if churn is None else churn.rounds
    return Soaked(listener.parts, listener.gaps, listener.skipped, served.compilations(), rounds)


class Listener:
    """Takes the answers and the status; ends a part when its time is over."""

    def __init__(self, daemon: psutil.Process, minutes: float) -> None:
        self.parts: list[Part] = []
        self.answers = self.gaps = self.skipped = 0
        self._daemon, self._length = daemon, 60.0 * minutes / PARTS
        self._began = time.monotonic()
        self._latency: list[float] = []
        self._seq: int | None = None

    @property
    def share(self) -> float:
        """Of the run that is over."""
        return (time.monotonic() - self._began) / (self._length * PARTS)

    @property
    def done(self) -> bool:
        """Whether the run is over."""
        return len(self.parts) == PARTS

    def take(self, message: dict[str, Any]) -> None:
        """A message from the daemon."""
        if message["type"] == "status":
            sessions = message["sessions"]
            self.skipped = sessions[SESSION]["skipped"] if SESSION in sessions else self.skipped
        else:
            self.answers += 1
            self.gaps += 0 if self._seq is None else message["seq"] - self._seq - 1
            self._seq = message["seq"]
            self._latency.append(message["latency"])
        if self._latency and time.monotonic() >= self._began + (len(self.parts) + 1) * self._length:
            self._end_part()

    def _end_part(self) -> None:
        p50, p99 = 1000 * np.percentile(self._latency, (50, 99))
        minute = (len(self.parts) + 1) * self._length / 60.0
        with self._daemon.oneshot():
            memory, threads = self._daemon.memory_info().rss / 1e6, self._daemon.num_threads()
        count = len(self._latency)
        self.parts.append(Part(minute, count, p50, p99, memory, self._daemon.num_fds(), threads))
        self._latency.clear()


def table(soaked: Soaked) -> Table:
    """A row for each part."""
    answers = sum(part.answers for part in soaked.parts)
    title = (
        f"{answers} instants (at 60 Hz {answers / 216_000:.1f} hours), {soaked.rounds} sessions beside; "
        f"{soaked.gaps} gaps, {soaked.skipped} skipped, {soaked.compilations} compilations"
    )
    made = Table(title=title, title_justify="left")
    for heading in ("minute", "answers", "latency p50, ms", "p99", "memory, MB", "descriptors", "threads"):
        made.add_column(heading, justify="right")
    for part in soaked.parts:
        cells = asdict(part).values()
        made.add_row(*(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells))
    return made


if __name__ == "__main__":
    run(soak)
