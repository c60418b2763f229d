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
    """How many times as large as the drawn one a person is, within what people are; 1 if unknown."""
    ratio = relative_size(skeleton, keypoints, points, valid)[0]
    return float(np.clip(ratio, 0.2, 2.0)) if np.isfinite(ratio) else 1.0


def relative_size(
    skeleton: Skeleton, keypoints: KeypointSet, points: np.ndarray, valid: np.ndarray
) -> tuple[float, float]:
    """Median ratio of measured to drawn distances for points (T, K, 3; m) where `valid` (T, K), and by how much single
    distances at single instants differ from it, relatively and in the median; NaN if unknown."""
    drawn, varies = _distances(skeleton, keypoints)
    doubt = np.hypot(keypoints.sd[:, None], keypoints.sd[None]) / np.maximum(drawn, 1e-6)
    first, second = np.nonzero(np.triu((varies < RIGID) & (drawn > LONG) & (doubt < 0.12), 1))
    ratios = [
        np.linalg.norm(points[both, a] - points[both, b], axis=-1) / drawn[a, b]
        for a, b in zip(first, second, strict=True)
        if (both := valid[:, a] & valid[:, b]).sum() > 5
    ]
    if not ratios:
        return np.nan, np.nan
    ratio = float(np.median([np.median(each) for each in ratios]))
    return ratio, float(np.median(np.abs(np.concatenate(ratios) / ratio - 1.0)))


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
