"""Where sight lines meet: robust triangulation of a handful of instants in NumPy, to try what may be wrong with them.

Nothing is compiled, so that it can be asked at any time, with any number of cameras and instants.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Bool, Float

from streamfit.model.camera import NEAR, REFERENCE_WIDTH, Rig

TYPICAL = 10.0
"""px at 2048 wide from which an error counts less and less."""
MISSED = float(REFERENCE_WIDTH)
"""px at 2048 wide: the error of a view whose camera has the point behind it, and the largest there is."""
REFINEMENTS = 2
ALL_PAIRS = 6
"""Cameras of which all pairs propose points."""


@dataclass(frozen=True, eq=False)
class Meeting:
    """Where the sight lines of N instants meet, and by how much they miss that.

    `points` (N, K, 3) m, ground frame, NaN where fewer than two cameras see the keypoint; `error` (N, C, K) px at 2048
    wide, NaN where the camera does not see it.
    """

    points: Float[np.ndarray, "N K 3"]
    error: Float[np.ndarray, "N C K"]


class Sightlines:
    """The sight lines of a rig's cameras."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        to_ground = rig.to_ground
        self._centre = np.array([camera.centre for camera in rig.cameras]) @ to_ground.T
        self._turn = np.array([to_ground @ cv2.Rodrigues(camera.rotation)[0].T for camera in rig.cameras])
        self._focal = np.array([c.matrix[0, 0] * REFERENCE_WIDTH / c.size[0] for c in rig.cameras])
        self._pairs = _pairs(len(rig.cameras))

    def of(self, seen: Float[np.ndarray, "N C K 3"]) -> Float[np.ndarray, "N C K 3"]:
        """Unit vectors (ground frame) towards what is seen (px, px, confidence)."""
        out = np.empty((*seen.shape[:3], 3))
        for c, camera in enumerate(self.rig.cameras):
            pixels = np.ascontiguousarray(seen[:, c, :, :2])
            rays = np.nan_to_num(camera.rays(pixels)) @ self._turn[c].T
            out[:, c] = rays.reshape(*pixels.shape[:2], 3)
        return out

    def meet(self, rays: Float[np.ndarray, "N C K 3"], present: Bool[np.ndarray, "N C K"]) -> Meeting:
        """Where rays meet of what is `present`: each pair of cameras proposes a point, the robust cost chooses."""
        count, cameras, keypoints = present.shape
        if cameras < 2:
            nowhere = np.full((count, keypoints, 3), np.nan)
            return Meeting(nowhere, np.full(present.shape, np.nan))
        a, b = self._pairs
        proposed = _between(self._centre[a, None], rays[:, a], self._centre[b, None], rays[:, b])
        both = present[:, a] & present[:, b]
        error = self._error(proposed[:, :, None], rays[:, None])
        cost = np.log1p(np.square(error / TYPICAL))
        cost = np.where(present[:, None], cost, 0.0).sum(2)
        best = np.where(both, cost, np.inf).argmin(1)
        points = np.take_along_axis(proposed, best[:, None, :, None], 1)[:, 0]
        known = both.any(1)
        for _ in range(REFINEMENTS):
            points = self._refined(points, rays, present)
        points = np.where(known[..., None], points, np.nan)
        return Meeting(points, self.error(points, rays, present))

    def error(
        self, points: Float[np.ndarray, "N K 3"], rays: Float[np.ndarray, "N C K 3"], present: Bool[np.ndarray, "N C K"]
    ) -> Float[np.ndarray, "N C K"]:
        """By how much points (ground frame) are missed (px at 2048 wide); NaN where there is nothing to compare."""
        there = np.isfinite(points[:, None, :, 0]) & present
        return np.where(there, self._error(np.nan_to_num(points)[:, None], rays), np.nan)

    def _error(self, points: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Tangent of the angle between the rays and where the points are, in px; the cameras are the axis before the
        keypoints."""
        away = points - self._centre[:, None]
        along = np.einsum("...i,...i->...", away, rays)
        square = np.maximum(np.einsum("...i,...i->...", away, away) - along**2, 0.0)
        off = self._focal[:, None] * np.sqrt(square) / np.maximum(along, NEAR)
        return np.where(along > NEAR, np.minimum(off, MISSED), MISSED)

    def _refined(self, points: np.ndarray, rays: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Points nearer to the rays that are near them: one step of least squares with robust weights."""
        away = points[:, None] - self._centre[:, None]
        error = self._error(points[:, None], rays)
        distance = np.maximum(np.linalg.norm(away, axis=-1), NEAR)
        weight = present / ((1.0 + np.square(error / TYPICAL)) * np.square(distance))
        across = weight[..., None, None] * (np.eye(3) - rays[..., :, None] * rays[..., None, :])
        information = across.sum(1) + 1e-9 * np.eye(3)
        eta = np.einsum("nckij,ckj->nki", across, np.broadcast_to(self._centre[:, None], rays.shape[1:]))
        return np.asarray(np.linalg.solve(information, (eta + 1e-9 * points)[..., None])[..., 0])


def _pairs(cameras: int) -> np.ndarray:
    """Indices (2, P) of the pairs that propose points: all of few cameras; of many, four for each."""
    if cameras <= ALL_PAIRS:
        return np.array(list(combinations(range(cameras), 2))).reshape(-1, 2).T
    one = np.arange(cameras)
    return np.concatenate([np.stack([one, (one + apart) % cameras]) for apart in (1, 3)], 1)


def _between(c1: np.ndarray, d1: np.ndarray, c2: np.ndarray, d2: np.ndarray) -> np.ndarray:
    """Midpoint of the shortest segment between two rays."""
    w = c1 - c2
    b = np.sum(d1 * d2, -1)
    d, e = np.sum(d1 * w, -1), np.sum(d2 * w, -1)
    below = np.maximum(1.0 - b * b, 1e-6)
    s, t = (b * e - d) / below, (e - b * d) / below
    return np.asarray(0.5 * (c1 + s[..., None] * d1 + c2 + t[..., None] * d2))
