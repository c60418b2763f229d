"""The pace of capture times against the clock, which tells their unit."""

from collections import deque
from itertools import pairwise
from math import isfinite, log
from statistics import median

UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
"""How much quicker than seconds they go."""
ALIKE = 0.25
"""Logarithm of by how much the pace may be another: arrivals come late and early."""
STEPS = 6
"""Looks between which it is taken."""
FRAMES = 5.0
"""Frames a second, at least, where times are numbers of frames."""
APART = 0.05
"""s from one look to the next that counts."""


class Pace:
    """The pace of one session's capture times."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=STEPS + 1)

    def unit(self, arrival: float, t: float) -> str | None:
        """What the times are in, where it is not seconds; `t` is that of the message that came last, at `arrival` (s).

        None before that can be told.
        """
        if isfinite(t) and (not self._seen or arrival - self._seen[-1][0] > APART):
            self._seen.append((arrival, t))
        if len(self._seen) <= STEPS:
            return None
        pace = median((t1 - t0) / (a1 - a0) for (a0, t0), (a1, t1) in pairwise(self._seen))
        for by, unit in UNITS.items():
            if pace > 0.0 and abs(log(pace / by)) < ALIKE:
                return unit
        return "frames" if pace > FRAMES and all(t.is_integer() for _, t in self._seen) else None
