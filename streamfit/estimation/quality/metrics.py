"""How well points in space explain the views: geometric consistency and reprojection error."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from streamfit.model.camera import REFERENCE_WIDTH, Rig, project

CONFIDENT = 0.5
"""Only points that the detector gave at least this confidence are counted."""


@dataclass(frozen=True, eq=False)
class Consistency:
    """Reprojection errors of T instants: `error` (T, C, K) in native pixels, infinite where there is no point,
    NaN where the view has none to compare with. `width` (C,): image widths in pixels."""

    error: np.ndarray
    width: np.ndarray

    def share_within(self, pixels: float) -> float:
        """GC_x: share of confident (camera, instant, keypoint) within x pixels of an image 2048 wide."""
        scaled = self.error * (REFERENCE_WIDTH / self.width)[:, None]
        counted = ~np.isnan(scaled)
        return float((scaled[counted] < pixels).mean()) if counted.any() else float("nan")

    def median(self) -> float:
        """Median error of all confident points, native pixels."""
        return float(np.median(self.error[~np.isnan(self.error)])) if not np.isnan(self.error).all() else float("nan")

    def median_by(self, axis: int) -> np.ndarray:
        """Median error per camera (axis 1) or keypoint (axis 2), native pixels, NaN where there is none."""
        rows = np.moveaxis(self.error, axis, 0).reshape(self.error.shape[axis], -1)
        return np.array([np.median(row[~np.isnan(row)]) if (~np.isnan(row)).any() else np.nan for row in rows])


def geometric_consistency(rig: Rig, seen: np.ndarray, points: np.ndarray) -> Consistency:
    """Compare points (T, K, 3; m, world frame; NaN where there is none) with views `seen` (T, C, K, 3: px, px,
    confidence) of the same instants.

    `points` may also be given per camera (T, C, K, 3), each at that camera's own time.
    """
    ground = points @ rig.to_ground.T
    if ground.ndim == 3:
        ground = np.broadcast_to(ground[:, None], (*seen.shape[:3], 3))
    lenses = rig.lenses()
    projected = jax.vmap(lambda lens, x: project(lens, x), in_axes=(0, 1), out_axes=1)(lenses, ground)
    error = np.linalg.norm(np.asarray(projected.pixels) - seen[..., :2], axis=-1)
    error = np.where(np.asarray(projected.visible) & np.isfinite(ground).all(-1), error, np.inf)
    error = np.where(seen[..., 2] >= CONFIDENT, error, np.nan)
    return Consistency(error, np.array([camera.size[0] for camera in rig.cameras], float))
