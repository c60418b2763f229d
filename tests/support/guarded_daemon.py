"""A daemon with a fake tracker that says in its log what keeps its event loop, once it is ready, from running.

Calls that wait (files, sockets, locks, sleep) fail; callbacks that compute for long are named. What other processes
take from the machine does not count.
"""

import asyncio
import sys
import time
from functools import partial

from streamfit.jax_runtime import single_threaded

single_threaded()

from blockbuster import BlockBuster  # noqa: E402
from fake_tracker import FakeTracker  # noqa: E402

from streamfit.daemon import app as service  # noqa: E402

LONGEST = 0.05
"""s of computing between two turns of the loop."""

run_handle = asyncio.Handle._run
notify = service.notify


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


if __name__ == "__main__":
    service.notify = guarding
    service.serve = partial(service.serve, tracker_factory=FakeTracker)
    sys.exit(service.run(sys.argv[1]))
