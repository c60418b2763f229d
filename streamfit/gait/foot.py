"""One foot: whether it is on the ground, and when that changed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamfit.gait import timing
from streamfit.gait.events import Kind
from streamfit.gait.timing import Sample

SLOW, FAST, SURE = 0.25, 0.4, 1.0
"""m/s: a foot slower than this stands; a foot that stands and gets this fast may leave; faster it surely does."""
LANDING = 0.12
"""Share of the swing's largest speed at which a foot lands."""
LONG, FAR = 0.06, 0.03
"""s and m that a foot must be fast and have moved to have left."""
CONFIRM = 0.04
"""s that a foot must be slow to have landed."""
NEAR, REACH = 0.05, 0.1
"""m above its floor up to which a foot may stand, and s: a foot higher by this time its speed is as if that fast."""
SETTLE = 0.08
"""s for which a foot must be slow, or fast, before it is first believed."""
MEMORY = 0.6
"""s of samples that are kept."""

State = Literal["unknown", "ground", "air"]


@dataclass(frozen=True)
class Change:
    """A foot has met or left the ground."""

    kind: Kind
    t: float
    sd_t: float


class Foot:
    """The state of one foot, from samples at a fixed period (s)."""

    def __init__(self, period: float) -> None:
        self.state: State = "unknown"
        self.swing_speed: float | None = None
        """m/s, the largest of the last swing."""
        self.since = -np.inf
        """s, when the state was entered."""
        self._period = period
        self._samples: deque[Sample] = deque(maxlen=round(MEMORY / period))
        self._count = 0
        self._peak = 0.0
        self._left: Sample | None = None

    @property
    def samples(self) -> deque[Sample]:
        return self._samples

    def forget(self) -> None:
        """Nothing is known any more."""
        self.state, self._count, self._peak, self._left = "unknown", 0, 0.0, None
        self._samples.clear()

    def step(self, sample: Sample, swing_speed: float | None) -> Change | None:
        """Take the next sample; `swing_speed` is that of the other foot's last swing, where there was one."""
        self._samples.append(sample)
        if self.state == "ground":
            return self._standing(sample, swing_speed)
        self._peak = max(self._peak, sample.swing)
        if self.state == "air":
            return self._swinging(sample, swing_speed)
        self._unknown(sample)
        return None

    def _unknown(self, sample: Sample) -> None:
        slow, fast = sample.effort < SLOW, sample.effort > 2 * FAST
        self._count = max(self._count, 0) + 1 if slow else min(self._count, 0) - 1 if fast else 0
        if abs(self._count) * self._period >= SETTLE:
            self._enter("ground" if slow else "air", sample.t)

    def _standing(self, sample: Sample, other: float | None) -> Change | None:
        if sample.effort < FAST:
            self._left, self._count = sample, 0
            self._peak = 0.0
            return None
        self._peak = max(self._peak, sample.swing)
        self._count += 1
        if self._left is None:
            self._left = sample
        moved = np.linalg.norm(sample.path - self._left.path)
        sure = sample.effort > SURE or self._count * self._period >= LONG
        if not sure or moved < FAR:
            return None
        reference = max(self._peak / 0.8, self.swing_speed or other or 0.0)
        t, sd = timing.foot_off(list(self._samples), reference)
        peak = self._peak
        self._enter("air", sample.t)
        self._peak = peak
        return Change("foot_off", t, sd)

    def _swinging(self, sample: Sample, other: float | None) -> Change | None:
        landing = float(np.clip(LANDING * self._peak, 0.15, FAST))
        self._count = self._count + 1 if sample.effort < landing or (self._count and sample.effort < FAST) else 0
        if self._count * self._period < CONFIRM:
            return None
        peak = self._peak
        t, sd = timing.foot_strike(list(self._samples), peak)
        self._enter("ground", sample.t)
        self.swing_speed = peak
        return Change("foot_strike", t, sd)

    def _enter(self, state: State, t: float) -> None:
        self.state, self.since, self._count, self._left = state, t, 0, None
        if state == "ground":
            self._peak = 0.0
