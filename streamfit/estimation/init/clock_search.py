"""Finds by how much the clocks of cameras differ that nobody has started together, from the person alone.

For a pair of cameras and a shift between their clocks, the keypoints of one picture lie on the epipolar lines of the
other camera's, interpolated to that moment, where the shift is right (Sampson's distance: Hartley & Zisserman,
Multiple View Geometry, 11.4.3). Each pair gives the mean robust distance against the shift, by blocks of time. Cameras
are put together one by one, first the pair that is surest, each where it agrees best with those before it; then each
is looked at again until none moves. A calibration that is off raises the whole curve and leaves its dip where it is.
Leaving out one block after the other says how well a clock is known (jackknife).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Protocol

import jax
import numpy as np

from streamfit.model.camera import Lenses, Rig, rays

LARGEST = 3.3
"""s between the starts of two cameras that are looked for."""
COARSE, FINE = 1.0 / 30.0, 0.004
"""s between the shifts that are tried: people move little in the first; about what was found so, in the second."""
WITHIN = 0.1
"""s about what was found that are looked at finely, and nearer than which two dips of a curve are one."""
BLOCKS = 8
ROWS, FINE_ROWS = 64, 160
"""Pictures of a pair's first camera that are compared, at most."""
POINTS = 20
"""Keypoints that are compared, at most: those that move most."""
LONGEST = 120.0
"""s of a recording that are looked at."""
CONFIDENT = 0.3
NEAR = 0.1
"""s between two pictures of a camera between which a keypoint is interpolated."""
OVERLAP = 0.25
"""Least share of a pair's points that must find others at a shift."""
LEAST = 4.0
"""px at 2048 wide: distances that are not told apart."""
TELLS, HINTS, SEEN_IN = 0.4, 0.25, 4
"""Share of its usual height by which a curve must dip to tell anything; or by which it must where that many of the
blocks dip too. Where people stand, dips of up to 0.35 come by chance, in one block at most."""
CLEAR = 0.1
"""Share of the dip by which the second best shift, or none at all, must be worse."""
KNOWN = 0.01
"""s: largest standard deviation of a clock that is said to be known."""
TOGETHER, APART = 0.015, 0.035
"""s within which cameras run together as far as can be told, and from which on they were not started together: less is
found by the fits themselves. (One camera of AIST++'s two takes is 26 ms off in both.)"""
MISTAKEN, SURELY = 0.4, 0.2
"""Share of what a calibration that is off can be mistaken for, above which a shift is one; and s, above which it is.
A rig that was moved by 0.5 degree and 15 mm per camera looks like shifts of up to 0.06 s, 0.2 of that."""

Said = Literal["together", "off", "unclear", "unknown"]


class Seen(Protocol):
    """One person in one camera (its index in the rig): `t` s, `xyc` (K, 3)."""

    @property
    def camera(self) -> int:
        """Index of the camera."""

    @property
    def t(self) -> float:
        """Capture time, s."""

    @property
    def xyc(self) -> np.ndarray:
        """Keypoints (K, 3): x px, y px, confidence."""


@dataclass(frozen=True, eq=False)
class Clock:
    """What is known of one camera's clock: `seconds` to add to its capture times, with its standard deviation.

    `off`: its times differ from the others'. `unclear`: they do, but several shifts explain its views alike.
    `unknown`: its views do not tell.
    """

    said: Said
    seconds: float = 0.0
    sd: float = np.inf


@dataclass(frozen=True, eq=False)
class Track:
    """What one camera saw: `t` (N,) s increasing, `xy` (N, K, 2) undistorted, at depth 1, NaN where not seen."""

    t: np.ndarray
    xy: np.ndarray


@dataclass(frozen=True, eq=False)
class Curve:
    """Of a pair: sums and counts (S, B) of robust distances at each shift (S,) of the second's clock, by block."""

    shifts: np.ndarray
    total: np.ndarray
    count: np.ndarray
    median: np.ndarray
    """(S,) px at 2048 wide."""

    def mistaken(self, shift: float) -> float:
        """s by which a calibration that is off as far as this pair's shift leaves it may seem to move a clock."""
        near = (np.abs(self.shifts - shift) < WITHIN + 0.5 * COARSE) & np.isfinite(self.median)
        if not near.any():
            return float("inf")
        here = np.interp(shift, self.shifts[near], self.median[near])
        return float(here / max((np.median(self.median[near]) - here) / (WITHIN / 2), 1e-9))

    def at(self, shifts: np.ndarray, blocks: Sequence[int] = range(BLOCKS)) -> tuple[np.ndarray, np.ndarray]:
        """Sum and count of some blocks at other shifts, on straight lines; beyond the ends none."""
        sums = (x[:, list(blocks)].sum(1) for x in (self.total, self.count))
        total, count = (np.interp(shifts, self.shifts, x, left=0.0, right=0.0) for x in sums)
        return total, count


def clocks_of(rig: Rig, views: Sequence[Seen]) -> dict[str, Clock]:
    """The clocks of those cameras of `rig` that saw something, from all views of a recording of one person.

    The cameras that most agree keep their times; where none do, the first does.
    """
    tracks = _tracks(rig, views)
    clocks = {rig.names[camera]: Clock("unknown") for camera in tracks}
    if len(tracks) < 2:
        return clocks
    coarse = _curves(rig, tracks, {camera: 0.0 for camera in tracks}, LARGEST, COARSE, ROWS)
    placed, said = _put_together(coarse, list(tracks))
    if 2 * len(placed) < len(tracks):  # where somebody moves most cameras tell: these few have told by chance
        return clocks
    if not any(placed[camera] - placed[min(placed)] for camera in placed):
        return clocks | {rig.names[camera]: Clock("together") for camera in placed}
    fine = _curves(rig, {c: tracks[c] for c in placed}, placed, WITHIN, FINE, FINE_ROWS)
    seconds = _refined(fine, placed)
    together = [camera for camera in seconds if abs(seconds[camera] - _gauge(seconds)) < TOGETHER]
    gauge = np.mean([seconds[camera] for camera in together])
    without = [_refined(fine, placed, block) for block in range(BLOCKS)]
    moved = [np.mean([one[camera] for camera in together]) - gauge for one in without]
    for camera, own in seconds.items():
        spread = np.array([one[camera] - own for one in without]) - moved
        sd = float(np.sqrt((BLOCKS - 1) / BLOCKS * (spread**2).sum()))
        clocks[rig.names[camera]] = Clock(said[camera], float(own - gauge), sd)
    return _judged(rig, coarse, clocks, seconds)


def _tracks(rig: Rig, views: Sequence[Seen]) -> dict[int, Track]:
    """Those of the cameras with enough pictures, each picture once."""
    first = min((view.t for view in views), default=0.0)
    own: dict[int, dict[float, np.ndarray]] = {}
    for view in views:
        if view.t <= first + LONGEST:
            own.setdefault(view.camera, {})[view.t] = view.xyc
    own = {camera: own[camera] for camera in sorted(own) if len(own[camera]) > BLOCKS}
    if not own:
        return {}
    seen = np.full((len(own), max(map(len, own.values())), *views[0].xyc.shape), np.nan)
    times = [np.array(sorted(pictures)) for pictures in own.values()]
    for row, (t, pictures) in enumerate(zip(times, own.values(), strict=True)):
        seen[row, : len(t)] = [pictures[at] for at in t]
    there = (seen[..., 2] >= CONFIDENT) & np.isfinite(seen).all(-1)
    lens = Lenses(*(np.asarray(x)[list(own)] for x in rig.lenses()))
    pixels = np.where(there[..., None], seen[..., :2], np.asarray(lens.centre)[:, None, None])
    flat = np.where(there[..., None], np.asarray(_undistorted(lens, pixels)), np.nan).astype(np.float32)
    return {camera: Track(t, xy[: len(t)]) for camera, t, xy in zip(own, times, flat, strict=True)}


@jax.jit
@jax.vmap
def _undistorted(lens: Lenses, pixels: jax.Array) -> jax.Array:
    """Pixels of one camera at depth 1."""
    ahead = rays(lens, pixels)
    return ahead[..., :2] / jax.numpy.maximum(ahead[..., 2:], 0.1)


def _curves(
    rig: Rig, tracks: Mapping[int, Track], about: Mapping[int, float], within: float, step: float, pictures: int
) -> dict[tuple[int, int], Curve]:
    """Of every pair, about the difference of their clocks."""
    around = np.arange(-round(within / step), round(within / step) + 1) * step
    return {
        (a, b): curve(rig, (a, b), tracks, about[b] - about[a] + around, pictures) for a, b in combinations(tracks, 2)
    }


def _mean(
    curves: Mapping[tuple[int, int], Curve],
    camera: int,
    placed: Mapping[int, float],
    tried: np.ndarray,
    blocks: Sequence[int] = range(BLOCKS),
) -> np.ndarray:
    """Mean robust distance (S,) of a camera to those placed at each clock that is tried (S,); NaN where none tells."""
    total, count = np.zeros(len(tried)), np.zeros(len(tried))
    for other, seconds in placed.items():
        if other == camera:
            continue
        pair = (other, camera) if (other, camera) in curves else (camera, other)
        shifts = tried - seconds if pair[0] == other else seconds - tried
        for whole, part in zip((total, count), curves[pair].at(shifts, blocks), strict=True):
            whole += part
    least = 0.25 * count.max(initial=0.0)  # a few pictures at the end of a shift may agree by chance
    return np.where(count > least, total / np.maximum(count, 1.0), np.nan)


@dataclass(frozen=True)
class _Dip:
    """The best of the clocks tried, whether it tells anything, and by which share of the dip the next best is worse."""

    seconds: float
    tells: bool
    margin: float


def _dip(curves: Mapping[tuple[int, int], Curve], camera: int, placed: Mapping[int, float], tried: np.ndarray) -> _Dip:
    mean = _mean(curves, camera, placed, tried)
    if not np.isfinite(mean).any():
        return _Dip(0.0, False, 0.0)
    best, usual = int(np.nanargmin(mean)), float(np.nanmedian(mean))
    depth = usual - float(mean[best])
    elsewhere = mean[np.abs(tried - tried[best]) > WITHIN]
    second = float(np.nanmin(elsewhere)) if np.isfinite(elsewhere).any() else float(mean[best])
    tells = depth > TELLS * usual
    if not tells and depth > HINTS * usual:
        each = [_mean(curves, camera, placed, tried, [block]) for block in range(BLOCKS)]
        dips = [float(np.nanmedian(own)) - own[best] for own in each if np.isfinite(own[best])]
        tells = sum(own > 0.5 * depth for own in dips) >= SEEN_IN
    return _Dip(float(tried[best]), tells, (second - float(mean[best])) / max(depth, 1e-9))


def _put_together(
    curves: Mapping[tuple[int, int], Curve], cameras: Sequence[int]
) -> tuple[dict[int, float], dict[int, Said]]:
    """The cameras whose clocks can be told, with them (s, the first one's 0), and what is said of each."""
    tried = np.arange(-round(2 * LARGEST / COARSE), round(2 * LARGEST / COARSE) + 1) * COARSE
    pairs = {pair: _dip(curves, pair[1], {pair[0]: 0.0}, tried) for pair in curves}
    telling = {pair: dip for pair, dip in pairs.items() if dip.tells}
    if not telling:
        return {}, {}
    first = max(telling, key=lambda pair: telling[pair].margin)
    placed = {first[0]: 0.0, first[1]: telling[first].seconds}
    said: dict[int, Said] = dict.fromkeys(first, "together" if telling[first].margin > CLEAR else "unclear")
    while left := [camera for camera in cameras if camera not in placed]:
        dips = {camera: _dip(curves, camera, placed, tried) for camera in left}
        surest = max(left, key=lambda camera: (dips[camera].tells, dips[camera].margin))
        if not dips[surest].tells:
            break
        placed[surest] = dips[surest].seconds
        said[surest] = "together"
    for _ in range(len(placed)):
        before = dict(placed)
        for camera in list(placed)[1:]:
            dip = _dip(curves, camera, placed, tried)
            placed[camera] = dip.seconds
            said[camera] = "together" if dip.margin > CLEAR else "unclear"
        if placed == before:
            break
    return placed, said


def _refined(
    curves: Mapping[tuple[int, int], Curve], placed: Mapping[int, float], left_out: int | None = None
) -> dict[int, float]:
    """The clocks to the millisecond, each where it agrees best with all others."""
    now, kept = dict(placed), [block for block in range(BLOCKS) if block != left_out]
    around = np.arange(-80, 81) * 1e-3
    for _ in range(4):
        for camera in list(now)[1:]:
            mean = _mean(curves, camera, now, placed[camera] + around, kept)
            if np.isfinite(mean).any():
                now[camera] = placed[camera] + _vertex(around, mean)
    return now


def _vertex(x: np.ndarray, y: np.ndarray) -> float:
    """Where a parabola through the surroundings of the least y has its vertex."""
    best = int(np.nanargmin(y))
    near = (np.abs(x - x[best]) <= 0.02) & np.isfinite(y)
    a, b, _ = np.polyfit(x[near], y[near], 2) if near.sum() > 3 else (0.0, 0.0, 0.0)
    return float(np.clip(-b / (2 * a), x[best] - 0.02, x[best] + 0.02)) if a > 0 else float(x[best])


def _gauge(seconds: Mapping[int, float]) -> float:
    """The clock of the cameras that most agree."""
    groups = [[s for s in seconds.values() if abs(s - own) < TOGETHER] for _, own in sorted(seconds.items())]
    return float(np.median(max(groups, key=len)))


def _judged(
    rig: Rig, curves: Mapping[tuple[int, int], Curve], clocks: dict[str, Clock], seconds: Mapping[int, float]
) -> dict[str, Clock]:
    """What to say of each: a camera that the others explain as well without a shift is together with them.

    So is one whose shift is so small that cameras which have been moved would explain it too.
    """
    found = {rig.names.index(name): clock.seconds for name, clock in clocks.items() if clock.said != "unknown"}
    for camera, own in found.items():
        name, clock = rig.names[camera], clocks[rig.names[camera]]
        tried = own + np.arange(-round(LARGEST / COARSE), round(LARGEST / COARSE) + 1) * COARSE
        mean = _mean(curves, camera, found, tried)
        here, there = (_mean(curves, camera, found, np.array([x]))[0] for x in (own, 0.0))
        depth = float(np.nanmedian(mean)) - here
        better = not there - here < CLEAR * depth  # NaN: nothing is seen together without the shift
        pairs = [pair for pair in curves if camera in pair and set(pair) <= set(found)]
        mistaken = np.median([curves[a, b].mistaken(found[b] - found[a]) for a, b in pairs])
        if abs(own) < max(APART, min(MISTAKEN * mistaken, SURELY)) or not better:
            clocks[name] = Clock("together", 0.0, clock.sd)
        elif clock.said == "unclear" or clock.sd > KNOWN:
            clocks[name] = Clock("unclear", own, clock.sd)
        else:
            clocks[name] = Clock("off", own, clock.sd)
    return clocks


def essential(rig: Rig, first: int, second: int) -> np.ndarray:
    """E (3, 3) with x2 . E x1 = 0 for a point at depth 1 in both, x1 and x2."""
    lenses = rig.lenses()
    turn = lenses.rotation[second] @ lenses.rotation[first].T
    x, y, z = lenses.translation[second] - turn @ lenses.translation[first]
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ turn


def curve(rig: Rig, pair: tuple[int, int], tracks: Mapping[int, Track], shifts: np.ndarray, pictures: int) -> Curve:
    """The robust distance of a pair at each shift of the second camera's clock."""
    one, other = (tracks[camera] for camera in pair)
    lenses, both = rig.lenses(), list(pair)
    e, focal = essential(rig, *pair).astype(np.float32), float((lenses.focal[both].mean(1) / lenses.pixel[both]).mean())
    moves = np.nan_to_num(_spread(one.xy) + _spread(other.xy))
    points = np.argsort(-moves)[:POINTS]
    rows = np.unique(np.linspace(0, len(one.t) - 1, min(pictures, len(one.t))).astype(int))
    t, seen, theirs = one.t[rows], one.xy[rows][:, points], Track(other.t, other.xy[:, points])
    block = np.minimum((t - t[0]) / max(t[-1] - t[0], 1e-9) * BLOCKS, BLOCKS - 1).astype(int)
    ahead = np.concatenate([seen, np.ones_like(seen[..., :1])], -1) @ e.T
    distance = focal * np.stack([_sampson(e, seen, ahead, _at(theirs, t - shift)) for shift in shifts])
    enough = np.isfinite(distance).sum((1, 2)) >= OVERLAP * max(1, np.isfinite(seen[..., 0]).sum())
    flat = np.sort(
        np.where(np.isfinite(distance[enough]), distance[enough], np.inf).reshape(int(enough.sum()), distance[0].size)
    )
    medians = np.full(len(shifts), np.inf)
    medians[enough] = flat[np.arange(len(flat)), np.isfinite(flat).sum(1) // 2]
    scale = max(LEAST, 1.5 * float(medians.min())) if enough.any() else LEAST
    square = (distance / scale) ** 2
    robust = np.where(np.isfinite(square), square / (1.0 + square), 0.0)
    total = np.stack([robust[:, block == b].sum((1, 2)) for b in range(BLOCKS)], 1)
    count = np.stack([np.isfinite(square)[:, block == b].sum((1, 2)) for b in range(BLOCKS)], 1)
    return Curve(shifts, np.where(enough[:, None], total, 0.0), np.where(enough[:, None], count, 0.0), medians)


def _at(track: Track, t: np.ndarray) -> np.ndarray:
    """(N, K, 2) between the two pictures about each time, NaN where there are none."""
    after = np.clip(np.searchsorted(track.t, t), 1, len(track.t) - 1)
    before = after - 1
    span = track.t[after] - track.t[before]
    part = (t - track.t[before]) / span
    part = np.where((part < 0.0) | (part > 1.0) | (span > NEAR), np.nan, part)[:, None, None].astype(np.float32)
    return (1.0 - part) * track.xy[before] + part * track.xy[after]


def _sampson(e: np.ndarray, one: np.ndarray, ahead: np.ndarray, other: np.ndarray) -> np.ndarray:
    x, y = other[..., 0], other[..., 1]
    error = x * ahead[..., 0] + y * ahead[..., 1] + ahead[..., 2]
    back0, back1 = (x * e[0, i] + y * e[1, i] + e[2, i] for i in (0, 1))
    return np.abs(error) / np.sqrt(ahead[..., 0] ** 2 + ahead[..., 1] ** 2 + back0**2 + back1**2)


def _spread(xy: np.ndarray) -> np.ndarray:
    """(K,) how far each keypoint moves in the picture: the range of its middle 80 %, 0 where it is not seen."""
    there = np.isfinite(xy[..., 0])
    seen = np.where(there.any(0)[:, None], xy, 0.0)
    low, high = np.percentile(seen, [10, 90], axis=0)
    return np.asarray((high - low).sum(-1) * there.mean(0))
