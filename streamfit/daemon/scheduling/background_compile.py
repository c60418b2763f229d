"""What sessions of another shape need compiled, made beside the live ones and sparing of what these need.

To trace is Python code, and holds the interpreter's lock for seconds; XLA's compiler takes all the cores. So a process
of the lowest priority compiles first, into the compilation cache; then the same is traced here with rests in between,
and finds its code in the cache.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from streamfit.engine.engine import Engine

SLICE = 0.002  # s that are computed at a time
COMPILE_BACKOFF = 2.0  # times that until the next
CALLS = 64  # of Python functions, between two looks at the clock
LONGEST = 0.05  # s of a rest, after what cannot be interrupted
NICE = 19

log = logging.getLogger(__name__)


async def prepare(engine: Engine, others: Callable[[], bool]) -> None:
    """Compile all that an engine needs, sparing of others while there are any.

    Where nobody was there at first, the compiler itself works in this process, and who comes while it does bears that.
    """
    if others():
        await _fill_cache(engine.recipe())
    await asyncio.to_thread(_prepare_sparingly, engine, others)


async def _fill_cache(recipe: Callable[[], None]) -> None:
    """Compile in a process of its own; where that fails, all is left to this one."""
    process = multiprocessing.get_context("spawn").Process(target=_compile, args=(recipe,), daemon=True)
    try:
        await asyncio.to_thread(process.start)
        await asyncio.to_thread(process.join)
    finally:
        if process.pid is not None:
            process.kill()
            await asyncio.to_thread(process.join)
    if process.exitcode != 0:
        log.warning("compiling beside the live sessions failed (exit code %s): they are disturbed", process.exitcode)


def _compile(make: Callable[[], None]) -> None:
    """In the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # a GPU's memory is the daemon's
    make()


def _prepare_sparingly(engine: Engine, others: Callable[[], bool]) -> None:
    with sparing(others):
        engine.prepare()


@contextmanager
def sparing(others: Callable[[], bool]) -> Iterator[None]:
    """Have this thread rest twice as long as it computes, some ms at a time, while there are others to spare.

    It does so at calls of Python functions.
    """
    began, calls = time.thread_time(), 0

    def look(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal began, calls
        calls += 1
        if calls % CALLS:
            return
        spent = time.thread_time() - began
        if spent > SLICE:
            if others():
                time.sleep(min(COMPILE_BACKOFF * spent, LONGEST))
            began = time.thread_time()

    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(None)
