"""The noise of a detector, estimated from the residuals of a fit."""

from __future__ import annotations

import numpy as np

from streamfit.estimation.batch.schur_step import Step
from streamfit.estimation.batch.trial import Layout
from streamfit.estimation.factors.reprojection import Noise

ENOUGH = 20
"""Residuals of a keypoint from which its noise is measured."""
SMALLEST, LARGEST = 0.5, 50.0
"""px at 2048 wide."""
WANDERS = (0.003, 0.06)
"""m."""
LATER = 0.08
"""s after which an error that is still there persists."""
OUTLYING = 3.0
"""Standard deviations to which a residual is clipped before its persistence is measured."""


def keypoint_noise(layout: Layout, step: Step, noise: Noise) -> np.ndarray:
    """Noise (K,) px at 2048 wide: the Student-t scale of each keypoint's residuals (one EM step)."""
    confidence = np.clip(layout.seen[..., 2], 1e-3, 1.0) ** float(noise.confidence_power)
    weight = np.asarray(step.said.weight)
    pixel = layout.lenses.pixel[layout.rig][:, None, :, None]
    expected = (_scaled(layout, step) ** 2).sum(-1) + np.asarray(step.said.sta_px_var) / pixel**2
    used = weight > 0
    dof = float(noise.dof)
    robust = weight * (dof + 2.0) / dof
    square = np.where(used, robust * expected * confidence, 0.0).sum((0, 1, 2))
    count = used.sum((0, 1, 2))
    measured = np.sqrt(square / np.maximum(2.0 * count, 1.0))
    return np.where(count > ENOUGH, np.clip(measured, SMALLEST, LARGEST), noise.sd)


def keypoint_sta_sd(layout: Layout, step: Step, noise: Noise) -> np.ndarray:
    """How far each keypoint is from its place on the body (K,) m per axis (one EM step)."""
    seen = np.asarray(step.said.weight).any(2)
    count = seen.sum((0, 1))
    square = np.where(seen, np.asarray(step.said.sta_square), 0.0).sum((0, 1)) / np.maximum(3.0 * count, 1.0)
    return np.where(count > ENOUGH, np.clip(np.sqrt(square), *WANDERS), noise.sta_sd)


def persistent_share(layout: Layout, step: Step, noise: Noise, spacing: float) -> np.ndarray:
    """Share (K,) of each keypoint's error, as one camera sees it, that is still there 80 ms later (0..1)."""
    lag = max(1, round(LATER / spacing))
    weight, error = np.asarray(step.said.weight)[:, 0], _scaled(layout, step)[:, 0]
    unit = np.clip(error / np.asarray(noise.sd)[:, None], -OUTLYING, OUTLYING)
    whole = (layout.trial[lag:] == layout.trial[:-lag])[:, None, None]
    both = (weight[lag:] > 0) & (weight[:-lag] > 0) & whole
    product = np.where(both, (unit[lag:] * unit[:-lag]).sum(-1), 0.0).sum((0, 1))
    power = np.where(both, 0.5 * (unit[lag:] ** 2 + unit[:-lag] ** 2).sum(-1), 0.0).sum((0, 1))
    share = np.clip(product / np.maximum(power, 1e-9), 0.0, 1.0)
    return np.where(both.sum((0, 1)) > ENOUGH, share, np.nan)


def _scaled(layout: Layout, step: Step) -> np.ndarray:
    """What the artefact leaves of the residuals (M, S, C, K, 2), in px at 2048 wide."""
    return np.asarray(step.said.residual_after_sta) / layout.lenses.pixel[layout.rig][:, None, :, None, None]
