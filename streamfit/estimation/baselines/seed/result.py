"""A first-order fit's parameters as a calibration: the subject, its noise and residuals, and the movements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamfit.estimation.baselines.seed.data import Sightings, near_views
from streamfit.estimation.baselines.seed.loss import MISS, huber
from streamfit.estimation.baselines.seed.settings import FirstOrderSettings
from streamfit.estimation.baselines.seed.step import Fitted, Parameters
from streamfit.estimation.batch.result import Calibration, Movement
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.quality.metrics import CONFIDENT, Consistency
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import DEFAULT_NOISE, SKIN, Subject


def calibration_of(
    trials: Sequence[Trial],
    data: Sightings,
    skeleton: Skeleton,
    keypoints: KeypointSet,
    settings: FirstOrderSettings,
    parameters: Parameters,
    fitted: Fitted,
    steps: int,
) -> Calibration:
    """The calibration that arrays on the host say. `data` and `fitted` hold the trials that have views, in order."""
    size, count = len(skeleton.coordinates), len(keypoints.names)
    seen = [index for index, trial in enumerate(trials) if near_views(trial).any()]
    movements = []
    for index, trial in enumerate(trials):
        t = np.array([instant for instant, _ in trial.instants], float)
        q, points = np.full((len(t), size), np.nan), np.full((len(t), count, 3), np.nan)
        if index in seen:
            near = near_views(trial)
            q[near] = fitted.q[seen.index(index), : len(t)][near]
            points[near] = fitted.points[seen.index(index), : len(t)][near] @ trial.rig.to_ground
        movements.append(Movement(trial.name, trial.rig, t, q, points))
    confidence = data.seen[..., 2] * (np.arange(data.seen.shape[1]) < data.count[:, None])[..., None, None]
    cost = (confidence * np.asarray(huber(fitted.square, settings.huber))).sum((1, 2, 3)) / confidence.sum((1, 2, 3))
    subject = replace(
        Subject.generic(skeleton, keypoints),
        scale=dict(zip(skeleton.groups, parameters.scale.astype(float).tolist(), strict=True)),
        offsets=np.asarray(parameters.offsets, float),
        noise=keypoint_noise(np.sqrt(fitted.square), confidence),
        sta_sd=np.full(count, SKIN),
        sta_rms=np.full(count, SKIN),
        fit={
            "method": "mlp" if settings.trajectory == "mlp" else "first-order spline",
            "trials": [trial.name for trial in trials],
            "steps": steps,
            "converged": steps >= settings.steps,
            "instants": sum(bool(views) for trial in trials for _, views in trial.instants),
            "loss": round(float(cost.mean()), 4),
            "samples": settings.samples,
            "learning_rate": list(settings.learning_rate),
            **({"hidden": list(settings.hidden)} if settings.trajectory == "mlp" else {}),
            "residuals": {
                trials[index].name: _residuals(np.sqrt(fitted.square[i]), confidence[i], trials[index])
                for i, index in enumerate(seen)
            },
        },
    )
    return Calibration(subject, tuple(movements), steps, steps >= settings.steps)


def keypoint_noise(error: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Noise (K,) px at 2048 wide from errors (..., K) in such pixels: the scale of the bivariate Student-t
    distribution that has their median, each counted by the root of its confidence as the window counts it.

    Its |e| has the median s sqrt(n (2^(2/n) - 1)) for a scale s and n degrees of freedom. Keypoints seen too
    rarely keep the default.
    """
    usual = FitSettings()
    median = np.sqrt(usual.dof * (2.0 ** (2.0 / usual.dof) - 1.0))
    scaled = error * confidence ** (0.5 * usual.confidence_power)
    used = (confidence > 0.0) & (error < MISS)
    noise = np.full(error.shape[-1], DEFAULT_NOISE)
    for k in range(len(noise)):
        own = scaled[..., k][used[..., k]]
        if len(own) > 20:
            noise[k] = np.clip(np.median(own) / median, 0.5, 50.0)
    return noise


def _residuals(error: np.ndarray, confidence: np.ndarray, trial: Trial) -> dict[str, float]:
    """Median reprojection error (native px) and GC_5/10/20 of the confident points of one trial."""
    cameras = len(trial.rig.cameras)
    native = np.where(error < MISS, error, np.inf)[:, :cameras] * trial.rig.lenses().pixel[:, None]
    width = np.array([camera.size[0] for camera in trial.rig.cameras], float)
    counted = Consistency(np.where(confidence[:, :cameras] >= CONFIDENT, native, np.nan), width)
    shares = {f"gc_{x}": round(counted.share_within(x), 4) for x in (5, 10, 20)}
    return {"median_px": round(counted.median(), 3), **shares}
