"""The recent views of a session, for a calibration while it runs."""

from collections import Counter, deque

from streamfit.engine.frame_assembler import Instant
from streamfit.estimation.estimate import View

MAX_SECONDS = 60.0
MAX_BYTES = 64 << 20


class History:
    """The instants of the last minute, or of as much of it as 64 MiB hold."""

    def __init__(self) -> None:
        self._instants: deque[Instant] = deque()
        self._bytes = 0

    def add(self, instant: Instant) -> None:
        """Remember an instant. Where time goes back what was before is forgotten."""
        if self._instants and instant.t <= self._instants[-1].t:
            self._instants.clear()
            self._bytes = 0
        self._instants.append(instant)
        self._bytes += _size(instant)
        while self._bytes > MAX_BYTES or instant.t - self._instants[0].t > MAX_SECONDS:
            self._bytes -= _size(self._instants.popleft())

    def instants_lately(self, seconds: float) -> list[Instant]:
        """The instants of the last `seconds`, in order of time."""
        out = []
        for instant in reversed(self._instants):
            if self._instants[-1].t - instant.t > seconds:
                break
            out.append(instant)
        return out[::-1]

    def lately(self, seconds: float) -> tuple[str, list[tuple[float, list[View]]]]:
        """The person with most views in the last `seconds`, and their views by instant; empty where there is none."""
        if not self._instants:
            return "", []
        last = self._instants[-1].t
        chosen = [instant for instant in self._instants if last - instant.t <= seconds]
        views = Counter(view.person for instant in chosen for view in instant.views)
        if not views:
            return "", []
        person = views.most_common(1)[0][0]
        return person, [(instant.t, [v for v in instant.views if v.person == person]) for instant in chosen]


def _size(instant: Instant) -> int:
    return sum(view.xyc.nbytes for view in instant.views)
