"""A daemon with a fake tracker that says in its log what keeps its event loop, once it is ready, from running.

Calls that wait (files, sockets, locks, sleep) fail; callbacks that compute for long are named. What other processes
take from the machine does not count.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from blockbuster import BlockBuster
from fake_daemon import run_fake

from streamfit.daemon import app
from streamfit.daemon.net.control import Control

LONGEST = 0.05
"""s of computing between two turns of the loop."""

run_handle = asyncio.Handle._run
notify = app.notify


def timed(handle: asyncio.Handle) -> None:
    """Run a callback, and name it where it has computed for long."""
    began, what = time.thread_time(), repr(handle)
    run_handle(handle)
    if (took := time.thread_time() - began) > LONGEST:
        print(f"computed for {1000 * took:.0f} ms: {what}", file=sys.stderr, flush=True)


def guarding(state: str) -> None:
    """Watch from now on, where the daemon says that it is ready."""
    notify(state)
    if state == "READY=1":
        BlockBuster().activate()
        asyncio.Handle._run = timed  # type: ignore[method-assign]


def run_guarded(config: Path) -> int:
    """Run it in this process; the exit code."""
    app.notify = guarding
    return run_fake(config)


async def blocking(self: Control, request: Any) -> None:
    """Answer a request after a sleep that keeps the event loop."""
    time.sleep(0.001)  # noqa: ASYNC251


async def computing(self: Control, request: Any) -> dict[str, Any]:
    """Answer a request after much computing."""
    began = time.thread_time()
    while time.thread_time() < began + 0.1:
        pass
    return {}


def run_blocking(config: Path) -> int:
    """Run one in which `status` blocks and `sessions` computes for long."""
    Control._status, Control._list = blocking, computing  # type: ignore[method-assign, assignment]
    return run_guarded(config)
