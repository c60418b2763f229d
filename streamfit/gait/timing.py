"""When a foot met or left the ground, from its speeds over the last moments.

Foot speeds scale with the swing: at a share of its largest speed that hardly differs between people, a foot has all but
stopped, begins to slap down, rises or travels. Each such moment is a cue that comes a fixed time before or after the
event; those that are there are averaged, and one that is far from the others does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfit.gait.feet import BALL, SOLE, TOE

STOP, SLAP = 0.16, 0.10
"""Shares of the swing's largest speed: of the foot's slowest part as it lands, and of the forefoot's fall against the
heel."""
STOP_BEFORE, SLAP_BEFORE = 0.016, 0.012
"""s by which these come before the foot strike."""
SLAP_WEIGHT = 2 / 3
"""What the slap counts where there is one."""
LEFT, TRAVEL = 0.14, 0.10
"""Shares of the swing's largest speed: of the ball by when a foot is about to have left, and of the toe's horizontal
speed."""
LEFT_BEFORE, TRAVEL_AFTER, TURN_BEFORE, PUSH_BEFORE = 0.032, 0.003, 0.050, 0.024
"""s by which these, the foot's fastest turn heel up and the toe's largest acceleration up come before or after the
foot off."""
APART, WIDTH, AGREED = 0.08, 0.1, 0.03
"""s around a first guess in which another cue is looked for, in which a largest value is, and from the median cue."""
UNSURE, STRIKE_JITTER, OFF_JITTER, DISAGREED = 0.008, 0.25, 0.1, 0.5
"""Standard deviation of an event's time: s, m/s of the foot's speed at it, and a share of that of the cues."""
UNSEEN_STOP_BEFORE, UNSEEN_LEFT, UNSEEN_LEFT_BEFORE, UNSEEN_UNSURE = 0.006, 0.20, 0.038, 0.020
"""The same of a foot on which there is no keypoint: it stays as it is to the shank, and neither slaps nor rolls off."""
LEAST = 0.15
"""m/s below which a foot's speed is no cue."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A foot at one time, relative to the ground: `rate` (P, 3) m/s.

    `effort` is the speed (m/s) of its slowest part, and more where that is high above the floor; `swing` the speed of
    the foot as a whole; `path` (2, 3) m where its heel and its ball are on the ground, as the belt has it.
    """

    t: float
    rate: np.ndarray
    effort: float
    swing: float
    path: np.ndarray


def speeds(rate: np.ndarray) -> np.ndarray:
    """Speeds (...) of rates (..., 3), vertical ones counted half: a landing foot still settles when it has stopped."""
    return np.sqrt(rate[..., 0] ** 2 + rate[..., 2] ** 2 + 0.25 * rate[..., 1] ** 2)


def foot_strike(samples: Sequence[Sample], peak: float, seen: bool) -> tuple[float, float]:
    """Time and its standard deviation (s) of the foot strike that ends a swing of that largest speed (m/s).

    `seen`: whether there are keypoints on the foot.
    """
    t = np.array([s.t for s in samples])
    rate = np.array([s.rate for s in samples])
    slowest = speeds(rate[:, [SOLE, BALL]]).min(1)
    stop = _last(t, -slowest, -max(STOP * peak, LEAST))
    if stop is None:
        return float(t[-1]), 5 * UNSURE
    slope = abs(np.gradient(slowest, t)[np.searchsorted(t, stop) - 1]) + 1.0
    if not seen:
        return stop + UNSEEN_STOP_BEFORE, float(np.hypot(UNSEEN_UNSURE, STRIKE_JITTER / slope))
    fall = rate[:, SOLE, 1] - rate[:, [BALL, TOE], 1].mean(1)
    slap = _last(t, fall, SLAP * peak, near=stop)
    sd = float(np.hypot(UNSURE, STRIKE_JITTER / slope))
    strike = stop + STOP_BEFORE
    if slap is not None:
        strike += SLAP_WEIGHT * (slap + SLAP_BEFORE - strike)
    return strike, sd


def foot_off(samples: Sequence[Sample], peak: float, seen: bool) -> tuple[float, float]:
    """Time and its standard deviation (s) of the foot off that begins a swing of about that largest speed (m/s)."""
    t = np.array([s.t for s in samples])
    rate = np.array([s.rate for s in samples])
    ball = np.linalg.norm(rate[:, BALL], axis=1)
    left = _last(t, ball, max((LEFT if seen else UNSEEN_LEFT) * peak, LEAST))
    if left is None:
        return float(t[-1]), 5 * UNSURE
    slope = abs(np.gradient(ball, t)[np.searchsorted(t, left) - 1]) + 1.0
    if not seen:
        return left + UNSEEN_LEFT_BEFORE, float(np.hypot(UNSEEN_UNSURE, OFF_JITTER / slope))
    guess = left + LEFT_BEFORE
    toe = rate[:, TOE]
    turn = _largest(t, rate[:, SOLE, 1] - rate[:, BALL, 1], guess)
    push = _largest(t, np.gradient(toe[:, 1], t), guess)
    travel = _last(t, np.hypot(toe[:, 0], toe[:, 2]), max(TRAVEL * peak, LEAST), near=guess)
    cues = np.array([turn + TURN_BEFORE, push + PUSH_BEFORE, guess if travel is None else travel - TRAVEL_AFTER])
    agreed = cues[np.abs(cues - np.median(cues)) < AGREED]
    sd = np.linalg.norm([UNSURE, OFF_JITTER / slope, DISAGREED * np.std([*cues, guess])])
    return float(agreed.mean()), float(sd)


def _last(t: np.ndarray, x: np.ndarray, level: float, near: float | None = None) -> float | None:
    """The last time at which x rises through the level, within APART of `near` where that is given."""
    rises = np.flatnonzero((x[:-1] < level) & (x[1:] >= level))
    times = t[rises] + (level - x[rises]) / (x[rises + 1] - x[rises]) * (t[rises + 1] - t[rises])
    if near is not None:
        times = times[np.abs(times - near) < APART]
    return float(times[-1]) if len(times) else None


def _largest(t: np.ndarray, x: np.ndarray, near: float) -> float:
    """When x is largest within WIDTH of a time, by the parabola through its largest samples."""
    top = int(np.argmax(np.where(np.abs(t - near) < WIDTH, x, -np.inf)))
    if not 0 < top < len(x) - 1:
        return float(t[top])
    before, here, after = x[top - 1 : top + 2]
    bend = before - 2.0 * here + after
    return float(t[top] + (0.5 * (before - after) / bend * (t[top + 1] - t[top]) if bend < 0.0 else 0.0))
