"""The lag of the event loop, and periodic work on it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from streamfit.daemon.monitoring.histogram import Histogram

BEAT = 0.05  # s
BEATS_TO_LOOK = 5  # beats between two looks
REMEMBERED = 5.0  # s


class LoopLag:
    """`lag` is by how much beats came late, s."""

    def __init__(self) -> None:
        self.lag = Histogram()
        self._late: deque[tuple[float, float]] = deque(maxlen=round(REMEMBERED / BEAT))

    def worst(self, now: float) -> float:
        """The longest that the loop stood still in the last five seconds, s."""
        return max((lag for at, lag in self._late if now - at <= REMEMBERED), default=0.0)

    def forget(self) -> None:
        """Begin anew with what was longest."""
        self._late.clear()

    async def run(self, look: Callable[[], None]) -> None:
        """Beat, for ever, and `look` four times a second."""
        while True:
            for _ in range(BEATS_TO_LOOK):
                due = time.monotonic() + BEAT
                await asyncio.sleep(BEAT)
                now = time.monotonic()
                self.lag.observe(max(0.0, now - due))
                self._late.append((now, now - due))
            look()
