"""A process that measures block by block, when it is asked to: several of them see the same machine by taking turns."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.errors import InputError

BLOCK = 25
"""Instants between two turns."""


class Worker:
    """A process that writes a line of JSON when it is ready, and one for each line `N`: costs of N instants (N, ..)."""

    def __init__(self, process: "subprocess.Popen[str]", name: str) -> None:
        self._process, self._name = process, name

    def ready(self) -> Any:
        """What it says when it is ready. InputError where it ended instead, as in the next one."""
        return self._read()

    def ask(self, instants: int = BLOCK) -> np.ndarray:
        """The costs of the next instants."""
        assert self._process.stdin is not None
        print(instants, file=self._process.stdin, flush=True)
        return np.array(self._read())

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InputError(f"{self._name} ended with code {self._process.wait()}; what it said is above")
        return json.loads(line)


@contextmanager
def worker(python: str | Path, program: Path, *arguments: str, name: str) -> Iterator[Worker]:
    """A program of this folder, run by a Python interpreter while the context lasts."""
    command = [str(python), str(program), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Worker(process, name)
    finally:
        process.kill()
        process.communicate()


def in_turn(workers: Sequence[Worker], rounds: int) -> list[np.ndarray]:
    """For each worker the costs (rounds, BLOCK, ..) of its instants."""
    turns = [[worker.ask() for worker in workers] for _ in range(rounds)]
    return [np.array([turn[i] for turn in turns]) for i in range(len(workers))]
