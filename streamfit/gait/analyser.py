"""The gait of one person, live: the course of the skeleton in, foot events and steps out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import expit

from streamfit.gait.contact_state import ContactChange, Foot
from streamfit.gait.event_timing import Sample
from streamfit.gait.foot_points import BALL, HEEL, SOLE, TOE, Feet, FeetAt
from streamfit.gait.ground import Floor, TreadmillBelts
from streamfit.gait.spatiotemporal import Steps
from streamfit.gait.types import SIDES, Contacts, FootEvent, Side, Step
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.trajectory import Trajectory

PERIOD = 0.01
"""s between the times at which the feet are looked at, whatever the cameras' rate."""
LAG = 0.06
"""s after which the course is certain enough to look at."""
START = 0.1
"""s after a track's start that are not believed."""
BLIND = 0.15
"""s without a view of the person that are too long to see through: no step goes across."""
CARRIES = 0.1
"""s after which a foot that rests while the other is in the air stands, however high: on a stair."""
RECENT = 1.0
"""s over which it is judged how fast feet seem to move that stand: whatever one does, one of them mostly does."""
REST = 0.15
"""m/s below which a point of a foot is at rest on the ground."""
NEAR, LEAN, REACH = 0.03, 0.3, 0.05
"""m above its floor up to which a part of a foot may stand; more by this share of what the other part is higher: a foot
that is pitched stands on an edge beyond. s: a part higher by this time its speed is as if that fast."""
PARTS = slice(SOLE, BALL + 1)
"""The points that a foot stands on."""
ON, ON_LEAST, SPREAD = 0.25, 0.6, 0.25
"""Share of the last swing's largest speed, and m/s, at which a foot is as likely on the ground as not by the speed of
its slowest part, and the width of the logistic of that speed's logarithm."""
FAINT = 0.02
"""m/s, below which speeds are alike."""


class Gait:
    """Events, steps and contacts of one person. Places are in the y-up ground frame. Not thread-safe."""

    def __init__(
        self, skeleton: Skeleton, scale: Mapping[str, float], keypoints: KeypointSet, places: np.ndarray
    ) -> None:
        """`places` (K, 3): where the keypoints are in their scaled bodies' frames, m."""
        self._feet = Feet(skeleton, scale, keypoints, places)
        self._since = self._begin = -np.inf
        self._forget()

    def _forget(self) -> None:
        self._foot = {side: Foot(PERIOD, seen) for side, seen in zip(SIDES, self._feet.seen, strict=True)}
        self._belts = TreadmillBelts(PERIOD, self._feet.seen)
        self._floor: Floor | None = None
        self._steps = Steps(PERIOD)
        self._path = np.zeros((len(SIDES), 3))
        self._alone = [0.0] * len(SIDES)
        self._slowest: deque[float] = deque(maxlen=round(RECENT / PERIOD))
        self._course: Trajectory | None = None
        self._t = self._next = -np.inf

    @staticmethod
    def possible(skeleton: Skeleton) -> bool:
        """Whether the skeleton has feet as the built-in one has."""
        return Feet.known(skeleton)

    def update(self, t: float, course: Trajectory | None) -> list[FootEvent | Step]:
        """What has become certain by the instant t. None for a course: the person is lost."""
        out: list[FootEvent | Step] = []
        if course is not None and t - course.seen > BLIND:
            self._since, self._begin = course.since, t
            course = None
        if self._course is not None and (course is None or course.since != self._course.since):
            out = self.finish()
        if course is None:
            return out
        if self._course is None:
            # the same track may go on after a while of which nothing is known
            self._next = (self._begin if course.since == self._since else course.since) + START
        self._course, self._t = course, min(t, course.seen)
        return out + self._advance(self._t - LAG)

    def finish(self) -> list[FootEvent | Step]:
        """What is left of the track; the next instant begins another."""
        out = [*self._advance(self._t), *self._left(), *self._steps.finish()]
        self._forget()
        return out

    def contacts(self, q: np.ndarray, qd: np.ndarray) -> Contacts:
        """Probability that each foot is on the ground in the pose q (D,) of now; NaN while the person is lost."""
        if self._course is None:
            return Contacts(np.nan, np.nan)
        feet = self._feet.at(q, qd)
        contact_speed = _contact_speed(_speed(self._relative(feet)), self._heights(feet))
        swings = [foot.swing_speed or 0.0 for foot in self._foot.values()]
        even = max(ON * max(swings), ON_LEAST)
        return Contacts(*(float(x) for x in expit(np.log(even / np.maximum(contact_speed, FAINT)) / SPREAD)))

    def _advance(self, until: float) -> list[FootEvent | Step]:
        out: list[FootEvent | Step] = []
        while self._course is not None and self._next <= until:
            out += self._sample(self._next, self._feet.at(*self._course.at(self._next)))
            self._next += PERIOD
        return out

    def _sample(self, t: float, feet: FeetAt) -> list[FootEvent | Step]:
        out: list[FootEvent | Step] = []
        if self._belts.note(feet):
            out += self._left()
            for foot in self._foot.values():
                foot.forget()
        if self._belts.velocity is None:
            return out
        rate = self._relative(feet)
        speed = _speed(rate)
        self._learn_floor(feet, speed < REST)
        contact_speed = _contact_speed(speed, self._heights(feet))
        self._path += (feet.rate - rate)[:, 0] * PERIOD
        if any(foot.state != "air" for foot in self._foot.values()):
            self._slowest.append(float(contact_speed.min()))
        noise = sorted(self._slowest)[len(self._slowest) // 4] if self._slowest else 0.0
        swing = _speed(0.5 * (rate[:, SOLE] + rate[:, BALL]))
        for i, side in enumerate(SIDES):
            path = feet.place[i] - self._path[i]
            knee = float(feet.knee[i])
            sample = Sample(t, feet.place[i], rate[i], knee, float(contact_speed[i]), float(swing[i]), path[PARTS])
            other = self._foot[SIDES[1 - i]]
            changes = self._foot[side].step(sample, other, noise, self._belts.excess, self._belts.rests[i])
            out += self._events(side, changes)
            self._steps.heel(side, t, path[HEEL])
        return out + list(self._steps.due(t))

    def _left(self) -> list[FootEvent | Step]:
        """The foot offs that wait to be dated better."""
        return [event for side in SIDES for event in self._events(side, self._foot[side].finish())]

    def _events(self, side: Side, changes: Sequence[ContactChange]) -> list[FootEvent | Step]:
        """The events that a foot's changes are; the steps take note of them."""
        out: list[FootEvent | Step] = []
        for change in changes:
            point = HEEL if change.kind == "foot_strike" else TOE
            event = FootEvent(change.kind, side, change.t, change.sd_t, change.place[point].copy())
            self._steps.event(event)
            out.append(event)
        return out

    def _relative(self, feet: FeetAt) -> np.ndarray:
        """Rates (2, P, 3) relative to the ground that moves with the belts, where there are any."""
        belts = self._belts.velocity
        return feet.rate if belts is None else feet.rate - belts[:, None]

    def _heights(self, feet: FeetAt) -> np.ndarray:
        if self._floor is None:
            return np.zeros(feet.place.shape[:2])
        return self._floor.height(feet.place)

    def _learn_floor(self, feet: FeetAt, rest: np.ndarray) -> None:
        if not rest[:, PARTS].any():
            return
        place = feet.place
        if self._floor is not None:
            height = self._floor.height(place)
            below = rest & (height < -NEAR)
            if not (below[:, PARTS].any() or self._carried_higher(rest, height)):
                standing = np.array([self._foot[side].state != "air" for side in SIDES])
                self._floor.rests(place, rest & standing[:, None], PERIOD)
                return
            rest = below if below.any() else rest & (height > NEAR)
        self._floor = Floor(*rest.shape)
        lowest = min((place[i, p] for i, p in zip(*np.nonzero(rest), strict=True)), key=lambda x: float(x[1]))
        self._floor.begin(lowest.copy())

    def _carried_higher(self, rest: np.ndarray, height: np.ndarray) -> bool:
        """Whether a foot that rests above the floor has carried the person for a while, the other being in the air."""
        for i, side in enumerate(SIDES):
            above = rest[i, PARTS].all() and (height[i, PARTS] > NEAR).all()
            other = self._foot[SIDES[1 - i]]
            alone = above and self._foot[side].state != "ground" and other.state == "air"
            self._alone[i] = self._alone[i] + PERIOD if alone else 0.0
        return bool(max(self._alone) > CARRIES)


def _speed(rate: np.ndarray) -> np.ndarray:
    """m/s, of velocities (..., 3)."""
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", rate, rate)))


def _contact_speed(speed: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(2,) m/s: the speed of each foot's slowest part, and more where that is high (m above its floor)."""
    speed, height = speed[:, PARTS], height[:, PARTS]
    near = NEAR + LEAN * (height.max(1, keepdims=True) - height)
    return np.asarray((speed + np.maximum(height - near, 0.0) / REACH).min(1))
