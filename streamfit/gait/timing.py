"""When a foot met or left the ground, from its speeds over the last moments.

Foot speeds scale with the swing: at a share of its largest speed that hardly differs between people, a foot has landed
or has left. Two such moments are averaged where both are there: for a foot strike that at which the heel has all but
stopped and that at which the sole begins to slap down, for a foot off that at which the ball has begun to rise and that
at which the toe begins to travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfit.gait.feet import BALL, SOLE, TOE

HEEL_STOPS, SOLE_SLAPS, BALL_RISES, TOE_TRAVELS = 0.12, 0.10, 0.14, 0.10
"""Shares of the swing's largest speed."""
STRIKE_SHIFT, STOP_SHIFT = 0.0095, 0.008
"""s from the mean of the two moments, and from the heel's stop alone, to the foot strike."""
OFF_SHIFT, RISE_SHIFT = 0.0155, 0.033
"""s from the mean of the two moments, and from the ball's rise alone, to the foot off."""
APART = 0.08
"""s that the two moments may be apart."""
UNSURE, JITTER = 0.008, 0.15
"""s, and m/s of the foot's speed, by which moments err."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A foot at one time, relative to the ground: `rate` (P, 3) m/s.

    `effort` is the speed (m/s) of its slowest part, and more where that is high above the floor; `swing` the speed of
    the foot as a whole; `path` (3,) m where its ball is on the ground, as the belt has it.
    """

    t: float
    rate: np.ndarray
    effort: float
    swing: float
    path: np.ndarray


def speeds(rate: np.ndarray) -> np.ndarray:
    """Speeds (...) of rates (..., 3), vertical ones counted half: a landing foot still settles when it has stopped."""
    return np.sqrt(rate[..., 0] ** 2 + rate[..., 2] ** 2 + 0.25 * rate[..., 1] ** 2)


def foot_strike(samples: Sequence[Sample], peak: float) -> tuple[float, float]:
    """Time and its standard deviation (s) of the foot strike that ends a swing of that largest speed (m/s)."""
    t = np.array([s.t for s in samples])
    rate = np.array([s.rate for s in samples])
    speed = speeds(rate[:, SOLE])
    slowest = np.minimum(speed, speeds(rate[:, BALL]))
    stop = _last(t, -slowest, -HEEL_STOPS * peak)
    if stop is None:
        return float(t[-1]), 5 * UNSURE
    slap = _last(t, rate[:, SOLE, 1] - rate[:, BALL, 1], SOLE_SLAPS * peak, near=stop)
    slope = abs(np.gradient(slowest, t)[np.searchsorted(t, stop) - 1]) + 1.0
    sd = float(np.hypot(UNSURE, JITTER / slope))
    if slap is None:
        return stop + STOP_SHIFT, sd
    return 0.5 * (stop + slap) + STRIKE_SHIFT, sd


def foot_off(samples: Sequence[Sample], peak: float) -> tuple[float, float]:
    """Time and its standard deviation (s) of the foot off that begins a swing of about that largest speed (m/s)."""
    t = np.array([s.t for s in samples])
    rate = np.array([s.rate for s in samples])
    ball = np.linalg.norm(rate[:, BALL], axis=1)
    rise = _last(t, ball, BALL_RISES * peak)
    if rise is None:
        return float(t[-1]), 5 * UNSURE
    toe = np.hypot(rate[:, TOE, 0], rate[:, TOE, 2])
    travel = _last(t, toe, TOE_TRAVELS * peak, near=rise)
    slope = abs(np.gradient(ball, t)[np.searchsorted(t, rise) - 1]) + 1.0
    sd = float(np.hypot(UNSURE, JITTER / slope))
    if travel is None:
        return rise + RISE_SHIFT, sd
    return 0.5 * (rise + travel) + OFF_SHIFT, sd


def _last(t: np.ndarray, x: np.ndarray, level: float, near: float | None = None) -> float | None:
    """The last time at which x rises through the level, within APART of `near` where that is given."""
    rises = np.flatnonzero((x[:-1] < level) & (x[1:] >= level))
    times = t[rises] + (level - x[rises]) / (x[rises + 1] - x[rises]) * (t[rises + 1] - t[rises])
    if near is not None:
        times = times[np.abs(times - near) < APART]
    return float(times[-1]) if len(times) else None
