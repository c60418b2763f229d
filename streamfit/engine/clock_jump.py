"""Tells views of the session's running clock from those of a clock that has jumped.

A sender that restarts, or whose clock is set, goes on at other times for good; a single wild time does not.
So a view far off the running times is held back, and one of a camera that was well beyond that time already.
If the running times go on, what was held is dropped, or is late where it is not far off; if five instants in a row
come from the new times and none from the old ones, the new times are the session's.
"""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

BEHIND = 0.5  # s; a view that is later than that helps no window
BACK = 0.1  # s; messages of one camera overtake each other by less
AHEAD = 1.0  # s, more than the time that has passed
CONFIRM = 5
CONFIRM_AT_END = 2  # nothing more will come that could gainsay them
MAX_HELD = 256


class Timed(Protocol):
    """What a camera has sent of some time."""

    @property
    def t(self) -> float:
        """Capture time, s."""

    @property
    def camera(self) -> int:
        """Which camera."""


T = TypeVar("T", bound=Timed)


@dataclass(frozen=True)
class Verdict(Generic[T]):
    """What to do: `use` these in order (starting anew first if `restarted`); `dropped` is lost."""

    use: tuple[T, ...] = ()
    restarted: bool = False
    dropped: tuple[T, ...] = ()


@dataclass
class Timeline(Generic[T]):
    """The running times of one session."""

    latest: float | None = None
    _seen: float = 0.0
    _held: list[T] = field(default_factory=list)
    _own: dict[int, float] = field(default_factory=dict)
    """The latest time of each camera."""

    def runs_on(self, t: float, now: float) -> bool:
        """Whether `t`, arriving `now` (s, any steady clock), is of the running times."""
        if self.latest is None:
            return True
        return -BEHIND <= t - self.latest <= AHEAD + max(0.0, now - self._seen)

    def off(self, t: float, now: float) -> float | None:
        """By how much `t`, arriving `now`, is off the running times, s; None where it is not."""
        if self.latest is None or self.runs_on(t, now):
            return None
        return t - self.latest - max(0.0, now - self._seen)

    def advance(self, t: float, now: float) -> None:
        """The running times have got to `t`."""
        if self.latest is None or t > self.latest:
            self.latest, self._seen = t, now

    def judge(self, view: T, now: float) -> Verdict[T]:
        """What becomes of `view`, arriving `now`, and of those held back before it."""
        if self.runs_on(view.t, now) and view.t >= self._own.get(view.camera, view.t) - BACK:
            late = tuple(held for held in self._held if self.runs_on(held.t, now))
            lost = tuple(held for held in self._held if not self.runs_on(held.t, now))
            self._held = []
            self._go_on(view, now)
            return Verdict((*late, view), dropped=lost)
        dropped: tuple[T, ...] = ()
        scattered = self._held and not -BEHIND <= view.t - self._held[-1].t <= AHEAD
        if scattered or len(self._held) >= MAX_HELD:
            dropped, self._held = tuple(self._held), []
        self._held.append(view)
        if len({held.t for held in self._held}) < CONFIRM:
            return Verdict(dropped=dropped)
        return self._restart(now, dropped)

    def end(self) -> Verdict[T]:
        """What becomes of those held back where no more will come."""
        if len({held.t for held in self._held}) >= CONFIRM_AT_END:
            return self._restart(self._seen, ())
        dropped, self._held = tuple(self._held), []
        return Verdict(dropped=dropped)

    def _restart(self, now: float, dropped: tuple[T, ...]) -> Verdict[T]:
        use, self._held = tuple(self._held), []
        self.latest = None
        self._own.clear()
        for held in use:
            self._go_on(held, now)
        return Verdict(use, restarted=True, dropped=dropped)

    def _go_on(self, view: T, now: float) -> None:
        self.advance(view.t, now)
        self._own[view.camera] = max(view.t, self._own.get(view.camera, view.t))
