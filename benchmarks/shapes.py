"""What instants of several shapes cost: a process for each, which answer in turn so that all see the same machine."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from stages import STAGES
from stream import Shape

from streamfit.errors import InputError

PROGRAM = Path(__file__).with_name("shape_process.py")
BLOCK = 25
"""Instants that one process answers before the next one's turn."""
COLUMNS = (*STAGES, "cpu", "yardstick", "yardstick_cpu")
"""What is measured of an instant: s of each stage, s that were computed in all of them, and the same of a yardstick."""


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

    def ratio(self, name: str, other: "Cost", of: str) -> float:
        """Median over the rounds of the ratio of the round's medians: what slows a round slows both."""
        return float(np.median(np.median(self.column(name), 1) / np.median(other.column(of), 1)))


def measure(shapes: Sequence[Shape], rounds: int) -> list[Cost]:
    """The costs of BLOCK instants of each shape, `rounds` times. InputError where one cannot be answered."""
    with ExitStack() as stack:
        children = [stack.enter_context(_child(shape, rounds * BLOCK)) for shape in shapes]
        for child, shape in zip(children, shapes, strict=True):
            _read(child, shape)
        rows = [[_ask(child, shape) for child, shape in zip(children, shapes, strict=True)] for _ in range(rounds)]
        for child in children:
            assert child.stdin is not None
            child.stdin.close()
    return [Cost(shape, np.array([row[i] for row in rows])) for i, shape in enumerate(shapes)]


def _child(shape: Shape, instants: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), json.dumps(asdict(shape)), str(instants)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(child: subprocess.Popen[str], shape: Shape) -> list[list[float]]:
    assert child.stdin is not None
    print(BLOCK, file=child.stdin, flush=True)
    return list(json.loads(_read(child, shape)))


def _read(child: subprocess.Popen[str], shape: Shape) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise InputError(f"{shape}: its process ended with code {child.wait()}; what it said is above")
    return line
