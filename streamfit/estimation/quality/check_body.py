"""Check the fitted body of a calibration: whether it is plausible, and how well it is determined."""

from __future__ import annotations

import mujoco
import numpy as np

from streamfit.estimation.batch.result import Calibration
from streamfit.estimation.factors.posture_prior import Posture
from streamfit.estimation.factors.shape_prior import WIDTHS, Build
from streamfit.estimation.quality.check_views import listed
from streamfit.estimation.quality.check_world import person_size
from streamfit.estimation.quality.diagnostics import Evidence, Finding
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.skeleton import ROOT_COORDINATES
from streamfit.model.subject import SKELETON_STATURE

NOBODY = (0.5, 2.4)
"""m: statures that nobody has."""
SMALL, TALL = 1.40, 2.05
"""m beyond which a stature is worth a word."""
OTHER_STATURE, MASSES = 0.1, (10.0, 60.0)
"""Share by which the fitted stature may be another than the given one; kg/m^2 that people have."""
ODD = 0.25
"""A segment this much longer or shorter than the others, relatively, is odd. Feet in video come out 0.22 shorter than
drawn, the upper arms of one well known person 0.19 longer."""
UNKNOWN = 0.012
"""m: standard deviation from which the place of a keypoint, or the end of a segment, counts as not known."""
SAID = ("knee_angle", "hip_flexion", "pelvis_tilt", "lumbar_extension")
"""The coordinates at quiet standing that a verdict names."""
MOVES, FEWEST_MOVING = 0.35, 4
"""rad by which a joint moves, and how many do in the least of movements. Of someone who stands, none does; of someone
on a treadmill whose arms nobody sees, seven."""


def lengths(skeleton: Skeleton, keypoints: KeypointSet) -> np.ndarray:
    """What each group scales (G,): m, unscaled; the farthest joint or keypoint in its frame. 0 where none is seen.

    A joint counts where keypoints lie on both of its sides, so that the views tell of it.
    """
    body = keypoints.body_indices(skeleton.bodies)
    parent = skeleton.model.body_parentid[1:] - 1
    carries = np.bincount(body, minlength=len(parent))
    below = carries.copy()
    for b in reversed(range(1, len(parent))):
        below[parent[b]] += below[b]
    out = np.zeros(len(skeleton.groups))

    def reach(group: int, length: float) -> None:
        out[group] = max(out[group], length)

    for k, b in enumerate(body.tolist()):
        reach(int(skeleton.size_group[b]), float(np.linalg.norm(keypoints.positions[k])))
    centres = skeleton.model.body_pos[1:]
    for b in np.flatnonzero((parent >= 0) & (below > 0) & (below < len(body))).tolist():
        for group in skeleton.centre_group[b].tolist():
            reach(group, float(np.linalg.norm(centres[b][skeleton.centre_group[b] == group])))
    return out


def stature(skeleton: Skeleton, keypoints: KeypointSet, calibration: Calibration) -> float:
    """How tall the person is (m): the factors, each counted by its length."""
    factors, weight = calibration.subject.factors(skeleton), _segments(skeleton, keypoints)
    return SKELETON_STATURE * float(factors @ weight / weight.sum()) if weight.any() else np.nan


def size(evidence: Evidence, skeleton: Skeleton, keypoints: KeypointSet, tall: float) -> list[Finding]:
    """Whether anybody is as `tall` (m) as the fit, or the points that it was fitted to, say."""
    seen, fitted = _distances(evidence.points), _distances(evidence.fitted)
    both = np.isfinite(seen) & (fitted > 1e-3)
    if not both.any():
        return []
    # a fit keeps to sizes that people have, whatever the units
    tall *= float(np.median(seen[both] / fitted[both]))
    if not NOBODY[0] <= tall <= NOBODY[1]:
        # whichever point is which: a person's points are as far apart as a person's are
        spread = np.sqrt(np.nanmean(seen**2) / np.mean(_distances(drawn(skeleton, keypoints)[None]) ** 2))
        if NOBODY[0] <= SKELETON_STATURE * spread <= NOBODY[1]:
            text = "The points are as far apart as a person's, but not as the keypoint set says they are"
            return [Finding("poor", f"{text}: is it that of the detector, in its order?")]
        if (said := person_size(evidence.points, keypoints, skeleton).text) is not None:
            return [Finding("poor", said)]
        text = f"The person would be {tall:.{0 if tall > 10.0 else 2}f} m tall: the units of cameras.toml are wrong"
        return [Finding("poor", f'{text}; translations must be in metres (or say units = "mm").')]
    if tall < SMALL:
        return [Finding("note", f"About {tall:.2f} m tall: a child or a small person.")]
    if tall > TALL:
        return [Finding("note", f"About {tall:.2f} m tall: a very tall person, or a rig that is calibrated too large.")]
    return []


def as_known(build: Build, tall: float) -> list[Finding]:
    """Whether a fit that is `tall` (m) goes with the stature and the mass that were given."""
    if build.stature is not None and abs(tall / build.stature - 1.0) > OTHER_STATURE:
        text = f"The skeleton came out {tall:.2f} m tall, not {build.stature:.2f} m as given"
        return [Finding("usable", f"{text}: check the stature, and the size of the cameras' calibration.")]
    if build.mass is not None and not MASSES[0] <= build.mass / tall**2 <= MASSES[1]:
        text = f"{build.mass:.0f} kg do not go with the {tall:.2f} m that the skeleton came out tall"
        return [Finding("usable", f"{text}: check the mass (in kg), and the size of the cameras' calibration.")]
    return []


def drawn(skeleton: Skeleton, keypoints: KeypointSet) -> np.ndarray:
    """Where the keypoints (K, 3) of the unscaled skeleton are in the anatomical position, m."""
    data = mujoco.MjData(skeleton.model)
    mujoco.mj_kinematics(skeleton.model, data)
    body = keypoints.body_indices(skeleton.bodies) + 1
    return data.xpos[body] + np.einsum("kij,kj->ki", data.xmat[body].reshape(-1, 3, 3), keypoints.positions)


def proportions(skeleton: Skeleton, keypoints: KeypointSet, calibration: Calibration) -> list[Finding]:
    """Segments that are far from the proportions of people. Widths are where limbs turn about, and are left out."""
    factors, known = calibration.subject.factors(skeleton), _segments(skeleton, keypoints) > 0.0
    if not known.any():
        return []
    usual = float(np.median(factors[known]))
    apart = np.where(known, factors / usual - 1.0, 0.0)
    odd = [g for g in np.argsort(-np.abs(apart)) if abs(apart[g]) > ODD]
    if not odd:
        return []
    which = listed([f"{skeleton.groups[g]} ({apart[g]:+.0%})" for g in odd])
    advice = "check those keypoints, or record a trial in which these joints move"
    return [Finding("usable", f"Out of proportion to the other segments: {which}; {advice}.")]


def movement(evidence: Evidence) -> list[Finding]:
    """Whether the person moves at all: joints turn about centres that nothing else shows."""
    poses = evidence.q[np.isfinite(evidence.q).all(1), ROOT_COORDINATES:]
    if not len(poses):
        return []
    spread = np.subtract(*np.percentile(poses, [95, 5], axis=0))
    if (moving := int((spread > MOVES).sum())) >= FEWEST_MOVING:
        return []
    text = f"The person hardly moves ({moving} joint angles by more than {np.degrees(MOVES):.0f} degrees)"
    advice = "where the joints are cannot be told; record walking, squats and raised arms as well"
    return [Finding("poor", f"{text}: {advice}.")]


def unknown(skeleton: Skeleton, keypoints: KeypointSet, calibration: Calibration) -> list[Finding]:
    """Of each segment, what the recordings tell too little of: its size, and the worst known of its keypoints."""
    shape = calibration.shape
    if shape is None:
        return []
    size = shape.scale * lengths(skeleton, keypoints)
    vague = [(sd, f"the size of {group}") for group, sd in zip(shape.groups, size, strict=True)]
    for body in dict.fromkeys(keypoints.bodies):
        here = [k for k, other in enumerate(keypoints.bodies) if other == body]
        worst = max(here, key=lambda k: shape.offsets[k])
        vague.append((shape.offsets[worst], f"where {keypoints.names[worst]} sits on {body}"))
    vague = sorted((row for row in vague if row[0] > UNKNOWN), reverse=True)
    if not vague:
        return []
    which = listed([f"{what} (to {1000 * sd:.0f} mm)" for sd, what in vague])
    advice = "record a trial in which these segments move and turn, or give places in the keypoint set"
    return [Finding("usable", f"Too little movement to tell {which}: {advice}.")]


def ended(calibration: Calibration) -> list[Finding]:
    """Whether the fit came to its end."""
    if calibration.converged:
        return []
    text = f"The fit was left after {calibration.steps} steps, before it had converged"
    return [Finding("usable", f"{text}: calibrate again and let it end, or with more movement.")]


def standing(skeleton: Skeleton, calibration: Calibration) -> list[Finding]:
    """What was taken for quiet standing, and what it was taken to say; or that nothing was."""
    out = [Finding("note", text) for text in calibration.resting]
    if not calibration.standing:
        text = "No trial of quiet standing: absolute angles rest on the landmarks alone"
        return [*out, Finding("note", f"{text}; record one, or name it with --static.")]
    for trial in (movement for movement in calibration.movements if movement.name in calibration.standing):
        pose = np.nanmedian(trial.q, axis=0)
        seen = ", ".join(said for name in SAID if (said := _angles(skeleton, pose, name)))
        out.append(Finding("note", f"Quiet standing ({trial.name}): {seen} degrees{_unusual(skeleton, pose)}."))
    return out


def _unusual(skeleton: Skeleton, pose: np.ndarray) -> str:
    """How far the landmarks put a pose (D,) from how most people stand, in words."""
    people = Posture.of(skeleton)
    posture = people.holding(skeleton, pose)
    if not people.names:
        return ""
    if posture.sole.all():
        return ", as the landmarks have it: most people do not stand so"
    off = posture.off(pose)
    worst = int(np.argmax(np.abs(off) / posture.sd))
    far, usual = abs(np.degrees(off[worst])), np.degrees(posture.sd[worst])
    text = f"; the landmarks put {posture.names[worst]} {far:.0f} degrees from where most people have it"
    alone = not posture.sole[worst] and posture.usual(pose)[worst] < 0.5
    return f"{text} (within {usual:.0f})" + (" and are believed" if alone else "")


def _angles(skeleton: Skeleton, pose: np.ndarray, name: str) -> str:
    """A coordinate of a pose (D,) in words, right and left where it has sides; "" where there is none."""
    own = [c for c in (name, f"{name}_r", f"{name}_l") if c in skeleton.coordinates]
    values = [f"{np.degrees(pose[skeleton.coordinates.index(c)]) + 0.0:.0f}" for c in own]
    return f"{name.replace('_', ' ')} {' and '.join(values)}" if own else ""


def _distances(points: np.ndarray) -> np.ndarray:
    """Between the points (N, K, 3) of each instant: (N, K, K), m."""
    return np.asarray(np.linalg.norm(points[:, :, None] - points[:, None], axis=-1))


def _segments(skeleton: Skeleton, keypoints: KeypointSet) -> np.ndarray:
    """The lengths of the groups that are segments, of which something is seen; 0 of the others."""
    width = np.array([group.endswith(WIDTHS) for group in skeleton.groups])
    return np.where(width, 0.0, lengths(skeleton, keypoints))
