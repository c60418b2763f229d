"""How large a person is, from nothing but triangulated keypoints."""

from __future__ import annotations

import numpy as np

from streamfit.fit.movements import keypoints_of
from streamfit.skeleton import KeypointSet, Kinematics, Skeleton

RIGID = 0.06
"""Pairs of keypoints whose distance varies by less than this share over all postures measure size."""
LONG = 0.15
"""m: shorter distances say little."""


def overall_scale(skeleton: Skeleton, keypoints: KeypointSet, points: np.ndarray, valid: np.ndarray) -> float:
    """Median ratio of measured to drawn distances for points (T, K, 3; m) where `valid` (T, K); 1 if unknown."""
    drawn, varies = _distances(skeleton, keypoints)
    doubt = np.hypot(keypoints.sd[:, None], keypoints.sd[None]) / np.maximum(drawn, 1e-6)
    first, second = np.nonzero(np.triu((varies < RIGID) & (drawn > LONG) & (doubt < 0.12), 1))
    ratios = [
        np.median(np.linalg.norm(points[both, a] - points[both, b], axis=-1)) / drawn[a, b]
        for a, b in zip(first, second, strict=True)
        if (both := valid[:, a] & valid[:, b]).sum() > 5
    ]
    return float(np.clip(np.median(ratios), 0.2, 2.0)) if ratios else 1.0


def _distances(skeleton: Skeleton, keypoints: KeypointSet, postures: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance (K, K) of keypoints over random postures within the limits, and its relative spread."""
    rng = np.random.default_rng(0)
    low = np.where(np.isfinite(skeleton.lower), skeleton.lower, 0.0)
    high = np.where(np.isfinite(skeleton.upper), skeleton.upper, 0.0)
    q = 0.6 * rng.uniform(low, high, (postures, len(low)))
    scale = np.ones(len(skeleton.groups))
    x = keypoints_of(Kinematics.of(skeleton, keypoints), q, scale, keypoints.positions)
    distance = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)
    mean = distance.mean(0)
    return mean, distance.std(0) / np.maximum(mean, 1e-6)
