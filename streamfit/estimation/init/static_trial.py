"""Find the trials of somebody who stands still on both feet, in whatever posture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.batch.trial import Layout, Trial
from streamfit.model import HostKinematics, Skeleton

LONG_ENOUGH = 0.5
"""s."""
MOMENT = 0.2
"""s."""
STILL_ROOT, STILL_ANGLE = 0.06, 0.2
"""m and rad within which the pelvis and each joint of the legs and the trunk stay (nine tenths of the time)."""
LEVEL = 0.08
"""m by which one foot may be higher than the other. Poses come from a skeleton that has not been calibrated yet."""
BESIDE = 0.1
"""m that the centre of mass may be outside the feet, for the same reason. Of somebody on a chair it is 0.3 m behind."""
HIGH = 0.65
"""Share of the legs' length that the hips are above the ankles at least. On a chair it is a half."""
UPRIGHT = 45.0
"""Degrees by which the trunk of somebody who stands may lean."""
_WATCHED = ("pelvis_tilt", "pelvis_list", "hip_flexion", "knee_angle", "ankle_angle", "lumbar_extension")
_LEG = ("femur", "tibia", "talus", "toes")


def stands(
    layout: Layout,
    trials: Sequence[Trial],
    skeleton: Skeleton,
    controls: np.ndarray,
    placed: np.ndarray,
    scale: Mapping[str, float],
    named: Sequence[str] | None = None,
) -> tuple[list[int], tuple[str, ...]]:
    """Indices of the trials of quiet standing, and of those that are still without it a sentence each.

    `controls` (M, D) are first poses, known where `placed` (M,). InputError where nobody stands in a `named` trial,
    or it is none; then the others are not asked.
    """
    if unknown := set(named or ()) - {trial.name for trial in trials}:
        raise InputError(f"calibration: no trial is named {unknown.pop()!r}, which is said to be of quiet standing")
    standing, resting = [], []
    for index, trial in enumerate(trials):
        if named and trial.name not in named:
            continue
        poses = controls[(layout.trial == index) & placed]
        moves = movement_of(skeleton, poses, layout.splines[0].spacing)
        against = moves or off_the_feet(skeleton, pose_of(poses), scale)
        if not against:
            standing.append(index)
        elif named:
            text = f"calibration: {trial.name} is said to be of quiet standing, but {against}"
            raise InputError(f"{text}; name one in which the person stands still on both feet, or leave --static out")
        elif not moves:
            resting.append(f"{trial.name} is not taken for quiet standing: {against}.")
    return standing, tuple(resting)


def pose_of(poses: np.ndarray) -> np.ndarray:
    """The pose (D,) that somebody keeps through poses (N, D)."""
    return np.asarray(np.median(poses, axis=0))


def movement_of(skeleton: Skeleton, poses: np.ndarray, spacing: float) -> str:
    """What of poses (N, D), one every `spacing` s, is no keeping still for a moment, in words; "" if nothing."""
    if len(poses) * spacing < LONG_ENOUGH:
        return f"it is shorter than {LONG_ENOUGH} s"
    # each pose is a fit to one instant, with the detector's errors in it: those of a moment do not count
    count = min(len(poses), max(1, round(MOMENT / spacing)))
    lasting = np.median(np.lib.stride_tricks.sliding_window_view(poses, count, axis=0), axis=-1)
    spread = np.subtract(*np.percentile(lasting, [95, 5], axis=0))
    if (far := float(spread[:3].max())) > STILL_ROOT:
        return f"the person moves by {100 * far:.0f} cm"
    for index, coordinate in enumerate(skeleton.coordinates):
        if coordinate.removesuffix("_r").removesuffix("_l") in _WATCHED and spread[index] > STILL_ANGLE:
            return f"{coordinate} moves by {np.degrees(spread[index]):.0f} degrees"
    return ""


def off_the_feet(skeleton: Skeleton, pose: np.ndarray, scale: Mapping[str, float]) -> str:
    """What keeps a pose (D,) from being standing on both feet, in words; "" if nothing.

    The feet are level, the trunk is upright, the hips are high, and the centre of mass is over the feet. Knees and
    hips may be bent: who cannot straighten them stands too.
    """
    if not {f"{body}_{side}" for body in _LEG for side in "rl"} | {"torso"} <= set(skeleton.bodies):
        return "the skeleton has no trunk and legs as the built-in one has"
    bodies = HostKinematics(skeleton, scale)
    bodies.pose(pose)
    mujoco.mj_comPos(bodies.model, bodies.data)
    centre = bodies.data.subtree_com[1]
    lean = float(np.degrees(np.arccos(bodies.rotation[skeleton.bodies.index("torso")][1, 1])))
    if lean > UPRIGHT:
        return f"the trunk leans by {lean:.0f} degrees"
    hips, knees, ankles, toes = (
        np.array([bodies.position[skeleton.bodies.index(f"{body}_{side}")] for side in "rl"]) for body in _LEG
    )
    if (apart := abs(float(np.subtract(*toes[:, 1])))) > LEVEL:
        return f"one foot is {100 * apart:.0f} cm higher than the other"
    reach = np.linalg.norm(hips - knees, axis=1) + np.linalg.norm(knees - ankles, axis=1)
    if (high := float(((hips - ankles)[:, 1] / reach).mean())) < HIGH:
        return f"the hips are at {max(0.0, high):.0%} of the legs' length: the person sits, kneels or lies"
    # along the feet from the ankles to the toes, and across them from one to the other
    forward = (toes - ankles).mean(0) * (1.0, 0.0, 1.0)
    forward /= np.linalg.norm(forward)
    behind, ahead, place = (float((x @ forward).mean()) for x in (ankles, toes, centre))
    if (off := max(behind - place, place - ahead)) > BESIDE:
        where = "behind the ankles" if place < behind else "ahead of the toes"
        return f"the centre of mass is {100 * off:.0f} cm {where}: nobody stands so without being held"
    return ""
