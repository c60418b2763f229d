"""The fits of one session's persons: instants in, answers out, on the one solver thread."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from streamfit.engine import answers
from streamfit.engine.answers import Answer
from streamfit.engine.compile_queue import make_room_for_compilations
from streamfit.engine.frame_assembler import Instant
from streamfit.estimation.estimate import Estimate, Load, View
from streamfit.estimation.live.clock_sync import Clocks
from streamfit.estimation.live.tracker import Tracker
from streamfit.gait import Contacts, FootEvent, Gait, Step
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject

log = logging.getLogger(__name__)
REMEMBERED_INSTANTS = 512  # to know when the instant of a smoothed estimate arrived
SMOOTHING = 0.05  # share of the newest instant in a camera's mean residual


class TrackerFactory(Protocol):
    """What makes the tracker of one person."""

    def __call__(
        self,
        skeleton: Skeleton,
        rig: Rig,
        keypoints: KeypointSet,
        subject: Subject,
        lag: float,
        *,
        clocks: Clocks,
    ) -> Tracker:
        """A tracker that has seen nothing yet."""


@dataclass(frozen=True, eq=False)
class Equipment:
    """What a session is fitted with."""

    skeleton: Skeleton
    rig: Rig
    keypoints: KeypointSet
    subject: Subject


class PersonPipelines:
    """One tracker per person of `session`, made anew when it fails or the session's clock is set back.

    `failures` counts the instants that a person's fit could not answer, `too_late` the views that came after the
    window had left their time; `states` says how each person is followed, `explained` which share of the confident
    points of the last second is within what the noise allows (NaN while nothing is known), `subjects` as whom they were
    introduced last; `rms_px` (C,) is each
    camera's mean residual, px, over `residuals` (C,) instants so far, `exchanged` (C,) the share of its recent views
    that had left and right exchanged; `clocks` are the cameras', which all persons share. Dates the answers with
    `clock` (s, that of the arrivals), gait events with `received`, the largest capture time that has come (s).
    """

    def __init__(
        self,
        session: str,
        equipment: Equipment,
        lag: float,
        tracker_factory: TrackerFactory,
        clock: Callable[[], float],
        received: Callable[[], float],
    ):
        self.failures = 0
        self.too_late = 0
        self.states: dict[str, str] = {}
        self.explained: dict[str, float] = {}
        self.clocks = Clocks(len(equipment.rig.names))
        self.rms_px = np.full(len(equipment.rig.names), np.nan)
        self.residuals = np.zeros(len(equipment.rig.names), int)
        self.exchanged = np.zeros(len(equipment.rig.names))
        self._session, self._equipment, self._lag = session, equipment, lag
        self._tracker_factory, self._clock, self._received = tracker_factory, clock, received
        self._trackers: dict[str, Tracker] = {}
        self._gaits: dict[str, Gait] = {}
        self.subjects: dict[str, Subject] = {}
        self._last_t = float("-inf")
        self._arrivals: dict[float, float] = {}
        self._arrival_order: deque[float] = deque()

    def prepare(self) -> None:
        """Compile everything this session will need; takes seconds the first time."""
        make_room_for_compilations()
        self.recipe()().warm_up()

    def recipe(self, subject: Subject | None = None) -> Callable[[], Tracker]:
        """What makes a tracker, of the session's subject or another; it can be sent to another process."""
        e = self._equipment
        person = subject or e.subject
        return partial(self._tracker_factory, e.skeleton, e.rig, e.keypoints, person, self._lag, clocks=self.clocks)

    def solve(self, instants: Sequence[Instant], load: Load = Load.NORMAL) -> Iterator[list[Answer]]:
        """The answers to instants as they are ready: model, kinematics, bodies; then smoothed, gait, steps.

        The instants are of the same persons and are answered together.
        """
        was_set_back = instants[0].t <= self._last_t
        owed = self.finish() if was_set_back else []
        self._last_t = instants[-1].t
        for instant in instants:
            self._remember_arrival(instant)
        persons = instants[-1].persons
        for person in {*self._trackers, *self.subjects} - set(persons):
            if person in self._trackers:
                owed += self._unsmoothed(person, self._trackers.pop(person))
            self.subjects.pop(person, None)
            self.states.pop(person, None)
            self.explained.pop(person, None)
        yield self._dated(owed)
        for person in persons:
            yield self._dated(self._answer(person, instants, load))
        for person in persons:
            yield self._dated(self._settled(person))

    def finish(self) -> list[Answer]:
        """The smoothed answers, events and steps still owed; the next instant starts anew."""
        owed = [answer for person, tracker in self._trackers.items() for answer in self._unsmoothed(person, tracker)]
        self._trackers.clear()
        self._last_t = float("-inf")
        return self._dated(owed)

    def swap(self, subject: Subject) -> None:
        """Take another frozen subject from the next instant on, and introduce everybody again."""
        self._equipment = replace(self._equipment, subject=subject)
        for tracker in self._trackers.values():
            tracker.swap(subject)
        self._gaits.clear()
        self.subjects.clear()

    def _answer(self, person: str, instants: Sequence[Instant], load: Load) -> list[Answer]:
        done: list[Answer] = []
        try:
            done += self._introduced(person)
            return done + self._solved(person, instants, load)
        except Exception:
            # whatever it is, it is this person's alone: the others and their sessions go on
            self._trackers.pop(person, None)
            self._gaits.pop(person, None)
            if len(instants) == 1:
                self._failed(f"person {person} starts afresh after t = {instants[0].t:.6f} s")
                return done
            before = self.failures
            for one in instants:  # so that no other is lost with the one that can not be answered
                done += self._answer(person, [one], Load.NORMAL) + self._settled(person)
            if self.failures == before:  # each alone could be, but not all at once
                self._failed(f"person {person} starts afresh before t = {instants[-1].t:.6f} s")
            return done

    def _introduced(self, person: str) -> list[Answer]:
        """Who a person is, where that was not said yet or is not so any more; they then have a tracker."""
        known = self.subjects.get(person)
        if person not in self._trackers:
            self._trackers[person] = self.recipe(known)()
        subject = self._trackers[person].subject
        if subject is known:
            return []
        if known is not None:
            self._gaits.pop(person, None)
        self.subjects[person] = subject
        return [self._model(person, subject)]

    def _solved(self, person: str, instants: Sequence[Instant], load: Load) -> list[Answer]:
        seen = [(i.t, [View(v.camera, v.t, v.xyc) for v in i.views if v.person == person]) for i in instants]
        tracker = self._trackers[person]
        too_late = tracker.too_late
        estimates = tracker.answer(seen, load)
        if not all(np.isfinite(e.q).all() and np.isfinite(e.qd).all() for e in estimates):
            raise FloatingPointError("the fit is not finite")
        done = []
        for estimate in estimates:
            contacts = self._contacts(person, estimate)
            done.append(answers.kinematics(self._session, person, estimate, contacts))
            done.append(answers.bodies(self._session, person, estimate))
            self._note_residuals(estimate)
        self.too_late += tracker.too_late - too_late
        self.states[person] = estimates[-1].state
        self.explained[person] = estimates[-1].explained
        self.exchanged = np.mean([tracker.exchanged for tracker in self._trackers.values()], axis=0)
        return done

    def _settled(self, person: str) -> list[Answer]:
        if person not in self._trackers:
            return []
        try:
            tracker = self._trackers[person]
            return self._smoothed(person, tracker.settled()) + self._walk(person, tracker)
        except Exception:
            self._failed(f"person {person} starts afresh: looking back failed")
            self._trackers.pop(person, None)
            self._gaits.pop(person, None)
            return []

    def _walk(self, person: str, tracker: Tracker) -> list[Answer]:
        """What of a person's gait has become certain."""
        gait = self._gait(person)
        course = tracker.course()
        until = self._last_t if course is None else course.until
        return [] if gait is None else self._moves(person, gait.update(until, course))

    def _contacts(self, person: str, estimate: Estimate) -> Contacts | None:
        gait = self._gait(person)
        if gait is None or estimate.state != "lost":
            return None if gait is None else gait.contacts(estimate.q, estimate.qd)
        return Contacts(np.nan, np.nan)

    def _gait(self, person: str) -> Gait | None:
        """That of a person; None where the skeleton has no feet."""
        e = self._equipment
        if person not in self._gaits and Gait.possible(e.skeleton):
            subject = self.subjects.get(person, e.subject)
            places = subject.places(e.skeleton, e.keypoints)
            self._gaits[person] = Gait(e.skeleton, subject.scale, e.keypoints, places)
        return self._gaits.get(person)

    def _moves(self, person: str, found: list[FootEvent | Step]) -> list[Answer]:
        if not found:
            return []
        to_ground, detected = self._equipment.rig.to_ground, max(self._received(), self._last_t)
        return [
            answers.steps(self._session, person, one)
            if isinstance(one, Step)
            else answers.gait(self._session, person, one, detected, to_ground)
            for one in found
        ]

    def _unsmoothed(self, person: str, tracker: Tracker) -> list[Answer]:
        try:
            smoothed = self._smoothed(person, tracker.finish())
            gait = self._gaits.pop(person, None)
            return smoothed if gait is None else smoothed + self._moves(person, gait.finish())
        except Exception:
            self._failed(f"the end of person {person}'s window is lost")
            return []

    def _smoothed(self, person: str, estimates: list[Estimate]) -> list[Answer]:
        return [answers.smoothed(self._session, person, e, self._contacts(person, e), self._lag) for e in estimates]

    def _failed(self, what: str) -> None:
        self.failures += 1
        if self.failures.bit_count() == 1:  # 1, 2, 4, 8 ..: a fit that always fails does not fill the log
            whose = {"session": self._session}
            log.exception("session %s: failure %d: %s", self._session, self.failures, what, extra=whose)

    def _model(self, person: str, subject: Subject) -> Answer:
        e = self._equipment
        return answers.model(self._session, person, e.skeleton, e.rig, e.keypoints, subject)

    def _note_residuals(self, estimate: Estimate) -> None:
        new = estimate.rms_px_camera
        self.residuals += ~np.isnan(new)
        mean = np.where(np.isnan(self.rms_px), new, self.rms_px + SMOOTHING * (new - self.rms_px))
        self.rms_px = np.where(np.isnan(new), self.rms_px, mean)

    def _remember_arrival(self, instant: Instant) -> None:
        self._arrivals[instant.t] = instant.arrival
        self._arrival_order.append(instant.t)
        if len(self._arrival_order) > REMEMBERED_INSTANTS:
            self._arrivals.pop(self._arrival_order.popleft(), None)

    def _dated(self, done: list[Answer]) -> list[Answer]:
        now = self._clock()
        for _, payload in done:
            if "q" in payload and "latency" not in payload:
                payload["latency"] = max(0.0, now - self._arrivals.get(payload["t"], now))
        return done
