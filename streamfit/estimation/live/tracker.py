"""The window solver: a fixed-lag smoother of one person, by states that can be held in the hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit.estimation.estimate import Estimate, Load, Sighting, View
from streamfit.estimation.init.initial_scale import SizeSearch
from streamfit.estimation.live.clock_sync import Clocks
from streamfit.estimation.live.course import Course
from streamfit.estimation.live.frame_change import keep_regular
from streamfit.estimation.live.lifecycle import begin
from streamfit.estimation.live.measure import measure
from streamfit.estimation.live.settle import finish, linearise, settle
from streamfit.estimation.live.track_state import TrackBuilder, TrackSetup, TrackState
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject


class WindowSolver:
    """A `LiveSolver` of `TrackState`s over a sliding window of control points."""

    def __init__(
        self,
        skeleton: Skeleton,
        rig: Rig,
        keypoints: KeypointSet,
        lag: float = 0.1,
        settings: FitSettings | None = None,
    ) -> None:
        self.setup = TrackSetup(skeleton, rig, keypoints, lag, settings or FitSettings())

    def begin(self, subject: Subject) -> TrackState:
        """The state of a person of whom nothing was seen yet."""
        return TrackState.unseen(self.setup, subject)

    def measure(
        self, state: TrackState, instants: Sequence[Sighting], clocks: np.ndarray, load: Load = Load.NORMAL
    ) -> tuple[TrackState, list[Estimate]]:
        """Answer instants: see `LiveSolver.measure`. Those that wait together are solved for together."""
        builder = TrackBuilder(state)
        answered = measure(builder, instants, clocks, load)
        return builder.state(), answered

    def settle(self, state: TrackState) -> tuple[TrackState, list[Estimate], list[ClockEvidence]]:
        """The smoothed estimates of the instants that have become one lag old, and what was learnt of the clocks."""
        builder = TrackBuilder(state)
        smoothed, evidence = settle(builder), builder.taken_evidence()
        return builder.state(), smoothed, evidence

    def finish(self, state: TrackState) -> tuple[TrackState, list[Estimate]]:
        """The smoothed estimates still to come; the track ends."""
        builder = TrackBuilder(state)
        smoothed = finish(builder)
        return builder.state(), smoothed

    def set_subject(self, state: TrackState, subject: Subject) -> TrackState:
        """Take another body; one of unknown size is soon exchanged for one as large as the person seen."""
        builder = TrackBuilder(state)
        builder.size = SizeSearch(self.setup.skeleton, self.setup.keypoints) if subject.of_unknown_size else None
        builder.set_subject(subject)
        return builder.state()

    def warm_up(self) -> None:
        """Compile everything (seconds, or less from the compilation cache)."""
        setup = self.setup
        builder = TrackBuilder(self.begin(Subject.generic(setup.skeleton, setup.keypoints)))
        seen = np.zeros_like(builder.buffer.seen[0], float)
        builder.model.reinitialiser.pose(seen, setup.skeleton.neutral)
        builder.model.reinitialiser.agreement(seen, setup.skeleton.neutral)
        begin(builder, 0.0, setup.skeleton.neutral)
        clocks = np.zeros(len(setup.rig.cameras))
        for t in (0.01, 0.02):
            measure(builder, [(t, [])], clocks)
            settle(builder)
        keep_regular(builder)
        linearise(builder, setup.unchanged, 0, 0.02)
        setup.window.accept_update(builder.tracking.prior, setup.unchanged)
        finish(builder)


class Tracker:
    """One person, for those who fit a single one by hand: a solver, a state, and the cameras' clocks."""

    def __init__(
        self,
        skeleton: Skeleton,
        rig: Rig,
        keypoints: KeypointSet,
        subject: Subject,
        lag: float = 0.1,
        settings: FitSettings | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self.solver = WindowSolver(skeleton, rig, keypoints, lag, settings)
        self.clocks = clocks or Clocks(len(rig.cameras))
        self.state = self.solver.begin(subject)

    @property
    def subject(self) -> Subject:
        """The body that is fitted."""
        return self.state.subject

    @property
    def exchanged(self) -> np.ndarray:
        """Fraction of each camera's views (C,) of the last seconds that had left and right exchanged."""
        return self.state.exchanged

    @property
    def too_late(self) -> int:
        """Views so far that came after their time had left the window."""
        return self.state.too_late

    def update(self, t: float, views: Sequence[View]) -> tuple[Estimate, list[Estimate]]:
        """Answer the instant `t`; also the earlier instants that are now one lag old, smoothed."""
        return self.answer([(t, views)])[0], self.settle()

    def answer(self, instants: Sequence[Sighting], load: Load = Load.NORMAL) -> list[Estimate]:
        """Answer instants, without lag; `settle` is to be called before the next."""
        self.state, answered = self.solver.measure(self.state, instants, self.clocks.applied, load)
        return answered

    def settle(self) -> list[Estimate]:
        """The smoothed estimates of the instants that have become one lag old."""
        self.state, smoothed, evidence = self.solver.settle(self.state)
        for one in evidence:
            self.clocks.note(one.t, one.information, one.eta)
        return smoothed

    def finish(self) -> list[Estimate]:
        """The smoothed estimates still to come; the track ends."""
        self.state, smoothed = self.solver.finish(self.state)
        return smoothed

    def set_subject(self, subject: Subject) -> None:
        """Take another body from the next instant on."""
        self.state = self.solver.set_subject(self.state, subject)

    def course(self) -> Course | None:
        """The trajectory as it was last looked back at; None while the person is lost."""
        return self.state.course()
