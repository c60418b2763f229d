"""A recording's capture times, made to go on where its clock was set back, and what to say of its jumps.

OpenSim and whatever else reads the files wants times that increase. So what follows a clock that was set back comes
RESUME after what was before it: how long that truly took is not known. A counter of microseconds of 32 bits that begins
again goes on as it was meant. A clock that jumps ahead is left as it is. What lies apart is a segment of its own:
nothing is made for the time between, and no fit, foot event or step reaches across it.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from streamfit.engine.frame_assembler import Instant
from streamfit.recording.sampling import segments

RESUME = 1.0
"""s from the last instant before a clock is set back to the first one after it."""
WRAP = 2**32 * 1e-6
"""s after which a counter of microseconds of 32 bits begins again."""
AGREE = 0.5
"""s by which the arrival of messages may differ from their times where nothing was sent for a while."""
DAY = 86_400.0
MANY = 3
"""Jumps that are said one by one."""


@dataclass(frozen=True)
class Jump:
    """Times as they were sent, s: `before` the last instant, `after` the first one; what follows is taken `moved` s
    later; `passed` s went by on the clock of the recorder."""

    before: float
    after: float
    moved: float
    passed: float

    @property
    def words(self) -> str:
        """The jump in words, for people."""
        step, at = self.after - self.before, f"after t = {self.before:.3f} s"
        if self.moved == WRAP:
            return f"the clock of 32 bits begins again {at}: what follows is taken {WRAP:.6f} s later"
        if step <= 0.0:
            return f"the clock is set back by {-step:.3f} s {at}: what follows is taken {self.moved:.3f} s later"
        if abs(step - self.passed) < AGREE and step < DAY:
            return f"nothing was sent for {step:.3f} s {at}: a new segment begins there"
        return f"the clock jumps ahead by {step:.3f} s {at} ({self.passed:.3f} s passed): a new segment begins there"


@dataclass
class ForwardTimes:
    """Instants as they come, with times that increase; `jumps` when all have come.

    `closes_up`: where the clock jumps ahead too, what follows comes RESUME later, so that nothing is ever long.
    """

    closes_up: bool = False
    _moved: float = 0.0
    _t: list[float] = field(default_factory=list)
    _shift: list[float] = field(default_factory=list)
    _arrival: list[float] = field(default_factory=list)

    def of(self, instant: Instant) -> Instant:
        """The instant, moved if the clock has been set back before it."""
        if self.closes_up and self._t and instant.t + self._moved > self._t[-1] + RESUME:
            self._moved = self._t[-1] + RESUME - instant.t
        if self._t and instant.t + self._moved <= self._t[-1]:
            sent = self._t[-1] - self._moved
            wraps = self._moved == 0.0 and 0.0 < instant.t + WRAP - sent < RESUME
            self._moved = WRAP if wraps else self._t[-1] + RESUME - instant.t
        self._t.append(instant.t + self._moved)
        self._shift.append(self._moved)
        self._arrival.append(instant.arrival)
        if not self._moved:
            return instant
        views = tuple(replace(view, t=view.t + self._moved) for view in instant.views)
        return replace(instant, t=instant.t + self._moved, views=views)

    @property
    def jumps(self) -> list[Jump]:
        """Where the times do not go on."""
        t, shift, arrival = (np.array(x) for x in (self._t, self._shift, self._arrival))
        gaps = {part.start for part in segments(t)[1:]}
        at = sorted(gaps | set((np.flatnonzero(np.diff(shift)) + 1).tolist()))
        return [
            Jump(
                before=float(t[i - 1] - shift[i - 1]),
                after=float(t[i] - shift[i]),
                moved=float(shift[i]) if shift[i] != shift[i - 1] else 0.0,
                passed=float(arrival[i] - arrival[i - 1]),
            )
            for i in at
        ]


def said_of(jumps: list[Jump]) -> list[str]:
    """A line for each jump, the first few."""
    lines = [jump.words for jump in jumps[:MANY]]
    return lines if len(jumps) <= MANY else [*lines, f"and {len(jumps) - MANY} more such jumps"]
