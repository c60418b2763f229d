"""What anatomy says about a person's shape: the prior that makes angles absolute.

The views alone cannot tell the angle of a joint from the frame in which it is measured: a pelvis whose markers
all sit a little further round is a pelvis that is tilted. Two things are known all the same: palpable landmarks
sit where they are drawn, give or take a centimetre or two, and segments have about the proportions of the skeleton.
How people stand is a third (see `posture`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import SKELETON_STATURE

COUNTED, PROPORTIONS = 3.0, 0.15
"""How often the place of a body's keypoints as a whole, and the proportions, count for each independent instant. Skin
that slides and joints that are no ideal joints err alike in every stride, so that a long recording does not make them
right: what is known of anatomy has to hold its own however long the recording is."""
SURE = 0.015
"""m: a landmark known so well counts that often, one known half as well a quarter of that."""
TURNS, TURNS_FROM = {"pelvis": 16.0}, 1e-3
"""How many times a body's turn against its keypoints counts, for the pelvis, whose tilt its front and back spines
define; and the m that keypoints must be apart to tell of turns."""
COMMON, SEGMENT, WIDTH, SIDE = 0.3, 0.05, 0.1, 0.015
"""Standard deviations of scale factors: of all together, of one segment, of the width between two joints (which
are where the limbs turn about, rather than where the bones meet), of one side against the other."""
WIDTHS = "_width"
"""How the names of groups end that scale such a width."""
USUAL = {"hip_width": 1.19}
"""Usual factors relative to the others, where that is not 1: the centres of the hips are 0.72 of the distance between
the front spines of the pelvis apart (Bell et al. 1990), those of the skeleton 0.60."""
KNOWN_STATURE, KNOWN_MASS = 0.03, 0.12
"""The same of all together where stature is known (proportions of leg and trunk remain), and where only mass is."""
USUAL_MASS = 24.0
"""kg/m^2: mass over squared stature of adults. It varies by a quarter of that, so stature for a mass by an eighth."""


@dataclass(frozen=True)
class Build:
    """What is known of a person beforehand: stature (m), mass (kg); None where it is not."""

    stature: float | None = None
    mass: float | None = None

    def size(self, measured: float) -> tuple[float, float]:
        """Mean and standard deviation of the overall scale factor, where triangulated points say `measured`."""
        if self.stature is not None:
            return self.stature / SKELETON_STATURE, KNOWN_STATURE
        if self.mass is None:
            return measured, COMMON
        by_mass = float(np.sqrt(self.mass / USUAL_MASS)) / SKELETON_STATURE
        about = np.array([measured, by_mass])
        counts = np.array([COMMON, KNOWN_MASS]) ** -2.0
        return float(about @ counts / counts.sum()), float(counts.sum() ** -0.5)


def shape_prior(
    skeleton: Skeleton, keypoints: KeypointSet, independent: float, overall: float = 1.0, common: float = COMMON
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (P,) and information (P, P) of scale factors and offsets, P = G + 3K.

    Factors lie about the `overall` one, all together within `common`, alike on both sides; offsets about nothing, with
    the set's sd. Where a body's keypoints are as a whole counts more than where each of them is: moving and turning
    them together is what the views cannot tell from a joint angle. `independent` is the number of independent instants
    that the prior is to hold against.
    """
    names = [_without_side(group) for group in skeleton.groups]
    pair = np.array([[a == b for b in names] for a in names], float)
    own = np.diag([WIDTH**2 if name.endswith(WIDTHS) else SEGMENT**2 for name in names])
    apart = (own @ pair + SIDE**2 * np.eye(len(names))) / max(1.0, PROPORTIONS * independent)
    covariance = common**2 + apart
    groups, count = len(names), len(keypoints.names)
    information = np.zeros((groups + 3 * count,) * 2)
    information[:groups, :groups] = np.linalg.inv(covariance * overall**2)
    again = max(0.0, COUNTED * independent - 1.0)
    body = keypoints.body_indices(skeleton.bodies)
    offsets = np.diag(np.repeat(keypoints.sd**-2.0, 3))
    loose = keypoints.sd * np.maximum(1.0, keypoints.sd / SURE)
    for one in np.unique(body):
        mine = np.flatnonzero(body == one)
        rows = (3 * mine[:, None] + np.arange(3)).ravel()
        offsets[np.ix_(rows, rows)] += again * _as_a_whole(
            keypoints.positions[mine], loose[mine], TURNS.get(skeleton.bodies[one], 1.0)
        )
    information[groups:, groups:] = offsets
    mean = np.array([overall * USUAL.get(name, 1.0) for name in names])
    return np.concatenate([mean, np.zeros(3 * count)]), information


def _as_a_whole(positions: np.ndarray, sd: np.ndarray, turns: float) -> np.ndarray:
    """Information (3N, 3N) about the motion that keypoints at `positions` (N, 3) have in common, and no other.

    The part of their information 1 / sd^2 that lies in the space of rigid motions: three shifts, and three turns about
    their middle, which count `turns` times.
    """
    x, y, z = (positions - np.average(positions, axis=0, weights=sd**-2.0)).T
    none = np.zeros_like(x)
    turned = np.stack([none, z, -y, -z, none, x, y, -x, none], -1).reshape(-1, 3, 3)
    shifted = np.broadcast_to(np.eye(3), turned.shape)
    root = np.repeat(1.0 / sd, 3)[:, None]
    out = np.zeros((len(root),) * 2)
    for motions, count in ((shifted, 1.0), (turned, turns)):
        basis, size, _ = np.linalg.svd(root * motions.reshape(-1, 3), full_matrices=False)
        common = root * basis[:, size > TURNS_FROM * root.max()]
        out += count * common @ common.T
    return out


def _without_side(name: str) -> str:
    return name.removesuffix("_r").removesuffix("_l")
