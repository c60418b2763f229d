"""What anatomy says about a person's shape and about how they stand: the priors that make angles absolute.

The views alone cannot tell the angle of a joint from the frame in which it is measured: a pelvis whose markers
all sit a little further round is a pelvis that is tilted. Three things are known all the same. Palpable landmarks
sit where they are drawn, give or take a centimetre or two; segments have about the proportions of the skeleton;
and someone who stands straight has all joints near zero.
"""

from __future__ import annotations

import numpy as np

from streamfit.skeleton import KeypointSet, Skeleton

LANDMARK = 0.025
"""m: keypoints whose place is known this well are landmarks; others are somewhere on their segment."""
COUNTED, PROPORTIONS = 3.0, 0.15
"""How often the place of a landmark, and the proportions, count for each independent instant. Skin that slides and
joints that are no ideal joints err alike in every stride, so that a long recording does not make them right: what
is known of anatomy has to hold its own however long the recording is."""
COMMON, SEGMENT, WIDTH, SIDE = 0.3, 0.05, 0.3, 0.015
"""Standard deviations of scale factors: of all together, of one segment, of the width between two joints (which
are where the limbs turn about, rather than where the bones meet), of one side against the other."""
WIDTHS = "_width"
"""How the names of groups end that scale such a width."""
KNOWN_STATURE = 0.03
"""The same of all together where stature is known: proportions of leg and trunk remain."""
STANDING = {
    "pelvis_tilt": 2.0,
    "pelvis_list": 2.0,
    "hip_flexion": 2.0,
    "knee_angle": 2.0,
    "ankle_angle": 2.0,
    "lumbar_extension": 2.0,
    "lumbar_bending": 3.0,
    "lumbar_rotation": 3.0,
    "hip_adduction": 5.0,
    "hip_rotation": 5.0,
    "subtalar_angle": 5.0,
}
"""Degrees from zero at which the joints of someone who stands straight are. Feet may be apart and turned out."""


def shape_prior(
    skeleton: Skeleton, keypoints: KeypointSet, overall: float, independent: float, common: float = COMMON
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (P,) and information (P, P) of scale factors and offsets, P = G + 3K.

    Factors lie about the `overall` one, alike on both sides; offsets about nothing, with the set's sd.
    `independent` is the number of independent instants that the prior is to hold against.
    """
    names = [_without_side(group) for group in skeleton.groups]
    pair = np.array([[a == b for b in names] for a in names], float)
    own = np.diag([WIDTH**2 if name.endswith(WIDTHS) else SEGMENT**2 for name in names])
    apart = (own @ pair + SIDE**2 * np.eye(len(names))) / max(1.0, PROPORTIONS * independent)
    covariance = common**2 + apart
    groups, count = len(names), len(keypoints.names)
    counted = np.where(keypoints.sd <= LANDMARK, max(1.0, COUNTED * independent), 1.0)
    information = np.zeros((groups + 3 * count,) * 2)
    information[:groups, :groups] = np.linalg.inv(covariance * overall**2)
    information[groups:, groups:] = np.diag(np.repeat(counted / keypoints.sd**2, 3))
    return np.concatenate([np.full(groups, overall), np.zeros(3 * count)]), information


def standing_information(skeleton: Skeleton) -> np.ndarray:
    """Information (D,), 1/rad^2, about each coordinate's being zero at any one control point of quiet standing."""
    known = [STANDING.get(_without_side(name)) for name in skeleton.coordinates]
    return np.array([0.0 if sd is None else np.radians(sd) ** -2.0 for sd in known])


def _without_side(name: str) -> str:
    return name.removesuffix("_r").removesuffix("_l")
