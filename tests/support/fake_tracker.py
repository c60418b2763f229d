"""A tracker that answers at once, and does on request what a real one must never do."""

import os
import time
from collections.abc import Sequence

import numpy as np

from streamfit.estimation.estimate import Estimate, Load, View
from streamfit.estimation.live.clock_sync import Clocks
from streamfit.estimation.live.tracker import Sighting
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject

# The x of a view's first point says what to do.
FAIL, NOT_FINITE, SLOW, CLOCKS, HANG = 661.0, 662.0, 663.0, 664.0, 665.0
SLOWNESS = 0.05  # s, of a turn
AHEAD = 0.004  # s, of the first camera's clock
TURNS = 2  # where in q


class FakeTracker:
    """q[0] counts the instants of this tracker and q[2] its turns, q[1] is the number of views; smoothed one instant
    later."""

    def __init__(
        self, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, subject: Subject, lag: float, *, clocks: Clocks
    ) -> None:
        self.skeleton, self.rig, self.keypoints, self.clocks = skeleton, rig, keypoints, clocks
        self.subject = subject
        self.too_late = 0
        self.exchanged = np.zeros(len(rig.names))
        self.instants: list[tuple[float, list[tuple[int, float]]]] = []
        self._unsmoothed: list[Estimate] = []
        self._turns = 0

    def warm_up(self) -> None:
        time.sleep(float(os.environ.get("FAKE_WARM_UP", "0")))

    def answer(self, instants: Sequence[Sighting], load: Load = Load.NORMAL) -> list[Estimate]:
        self._turns += 1
        if any(view.xyc[0, 0] == SLOW for _, views in instants for view in views):
            time.sleep(SLOWNESS)
        return [self._answer(t, views) for t, views in instants]

    def _answer(self, t: float, views: Sequence[View]) -> Estimate:
        if self.instants and t <= self.instants[-1][0]:
            raise ValueError("time runs backwards")
        orders = {view.xyc[0, 0] for view in views}
        if FAIL in orders:
            raise RuntimeError("told to fail")
        if HANG in orders:
            time.sleep(3600)
        if CLOCKS in orders:
            information = np.full(len(self.rig.names), 1e9)
            self.clocks.note(t, information, np.where(np.arange(len(information)) == 0, -AHEAD * information, 0.0))
        self.instants.append((t, [(view.camera, view.t) for view in views]))
        q = np.zeros(len(self.skeleton.coordinates))
        q[0], q[1], q[TURNS] = len(self.instants), len(views), self._turns
        if NOT_FINITE in orders:
            q[0] = np.nan
        bodies, points = len(self.skeleton.bodies), len(self.keypoints.names)
        estimate = Estimate(
            t=t,
            q=q,
            qd=np.zeros_like(q),
            sd=np.ones_like(q),
            rms_px=1.0,
            rms_px_camera=np.ones(len(self.rig.names)),
            views=len(views),
            state="tracking" if views else "coasting",
            position=np.zeros((bodies, 3)),
            quaternion=np.tile([1.0, 0.0, 0.0, 0.0], (bodies, 1)),
            keypoints=np.zeros((points, 3)),
            explained=1.0,
        )
        self._unsmoothed.append(estimate)
        return estimate

    def settled(self) -> list[Estimate]:
        owed, self._unsmoothed = self._unsmoothed[:-1], self._unsmoothed[-1:]
        return owed

    def course(self) -> None:
        """It never knows how anybody has moved."""

    def finish(self) -> list[Estimate]:
        owed, self._unsmoothed = self._unsmoothed, []
        return owed
