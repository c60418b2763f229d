"""The usual route, to be compared with: points in space first, then a skeleton laid onto them.

Robust triangulation makes points of the views of each instant; scale, offsets and trajectories are then fitted to
the points alone (inverse kinematics with scaling). What the pixels still know of a point that was triangulated
badly, how far to trust it and in which direction, is lost on the way: that is what the joint fit keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from streamfit.arrays import Array
from streamfit.estimation.batch.calibrate import (
    check_points,
    checked_layout,
    compiled,
    data_of,
    first_guess,
    first_noise,
    last,
)
from streamfit.estimation.batch.gauss_newton import STEPS, State, descend
from streamfit.estimation.batch.initialise_trial import first_controls, triangulate_slots
from streamfit.estimation.batch.linearise import Data, Placed, Shared
from streamfit.estimation.batch.result import Calibration, Fit, Stage
from streamfit.estimation.batch.schur_step import SharedPrior
from streamfit.estimation.batch.smooth import NOTHING, refined_trial
from streamfit.estimation.batch.trajectories import movements_of
from streamfit.estimation.batch.trial import Layout, Trial
from streamfit.estimation.factors.reprojection import Noise, Terms
from streamfit.estimation.factors.shape_prior import Build, shape_prior
from streamfit.estimation.init.triangulate import Points
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.camera import Lenses
from streamfit.model.subject import Subject

POINT = 0.01
"""m: standard deviation of a triangulated point along each axis."""


def fit_two_stage(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    keypoints: KeypointSet,
    build: Build | None = None,
    subject: Subject | None = None,
    settings: FitSettings | None = None,
) -> Fit:
    """Triangulate every instant, then fit scale, offsets and trajectories to the points. `InputError` as ever.

    With a `subject` the body is theirs and the trajectories alone are fitted (inverse kinematics).
    """
    settings = settings or FitSettings()
    trials = [refined_trial(trial, subject) for trial in trials] if subject else trials
    layout = checked_layout(trials, keypoints, settings, slots=None)
    model = compiled(skeleton, keypoints, settings, measure=point_terms, border=subject is None)
    kinematics = model.linearise.kinematics
    pixels = first_noise(keypoints, settings)
    points = yield from last(triangulate_slots(layout, pixels, depth=None))
    check_points(points)
    guess, size = first_guess(build or Build(), skeleton, keypoints, points)
    person = subject or guess
    controls, _ = yield from last(first_controls(kinematics, keypoints, layout, points, person))
    prior = SharedPrior(*shape_prior(skeleton, keypoints, layout.independent, *size)) if subject is None else NOTHING
    data = _seen_as_points(data_of(layout, model.prior), layout, points)
    # the step asks for cameras, which points have no use for
    cameras = Placed(*data.lenses[:2], np.zeros(data.lenses.pixel.shape))
    shared = Shared(person.factors(skeleton), person.offsets, cameras)
    noise = pixels._replace(sd=np.full(len(keypoints.names), POINT))
    found = _Found(trials, layout, kinematics, person, keypoints.positions, fitted=subject is None)
    for state in descend(
        model, lambda _: data, controls, shared, noise, lambda width: prior, lambda step, noise: noise
    ):
        yield Stage("fitting", state.number / STEPS, partial(found, state))
    yield Stage("fitting", 1.0, partial(found, state))


def point_terms(lenses: Lenses, points: Array, seen: Array, noise: Noise, decorrelation: Array) -> Terms:
    """Terms of the robust distance of the keypoints (1, K, 3) from triangulated points (1, K, 4: x, y, z, whether)."""
    used = seen[..., 3] > 0.0
    residual = jnp.where(used[..., None], seen[..., :3] - points, 0.0)
    variance = noise.sd**2 + noise.sta_sd**2
    weight = jnp.where(used, noise.dof / (noise.dof + jnp.sum(residual**2, -1) / variance), 0.0)
    precision = weight * (noise.dof + 3.0) / noise.dof / variance
    count = points.shape[1]
    return Terms(
        information=precision[..., None, None] * jnp.eye(3),
        eta=precision[..., None] * residual,
        sta_cov=jnp.broadcast_to(jnp.eye(3), (count, 3, 3)),
        stiffness=jnp.ones(count),
        sta=jnp.zeros((count, 3)),
        weight=weight,
        residual=residual,
        residual_after_sta=residual,
        sta_px_var=jnp.zeros_like(weight),
    )


def _seen_as_points(data: Data, layout: Layout, points: Points) -> Data:
    """The points in place of the views, as one camera would see them."""
    seen = np.concatenate([points.position, points.valid[..., None]], -1)[:, :, None]
    lenses = Lenses(*(x[:, :1] for x in layout.lenses))
    return data._replace(
        lenses=lenses,
        seen=seen,
        view_place=layout.place[..., None],
        decorrelation=layout.decorrelation.max(-1, keepdims=True),
    )


@dataclass(frozen=True, eq=False)
class _Found:
    trials: Sequence[Trial]
    layout: Layout
    kinematics: Kinematics
    person: Subject
    positions: np.ndarray
    fitted: bool

    def __call__(self, state: State) -> Calibration:
        shared = jax.device_get(state.step.shared)
        controls = np.asarray(jax.device_get(state.step.controls))
        subject = self.person
        if self.fitted:
            subject = replace(
                subject,
                scale=dict(zip(self.kinematics.skeleton.groups, shared.scale.tolist(), strict=True)),
                offsets=shared.offsets,
                fit={
                    "method": "two-stage",
                    "trials": [trial.name for trial in self.trials],
                    "steps": state.number,
                    "converged": state.converged,
                },
            )
        places = np.asarray(self.kinematics.places(shared.scale, self.positions)) + shared.offsets
        movements = movements_of(self.trials, self.layout, controls, self.kinematics, shared.scale, places)
        return Calibration(subject, movements, state.number, state.converged)
