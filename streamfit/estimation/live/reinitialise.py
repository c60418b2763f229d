"""A fresh start: a pose from the views of one instant alone, and when a running fit is doubted enough to try one."""

from __future__ import annotations

import numpy as np

from streamfit.estimation.estimate import USABLE_CONFIDENCE, USABLE_POINTS
from streamfit.estimation.init.initial_pose import InitialPose
from streamfit.estimation.init.triangulate import Points, triangulate
from streamfit.estimation.live.sliding_window.window import agreement
from streamfit.estimation.live.sliding_window.window_types import Model
from streamfit.shallow import shallow

DOUBT = 0.25
"""Mean robust weight of the answered instant below which the fit is doubted and a fresh start tried."""
GAIN = 0.1
"""Mean robust weight that a fresh start must gain to be taken."""
RETRY, LONGEST = 0.1, 4.0
"""s of doubt before a fresh start is tried; doubled after each that is no better, up to so many."""


class Reinitialiser:
    """Poses of one subject (`model`, whose cameras look from the ground frame) without any history.

    `sta_sd` (K,), m, is how far keypoints stray from their places on the body.
    """

    def __init__(self, initial: InitialPose, model: Model, sta_sd: np.ndarray) -> None:
        self._initial, self._model, self._sta_sd = initial, model, sta_sd

    def points(self, seen: np.ndarray) -> Points:
        """The keypoints that the views (C, K, 3) of one instant agree on, by themselves."""
        return triangulate(self._model.lenses, seen, self._model.noise)

    def pose(self, seen: np.ndarray, near: np.ndarray, thorough: bool = False) -> tuple[np.ndarray, int]:
        """A pose (D,) for the views (C, K, 3) of one instant, and how many keypoints it rests on.

        The pose `near` (D,) is tried with others, all of them where it is to be `thorough`.
        """
        return self.pose_for(self.points(seen), near, thorough)

    def pose_for(self, points: Points, near: np.ndarray, thorough: bool = False) -> tuple[np.ndarray, int]:
        """The same for what the views agree on."""
        model = self._model
        sd = np.where(points.valid, np.hypot(self._sta_sd, points.sd), np.inf)
        q = self._initial(points.position, sd, model.scale, model.places, near, thorough)
        return np.asarray(q), int(np.sum(points.valid))

    def better(self, seen: np.ndarray, near: np.ndarray, agreed: float) -> np.ndarray | None:
        """A pose (D,) with which the views clearly agree better than with the fit, which has `agreed`; None else."""
        pose, valid = self.pose(seen, near, thorough=True)
        return pose if valid >= USABLE_POINTS and self.agreement(seen, pose) > agreed + GAIN else None

    def agreement(self, seen: np.ndarray, q: np.ndarray) -> float:
        """Mean robust weight of the views (C, K, 3) of one instant at a pose (D,)."""
        return mean_weight(np.asarray(agreement(self._initial.kinematics, self._model, seen, q)), seen)


class ConsistencyMonitor:
    """For how long views and fit have disagreed; `since` when (s), None while they agree or there are no views."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._patience = RETRY

    def copy(self) -> ConsistencyMonitor:
        """Another that knows the same."""
        return shallow(self)

    def tells(self, t: float, agreed: float | None) -> bool:
        """Whether a fresh start is to be tried at t: `agreed` is the mean robust weight, None without views."""
        if agreed is None:
            self.since = None
            return False
        if agreed >= DOUBT:
            self.since, self._patience = None, RETRY
            return False
        self.since = t if self.since is None else self.since
        if t - self.since < self._patience:
            return False
        self.since = t
        return True

    def in_vain(self) -> None:
        """A fresh start was no better: the next is tried later."""
        self._patience = min(2.0 * self._patience, LONGEST)


def mean_weight(weight: np.ndarray, seen: np.ndarray) -> float:
    """Mean of the robust weights (C, K) of the confident points of views (C, K, 3); 1 where there are none."""
    confident = seen[..., 2] >= USABLE_CONFIDENCE
    return float(weight[confident].mean()) if confident.any() else 1.0
