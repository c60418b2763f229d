"""One person's fit and gait: sightings in, answers out, on the solver thread."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

from streamfit.engine import answers
from streamfit.engine.answers import Answer
from streamfit.engine.setup import Setup
from streamfit.estimation.estimate import Estimate, Load, Sighting
from streamfit.estimation.live_solver import ClockEvidence, LiveSolver, LiveState
from streamfit.gait import Contacts, FootEvent, Gait, Step
from streamfit.model.subject import Subject

FAILURES_IN_A_ROW = 3
"""Instants that could not be fitted, after which the person is begun anew."""

S = TypeVar("S", bound=LiveState)


class PersonPipeline(Generic[S]):
    """The fit of `person`; the state of before stays where a step fails, and that instant is answered without views.

    `failed` is told of each.
    """

    def __init__(
        self, session: str, person: str, setup: Setup, lag: float, solver: LiveSolver[S], failed: Callable[[str], None]
    ):
        self.person = person
        self.estimates: list[Estimate] = []
        """Those of the last turn."""
        self._too_late = 0
        self._settled: list[Estimate] = []
        self._evidence: list[ClockEvidence] = []
        self._session, self._setup, self._lag, self._solver, self._failed = session, setup, lag, solver, failed
        self._subject = setup.subject
        self._state = solver.begin(setup.subject)
        self._gait: Gait | None = None
        self._in_a_row = self._left_out = 0
        self._introduced: Subject | None = None

    @property
    def state(self) -> S:
        """What the solver knows of the person."""
        return self._state

    @property
    def too_late(self) -> int:
        """Views so far that came after their time had left the window."""
        return self._too_late + self._state.too_late

    def answer(
        self, instants: Sequence[Sighting], clocks: np.ndarray, load: Load, arrivals: Mapping[float, float]
    ) -> list[Answer]:
        """Who the person is, where that was not said yet; then kinematics and bodies of each instant."""
        self.estimates = []
        done = self._introduction()
        self.estimates = self._measured(instants, clocks, load)
        for estimate in self.estimates:
            contacts, arrival = self._contacts(estimate), arrivals.get(estimate.t, np.inf)
            done.append(answers.kinematics(self._session, self.person, estimate, contacts, arrival))
            done.append(answers.bodies(self._session, self.person, estimate))
        return done

    def settle(self, arrivals: Mapping[float, float], received: float) -> tuple[list[Answer], list[ClockEvidence]]:
        """The answers that come a lag later, gait events and steps, and what the instants told of the clocks.

        `received` is the largest capture time that has come, s.
        """
        self._settle()
        estimates, self._settled = self._settled, []
        evidence, self._evidence = self._evidence, []
        course = self._state.course()
        answered = self.estimates[-1].t if self.estimates else received
        until = answered if course is None else course.until
        gait = self._gait_analysis()
        found = [] if gait is None else self._guarded(lambda: gait.update(until, course))
        return self._smoothed(estimates, arrivals) + self._moves(found, received), evidence

    def finish(self, arrivals: Mapping[float, float], received: float) -> list[Answer]:
        """The answers that are still to come; the next instant starts a track."""
        try:
            self._state, estimates = self._solver.finish(self._state)
            done = self._smoothed(estimates, arrivals)
            return done if self._gait is None else done + self._moves(self._gait.finish(), received)
        except Exception:
            self._failed(f"the end of person {self.person}'s window is lost")
            return []
        finally:
            self._begin_anew()

    def set_subject(self, subject: Subject) -> None:
        """Take another body from the next instant on, and introduce the person again."""
        self._subject = subject
        self._state = self._solver.set_subject(self._state, subject)
        self._gait = self._introduced = None

    def _introduction(self) -> list[Answer]:
        subject = self._state.subject
        if subject is self._introduced:
            return []
        self._introduced, self._gait = subject, None
        return [answers.model(self._session, self.person, self._setup, subject)]

    def _measured(self, instants: Sequence[Sighting], clocks: np.ndarray, load: Load) -> list[Estimate]:
        """The estimates of instants; where they cannot be fitted together, of each by itself."""
        try:
            state, estimates = self._solver.measure(self._state, instants, clocks, load)
            if not all(np.isfinite(e.q).all() and np.isfinite(e.qd).all() for e in estimates):
                raise FloatingPointError("the fit is not finite")
        except Exception:
            if len(instants) == 1:
                return self._unmeasured(instants[0][0], clocks)
            before, estimates = self._left_out, []
            for one in instants:  # so that no other is lost with the one that cannot be fitted
                if estimates:
                    self._settle()
                estimates += self._measured([one], clocks, Load.NORMAL)
            if self._left_out == before:  # each alone could be, but not all at once
                self._failed(f"person {self.person}: fitted one by one before t = {instants[-1][0]:.6f} s")
            return estimates
        self._state, self._in_a_row = state, 0
        return estimates

    def _unmeasured(self, t: float, clocks: np.ndarray) -> list[Estimate]:
        """The answer to an instant whose views cannot be fitted: the track goes on as if there had been none."""
        self._in_a_row += 1
        self._left_out += 1
        self._failed(f"person {self.person}: the views of t = {t:.6f} s are left out")
        if self._in_a_row >= FAILURES_IN_A_ROW:
            self._begin_anew()
        try:
            self._state, estimates = self._solver.measure(self._state, [(t, [])], clocks)
        except Exception:
            self._failed(f"person {self.person} starts afresh after t = {t:.6f} s")
            self._begin_anew()
            return []
        return estimates

    def _settle(self) -> None:
        """Have the solver do what comes behind an answer; `settle` tells what of it is to be told."""
        try:
            self._state, smoothed, evidence = self._solver.settle(self._state)
        except Exception:
            self._failed(f"person {self.person} starts afresh: looking back failed")
            self._begin_anew()
        else:
            self._settled += smoothed
            self._evidence += evidence

    def _begin_anew(self) -> None:
        self._too_late, self._in_a_row, self._gait = self.too_late, 0, None
        self._state = self._solver.begin(self._introduced or self._subject)

    def _gait_analysis(self) -> Gait | None:
        """None where the skeleton has no feet."""
        setup = self._setup
        if self._gait is None and Gait.possible(setup.skeleton):
            subject = self._introduced or self._subject
            places = subject.places(setup.skeleton, setup.keypoints)
            self._gait = Gait(setup.skeleton, subject.scale, setup.keypoints, places)
        return self._gait

    def _contacts(self, estimate: Estimate) -> Contacts | None:
        gait = self._gait_analysis()
        if gait is None:
            return None
        nothing = Contacts(np.nan, np.nan)
        if estimate.state == "lost":
            return nothing
        try:
            return gait.contacts(estimate.q, estimate.qd)
        except Exception:
            self._failed(f"the contacts of person {self.person} at t = {estimate.t:.6f} s are lost")
            self._gait = None
            return nothing

    def _guarded(self, analyse: Callable[[], list[FootEvent | Step]]) -> list[FootEvent | Step]:
        """What gait analysis finds; where that fails it starts afresh, and the fit goes on."""
        try:
            return analyse()
        except Exception:
            self._failed(f"the gait analysis of person {self.person} starts afresh")
            self._gait = None
            return []

    def _moves(self, found: Sequence[FootEvent | Step], received: float) -> list[Answer]:
        to_ground = self._setup.rig.to_ground
        return [
            answers.steps(self._session, self.person, one)
            if isinstance(one, Step)
            else answers.gait(self._session, self.person, one, received, to_ground)
            for one in found
        ]

    def _smoothed(self, estimates: Sequence[Estimate], arrivals: Mapping[float, float]) -> list[Answer]:
        return [
            answers.smoothed(self._session, self.person, e, self._contacts(e), arrivals.get(e.t, np.inf), self._lag)
            for e in estimates
        ]
