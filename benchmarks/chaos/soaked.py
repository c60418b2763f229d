"""What a long run of a daemon gives, part by part, and whether anything grew or was lost."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psutil
from rich.table import Table

PARTS = 10
"""Of a run."""
WARM = 2.0
"""Minutes in which caches fill, and what a session remembers of its last minute: growth is looked for from there on.

With sessions and people that come and go, tables of bounded size (the numbers of topics, counts by sender) fill for the
first 900 rounds, some 30 MB, and from then on less and less (565 MB after 900 rounds, 570 after 2100, 572 after 3400):
such a soak is to last an hour or more, on a machine that has nothing else to do.
"""
MEMORY, LATENCY, HANDLES = 0.02, 0.25, 3
"""Shares that memory and the median latency may grow by, and how many descriptors or threads may be more."""


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
        first = next((part for part in self.parts[1:] if part.minute >= WARM), self.parts[-2])
        last = self.parts[-1]
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


class Listener:
    """Takes the answers and the status; ends a part when its time is over."""

    def __init__(self, daemon: psutil.Process, session: str, minutes: float) -> None:
        self.parts: list[Part] = []
        self.answers = self.gaps = self.skipped = 0
        self._daemon, self._session, self._length = daemon, session, 60.0 * minutes / PARTS
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
            self.skipped = message["sessions"].get(self._session, {}).get("skipped", self.skipped)
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
