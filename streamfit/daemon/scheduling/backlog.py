"""The instants that a session has to solve: a short queue that drops the oldest instead of growing."""

from collections import deque
from dataclasses import replace

from streamfit.engine.frame_assembler import Instant
from streamfit.estimation.estimate import View

MAX_INSTANTS = 32  # as many as tools/replay.py has under way at most
MAX_AGE = 0.5  # s of capture time; no window reaches farther back
MAX_VIEWS = 1024
MAX_TOGETHER = 4
"""Instants that are answered together at most."""
REACH = 0.051
"""s from the instant before them to the last: a fast limb is left behind from farther ahead (docs/notes/fit.md)."""


class Backlog:
    """Instants in order of time; `skipped` counts those that made way unanswered."""

    def __init__(self) -> None:
        self.skipped = 0
        self._instants: deque[Instant] = deque()

    def __len__(self) -> int:
        return len(self._instants)

    def put(self, instant: Instant) -> None:
        """Queue an instant; when there are too many the oldest goes, and leaves its views to the next."""
        self._instants.append(instant)
        if len(self._instants) > MAX_INSTANTS:
            oldest, heir = self._instants.popleft(), self._instants.popleft()
            self._instants.appendleft(replace(heir, views=_joined(oldest, heir)))
            self.skipped += 1

    def take(self) -> list[Instant]:
        """The next instants to answer together; none where none waits."""
        taken: list[Instant] = []
        while self._instants and len(taken) < MAX_TOGETHER and (not taken or _go_together(taken, self._instants[0])):
            taken.append(self._instants.popleft())
        return taken


def _go_together(taken: list[Instant], another: Instant) -> bool:
    gap = another.t - taken[-1].t
    return another.persons == taken[0].persons and 0.0 < gap <= REACH - (another.t - taken[0].t)


def _joined(oldest: Instant, heir: Instant) -> tuple[View, ...]:
    useful = [view for view in oldest.views if abs(heir.t - view.t) <= MAX_AGE]
    return (*useful, *heir.views)[-MAX_VIEWS:]
