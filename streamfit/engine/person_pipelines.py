"""The fits of one session's persons: instants in, answers out, on the one solver thread."""

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from streamfit.engine.answers import Answer
from streamfit.engine.compile_queue import make_room_for_compilations
from streamfit.engine.frame_assembler import Instant
from streamfit.engine.person_pipeline import PersonPipeline
from streamfit.engine.setup import Setup
from streamfit.engine.snapshot import FitSnapshot
from streamfit.estimation.estimate import Estimate, Load
from streamfit.estimation.live.clock_sync import Clocks, ClockState
from streamfit.estimation.live_solver import SolverFactory
from streamfit.model.subject import Subject

log = logging.getLogger(__name__)
REMEMBERED_INSTANTS = 512  # to know when the instant of a smoothed estimate arrived
SMOOTHING = 0.05  # weight of the newest instant in a camera's mean residual


class PersonPipelines:
    """One pipeline per person of `session`; all share the cameras' clocks.

    `snapshot` is what there is to know of them after the last turn: another thread may read it at any time.
    """

    def __init__(self, session: str, setup: Setup, lag: float, solver: SolverFactory):
        self._session, self._setup, self._lag, self._factory = session, setup, lag, solver
        self._solver = solver(setup.skeleton, setup.rig, setup.keypoints, lag)
        self._clocks = Clocks(len(setup.rig.names))
        self._by_person: dict[str, PersonPipeline[Any]] = {}
        self._residuals = _Residuals(len(setup.rig.names))
        self._failures = self._too_late = 0
        self._last_t = float("-inf")
        self._arrivals: dict[float, float] = {}
        self._arrival_order: deque[float] = deque()
        self.snapshot = self._frozen()

    def prepare(self) -> None:
        """Compile everything this session will need; takes seconds the first time."""
        make_room_for_compilations()
        self._solver.warm_up()

    def recipe(self) -> Callable[[], None]:
        """What compiles the same in another process, to which it can be sent."""
        setup = self._setup
        return partial(_compile, self._factory, setup, self._lag)

    def resume(self, clocks: ClockState) -> None:
        """Go on from the clocks of a session before. Raises ValueError."""
        self._clocks.resume(clocks)
        self.snapshot = self._frozen()

    def solve(self, instants: Sequence[Instant], received: float, load: Load) -> Iterator[list[Answer]]:
        """The answers to instants as they are ready: model, kinematics, bodies; then smoothed, gait, steps.

        The instants are of the same persons and are answered together; `received` is the largest capture time that has
        come, s.
        """
        was_set_back = instants[0].t <= self._last_t
        left = self.finish(received) if was_set_back else []
        self._last_t = instants[-1].t
        received = max(received, self._last_t)
        for instant in instants:
            self._remember_arrival(instant)
        persons = instants[-1].persons
        for person in set(self._by_person) - set(persons):
            gone = self._by_person.pop(person)
            left += gone.finish(self._arrivals, received)
            self._too_late += gone.too_late
        yield left
        for person in persons:
            sightings = [(i.t, [view for view in i.views if view.person == person]) for i in instants]
            yield self._of(person).answer(sightings, self._clocks.applied, load, self._arrivals)
            for estimate in self._by_person[person].estimates:
                self._residuals.note(estimate)
        for person in persons:
            done, evidence = self._by_person[person].settle(self._arrivals, received)
            for one in evidence:
                self._clocks.note(one.t, one.information, one.eta)
            yield done
        self.snapshot = self._frozen()

    def finish(self, received: float) -> list[Answer]:
        """The smoothed answers, events and steps still to come; the next instant starts anew."""
        received = max(received, self._last_t)
        done = [a for one in self._by_person.values() for a in one.finish(self._arrivals, received)]
        self._last_t = float("-inf")
        self.snapshot = self._frozen()
        return done

    def set_subject(self, subject: Subject) -> None:
        """Take another frozen subject from the next instant on, and introduce everybody again."""
        self._setup = replace(self._setup, subject=subject)
        for one in self._by_person.values():
            one.set_subject(subject)

    def _of(self, person: str) -> PersonPipeline[Any]:
        if person not in self._by_person:
            self._by_person[person] = PersonPipeline(
                self._session, person, self._setup, self._lag, self._solver, self._failed
            )
        return self._by_person[person]

    def _frozen(self) -> FitSnapshot:
        tracks = {person: one.state for person, one in self._by_person.items()}
        last = {person: one.estimates[-1] for person, one in self._by_person.items() if one.estimates}
        cameras = len(self._setup.rig.names)
        exchanged = [track.exchanged for track in tracks.values()] or [np.zeros(cameras)]
        return FitSnapshot(
            clocks=self._clocks.reading(),
            rms_px=self._residuals.rms_px.copy(),
            residuals=self._residuals.count.copy(),
            exchanged=exchanged[0] if len(exchanged) == 1 else np.mean(exchanged, axis=0),
            states={person: estimate.state for person, estimate in last.items()},
            explained={person: estimate.explained for person, estimate in last.items()},
            subjects={person: track.subject for person, track in tracks.items()},
            tracks=tracks,
            failures=self._failures,
            too_late=self._too_late + sum(one.too_late for one in self._by_person.values()),
        )

    def _failed(self, what: str) -> None:
        self._failures += 1
        if self._failures.bit_count() == 1:  # 1, 2, 4, 8 ..: a fit that always fails does not fill the log
            whose = {"session": self._session}
            known = sys.exc_info()[0] is not None
            log.error("session %s: failure %d: %s", self._session, self._failures, what, extra=whose, exc_info=known)

    def _remember_arrival(self, instant: Instant) -> None:
        self._arrivals[instant.t] = instant.arrival
        self._arrival_order.append(instant.t)
        if len(self._arrival_order) > REMEMBERED_INSTANTS:
            self._arrivals.pop(self._arrival_order.popleft(), None)


class _Residuals:
    """Each camera's mean residual lately (C,), px, and over how many instants."""

    def __init__(self, cameras: int) -> None:
        self.rms_px = np.full(cameras, np.nan)
        self.count = np.zeros(cameras, int)

    def note(self, estimate: Estimate) -> None:
        new = estimate.rms_px_camera
        self.count += ~np.isnan(new)
        mean = np.where(np.isnan(self.rms_px), new, self.rms_px + SMOOTHING * (new - self.rms_px))
        self.rms_px = np.where(np.isnan(new), self.rms_px, mean)


def _compile(factory: SolverFactory, setup: Setup, lag: float) -> None:
    factory(setup.skeleton, setup.rig, setup.keypoints, lag).warm_up()
