"""Check whether left and right are exchanged, in whole trials or in single cameras."""

from __future__ import annotations

import numpy as np

from streamfit.estimation.batch.trajectories import keypoints_of
from streamfit.estimation.init.initial_pose import REACH, InitialPose
from streamfit.estimation.quality.check_views import listed
from streamfit.estimation.quality.diagnostics import Evidence, Finding, median
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.subject import Subject

MIRRORED = 0.02
"""m: how exactly two keypoints are drawn as each other's mirror image."""
BESIDE = 0.005
"""m from the middle plane from which a keypoint of the trunk or head has a side."""
FEWEST_PAIRS = 3
TRIED = 5
"""Instants of each trial that are tried."""
BETTER = 0.8
"""Misfit with the sides exchanged, as a share of that as given, below which they are. The wrong way round it is 1.6
to 2.8 times larger, with skin markers as with joint centres."""
APART = 20.0
"""px at 2048 wide that the two of a pair must be apart in a view to tell them from each other."""
ENOUGH = 20
"""Pairs seen apart that tell about a camera."""
FITTED = 15.0
"""px at 2048 wide, median error of the other cameras up to which the fit tells what is left and what is right."""
MOST, SOME = 0.5, 0.15
"""Share of them the other way round: the camera's sides are exchanged; are exchanged now and then."""


def mirrored(keypoints: KeypointSet) -> np.ndarray:
    """The keypoint (K,) that is each one's mirror image, itself where there is none; by place, not by name."""
    sides = {"_r": "_l", "_l": "_r"}
    twin = [body[:-2] + sides[body[-2:]] if body[-2:] in sides else body for body in keypoints.bodies]
    fits = np.array(twin)[:, None] == np.array(keypoints.bodies)
    away = np.linalg.norm(keypoints.positions[:, None] * [1.0, 1.0, -1.0] - keypoints.positions, axis=-1)
    own_side = (np.array(twin) != np.array(keypoints.bodies)) | (np.abs(keypoints.positions[:, 2]) > BESIDE)
    away = np.where(fits & own_side & own_side[:, None] & ~np.eye(len(twin), dtype=bool), away, np.inf)
    nearest = away.argmin(1)
    every = np.arange(len(twin))
    paired = (nearest[nearest] == every) & (away[every, nearest] < MIRRORED)
    return np.where(paired, nearest, every)


def sides_exchanged(
    evidence: Evidence, skeleton: Skeleton, keypoints: KeypointSet, subject: Subject
) -> tuple[list[Finding], list[int]]:
    """What was found, and the indices of the trials whose sides are exchanged."""
    mirror = mirrored(keypoints)
    if (mirror != np.arange(len(mirror))).sum() < 2 * FEWEST_PAIRS:
        return [], []
    trials = _trials(evidence, skeleton, keypoints, subject, mirror)
    out = []
    if trials:
        every = len(trials) == len(set(evidence.trial.tolist()))
        where = "in every trial" if every else f"in {listed([evidence.names[i] for i in trials])}"
        advice = "check the order of the keypoint set and whether the images are mirrored"
        out.append(Finding("poor", f"Left and right are exchanged {where}: {advice}."))
    return out + _cameras(evidence, mirror, trials), trials


def _trials(
    evidence: Evidence, skeleton: Skeleton, keypoints: KeypointSet, subject: Subject, mirror: np.ndarray
) -> list[int]:
    """Trials in which the skeleton, as drawn, lies better on the points with the sides exchanged."""
    every = np.arange(len(mirror))
    # a keypoint of a limb without a twin would be on the wrong side whichever way round
    lone = (mirror == every) & np.array([body.endswith(("_r", "_l")) for body in keypoints.bodies])
    size = float(np.median(subject.factors(skeleton)))
    out = []
    for index in range(len(evidence.names)):
        rows = np.flatnonzero((evidence.trial == index) & (np.isfinite(evidence.points[:, ~lone, 0]).sum(1) >= 6))
        if not rows.size:
            continue
        rows = rows[np.unique(np.round(np.linspace(0, len(rows) - 1, TRIED)).astype(int))]
        ratios = []
        for points in evidence.points[rows]:
            sided = [np.where(lone[:, None], np.nan, points[order]) for order in (every, mirror)]
            both = [_misfit(skeleton, keypoints, own, size) for own in sided]
            ratios.append(both[1] / max(both[0], 1e-6))
        if np.median(ratios) < BETTER:
            out.append(index)
    return out


def _misfit(skeleton: Skeleton, keypoints: KeypointSet, points: np.ndarray, size: float) -> float:
    """Root of the robust mean square distance (m) of the skeleton as drawn, laid onto points (K, 3; NaN: none)."""
    kinematics = Kinematics.of(skeleton, keypoints)
    known = np.isfinite(points[:, 0])
    target = (np.nan_to_num(points), np.where(known, keypoints.sd, np.inf))
    body = (np.full(len(skeleton.groups), size), size * keypoints.positions)
    q = InitialPose.of(kinematics)(*target, *body, skeleton.neutral, thorough=True)
    placed = keypoints_of(kinematics, np.asarray(q)[None], *body)[0]
    square = ((placed - points)[known] ** 2).sum(-1)
    weight = 1.0 / (keypoints.sd[known] ** 2 + 0.02**2)
    return float(REACH * np.sqrt((weight * np.log1p(square / REACH**2)).sum() / weight.sum()))


def _cameras(evidence: Evidence, mirror: np.ndarray, exchanged: list[int]) -> list[Finding]:
    """Cameras in whose views the fit's keypoints are nearer to those of the other side."""
    here = ~np.isin(evidence.trial, exchanged)
    expected, seen = evidence.expected[here], evidence.seen[here]
    enlarged = evidence.enlarged[here]
    with np.errstate(invalid="ignore"):
        apart = np.linalg.norm(expected[:, :, mirror] - expected, axis=-1) * enlarged
        given = np.linalg.norm(seen[..., :2] - expected, axis=-1)
        other = np.linalg.norm(seen[:, :, mirror, :2] - expected, axis=-1)
    present = (seen[..., 2] > 0.0) & (seen[:, :, mirror, 2] > 0.0)
    tells = present & (apart > APART) & np.isfinite(given) & np.isfinite(other)
    out = []
    for r, rig in enumerate(evidence.rigs):
        mine = evidence.rig[here] == r
        for c in range(len(rig.cameras)):
            counted = tells[mine, c]
            others = np.delete(evidence.error[here][mine], c, 1)
            if counted.sum() < ENOUGH or not median(others) < FITTED:
                continue
            share = float((other < given)[mine, c][counted].mean())
            if share > MOST:
                text = f"{evidence.camera(r, c)} has left and right exchanged ({share:.0%} of its keypoints)"
                out.append(Finding("usable", f"{text}: is its image mirrored, or its detector another?"))
            elif share > SOME:
                text = f"{evidence.camera(r, c)} takes left for right in {share:.0%} of its keypoints"
                out.append(Finding("note", f"{text}; the fit puts up with that."))
    return out
