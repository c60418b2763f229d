"""The messages sent to open live pages, thinned to what an eye can follow."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

POSES = {"kinematics", "bodies"}
"""Kinds of which a page gets one in every `EVERY` s a topic; `smoothed` it does not show."""
UNSEEN = {"smoothed"}
EVERY = 1 / 30
MAX_PAGES = 8
MAX_QUEUE = 256
"""Messages that wait for a page; one that is slower than that is cut off, and comes back by itself."""


class Page:
    """One open page: what waits to be sent to it."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._some = asyncio.Event()
        self._too_slow = False

    def put(self, message: bytes) -> None:
        """Queue a message."""
        if len(self._queue) >= MAX_QUEUE:
            self._too_slow = True
        else:
            self._queue.append(message)
        self._some.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """The messages as they come, until the page has proved too slow."""
        while not self._too_slow:
            while self._queue:
                yield self._queue.popleft()
            self._some.clear()
            await self._some.wait()


class PageFeed:
    """All open pages. Costs nothing while there is none."""

    def __init__(self) -> None:
        self._pages: list[Page] = []
        self._sent: dict[str, float] = {}

    @property
    def pages(self) -> int:
        """How many are open."""
        return len(self._pages)

    def offer(self, topic: str, message: bytes) -> None:
        """A message that was published."""
        if not self._pages:
            return
        kind = topic.partition("/")[0]
        if kind in UNSEEN:
            return
        if kind in POSES:
            now = time.monotonic()
            if now - self._sent.get(topic, 0.0) < EVERY:
                return
            self._sent[topic] = now
        for page in self._pages:
            page.put(message)

    @contextmanager
    def page(self) -> Iterator[Page | None]:
        """A page that is open while the context lasts; None where there are too many."""
        if len(self._pages) >= MAX_PAGES:
            yield None
            return
        page = Page()
        self._pages.append(page)
        try:
            yield page
        finally:
            self._pages.remove(page)
            if not self._pages:
                self._sent.clear()
