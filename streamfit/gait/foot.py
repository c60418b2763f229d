"""One foot: whether it is on the ground, and when that changed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamfit.gait import timing
from streamfit.gait.events import Kind
from streamfit.gait.timing import Sample

SLOW, SLOW_NOISE = 0.25, 3.0
"""m/s, and times the speed of feet at rest, below which a foot's slowest part stands."""
FAR, FAR_NOISE = 0.035, 0.7
"""m, and s times the speed of feet at rest, by which all of a foot must have moved to have left."""
FAR_UNSEEN = 0.09
"""m for a foot without keypoints: it is rigid to the shank, and moves before it leaves."""
FLYING = 1.0
"""m/s above which a foot may leave while the other is in the air: only who runs has both there."""
LANDING, SLOWEST, FASTEST = 0.12, 0.8, 0.4
"""Share of the swing's largest speed below which a foot has landed, but for its bounds: of SLOW, and m/s."""
CONFIRM = 0.04
"""s that a foot must be slow to have landed."""
SETTLE, SURELY = 0.08, 2.5
"""s for which a foot must be slow, or this much faster, before it is first believed to stand or to swing."""
SWAY = 0.15
"""s over which the place where a foot stands is averaged."""
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
    """The state of one foot, from samples at a fixed period (s); `seen`: whether there are keypoints on it."""

    def __init__(self, period: float, seen: bool) -> None:
        self.state: State = "unknown"
        self.swing_speed: float | None = None
        """m/s, the largest of the last swing."""
        self._period, self._seen = period, seen
        self._samples: deque[Sample] = deque(maxlen=round(MEMORY / period))
        self._slow, self._far = SLOW, FAR
        self.forget()

    def forget(self) -> None:
        """Nothing is known any more."""
        self.state = "unknown"
        self._count = 0
        self._peak = 0.0
        self._home: np.ndarray | None = None
        self._samples.clear()

    def step(self, sample: Sample, other: Foot, noise: float) -> Change | None:
        """Take the next sample; `noise` (m/s) is how fast feet at rest seem to move."""
        self._slow = max(SLOW, SLOW_NOISE * noise)
        self._far = max(FAR if self._seen else FAR_UNSEEN, FAR_NOISE * noise)
        self._samples.append(sample)
        self._peak = max(self._peak, sample.swing)
        if self.state == "ground":
            return self._standing(sample, other)
        if self.state == "air":
            return self._swinging(sample)
        slow, fast = sample.effort < self._slow, sample.effort > SURELY * self._slow
        self._count = max(self._count, 0) + 1 if slow else min(self._count, 0) - 1 if fast else 0
        if abs(self._count) * self._period >= SETTLE:
            self._enter("ground" if slow else "air", sample)
        return None

    def _standing(self, sample: Sample, other: Foot) -> Change | None:
        if sample.effort < self._slow:
            self._home = self._home + (sample.path - self._home) * self._period / SWAY
            self._peak = 0.0
            return None
        moved = np.linalg.norm(sample.path - self._home, axis=1).min()
        if moved < self._far or (other.state == "air" and sample.effort < FLYING):
            return None
        usual = self.swing_speed or other.swing_speed or 0.0
        change = Change("foot_off", *timing.foot_off(list(self._samples), max(self._peak, usual), self._seen))
        self._enter("air", sample)
        return change

    def _swinging(self, sample: Sample) -> Change | None:
        slowest, fastest = SLOWEST * self._slow, max(FASTEST, self._slow)
        landing = float(np.clip(LANDING * self._peak, slowest, fastest))
        self._count = self._count + 1 if sample.effort < (fastest if self._count else landing) else 0
        if self._count * self._period < CONFIRM:
            return None
        self.swing_speed = self._peak
        change = Change("foot_strike", *timing.foot_strike(list(self._samples), self._peak, self._seen))
        self._enter("ground", sample)
        return change

    def _enter(self, state: State, sample: Sample) -> None:
        self.state, self._count = state, 0
        if state == "ground":
            self._home, self._peak = sample.path, 0.0
