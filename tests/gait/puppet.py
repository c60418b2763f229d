"""A person whose feet are put down where and when a test says: coordinates whose foot events are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from streamfit.demo.posing import PosedPoints
from streamfit.gait import Side
from streamfit.skeleton import Skeleton

RATE = 100.0
"""Poses a second."""
SCALE: dict[str, float] = {}
_SOLE = np.array([(-0.01, -0.01, -0.004), (0.175, -0.01, -0.03), (0.145, -0.01, 0.048)])
"""Places (m) on the right calcaneus: the heel, and the ball's inner and outer edge."""
_LEG = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle")


@dataclass(frozen=True)
class Stance:
    """A foot on the ground from `on` to `off` (s; infinite: before the test, after it) at x, z (m), turned by `heading`
    (rad, left positive)."""

    side: Side
    on: float
    off: float
    x: float
    z: float
    heading: float = 0.0


@dataclass(frozen=True)
class Manner:
    """How feet are put down and lifted: m and rad. Pitches are heel up; a foot lands and leaves at its own."""

    clearance: float = 0.06
    landing: float = np.radians(-18)
    leaving: float = np.radians(45)
    standing: float = 0.0
    hips: float = 0.82


class Event(NamedTuple):
    t: float
    side: Side
    kind: str


@dataclass(frozen=True, eq=False)
class Walk:
    """Coordinates (T, D) at RATE from time 0, and the foot events in order of time."""

    q: np.ndarray
    events: list[Event] = field(default_factory=list)

    @property
    def t(self) -> np.ndarray:
        return np.arange(len(self.q)) / RATE


def walk(skeleton: Skeleton, stances: Sequence[Stance], seconds: float, manner: Manner | None = None) -> Walk:
    """The coordinates of somebody whose feet stand as told."""
    manner = manner or Manner()
    t = np.arange(0.0, seconds, 1.0 / RATE)
    soles = {side: _soles(t, [s for s in stances if s.side == side], manner) for side in ("right", "left")}
    q = _hips(t, soles, stances, manner, skeleton)
    for side, points in soles.items():
        _bend(q, side, points, skeleton)
    events = [
        Event(time, s.side, kind)
        for s in stances
        for time, kind in ((s.on, "foot_strike"), (s.off, "foot_off"))
        if 0.0 < time < seconds
    ]
    return Walk(q, sorted(events))


def _soles(t: np.ndarray, stances: Sequence[Stance], manner: Manner) -> np.ndarray:
    """The sole points (T, 3, 3) of one foot."""
    stances = sorted(stances, key=lambda s: s.on)
    mirror = np.array([1.0, 1.0, 1.0 if stances[0].side == "right" else -1.0])
    sole = _SOLE * mirror
    out = np.zeros((len(t), 3, 3))
    for i, stance in enumerate(stances):
        for now in np.flatnonzero((t >= stance.on) & (t <= stance.off)):
            out[now] = _stood(sole, stance, t[now], manner)
        if i + 1 == len(stances):
            continue
        after = stances[i + 1]
        between = np.flatnonzero((t > stance.off) & (t < after.on))
        u = (t[between] - stance.off) / (after.on - stance.off)
        first, last = _stood(sole, stance, stance.off, manner), _stood(sole, after, after.on, manner)
        pitch = np.interp(u, [0, 0.3, 1], [_pitch(stance, stance.off, manner), 0.3, _pitch(after, after.on, manner)])
        heading = stance.heading + _swing(u) * (after.heading - stance.heading)
        middle = first.mean(0) + _swing(u)[:, None] * (last.mean(0) - first.mean(0))
        middle[:, 1] += manner.clearance * np.sin(np.pi * u) ** 2
        for k, now in enumerate(between):
            turned = _turned(sole, heading[k], pitch[k])
            out[now] = turned - turned.mean(0) + middle[k]
    return out


def _swing(u: np.ndarray) -> np.ndarray:
    """From 0 to 1: off with a push, and stopping shortly before the end as feet do."""
    return np.asarray(u**2 * (3.0 - 2.0 * u))


def _pitch(stance: Stance, now: float, manner: Manner) -> float:
    """Heel up, rad."""
    since, left = now - stance.on, stance.off - now
    pitch = manner.standing
    if np.isfinite(since):
        pitch += (manner.landing - min(manner.standing, 0.0)) * (1.0 - np.clip(since / 0.1, 0, 1)) ** 2
    if np.isfinite(left):
        roll = min(0.25, 0.4 * (stance.off - stance.on)) if np.isfinite(since) else 0.25
        pitch += (manner.leaving - manner.standing) * (1.0 - np.clip(left / roll, 0, 1)) ** 2
    return float(pitch)


def _turned(sole: np.ndarray, heading: float, pitch: float) -> np.ndarray:
    return np.asarray(Rotation.from_euler("YZ", [heading, -pitch]).apply(sole))


def _stood(sole: np.ndarray, stance: Stance, now: float, manner: Manner) -> np.ndarray:
    """The sole points of a foot on the ground: it rolls over its heel, then over its ball, without sliding."""
    flat, turned = _turned(sole, stance.heading, 0.0), _turned(sole, stance.heading, _pitch(stance, now, manner))
    pivot = [0] if turned[0, 1] < turned[1:, 1].mean() else [1, 2]
    fixed = flat[pivot].mean(0) * np.array([1.0, 0.0, 1.0])
    return np.asarray(turned - turned[pivot].mean(0) + fixed + np.array([stance.x, 0.0, stance.z]))


def _hips(
    t: np.ndarray, soles: dict[Side, np.ndarray], stances: Sequence[Stance], manner: Manner, skeleton: Skeleton
) -> np.ndarray:
    """Coordinates with the pelvis above and between the feet, legs straight."""
    q = np.zeros((len(t), len(skeleton.coordinates)))
    middle = np.mean([points.mean(1) for points in soles.values()], axis=0)
    pad = lambda x: gaussian_filter1d(x, 0.12 * RATE, axis=0, mode="nearest")  # noqa: E731
    q[:, 0], q[:, 2] = pad(middle[:, 0]) - 0.02, pad(middle[:, 2])
    q[:, 1] = manner.hips
    along = [np.unwrap(np.arctan2(-d[:, 2], d[:, 0])) for d in (p[:, 1:].mean(1) - p[:, 0] for p in soles.values())]
    q[:, 5] = pad(np.mean(along, axis=0))
    return q


def _bend(q: np.ndarray, side: Side, points: np.ndarray, skeleton: Skeleton) -> None:
    """Bend a leg, in place, so that its sole is at the points (T, 3, 3)."""
    mirror = np.array([1.0, 1.0, 1.0 if side == "right" else -1.0])
    scale = dict.fromkeys(skeleton.groups, 1.0)
    posed = PosedPoints(skeleton, scale, [f"calcn_{side[0]}"] * 3, _SOLE * mirror)
    free = [skeleton.coordinates.index(f"{name}_{side[0]}") for name in _LEG]
    now = np.array([0.2, 0.0, 0.0, 0.4, 0.0, 0.0])
    for row, target in zip(q, points, strict=True):
        for _ in range(6):
            row[free] = now
            at, jacobian = posed.linearised(row)
            a = np.vstack([jacobian[:, :, free].reshape(9, -1), 0.003 * np.eye(6)])
            b = np.concatenate([(target - at).reshape(-1), -0.003 * now])
            now = now + np.clip(np.linalg.lstsq(a, b, rcond=None)[0], -0.3, 0.3)
            now[3] = max(now[3], 0.02)
        row[free] = now


@dataclass(frozen=True, eq=False)
class Seen:
    """A walk as a fit that runs at `rate` (1/s) would know it, with `noise` (rad; m / 5) that lasts for 80 ms."""

    since: float
    spline: CubicSpline

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        return self.spline(t), self.spline(t, 1)


def seen(walk: Walk, noise: float = 0.0, since: float = 0.0, seed: int = 0) -> Seen:
    """The walk through knots every 40 ms, as the live fit has it, and the noise that its coordinates carry."""
    knots = np.arange(0.0, walk.t[-1] + 0.04, 0.04)
    smooth = gaussian_filter1d(walk.q, 0.012 * RATE, axis=0, mode="nearest")
    values = CubicSpline(walk.t, smooth)(np.minimum(knots, walk.t[-1]))
    random = np.random.default_rng(seed).normal(size=values.shape)
    scale = np.where(np.arange(values.shape[1]) < 3, 0.2, 1.0)
    values += noise * scale * gaussian_filter1d(random, 1.0, axis=0) * 1.9
    return Seen(since, CubicSpline(knots, values))
