"""When a foot met or left the ground, from its speeds over the last moments.

Foot speeds scale with the swing: at shares of its largest speed that hardly differ between people, a foot has all but
stopped, or travels. Other moments need no share: the knee, stretched by the swing, begins to bend again; the foot ends
its turn over the toe. Each is a cue that comes a fixed time before or after the event; the cues are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfit.gait.foot_points import BALL, SOLE, TOE

STOP, STOP_BEFORE, BEND_BEFORE, SETTLED_AFTER = 0.20, 0.024, 0.032, 0.003
"""Share of the swing's largest speed at which a landing foot's slowest part has all but stopped; s by which this comes
before the foot strike, and so does the knee's turn from stretching to bending; s after it at which the toe brakes no
more."""
LEFT, LEFT_BEFORE, TRAVEL, TRAVEL_AFTER, TURNED_AFTER = 0.14, 0.032, 0.30, 0.026, 0.006
"""Shares of the swing's largest speed of a leaving foot's ball, and of its toe's horizontal speed; s by which
the first comes before the foot off, and the second, and the largest braking of its turn over the toe, after it."""
RUN, RUNS, RACES = 0.0085, 1.0, 5.5
"""s by which a foot strike comes earlier, and a foot off later, for each m/s by which the excess of the
feet's speed is above this (m/s), up to that: a runner's foot lands and leaves while it moves."""
SLOW, TURN_BEFORE, PUSH_BEFORE = 3.0, 0.050, 0.024
"""m/s of the swing below which two cues more count, that come s before the foot off: the foot turns fastest heel up,
and the toe's upward acceleration is largest. Who walks slowly lifts the foot long after it has ceased to carry."""
NEAR = 0.07
"""s around a first guess in which another cue is looked for."""
UNSURE, STRIKE_JITTER, OFF_JITTER, DISAGREED = 0.008, 0.25, 0.1, 0.5
"""Standard deviation of an event's time: s, m/s of the foot's speed at it, and a share of that of the cues."""
UNSEEN_STOP, UNSEEN_STOP_BEFORE, UNSEEN_LEFT, UNSEEN_LEFT_BEFORE, UNSEEN_UNSURE = 0.16, 0.006, 0.20, 0.038, 0.020
"""The same of a foot on which there is no keypoint: it stays as it is to the shank, and rolls neither down nor off."""
LEAST = 0.15
"""m/s below which a foot's speed is no cue."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A foot at one time: its points at `place` (P, 3) m move by `rate` (P, 3) m/s relative to the ground.

    `knee` is the rate of its knee's flexion (rad/s); `contact_speed` the speed (m/s) of its slowest part, and more
    where that is high above the floor; `swing` the speed of the foot as a whole; `path` (2, 3) m where its heel and its
    ball are on the ground, as the belt has it.
    """

    t: float
    place: np.ndarray
    rate: np.ndarray
    knee: float
    contact_speed: float
    swing: float
    path: np.ndarray


def speeds(rate: np.ndarray) -> np.ndarray:
    """Speeds (...) of rates (..., 3), vertical ones counted half: a landing foot still settles when it has stopped."""
    return np.sqrt(rate[..., 0] ** 2 + rate[..., 2] ** 2 + 0.25 * rate[..., 1] ** 2)


def foot_strike(samples: Sequence[Sample], peak: float, seen: bool, excess: float) -> tuple[float, float]:
    """Time and its standard deviation (s) of the foot strike that ends a swing of that largest speed (m/s).

    `seen`: whether there are keypoints on the foot; `excess` (m/s): how much faster than who walks the person is.
    """
    t = np.array([s.t for s in samples])
    rate = np.array([s.rate for s in samples])
    slowest = speeds(rate[:, [SOLE, BALL]]).min(1)
    stops = _rises(t, -slowest, -max((STOP if seen else UNSEEN_STOP) * peak, LEAST))
    if not len(stops):
        return float(t[-1]), 5 * UNSURE
    stop = float(stops[-1])
    slope = _slope(t, slowest, stop)
    if not seen:
        return stop + UNSEEN_STOP_BEFORE, float(np.hypot(UNSEEN_UNSURE, STRIKE_JITTER / slope))
    guess = stop + STOP_BEFORE
    bend = _near(_rises(t, np.array([s.knee for s in samples]), 0.0) + BEND_BEFORE, guess)
    settled = _near(_tops(t, np.gradient(np.linalg.norm(rate[:, TOE], axis=1), t)) - SETTLED_AFTER, guess)
    cues = [guess, *bend, *settled]
    sd = np.linalg.norm([UNSURE, STRIKE_JITTER / slope, DISAGREED * float(np.std(cues))])
    return float(np.mean(cues)) - _hurry(excess), float(sd)


def foot_off(
    samples: Sequence[Sample], gone: float, peak: float, seen: bool, excess: float, last: bool
) -> tuple[float, float] | None:
    """Time and its standard deviation (s) of the foot off that begins a swing of about that largest speed (m/s).

    `gone`: when the foot had surely left. None while a cue may still come; `last`: that is not waited for any longer.
    """
    t = np.array([s.t for s in samples])
    rate = np.array([s.rate for s in samples])
    ball = np.linalg.norm(rate[:, BALL], axis=1)
    lefts = _rises(t, ball, max((LEFT if seen else UNSEEN_LEFT) * peak, LEAST))
    if not len(lefts):
        return gone, 5 * UNSURE
    left = _latest(lefts, gone)
    slope = _slope(t, ball, left)
    if not seen:
        return left + UNSEEN_LEFT_BEFORE, float(np.hypot(UNSEEN_UNSURE, OFF_JITTER / slope))
    guess = left + LEFT_BEFORE
    toe = rate[:, TOE]
    travel = _near(_rises(t, np.hypot(toe[:, 0], toe[:, 2]), max(TRAVEL * peak, LEAST)) - TRAVEL_AFTER, guess)
    turn = rate[:, SOLE, 1] - rate[:, BALL, 1]
    turned = _near(_tops(t, -np.gradient(turn, t)) - TURNED_AFTER, guess)
    if not (last or (travel and turned)):
        return None
    cues = [guess, *travel, *turned]
    if peak < SLOW:
        push = np.gradient(toe[:, 1], t)
        cues += [*_near(_tops(t, turn) + TURN_BEFORE, guess), *_near(_tops(t, push) + PUSH_BEFORE, guess)]
    sd = np.linalg.norm([UNSURE, OFF_JITTER / slope, DISAGREED * float(np.std(cues))])
    return float(np.mean(cues)) + _hurry(excess), float(sd)


def _hurry(excess: float) -> float:
    return RUN * max(min(excess, RACES) - RUNS, 0.0)


def _slope(t: np.ndarray, x: np.ndarray, when: float) -> float:
    """How fast x changes at a time between its samples, and 1 at least."""
    return float(abs(np.gradient(x, t)[np.searchsorted(t, when) - 1]) + 1.0)


def _rises(t: np.ndarray, x: np.ndarray, level: float) -> np.ndarray:
    """The times at which x rises through the level."""
    rises = np.flatnonzero((x[:-1] < level) & (x[1:] >= level))
    return np.asarray(t[rises] + (level - x[rises]) / (x[rises + 1] - x[rises]) * (t[rises + 1] - t[rises]))


def _tops(t: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The times at which x is largest, by the parabola through each largest sample and its neighbours."""
    top = np.flatnonzero((x[1:-1] >= x[:-2]) & (x[1:-1] > x[2:])) + 1
    before, here, after = x[top - 1], x[top], x[top + 1]
    return np.asarray(t[top] + 0.5 * (before - after) / (before - 2.0 * here + after) * (t[1] - t[0]))


def _latest(times: np.ndarray, until: float) -> float:
    """The last of the times that is not later, else the first."""
    return float(times[max(int(np.searchsorted(times, until, "right")) - 1, 0)])


def _near(times: np.ndarray, guess: float) -> list[float]:
    """The one of the times that is nearest to the guess, if it is near."""
    times = times[np.abs(times - guess) < NEAR]
    return [float(times[np.argmin(np.abs(times - guess))])] if len(times) else []
