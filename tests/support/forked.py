"""Processes forked from one that has imported the daemon already: a start costs no import of JAX."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, reduction
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

Run = Callable[[Path], int]


@functools.cache
def _context() -> ForkServerContext:
    """Start the server with this process's module path, which some versions of Python do not hand on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


class _Descriptor:
    """A file descriptor that goes to a forked process with its arguments."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _detached, (reduction.DupFd(self.number),)


def _detached(duplicate: Any) -> int:
    return duplicate.detach()


def _in_child(run: Run, config: Path, environment: Mapping[str, str], output: Any) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(config))


class Forked:
    """`run(config)` in a process of its own, with the face of `subprocess.Popen`; stderr goes to stdout."""

    def __init__(self, run: Run, config: Path, environment: Mapping[str, str]) -> None:
        context = _context()
        reader, writer = os.pipe()
        try:
            self._process = context.Process(
                target=_in_child, args=(run, config, dict(environment), _Descriptor(writer))
            )
            self._process.start()
        finally:
            os.close(writer)
        self.stdout = os.fdopen(reader)
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(["forked"], timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
