"""The whole-trial fit: the trajectories of complete recordings of a person whose body is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import numpy as np

from streamfit.estimation.batch.bundle_adjust import calibrated_cameras
from streamfit.estimation.batch.calibrate import check_points, checked_layout, compiled, data_of, last
from streamfit.estimation.batch.gauss_newton import State, descend
from streamfit.estimation.batch.initialise_trial import first_controls, triangulate_slots
from streamfit.estimation.batch.linearise import Shared
from streamfit.estimation.batch.result import Calibration, Fit, Stage
from streamfit.estimation.batch.schur_step import SharedPrior
from streamfit.estimation.batch.trajectories import movements_of
from streamfit.estimation.batch.trial import Layout, Trial
from streamfit.estimation.estimate import View
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.subject import Subject

WIDENING = (8.0, 8.0, 4.0, 4.0, 2.0, 2.0)
"""From wide to narrow: the body is known, so that less is in doubt than in calibration."""
STEPS = 16
NOTHING = SharedPrior(np.zeros(0), np.zeros((0, 0)))
"""The prior of shared parameters where there are none."""


def fit_offline(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    keypoints: KeypointSet,
    subject: Subject,
    settings: FitSettings | None = None,
) -> Fit:
    """Fit the trajectories alone, with the residuals of the live fit and every instant of the trials.

    Cameras are taken as the subject's calibration refined them, where it did. `InputError` where there is
    nothing to fit.
    """
    settings = settings or FitSettings()
    trials = [refined_trial(trial, subject) for trial in trials]
    layout = checked_layout(trials, keypoints, settings, slots=None)
    model = compiled(skeleton, keypoints, settings, border=False)
    kinematics = model.linearise.kinematics
    known = (subject.noise, subject.sta_sd, settings.dof, settings.confidence_power)
    noise = Noise(*(np.asarray(x, float) for x in known))
    points = yield from last(triangulate_slots(layout, noise))
    check_points(points)
    controls, _ = yield from last(first_controls(kinematics, keypoints, layout, points, subject))
    data = data_of(layout, model.prior)
    shared = Shared(subject.factors(skeleton), subject.offsets, calibrated_cameras(layout))
    found = _Found(trials, layout, kinematics, subject, subject.places(skeleton, keypoints))
    for state in descend(
        model,
        lambda _: data,
        controls,
        shared,
        noise,
        lambda width: NOTHING,
        lambda step, noise: noise,
        WIDENING,
        STEPS,
    ):
        yield Stage("fitting", state.number / STEPS, partial(found, state))
    yield Stage("fitting", 1.0, partial(found, state))


def refined_trial(trial: Trial, subject: Subject) -> Trial:
    """The trial with its cameras where calibration has found them, and its views at the times of their clocks."""
    rig, clock = subject.rig_for(trial.rig)
    if rig is trial.rig:
        return trial
    instants = [(t, [View(v.camera, v.t + clock[v.camera], v.xyc) for v in views]) for t, views in trial.instants]
    return replace(trial, rig=rig, instants=instants)


@dataclass(frozen=True, eq=False)
class _Found:
    trials: Sequence[Trial]
    layout: Layout
    kinematics: Kinematics
    subject: Subject
    places: np.ndarray

    def __call__(self, state: State) -> Calibration:
        controls = np.asarray(jax.device_get(state.step.controls))
        scale = self.subject.factors(self.kinematics.skeleton)
        movements = movements_of(self.trials, self.layout, controls, self.kinematics, scale, self.places)
        return Calibration(self.subject, movements, state.number, state.converged)
