"""Processes forked from one that has imported the program already: a start costs no import of JAX."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, reduction
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any


class Forked:
    """`run(*arguments)` in a process of its own, with the face of `subprocess.Popen`.

    Without `outputs` what it says on stdout and stderr is read from `stdout`; `outputs` are descriptors for both.
    """

    def __init__(
        self,
        run: Callable[..., int],
        arguments: tuple[Any, ...],
        environment: Mapping[str, str],
        folder: Path | None = None,
        outputs: tuple[int, int] | None = None,
    ) -> None:
        reader, writer = os.pipe()
        self.stdout = os.fdopen(reader)
        descriptors = tuple(_Descriptor(number) for number in outputs or (writer, writer))
        try:
            self._process = _server().Process(
                target=_in_child, args=(run, arguments, dict(environment), folder, *descriptors)
            )
            self._process.start()
        finally:
            os.close(writer)
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


def streamfit(folder: Path, *arguments: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end, as from a shell in `folder`."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        process = Forked(_command_line, arguments, os.environ, folder, (out.fileno(), error.fileno()))
        process.stdout.close()
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        out.seek(0)
        error.seek(0)
        return subprocess.CompletedProcess(["streamfit", *arguments], code, out.read(), error.read())


def _command_line(*arguments: str) -> int:
    from streamfit import jax_runtime
    from streamfit.cli.main import main

    jax_runtime.single_threaded = lambda: None  # it has been called before the fork
    sys.argv = ["streamfit", *arguments]
    main()
    return 0


@functools.cache
def _server() -> ForkServerContext:
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


def _in_child(
    run: Callable[..., int],
    arguments: tuple[Any, ...],
    environment: Mapping[str, str],
    folder: Path | None,
    out: int,
    error: int,
) -> None:
    for number, descriptor in ((1, out), (2, error)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if folder is not None:
        os.chdir(folder)
    sys.exit(run(*arguments))
