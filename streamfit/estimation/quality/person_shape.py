"""What keeps its shape while a person moves: distances along segments, and which way round the body is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import HostKinematics, KeypointSet, Skeleton
from streamfit.model.subject import SKELETON_STATURE, Subject

POSTURES, BENT = 32, 0.5
"""Random postures that are looked at, and how far they bend, as a share of the joints' limits."""
RIGID, LONG = 0.06, 0.15
"""Distances that vary by less than this share over the postures, and are longer than this (m), measure size."""
STIFF = 0.015
"""The same of distances that tell one person from another, where their body is known."""
DOUBT = 0.12
"""Share of a distance up to which its keypoints may be elsewhere on the body."""
QUADRUPLES, TRIED = 60, 2000
"""Tetrahedra of keypoints that tell which way round a body is, and how many are tried to find them."""
DEEP, SURE = 0.04, 0.97
"""How deep they must be (six times their volume over the cube of their size), in which share of the postures."""
ENOUGH = 5
"""Distances, or tetrahedra, that must be seen."""


class Build(NamedTuple):
    """What points say of a person: `size` relative to the subject, by how much distances `scatter` about that (median,
    relative), and `handed`, the share of what tells left from right that says it is right. NaN where nothing tells.
    """

    size: float
    scatter: float
    handed: float
    stature: float
    """m."""

    @property
    def is_known(self) -> bool:
        """Whether the size has been found."""
        return bool(np.isfinite(self.size))


class PersonShape:
    """The distances that somebody of a subject's body keeps, and how they are handed. Made in some 10 ms."""

    def __init__(self, skeleton: Skeleton, keypoints: KeypointSet, subject: Subject) -> None:
        points = _postures(skeleton, keypoints, subject)
        distance = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
        mean = distance.mean(0)
        varies = distance.std(0) / np.maximum(mean, 1e-6)
        # of a calibrated person the places are known
        known = subject.fit.get("method") != "generic"
        doubt = 0.0 if known else np.hypot(keypoints.sd[:, None], keypoints.sd[None])
        holds = (varies < RIGID) & (mean > LONG) & (doubt / np.maximum(mean, 1e-6) < DOUBT)
        stiff = holds & (varies < STIFF)
        if known and np.triu(stiff, 1).sum() >= 2 * ENOUGH:
            holds = stiff
        self._first, self._second = np.nonzero(np.triu(holds, 1))
        self._length = mean[self._first, self._second]
        self._corners, self._sign = _tetrahedra(points, mirrored(keypoints))
        self._stature = SKELETON_STATURE * float(np.median(subject.factors(skeleton)))
        self.useful = np.bincount(np.concatenate([self._first, self._second]), minlength=len(keypoints.names))
        """(K,) how many of the distances each keypoint ends."""

    def of(self, points: Float[np.ndarray, "N K 3"]) -> Build:
        """The build of whoever has these points; NaN where one is unknown."""
        measured = np.linalg.norm(points[:, self._first] - points[:, self._second], axis=-1)
        known = np.isfinite(measured).sum(0) >= max(1, min(3, len(points)))
        size = scatter = np.nan
        if known.sum() >= ENOUGH:
            ratio = np.log(np.maximum(measured[:, known], 1e-6) / self._length[known])
            size = float(np.nanmedian(ratio))
            scatter = float(np.nanmedian(np.abs(ratio - size)))
        return Build(float(np.exp(size)), scatter, self._handed(points), self._stature * float(np.exp(size)))

    def _handed(self, points: np.ndarray) -> float:
        if len(self._sign) < ENOUGH:
            return np.nan
        depth = _depth(points, self._corners) * self._sign
        told = np.abs(depth) > 0.5 * DEEP
        return float((depth[told] > 0.0).mean()) if told.sum() >= ENOUGH else np.nan


def _postures(skeleton: Skeleton, keypoints: KeypointSet, subject: Subject) -> np.ndarray:
    """Keypoints (S, K, 3) of the subject in random postures."""
    rng = np.random.default_rng(0)
    low = np.where(np.isfinite(skeleton.lower), skeleton.lower, 0.0)
    high = np.where(np.isfinite(skeleton.upper), skeleton.upper, 0.0)
    bodies, body = HostKinematics(skeleton, subject.scale), keypoints.body_indices(skeleton.bodies)
    places = subject.places(skeleton, keypoints)[..., None]
    out = np.empty((POSTURES, len(body), 3))
    for row, q in zip(out, BENT * rng.uniform(low, high, (POSTURES, len(low))), strict=True):
        bodies.pose(q)
        row[:] = bodies.position[body] + (bodies.rotation[body] @ places)[..., 0]
    return out


def _tetrahedra(points: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (Q, 4) of tetrahedra that keep their hand in nearly all postures, and which it is (Q,): 1 or -1.

    Where left and right are exchanged it is the other.
    """
    sided = np.flatnonzero(mirror != np.arange(len(mirror)))
    if len(sided) < 4:
        return np.zeros((0, 4), int), np.zeros(0)
    rng = np.random.default_rng(0)
    corners = rng.integers(len(mirror), size=(TRIED, 4))
    corners[:, :2] = np.stack([(one := rng.choice(sided, TRIED)), mirror[one]], 1)
    corners = corners[[len(set(four)) == 4 for four in corners.tolist()]]
    depth = _depth(points, corners)
    sign = np.sign(np.median(depth, 0))
    share = (depth * sign > DEEP).mean(0)
    other = (_depth(points, mirror[corners]) * sign < -DEEP).mean(0)
    sure = np.minimum(share, other)
    best = np.argsort(-sure)[:QUADRUPLES]
    best = best[sure[best] >= SURE]
    return corners[best], sign[best]


def _depth(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Six times the signed volumes (N, Q) of tetrahedra over the cube of their size; 0 where a corner is unknown."""
    a, b, c, d = np.moveaxis(points[:, corners], 2, 0)
    volume = np.einsum("nqi,nqi->nq", b - a, np.cross(c - a, d - a))
    size = sum(np.linalg.norm(x - a, axis=-1) for x in (b, c, d)) / 3.0
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(volume / np.maximum(size, 1e-6) ** 3)
