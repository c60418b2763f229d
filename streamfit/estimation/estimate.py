"""Input and output of a tracker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

import numpy as np

USABLE_POINTS = 4
"""Points of some confidence that make a view usable."""
USABLE_CONFIDENCE = 0.2


class Load(Enum):
    """How much waits when instants are answered."""

    NORMAL = "there is time for all that follows an answer"
    BUSY = "there is time for that every few instants"
    OVERLOADED = "others wait behind these"


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """One person in one camera (its index in the rig).

    `t` is the capture time, s; `xyc` (K, 3) px, px and confidence, 0 where a point is missing; `arrival` when it
    reached us, s on the engine's clock, where that is known.
    """

    camera: int
    t: float
    xyc: np.ndarray
    person: str = "0"
    arrival: float = np.nan

    @property
    def usable(self) -> bool:
        """Whether it shows enough of a person to count as a view of them."""
        return int(np.count_nonzero(self.xyc[:, 2] >= USABLE_CONFIDENCE)) >= USABLE_POINTS


Sighting: TypeAlias = tuple[float, Sequence[View]]
"""An instant's time (s) and the views that come with it, each at its own time."""


@dataclass(frozen=True)
class Estimate:
    """The skeleton at one instant. Vectors are in the order of the skeleton's coordinates (rad, m, 1/s)."""

    t: float
    q: np.ndarray
    qd: np.ndarray
    sd: np.ndarray
    rms_px: float
    rms_px_camera: np.ndarray
    views: int
    state: Literal["tracking", "coasting", "lost"]
    """`tracking`, `coasting` or `lost`."""
    position: np.ndarray
    """(B, 3) m, world frame of the cameras."""
    quaternion: np.ndarray
    """(B, 4) w first, body to world."""
    keypoints: np.ndarray
    """(K, 3) m, world frame."""
    explained: float
    """Share of the confident points of the last second that are within what the noise allows; NaN: nothing is known."""


@dataclass
class ViewInterval:
    """What is known of one camera's stream: its last usable view and the usual time between two (s)."""

    last: float = -np.inf
    period: float = 1.0 / 30.0
    seen: int = 0

    def copy(self) -> ViewInterval:
        """Another that knows the same."""
        return ViewInterval(self.last, self.period, self.seen)

    def note(self, t: float) -> float:
        """Note a view; the time since the one before (s), at most 0.1."""
        gap = t - self.last
        if 0.0 < gap < 0.5:
            self.seen += 1
            self.period += (gap - self.period) / min(self.seen, 10)
        self.last = max(self.last, t)
        return min(gap, 0.1) if 0.0 < gap < np.inf else self.period

    def current(self, t: float) -> bool:
        """Whether its last view still stands for the instant t: less than a period ago."""
        return t - self.last < 0.9 * self.period


def robust_rms(error: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Root mean square of errors (R, N) in the plane, from the median of those used: outliers do not count. NaN where
    none is used. The length of a normal deviate in the plane has median 1.177 and root mean square 1.414."""
    count = used.sum(1)
    ordered = np.sort(np.where(used, error, np.inf), 1)
    middle = ordered[np.arange(len(count)), np.maximum(count - 1, 0) // 2]
    return np.where(count > 0, np.sqrt(1.0 / np.log(2.0)) * middle, np.nan)
