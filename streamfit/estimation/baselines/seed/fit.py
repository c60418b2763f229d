"""Calibration as the seed does it: everything by gradient descent on the reprojection loss (Cotton 2024).

Implicit functions of time, one for each trial, give the coordinates; scale and keypoint offsets are shared by all
trials of a person; AdamW follows the gradient of the loss at random times (arXiv 2402.17192). The same with
splines in place of the networks tells what is the network's doing and what the optimiser's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import monotonic

import jax
import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.baselines.seed.curves import Curves, MLPCurves, SplineCurves
from streamfit.estimation.baselines.seed.data import Sightings, centres, sightings
from streamfit.estimation.baselines.seed.result import calibration_of
from streamfit.estimation.baselines.seed.settings import FirstOrderSettings
from streamfit.estimation.baselines.seed.step import Data, Descent, Parameters
from streamfit.estimation.batch.result import Calibration, Fit, Stage
from streamfit.estimation.batch.trial import Trial
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.camera import Lenses
from streamfit.model.subject import SKELETON_STATURE

__all__ = ["FirstOrderSettings", "fit_first_order"]

STAGE = 1.0
"""s that a stage is to take at most, as far as the time of the steps before it tells."""


def fit_first_order(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    keypoints: KeypointSet,
    settings: FirstOrderSettings | None = None,
    stature: float | None = None,
) -> Fit:
    """Fit scale, offsets and the trajectories of all trials together, by AdamW; a stage's result is its latest state.

    The start is ours: each trial's trajectory begins at rest, with the root at the median of its triangulated
    keypoints and the joints amid their limits. With a stature (m) the overall scale is held at it and only the
    groups' parts are fitted. The same trials and settings give the same result. `InputError` where there is
    nothing to fit, or where the fit diverges.
    """
    settings = settings or FirstOrderSettings()
    used = [trial for trial in trials if any(views for _, views in trial.instants)]
    if not used:
        raise InputError("calibration: the recordings hold no views of this person; record again or name another")
    yield Stage("triangulating", 0.0)
    rows = sightings(used, len(keypoints.names))
    middle = centres(used, rows)
    yield Stage("compiling", 0.0)
    curves = _curves(rows, skeleton, settings)
    kinematics = Kinematics.of(skeleton, keypoints)
    descent = Descent(kinematics, keypoints.positions, curves, settings, held=stature is not None)
    lenses = Lenses(*(x.astype(np.float32) for x in rows.lenses))
    data = jax.device_put(Data(curves.features(rows.t), rows.seen, rows.count, lenses))
    features = jax.device_put(curves.features(_times(used)))
    advance, evaluate = jax.jit(descent.advance), jax.jit(descent.evaluate)

    def result(parameters: Parameters, steps: int) -> Calibration:
        known, fitted = jax.device_get((parameters, evaluate(parameters, data, features)))
        return calibration_of(trials, rows, skeleton, keypoints, settings, known, fitted, steps)

    state = jax.jit(descent.start)(middle, stature / SKELETON_STATURE - 1.0 if stature else 0.0)
    done, chunk = 0, 1
    while done < settings.steps:
        chunk = min(chunk, settings.steps - done)
        began = monotonic()
        state = jax.block_until_ready(advance(state, data, np.int32(chunk)))
        rate = chunk / (monotonic() - began)
        done += chunk
        if not np.isfinite(state.loss):
            raise InputError(
                "calibration: the fit diverged; check that the keypoint set and the cameras belong to this recording"
            )
        yield Stage("fitting", done / settings.steps, partial(result, state.parameters, done))
        # the first chunk was compiled as well, and says nothing of the speed
        chunk = int(np.clip(STAGE * rate, 1, settings.report_every)) if done > 1 else 1


def _curves(rows: Sightings, skeleton: Skeleton, settings: FirstOrderSettings) -> Curves:
    spans = [(float(t[0]), float(t[-1])) for t in rows.t]
    if settings.trajectory == "mlp":
        return MLPCurves.over(spans, skeleton, settings.hidden)
    return SplineCurves.over(spans, skeleton)


def _times(trials: Sequence[Trial]) -> np.ndarray:
    """The instants (T, N) s of all trials; those of shorter ones are followed by their last again."""
    longest = max(len(trial.instants) for trial in trials)
    times = [[t for t, _ in trial.instants] for trial in trials]
    return np.array([own + [own[-1]] * (longest - len(own)) for own in times])
