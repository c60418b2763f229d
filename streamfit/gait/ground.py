"""The ground that the feet meet: how fast it moves under them, and where it is."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from scipy.linalg.lapack import dposv

from streamfit.gait.foot_points import BALL, SOLE, FeetAt

STEADY = 0.08
"""s for which a foot that stands moves with the ground at one velocity; a swinging one never does."""
_LEVEL, _UNSTEADY = 0.10, 0.07
"""m/s: mean vertical speed, and standard deviation of the horizontal velocity, of a foot that stands flat."""
MOVING = 0.15
"""m/s of a belt; what is slower is the ground at rest."""
_SAME = 0.25
"""m/s within which a velocity is that of the belt so far."""
_WALKS, _PACE, _LOW = 4.0, 0.8, 0.08
"""m/s that a foot's velocities lie apart at most while its person walks, s over which they are compared, and m above
the lowest that a foot then was up to which a runner's foot may be on the ground."""
_LEVEL_RUN, _UNSTEADY_RUN, _SAME_RUN = 0.08, 0.05, 0.15
"""How much more a runner's foot may differ, by the excess of its speed: it never rests."""
_MEMORY = 0.3
"""s over which a belt's velocity is averaged."""


class Largest:
    """The largest of the latest numbers, one each period."""

    def __init__(self, count: int) -> None:
        self._count, self._taken = count, 0
        # falling: what has been followed by a larger number will never be the largest
        self._kept: deque[tuple[int, float]] = deque()

    def with_(self, x: float) -> float:
        """The largest, this number being the latest."""
        kept = self._kept
        while kept and kept[-1][1] <= x:
            kept.pop()
        kept.append((self._taken, x))
        self._taken += 1
        if kept[0][0] < self._taken - self._count:
            kept.popleft()
        return kept[0][1]


class _Belt:
    """The horizontal velocity of the ground under one foot: `mean` (x, z) m/s, None until the foot has stood.

    `now` is that of a foot that moves steadily, as one that stands does; None of any other.
    """

    def __init__(self, period: float, seen: bool) -> None:
        self.mean: np.ndarray | None = None
        self.now: np.ndarray | None = None
        self._period = period
        self._parts = slice(SOLE, BALL + 1) if seen else slice(SOLE, SOLE + 1)
        # of the latest samples: the velocity along x and z, and along y that of each part
        self._recent = np.zeros((round(STEADY / period), 4 if seen else 3))
        self._count = 0
        self._otherwise = 0

    def holds(self, same: float) -> bool:
        """Whether the foot moves as the ground is known to, within so many m/s."""
        return self.mean is not None and self.now is not None and _apart(self.now, self.mean) < same

    def look(self, rate: np.ndarray, excess: float) -> None:
        """Take a foot's rates (P, 3), one period after the last; `excess`: that of a runner's foot that is low."""
        recent, parts = self._recent, rate[self._parts]
        row = recent[self._count % len(recent)]
        row[:2], row[2:] = np.add.reduce(parts[:, ::2]) / len(parts), parts[:, 1]
        self._count += 1
        mean = np.add.reduce(recent) / len(recent)
        steady = self._count >= len(recent) and max(map(abs, mean[2:].tolist())) < _LEVEL + _LEVEL_RUN * excess
        if steady:
            unsteady = _UNSTEADY + _UNSTEADY_RUN * excess
            steady = bool(np.square(recent[:, :2] - mean[:2]).sum(0).max() < unsteady**2 * len(recent))
        self.now = mean[:2] if steady else None

    def learn(self, other: _Belt, same: float) -> None:
        """Let the ground's velocity be that of the foot, once that is sure: while the other foot stands, this one may
        as well be moved."""
        holds = self.holds(same)
        if self.now is None or (not holds and other.now is not None and _apart(other.now, self.now) > same):
            self._otherwise = 0
        elif self.mean is not None and holds:
            self._otherwise = 0
            self.mean = self.mean + (self.now - self.mean) * self._period / _MEMORY
        else:
            self._otherwise += 1
            if self.mean is None or self._otherwise > len(self._recent):
                self.mean, self._otherwise = self.now, 0


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return math.hypot(*(one - other))


def _spread(largest: Sequence[Largest], x: float, z: float) -> float:
    """How far velocities lie apart, this one being the latest."""
    east, north, west, south = (one.with_(v) for one, v in zip(largest, (x, z, -x, -z), strict=True))
    return math.hypot(east + west, north + south)


class TreadmillBelts:
    """The horizontal velocity of the ground under both feet: of the floor none, of a treadmill that of its belts."""

    def __init__(self, period: float, seen: Sequence[bool]) -> None:
        """`seen`: whether there are keypoints on each foot; one without is only known at its ankle."""
        self._belts = [_Belt(period, foot) for foot in seen]
        count = round(_PACE / period)
        # of each foot's velocity along x and z, these reversed, and each foot's depth
        self._paces = [[Largest(count) for _ in range(4)] for _ in seen]
        self._depth = Largest(count)
        self.velocity: np.ndarray | None = None
        """(2, 3) m/s under each foot, along y none; None until one has stood."""
        self.rests = [False] * len(seen)
        """Whether each foot has moved as the ground does for a while."""
        self.excess = 0.0
        """m/s by which the velocities of a foot lie further apart than those of a walker: none but for who runs."""

    def note(self, feet: FeetAt) -> bool:
        """Take the feet, one period after the last; whether the ground proves to move otherwise than was thought."""
        paces = zip(self._paces, feet.rate[:, BALL, ::2].tolist(), strict=True)
        self.excess = max(max(_spread(pace, *velocity) for pace, velocity in paces) - _WALKS, 0.0)
        height = [min(foot) for foot in feet.place[:, SOLE : BALL + 1, 1].tolist()]
        low = _LOW - self._depth.with_(-min(height))
        for belt, foot, lowest in zip(self._belts, feet.rate, height, strict=True):
            belt.look(foot, self.excess if lowest < low else 0.0)
        one, other = self._belts
        same = _SAME + _SAME_RUN * self.excess
        one.learn(other, same)
        other.learn(one, same)
        before, self.velocity = self.velocity, self._known(same)
        self.rests = [belt.holds(same) for belt in self._belts]
        if before is None or self.velocity is None:
            return False
        return max(math.hypot(*change) for change in (self.velocity - before).tolist()) > same

    def _known(self, same: float) -> np.ndarray | None:
        """The belts' velocities; what two feet hardly differ in is one belt."""
        known = [belt.mean for belt in self._belts if belt.mean is not None]
        if not known:
            return None
        if _apart(known[0], known[-1]) < same:
            shared = 0.5 * (known[0] + known[-1])
            known = [shared if math.hypot(*shared) > MOVING else 0.0 * shared] * len(self._belts)
        return np.array([[x, 0.0, z] for x, z in known])


class Floor:
    """The plane that feet rest on, and how high above it each of their points (2, P) does.

    A Kalman filter of each point's height at rest (points err alike from person to person, by shoes and by the angle of
    the foot, so each has its own) and of the plane's two slopes, which they share.
    """

    _OWN, _SLOPE = 0.03, 0.03
    """Standard deviation of a point's height about the others' (m), and of a slope."""
    _NOISE, _DRIFT = 0.006, 0.004
    """m: of a height at rest, and its change in a second."""
    _GATE = 3.0
    """Standard deviations."""

    def __init__(self, feet: int, points: int) -> None:
        self._shape = (feet, points)
        self._origin: np.ndarray | None = None

    @property
    def known(self) -> bool:
        """Whether the floor has been found."""
        return self._origin is not None

    def begin(self, place: np.ndarray) -> None:
        """Start anew from a point (3,) that rests."""
        count = self._shape[0] * self._shape[1]
        self._origin = place
        self._rows = np.eye(count, count + 2)
        self._covariance = np.diag([self._OWN**2] * count + [self._SLOPE**2] * 2)
        self._learn(np.zeros(count + 2))

    def height(self, place: np.ndarray) -> np.ndarray:
        """Heights (2, P) of the points (2, P, 3) above where they rest, m."""
        return np.asarray(place @ self._across - self._rest)

    def _learn(self, state: np.ndarray) -> None:
        """Heights above a plane through the origin, and its slopes along x and z."""
        assert self._origin is not None
        self._state = state
        self._across = np.array([-state[-2], 1.0, -state[-1]])
        self._rest = state[:-2].reshape(self._shape) + self._origin @ self._across

    def rests(self, place: np.ndarray, points: np.ndarray, seconds: float) -> None:
        """The points (2, P, 3) among which those in `points` (2, P) have rested for another time (s).

        A height that is beyond all expectation is not taken.
        """
        assert self._origin is not None
        self._covariance.flat[: -2 * len(self._state) : len(self._state) + 1] += self._DRIFT**2 * seconds
        index = points.ravel().nonzero()[0]
        away = place.reshape(-1, 3).take(index, 0) - self._origin
        rows = self._rows.take(index, 0)
        rows[:, -2:] = away[:, ::2]
        error, spread = away[:, 1] - rows @ self._state, rows @ self._covariance
        found = spread @ rows.T
        taken = np.square(error) <= self._GATE**2 * (found.diagonal() + self._NOISE**2)
        if not taken.all():
            error, spread, found = error[taken], spread[taken], found[np.ix_(taken, taken)]
        if len(error):
            found.flat[:: len(found) + 1] += self._NOISE**2 * STEADY / seconds
            _, gain, failed = dposv(found, spread)
            if failed:
                raise np.linalg.LinAlgError("the heights of resting feet have no covariance any more")
            self._covariance -= spread.T @ gain
            self._learn(self._state + error @ gain)
