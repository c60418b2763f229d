"""The gait in a trajectory that is known as a whole."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline

from streamfit.gait import FootEvent, Gait, Step
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject

GAP = 0.25
"""s between instants that is too long to see through."""


@dataclass(frozen=True, eq=False)
class _Run:
    """A part of the trajectory without gaps, as `Gait` reads it: q (T, D) at t (T,)."""

    t: np.ndarray
    q: np.ndarray

    @property
    def since(self) -> float:
        return float(self.t[0])

    @property
    def until(self) -> float:
        return float(self.t[-1])

    seen = until

    @cached_property
    def _spline(self) -> CubicSpline:
        return CubicSpline(self.t, self.q)

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        return self._spline(t), self._spline(t, 1)


def gait_of(
    t: np.ndarray, q: np.ndarray, skeleton: Skeleton, keypoints: KeypointSet, subject: Subject
) -> list[FootEvent | Step]:
    """Events and steps of coordinates q (T, D) at increasing times t (T,), in the order in which they are found."""
    if not Gait.possible(skeleton):
        return []
    found: list[FootEvent | Step] = []
    gait = Gait(skeleton, subject.scale, keypoints, subject.places(skeleton, keypoints))
    for part in np.split(np.arange(len(t)), np.flatnonzero(np.diff(t) > GAP) + 1):
        if len(part) > 1:
            found += gait.update(float(t[part[-1]]), _Run(t[part], q[part])) + gait.finish()
    return found
