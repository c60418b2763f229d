"""What instants of several shapes cost: a process for each, so that what is compiled does not pile up in one."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.lib.busy import busy_cores
from benchmarks.lib.stream import Shape
from benchmarks.lib.worker import BLOCK, Worker, in_turn, worker
from benchmarks.speed.stages import STAGES

PROGRAM = Path(__file__).with_name("shape_process.py")
COLUMNS = (*STAGES, "cpu", "yardstick")
"""What is measured of an instant: s of each stage, s that were computed in all of them, and in the yardstick before."""


@dataclass(frozen=True, eq=False)
class Cost:
    """What instants of one shape cost: `seconds` (rounds, BLOCK, columns), in the order of COLUMNS."""

    shape: Shape
    seconds: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """(rounds, BLOCK) s: a column, `total`: all the stages, or `engine`: to assemble and to fit."""
        match name:
            case "total":
                return self.seconds[..., : len(STAGES)].sum(-1)
            case "engine":
                return self.column("assemble") + self.column("fit")
        return self.seconds[..., COLUMNS.index(name)]

    def ms(self, name: str, share: float = 50.0) -> float:
        """A percentile over all instants."""
        return 1000 * float(np.percentile(self.column(name), share))


def ratio(over: np.ndarray, under: np.ndarray) -> float:
    """Median over the rounds of the ratio of the rounds' medians, both (rounds, N): what slows a round slows both."""
    return float(np.median(np.median(over, 1) / np.median(under, 1)))


def measure(shapes: Sequence[Shape], rounds: int) -> list[Cost]:
    """The costs of BLOCK instants of each shape, `rounds` times. InputError where one cannot be answered."""
    return _measure(shapes, rounds, False)


def compare(shapes: Sequence[Shape], rounds: int) -> list[Cost]:
    """The same, with a yardstick before each instant, and all cores busy.

    What an instant computes takes half as long again where other processes share the cores, and a yardstick less than
    that: ratios can only be compared in one of the two states, and no machine can be made idle.
    """
    return _measure(shapes, rounds, True)


def _measure(shapes: Sequence[Shape], rounds: int, yardstick: bool) -> list[Cost]:
    with ExitStack() as stack:
        workers = [stack.enter_context(shape_worker(shape, rounds, yardstick)) for shape in shapes]
        for one in workers:
            one.ready()
        if yardstick:
            stack.enter_context(busy_cores(os.cpu_count() or 1))
        seconds = in_turn(workers, rounds)
    return [Cost(shape, own) for shape, own in zip(shapes, seconds, strict=True)]


@contextmanager
def shape_worker(shape: Shape, rounds: int, yardstick: bool = False) -> Iterator[Worker]:
    """A process that answers the instants of a shape."""
    arguments = (json.dumps(asdict(shape)), str(rounds * BLOCK), *(["yardstick"] if yardstick else []))
    with worker(sys.executable, PROGRAM, *arguments, name=str(shape)) as one:
        yield one
