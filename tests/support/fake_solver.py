"""A live solver that answers at once, and does on request what a real one must never do."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamfit.estimation.estimate import Estimate, Load, Sighting, View
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject

# The x of a view's first point says what to do.
FAIL, NOT_FINITE, SLOW, CLOCKS, HANG = 661.0, 662.0, 663.0, 664.0, 665.0
SLOWNESS = 0.05  # s, of a turn
AHEAD = 0.004  # s, of the first camera's clock
TURNS = 2  # where in q


@dataclass(frozen=True, eq=False)
class FakeState:
    """It never knows how anybody has moved, only how many instants there were."""

    subject: Subject
    exchanged: np.ndarray
    too_late: int = 0
    instants: int = 0
    turns: int = 0
    last_t: float = -np.inf
    unsmoothed: tuple[Estimate, ...] = ()
    evidence: tuple[ClockEvidence, ...] = ()

    def course(self) -> None:
        """None."""

    def predict(self, t: float) -> None:
        """None."""


class FakeSolver:
    """q[0] counts the instants of a person and q[2] their turns, q[1] is the number of views; smoothed one instant
    later."""

    def __init__(self, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, lag: float) -> None:
        self.skeleton, self.rig, self.keypoints = skeleton, rig, keypoints

    def warm_up(self) -> None:
        time.sleep(float(os.environ.get("FAKE_WARM_UP", "0")))

    def begin(self, subject: Subject) -> FakeState:
        return FakeState(subject, np.zeros(len(self.rig.names)))

    def set_subject(self, state: FakeState, subject: Subject) -> FakeState:
        return replace(state, subject=subject)

    def measure(
        self, state: FakeState, instants: Sequence[Sighting], clocks: np.ndarray, load: Load = Load.NORMAL
    ) -> tuple[FakeState, list[Estimate]]:
        state = replace(state, turns=state.turns + 1)
        if any(view.xyc[0, 0] == SLOW for _, views in instants for view in views):
            time.sleep(SLOWNESS)
        answered = []
        for t, views in instants:
            state, estimate = self._answer(state, t, views)
            answered.append(estimate)
        return state, answered

    def settle(self, state: FakeState) -> tuple[FakeState, list[Estimate], list[ClockEvidence]]:
        *smoothed, last = state.unsmoothed or (None,)
        kept = () if last is None else (last,)
        return replace(state, unsmoothed=kept, evidence=()), smoothed, list(state.evidence)

    def finish(self, state: FakeState) -> tuple[FakeState, list[Estimate]]:
        return replace(state, unsmoothed=()), list(state.unsmoothed)

    def _answer(self, state: FakeState, t: float, views: Sequence[View]) -> tuple[FakeState, Estimate]:
        if t <= state.last_t:
            raise ValueError("time runs backwards")
        orders = {view.xyc[0, 0] for view in views}
        if FAIL in orders:
            raise RuntimeError("told to fail")
        if HANG in orders:
            time.sleep(3600)
        evidence = state.evidence
        if CLOCKS in orders:
            information = np.full(len(self.rig.names), 1e9)
            eta = np.where(np.arange(len(information)) == 0, -AHEAD * information, 0.0)
            evidence = (*evidence, ClockEvidence(t, information, eta))
        q = np.zeros(len(self.skeleton.coordinates))
        q[0], q[1], q[TURNS] = state.instants + 1, len(views), state.turns
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
        unsmoothed = (*state.unsmoothed, estimate)
        after = replace(state, instants=state.instants + 1, last_t=t, unsmoothed=unsmoothed, evidence=evidence)
        return after, estimate
