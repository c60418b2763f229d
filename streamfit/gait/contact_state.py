"""One foot: whether it is on the ground, and when that changed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamfit.gait import event_timing
from streamfit.gait.event_timing import Sample
from streamfit.gait.types import Kind

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
NOISE_RUN, SLOW_RUN, FAR_RUN, FASTEST_RUN = 0.1, 0.1, 0.02, 0.15
"""How much more all this is for who runs, by the excess of the feet's speed; and less, the noise."""
CONFIRM = 0.04
"""s that a foot must be slow to have landed."""
SETTLE, SURELY = 0.08, 2.5
"""s for which a foot must be slow, or this much faster, before it is first believed to stand or to swing."""
AWAITED = 0.08
"""s that cues of a foot off are waited for once the foot has left."""
SWAY = 0.15
"""s over which the place where a foot stands is averaged."""
MEMORY = 0.6
"""s of samples that are kept."""

State = Literal["unknown", "ground", "air"]


@dataclass(frozen=True)
class ContactChange:
    """A foot has met or left the ground; its points were at `place` (P, 3) m then."""

    kind: Kind
    t: float
    sd_t: float
    place: np.ndarray


class Foot:
    """The state of one foot, from samples at a fixed period (s); `seen`: whether there are keypoints on it."""

    def __init__(self, period: float, seen: bool) -> None:
        self.state: State = "unknown"
        self.swing_speed: float | None = None
        """m/s, the largest of the last swing."""
        self._period, self._seen = period, seen
        self._samples: deque[Sample] = deque(maxlen=round(MEMORY / period))
        self._slow, self._far, self._fastest, self._excess = SLOW, FAR, FASTEST, 0.0
        self.forget()

    def forget(self) -> None:
        """Nothing is known any more."""
        self.state = "unknown"
        self._count = 0
        self._peak = 0.0
        self._left: tuple[float, float] | None = None
        self._home: np.ndarray | None = None
        self._samples.clear()

    def step(self, sample: Sample, other: Foot, noise: float, excess: float, rests: bool) -> list[ContactChange]:
        """Take the next sample; `noise` (m/s) is how fast feet at rest seem to move, `excess` how much faster than who
        walks the person is, `rests` whether the foot has moved as the ground does for a while."""
        noise = max(noise - NOISE_RUN * excess, 0.0)
        self._excess = excess
        self._slow = max(SLOW + SLOW_RUN * excess, SLOW_NOISE * noise)
        self._far = max(FAR if self._seen else FAR_UNSEEN, FAR_NOISE * noise) + FAR_RUN * excess
        self._fastest = max(FASTEST + FASTEST_RUN * excess, self._slow)
        self._samples.append(sample)
        self._peak = max(self._peak, sample.swing)
        if self.state == "ground":
            return self._standing(sample, other)
        if self.state == "air":
            return self._swinging(sample)
        slow, fast = sample.contact_speed < self._slow, sample.contact_speed > SURELY * self._slow
        self._count = max(self._count, 0) + 1 if slow else min(self._count, 0) - 1 if fast else 0
        if rests or abs(self._count) * self._period >= SETTLE:
            self._enter("ground" if rests or slow else "air", sample)
        return []

    def finish(self) -> list[ContactChange]:
        """The foot off that waits to be dated better."""
        return self._foot_off(last=True)

    def _standing(self, sample: Sample, other: Foot) -> list[ContactChange]:
        if sample.contact_speed < self._slow:
            self._home = self._home + (sample.path - self._home) * self._period / SWAY
            self._peak = 0.0
            return []
        moved = np.linalg.norm(sample.path - self._home, axis=1).min()
        if moved < self._far or (other.state == "air" and sample.contact_speed < FLYING):
            return []
        usual = self.swing_speed or other.swing_speed
        self._left = (sample.t, usual or self._peak)
        self._enter("air", sample)
        # the swing that has only begun is no measure of speeds to wait for
        return self._foot_off(last=usual is None)

    def _swinging(self, sample: Sample) -> list[ContactChange]:
        left = self._foot_off(last=False)
        slowest = SLOWEST * self._slow
        landing = float(np.clip(LANDING * self._peak, slowest, self._fastest))
        self._count = self._count + 1 if sample.contact_speed < (self._fastest if self._count else landing) else 0
        if self._count * self._period < CONFIRM:
            return left
        left += self._foot_off(last=True)
        self.swing_speed = self._peak
        struck = event_timing.foot_strike(list(self._samples), self._peak, self._seen, self._excess)
        self._enter("ground", sample)
        return [*left, self._change("foot_strike", *struck)]

    def _foot_off(self, last: bool) -> list[ContactChange]:
        """The foot off once all its cues are there, or are waited for no longer."""
        if self._left is None:
            return []
        since, usual = self._left
        samples = list(self._samples)
        last = last or samples[-1].t - since > AWAITED
        off = event_timing.foot_off(samples, since, max(self._peak, usual), self._seen, self._excess, last)
        if off is None:
            return []
        self._left = None
        return [self._change("foot_off", *off)]

    def _change(self, kind: Kind, t: float, sd_t: float) -> ContactChange:
        nearest = min(self._samples, key=lambda sample: abs(sample.t - t))
        return ContactChange(kind, t, sd_t, nearest.place)

    def _enter(self, state: State, sample: Sample) -> None:
        self.state, self._count = state, 0
        if state == "ground":
            self._home, self._peak = sample.path, 0.0
