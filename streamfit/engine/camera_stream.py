"""The stream of one camera: whether it is active, its rate, and its transport delay."""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

ACTIVE = 0.5  # s, of silence after which a camera is no longer waited for
RECENT = 2.0  # s, over which rates are taken
MARGIN = 1e-3  # s, on the slowest arrival lately
TELLING = 4  # steps, of which one is a frame period even where messages overtake each other
MAX_PERIOD = 1.0  # s; a longer gap is a pause, not a frame period


@dataclass
class CameraStream:
    """The views of one camera of one session. Times in s; `late`, `dropped` count views.

    `period` is the median time between its views, None before the second one, `short_period` the lower quartile, None
    before enough have come to tell. `astray` is when a view last came that was far off the running times, and by how
    much.
    """

    late: int = 0
    dropped: int = 0
    period: float | None = None
    short_period: float | None = None
    last_t: float | None = None
    last_arrival: float = float("-inf")
    astray: tuple[float, float] | None = None
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=10))
    _arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    _delays: deque[float] = field(default_factory=lambda: deque(maxlen=64))

    def saw(self, t: float, now: float) -> None:
        """Take note of a view captured at `t` that arrives `now`."""
        self.last_arrival = now
        if t == self.last_t:  # another person in the same picture
            return
        self._arrivals.append(now)
        self._delays.append(now - t)
        self._times.append(t)
        in_order = sorted(self._times)  # as they were taken, whatever the network has done with them
        steps = sorted(b - a for a, b in pairwise(in_order) if 0.0 < b - a < MAX_PERIOD)
        if steps:
            self.period = steps[len(steps) // 2]
            self.short_period = steps[len(steps) // 4] if len(steps) >= TELLING else None
        self.last_t = t if self.last_t is None else max(t, self.last_t)

    def restart(self) -> None:
        """Forget the capture times: the session's clock has jumped."""
        self.last_t = None
        self._times.clear()
        self._delays.clear()

    def active(self, now: float) -> bool:
        """Whether it sent within the last half second."""
        return now - self.last_arrival <= ACTIVE

    def may_see(self, t: float) -> bool:
        """Whether it can have a view at `t`: unless its frame period says that its next one is later."""
        if self.period is None or self.last_t is None:
            return True
        return not 0.0 < t - self.last_t < 0.75 * self.period

    def expected_by(self, t: float, now: float) -> float:
        """When the latest view that it should have taken by `t` is here; -inf if nothing is on its way."""
        if not self.active(now) or self.period is None or self.last_t is None or self.last_t + self.period > t:
            return float("-inf")
        return self.last_t + self.period + max(self._delays) + MARGIN

    @property
    def delay(self) -> float | None:
        """Median of arrival less capture time lately, which are on different clocks; None before the first view."""
        return sorted(self._delays)[len(self._delays) // 2] if self._delays else None

    def rate(self, now: float) -> float:
        """Views per second lately."""
        arrivals = self._arrivals
        first = bisect_left(arrivals, now - RECENT)
        periods = len(arrivals) - 1 - first
        lasted = arrivals[-1] - arrivals[first] if periods > 0 else 0.0
        return periods / lasted if lasted > 0.0 else 0.0
