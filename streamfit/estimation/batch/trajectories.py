"""Trajectories of a fit as movements of the trials."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.batch.result import Movement
from streamfit.estimation.batch.trial import Layout, Trial
from streamfit.model import Kinematics
from streamfit.model.camera import Rig

BLOCK = 256
"""Poses whose keypoints are placed at once."""


@partial(jax.jit, static_argnums=0)
def _placed(
    kinematics: Kinematics, q: Float[Array, "N D"], scale: Float[Array, " G"], places: Float[Array, "K 3"]
) -> Float[Array, "N K 3"]:
    return jax.vmap(lambda q: kinematics.keypoints(kinematics.pose(q, scale), places))(q)


def keypoints_of(kinematics: Kinematics, q: np.ndarray, scale: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Keypoints (N, K, 3) of poses (N, D), ground frame; NaN where the pose is."""
    out = np.full((len(q), len(places), 3), np.nan)
    for start in range(0, len(q), BLOCK):
        part = q[start : start + BLOCK]
        padded = np.concatenate([np.nan_to_num(part), np.zeros((BLOCK - len(part), q.shape[1]))])
        out[start : start + len(part)] = np.asarray(_placed(kinematics, padded, scale, places))[: len(part)]
    out[~np.isfinite(q).all(1)] = np.nan
    return out


def movements_of(
    trials: Sequence[Trial],
    layout: Layout,
    controls: np.ndarray,
    kinematics: Kinematics,
    scale: np.ndarray,
    places: np.ndarray,
    rigs: Sequence[Rig] | None = None,
) -> tuple[Movement, ...]:
    """A movement for each trial at its instants; `rigs`: the layout's rigs as refined."""
    out = []
    for index, trial in enumerate(trials):
        t = np.array([instant for instant, _ in trial.instants], float)
        q = np.full((len(t), controls.shape[1]), np.nan)
        rig = trial.rig
        for first, spline in zip(layout.first, layout.splines, strict=True):
            if layout.trial[first] != index:
                continue
            inside = (t >= spline.start) & (t <= spline.end)
            at = first + spline.interval(t[inside])[:, None] + np.arange(4)
            q[inside] = np.einsum("na,nad->nd", spline.local_weights(t[inside]), controls[at])
            rig = rigs[layout.rig[first]] if rigs else rig
        points = keypoints_of(kinematics, q, scale, places) @ rig.to_ground
        out.append(Movement(trial.name, rig, t, q, points))
    return tuple(out)
