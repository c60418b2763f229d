"""Capture times that always increase, even where the cameras' clock is set back."""

from collections import deque
from dataclasses import dataclass

AHEAD = 1.0
"""s by which instants may follow each other further apart than they come before their clock has been set."""


@dataclass
class _Epoch:
    """Between two settings of the clock: the `last` instant, when it came, and what is added to its times."""

    offset: float
    moved: float
    last: float
    came: float


class SteadyTime:
    """Two kinds of times for the instants of one person, which are told of in their order: `stamp` on the listener's
    clock, and `forward`, the capture time itself until the clock is set back, and from then on moved."""

    def __init__(self) -> None:
        self._epochs: deque[_Epoch] = deque(maxlen=2)

    def instant(self, t: float, now: float) -> None:
        """An instant of time `t` has come `now` (s on the listener's clock).

        The least that passed from a capture to here is taken for the difference of the clocks, anew where one is set.
        """
        before = self._epochs[-1] if self._epochs else None
        if before is None or not 0.0 < t - before.last <= AHEAD + now - before.came:
            moved = 0.0 if before is None else before.moved
            if before is not None and t <= before.last:
                moved = before.moved + before.last + max(now - before.came, 1e-6) - t
            self._epochs.append(_Epoch(now - t, moved, t, now))
            return
        before.offset = min(before.offset, now - t)
        before.last, before.came = t, now

    def stamp(self, t: float, now: float) -> float:
        """A time of those instants, or of an event between them, on the listener's clock."""
        epoch = self._of(t)
        return now if epoch is None else t + epoch.offset

    def forward(self, t: float) -> float:
        """The same, later than every instant before the clock was set back."""
        epoch = self._of(t)
        return t if epoch is None else t + epoch.moved

    def _of(self, t: float) -> _Epoch | None:
        """The epoch that `t` belongs to: an event may come after the clock was set."""
        return min(reversed(self._epochs), key=lambda epoch: abs(t - epoch.last), default=None)
