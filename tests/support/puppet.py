"""A person whose feet are put down where and when a test says: coordinates whose foot events are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from streamfit.gait import FootEvent, Gait, Side, Step
from streamfit.model import KeypointSet, Skeleton
from streamfit.sim.posing import PosedPoints

RATE = 100.0
"""Poses a second."""
SIDES: tuple[Side, Side] = ("right", "left")
_SOLE = np.array([(-0.01, -0.01, -0.004), (0.175, -0.01, -0.03), (0.145, -0.01, 0.048)])
"""Places (m) on the right calcaneus: the heel, and the ball's inner and outer edge."""
_LEG = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle")


@dataclass(frozen=True)
class Stance:
    """A foot on the ground from `on` to `off` (s; infinite: before the test, after it) at x, z (m), turned by `heading`
    (rad, left positive), `level` (m) high."""

    side: Side
    on: float
    off: float
    x: float
    z: float
    heading: float = 0.0
    level: float = 0.0


@dataclass(frozen=True)
class Manner:
    """How feet are put down and lifted; m, and rad heel up: how a foot swings, lands, stands and leaves."""

    clearance: float = 0.06
    swinging: float = 0.3
    landing: float = np.radians(-18)
    standing: float = 0.0
    leaving: float = np.radians(45)
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

    def on_a_belt(self, speed: float) -> Walk:
        """The same on a treadmill whose belt runs backwards that fast, m/s."""
        q = self.q.copy()
        q[:, 0] -= speed * self.t
        return replace(self, q=q)

    def cut(self, start: float, stop: float) -> Walk:
        """From one time to another."""
        inside = [e._replace(t=e.t - start) for e in self.events if start < e.t < stop]
        return Walk(self.q[round(start * RATE) : round(stop * RATE)], inside)


def paces(
    count: int,
    step: float = 0.55,
    length: float = 0.65,
    width: float = 0.12,
    duty: float = 0.62,
    heading: Callable[[int], float] = lambda k: 0.0,
    rise: float = 0.0,
) -> list[Stance]:
    """Somebody who stands for a second, takes `count` steps (s, m; the first and last half as long), and stands again.
    `duty`: share of the stride that a foot is on the ground; `rise`: m up a step."""
    out, on = [], dict.fromkeys(SIDES, -np.inf)
    at = {side: Stance(side, -np.inf, np.inf, 0.0, sign * width / 2) for side, sign in (("right", 1), ("left", -1))}
    centre = np.zeros(2)
    for k in range(count):
        side, off = SIDES[k % 2], 1.0 + k * step
        out.append(replace(at[side], on=on[side], off=off))
        on[side] = off + 2 * step * (1 - duty)
        turned = heading(k)
        along, across = np.array([np.cos(turned), -np.sin(turned)]), np.array([np.sin(turned), np.cos(turned)])
        centre = centre + length * (0.5 if k in (0, count - 1) else 1.0) * along
        x, z = centre + across * width / 2 * (1 if side == "right" else -1)
        at[side] = Stance(side, on[side], np.inf, x, z, turned, rise * min(k + 1, count - 1))
    return [*out, *(replace(at[side], on=on[side]) for side in SIDES)]


def walk(skeleton: Skeleton, stances: Sequence[Stance], manner: Manner | None = None) -> Walk:
    """The coordinates of somebody whose feet stand as told, until a second after the last event."""
    manner = manner or Manner()
    times = [x for s in stances for x in (s.on, s.off) if np.isfinite(x)]
    seconds = max(times, default=3.0) + 1.0
    t = np.arange(0.0, seconds, 1.0 / RATE)
    soles = {side: _soles(t, [s for s in stances if s.side == side], manner) for side in SIDES}
    q = _hips(t, soles, manner, skeleton)
    for side, points in soles.items():
        _bend(q, side, points, skeleton)
    events = [
        Event(time, s.side, kind)
        for s in stances
        for time, kind in ((s.on, "foot_strike"), (s.off, "foot_off"))
        if np.isfinite(time)
    ]
    return Walk(q, sorted(events))


def _soles(t: np.ndarray, stances: Sequence[Stance], manner: Manner) -> np.ndarray:
    """The sole points (T, 3, 3) of one foot."""
    stances = sorted(stances, key=lambda s: s.on)
    sole = _SOLE * _mirror(stances[0].side)
    out = np.zeros((len(t), 3, 3))
    for stance, after in zip(stances, [*stances[1:], None], strict=True):
        for i in np.flatnonzero((t >= stance.on) & (t <= stance.off)):
            out[i] = _stood(sole, stance, t[i], manner)
        if after is None:
            continue
        between = np.flatnonzero((t > stance.off) & (t < after.on))
        u = (t[between] - stance.off) / (after.on - stance.off)
        share = u**2 * (3.0 - 2.0 * u)
        first, last = _stood(sole, stance, stance.off, manner), _stood(sole, after, after.on, manner)
        ends = _pitch(stance, stance.off, manner), manner.swinging, _pitch(after, after.on, manner)
        pitch = np.interp(u, [0, 0.3, 1], ends)
        heading = stance.heading + share * (after.heading - stance.heading)
        middle = first.mean(0) + share[:, None] * (last.mean(0) - first.mean(0))
        middle[:, 1] += manner.clearance * np.sin(np.pi * u) ** 2
        for i, turn, heel_up, place in zip(between, heading, pitch, middle, strict=True):
            turned = _turned(sole, turn, heel_up)
            out[i] = turned - turned.mean(0) + place
    return out


def _pitch(stance: Stance, now: float, manner: Manner) -> float:
    """Heel up, rad: the foot comes flat in 0.1 s, and rolls off in the last quarter second."""
    pitch = manner.standing
    if np.isfinite(stance.on):
        pitch += (manner.landing - manner.standing) * (1.0 - np.clip((now - stance.on) / 0.1, 0, 1)) ** 2
    if np.isfinite(stance.off):
        roll = min(0.25, 0.4 * (stance.off - stance.on))
        pitch += (manner.leaving - manner.standing) * (1.0 - np.clip((stance.off - now) / roll, 0, 1)) ** 2
    return float(pitch)


def _turned(sole: np.ndarray, heading: float, pitch: float) -> np.ndarray:
    return np.asarray(Rotation.from_euler("YZ", [heading, -pitch]).apply(sole))


def _stood(sole: np.ndarray, stance: Stance, now: float, manner: Manner) -> np.ndarray:
    """The sole points of a foot on the ground: it rolls over its heel, or over its ball, without sliding."""
    flat, turned = _turned(sole, stance.heading, 0.0), _turned(sole, stance.heading, _pitch(stance, now, manner))
    pivot = [0] if turned[0, 1] < turned[1:, 1].mean() else [1, 2]
    fixed = flat[pivot].mean(0) * np.array([1.0, 0.0, 1.0])
    return np.asarray(turned - turned[pivot].mean(0) + fixed + np.array([stance.x, stance.level, stance.z]))


def _hips(t: np.ndarray, soles: dict[Side, np.ndarray], manner: Manner, skeleton: Skeleton) -> np.ndarray:
    """Coordinates with the pelvis above and between the feet, and the legs still straight."""
    q = np.zeros((len(t), len(skeleton.coordinates)))
    middle = gaussian_filter1d(np.mean([p.mean(1) for p in soles.values()], axis=0), 0.12 * RATE, 0, mode="nearest")
    q[:, :3] = middle + np.array([-0.02, manner.hips, 0.0])
    lowest = np.min([p[:, :, 1].min(1) for p in soles.values()], axis=0)
    q[:, 1] = manner.hips + gaussian_filter1d(lowest, 0.12 * RATE, mode="nearest")
    forward = [p[:, 1:].mean(1) - p[:, 0] for p in soles.values()]
    along = np.mean([np.unwrap(np.arctan2(-f[:, 2], f[:, 0])) for f in forward], axis=0)
    q[:, 5] = gaussian_filter1d(along, 0.12 * RATE, mode="nearest")
    return q


def _bend(q: np.ndarray, side: Side, points: np.ndarray, skeleton: Skeleton) -> None:
    """Bend a leg, in place, so that its sole is at the points (T, 3, 3)."""
    scale = dict.fromkeys(skeleton.groups, 1.0)
    posed = PosedPoints(skeleton, scale, [f"calcn_{side[0]}"] * 3, _SOLE * _mirror(side))
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


def _mirror(side: Side) -> np.ndarray:
    return np.array([1.0, 1.0, 1.0 if side == "right" else -1.0])


@dataclass(frozen=True, eq=False)
class Seen:
    """A trajectory as a fit knows it."""

    since: float
    spline: CubicSpline
    seen: float = np.inf

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        return self.spline(t), self.spline(t, 1)


def seen(walk: Walk, noise: float = 0.004, seed: int = 0) -> Seen:
    """The walk through knots every 40 ms, as the live fit has it. `noise`: standard deviation of every angle (rad) and
    five times that of the pelvis' place (m), lasting for some 80 ms; 0.004 is that of eight cameras."""
    knots = np.arange(0.0, walk.t[-1] + 0.04, 0.04)
    smooth = gaussian_filter1d(walk.q, 0.012 * RATE, axis=0, mode="nearest")
    values = CubicSpline(walk.t, smooth)(np.minimum(knots, walk.t[-1]))
    random = gaussian_filter1d(np.random.default_rng(seed).normal(size=values.shape), 1.0, axis=0)
    values += noise * np.where(np.arange(values.shape[1]) < 3, 0.2, 1.0) * random / random.std(0)
    return Seen(0.0, CubicSpline(knots, values))


class Found(NamedTuple):
    """What was answered: each thing with the time of the instant after which it came."""

    events: list[tuple[float, FootEvent]]
    steps: list[tuple[float, Step]]


def gait(skeleton: Skeleton, keypoint_set: str = "halpe26") -> Gait:
    """Of a person as large as the skeleton is drawn."""
    keypoints = KeypointSet.load(keypoint_set)
    return Gait(skeleton, dict.fromkeys(skeleton.groups, 1.0), keypoints, keypoints.positions)


def watch(
    walk: Walk,
    skeleton: Skeleton,
    rate: float = 100.0,
    noise: float = 0.004,
    lost: tuple[float, float] | None = None,
    keypoints: str = "halpe26",
    blind: tuple[float, float] | None = None,
) -> Found:
    """Let a walk be watched at `rate` instants a second, the person being lost or not seen from one time to another."""
    course, analysis = seen(walk, noise), gait(skeleton, keypoints)
    found = Found([], [])

    def note(t: float, things: list[FootEvent | Step]) -> None:
        for thing in things:
            if isinstance(thing, Step):
                found.steps.append((t, thing))
            else:
                found.events.append((t, thing))

    t = 0.0
    for t in np.arange(0.0, walk.t[-1], 1.0 / rate):
        if lost is not None and t >= lost[1]:
            course = replace(course, since=lost[1])
        if blind is not None:
            course = replace(course, seen=blind[0] if blind[0] <= t < blind[1] else t)
        gone = lost is not None and lost[0] <= t < lost[1]
        note(t, analysis.update(t, None if gone else course))
    note(t, analysis.finish())
    return found


def matched(walk: Walk, found: Found) -> tuple[np.ndarray, list[Event], list[FootEvent]]:
    """Errors (s) of the events that were found, those that were missed, and those found that are none."""
    left = [event for _, event in found.events]
    errors, missed = [], []
    for true in walk.events:
        near = [e for e in left if (e.side, e.kind) == true[1:] and abs(e.t - true.t) < 0.25]
        if not near:
            missed.append(true)
            continue
        best = min(near, key=lambda e: abs(e.t - true.t))
        left.remove(best)
        errors.append(best.t - true.t)
    return np.array(errors), missed, left
