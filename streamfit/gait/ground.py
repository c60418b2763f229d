"""The ground that the feet meet: how fast it moves under them, and where it is."""

from __future__ import annotations

from collections import deque

import numpy as np

from streamfit.gait.feet import BALL, SOLE

STEADY = 0.08
"""s for which a foot that stands moves with the ground at one velocity; a swinging one never does."""
_LEVEL, _UNSTEADY = 0.10, 0.07
"""m/s: mean vertical speed, and standard deviation of the horizontal velocity, of a foot that stands flat."""
MOVING = 0.15
"""m/s of a belt; what is slower is the ground at rest."""
_SAME = 0.25
"""m/s within which a velocity is that of the belt so far."""
_MEMORY = 0.3
"""s over which a belt's velocity is averaged."""


class _Belt:
    """The horizontal velocity of the ground under one foot: `mean` (x, z) m/s, None until the foot has stood."""

    def __init__(self, period: float) -> None:
        self.mean: np.ndarray | None = None
        self._period = period
        self._rates: deque[np.ndarray] = deque(maxlen=round(STEADY / period))
        self._otherwise = 0

    def note(self, rate: np.ndarray) -> bool:
        """Take a foot's rates (P, 3), one period after the last; whether the ground proves to move otherwise."""
        self._rates.append(rate[[SOLE, BALL]])
        rates = np.array(self._rates)
        level = np.abs(rates[:, :, 1].mean(0)).max() < _LEVEL
        if len(rates) < STEADY / self._period or not level or rates[:, :, [0, 2]].mean(1).std(0).max() > _UNSTEADY:
            self._otherwise = 0
            return False
        now = rates[:, :, [0, 2]].mean((0, 1))
        if self.mean is not None and np.hypot(*(now - self.mean)) < _SAME:
            self._otherwise = 0
            self.mean = self.mean + (now - self.mean) * self._period / _MEMORY
            return False
        self._otherwise += 1
        if self.mean is not None and self._otherwise < len(rates):
            return False
        self.mean, self._otherwise = now, 0
        return True


class Belts:
    """The horizontal velocity of the ground under both feet: of the floor none, of a treadmill that of its belts."""

    def __init__(self, feet: int, period: float) -> None:
        self._belts = [_Belt(period) for _ in range(feet)]

    def note(self, rate: np.ndarray) -> bool:
        """Take the feet's rates (2, P, 3), one period after the last; whether the ground proves to move otherwise."""
        return bool(np.any([belt.note(foot) for belt, foot in zip(self._belts, rate, strict=True)]))

    @property
    def velocity(self) -> np.ndarray | None:
        """(2, 2) m/s, x and z under each foot; None until one has stood. What two feet hardly differ in is one belt."""
        known = [belt.mean for belt in self._belts if belt.mean is not None]
        if not known:
            return None
        shared = np.mean(known, axis=0)
        if np.hypot(*np.ptp(known, axis=0)) < _SAME:
            return np.tile(shared if np.hypot(*shared) > MOVING else 0.0 * shared, (len(self._belts), 1))
        return np.array(known)


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
        return self._origin is not None

    def begin(self, place: np.ndarray) -> None:
        """Start anew from a point (3,) that rests."""
        count = self._shape[0] * self._shape[1]
        self._origin = place
        self._state = np.zeros(count + 2)
        self._covariance = np.diag([self._OWN**2] * count + [self._SLOPE**2] * 2)

    def height(self, place: np.ndarray) -> np.ndarray:
        """Heights (2, P) of the points (2, P, 3) above where they rest, m."""
        assert self._origin is not None
        away = place - self._origin
        rest = self._state[:-2].reshape(self._shape) + away[..., 0] * self._state[-2] + away[..., 2] * self._state[-1]
        return np.asarray(away[..., 1] - rest)

    def rests(self, place: np.ndarray, points: np.ndarray, seconds: float) -> None:
        """The points (2, P, 3) among which those in `points` (2, P) have rested for another time (s).

        A height that is beyond all expectation is not taken.
        """
        assert self._origin is not None
        count = len(self._state) - 2
        self._covariance[range(count), range(count)] += self._DRIFT**2 * seconds
        noise = self._NOISE**2 * STEADY / seconds
        for index in np.flatnonzero(points):
            away = place.reshape(-1, 3)[index] - self._origin
            row = np.zeros(count + 2)
            row[index], row[-2], row[-1] = 1.0, away[0], away[2]
            gain, error = self._covariance @ row, away[1] - row @ self._state
            if error**2 > self._GATE**2 * (row @ gain + self._NOISE**2):
                continue
            gain /= row @ gain + noise
            self._state = self._state + gain * error
            self._covariance = self._covariance - np.outer(gain, row @ self._covariance)
