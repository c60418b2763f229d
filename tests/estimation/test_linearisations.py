"""The live linearisation (by screws) and the batch one (by a dense Jacobian) say the same of an instant."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from streamfit.estimation.batch.linearise import Data, Linearise, Placed, Shared
from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.factors.reprojection import Noise, view_terms
from streamfit.estimation.live.measurement_buffer import MeasurementBuffer
from streamfit.estimation.live.sliding_window.window import Window
from streamfit.estimation.live.sliding_window.window_types import Model
from streamfit.estimation.settings import FitSettings
from streamfit.model import Kinematics
from streamfit.model.spline import SUPPORT, UniformSpline

T = 0.63
"""s of the instant."""
LATE = np.array([0.0, 0.004, -0.003, 0.007, 0.0, 0.002])
"""s of the views after it, in the same knot interval."""


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_an_instant_has_one_information_matrix_and_vector(scene, apart: float) -> None:
    """Views with errors, a point that is missing, cameras that are not in step; decorrelation differs between them."""
    settings = replace(FitSettings(), precision="float64")
    skeleton, keypoints, subject, rng = scene.skeleton, scene.keypoints, scene.subject, np.random.default_rng(1)
    kinematics, lenses = Kinematics.of(skeleton, keypoints), scene.rig.lenses()
    cameras = len(lenses.focal)
    late = apart * np.resize(LATE, cameras)
    noise = Noise(subject.noise, subject.sta_sd, np.float64(settings.dof), np.float64(settings.confidence_power))

    window = Window(kinematics, MotionPrior.of(skeleton, settings), settings, 8, settings.active)
    spline = UniformSpline(T - 4.4 * settings.spacing, settings.spacing, 5)
    knots = spline.start + settings.spacing * (np.arange(spline.controls) - 1.0)
    controls = np.array([scene.q(t) for t in knots]) + 0.02 * rng.normal(size=(spline.controls, len(scene.q(0.0))))
    buffer = MeasurementBuffer(settings, cameras, len(keypoints.names))
    slot = buffer.open_for(T, T + late)
    for view, t in zip(scene.views(T, 4.0, rng), T + late, strict=True):
        view.xyc[:, 2] = rng.uniform(0.4, 1.0, len(view.xyc))
        view.xyc[view.camera, 2] = 0.0
        assert buffer.place(view.camera, t, view.xyc, 0.01 * (1 + view.camera), spline) == slot
    newest = buffer.lay_out_newest(slot, spline, T)
    state = window.empty(scene.q(T))._replace(controls=controls)
    prior = window.eliminate(state, MeasurementBuffer(settings, cameras, len(keypoints.names)).places(spline))
    scale, places = subject.factors(skeleton), subject.places(skeleton, keypoints)
    model = Model(lenses, scale, places, noise, subject.sta_rms, subject.persistent)
    live, _, _ = window.measurement_update(model, prior, newest.packed())

    linearise = Linearise(kinematics, keypoints.positions, settings.spacing, view_terms, border=False)
    first = spline.intervals - 1
    data = Data(
        lenses=type(lenses)(*(np.asarray(x)[None] for x in lenses)),
        rig=np.zeros(SUPPORT, int),
        seen=np.zeros((SUPPORT, 1, *newest.seen.shape)),
        place=np.full((SUPPORT, 1), newest.place - first),
        view_place=np.tile(newest.view_place - first, (SUPPORT, 1, 1)),
        decorrelation=np.tile(newest.decorrelation, (SUPPORT, 1, 1)),
        prior=np.zeros(0),
        toward=np.zeros(0),
    )
    data.seen[0, 0] = newest.seen
    placed = Placed(lenses.rotation[None], lenses.translation[None], np.zeros((1, cameras)))
    slots, _ = jax.jit(linearise)(data, noise, controls[-SUPPORT:], Shared(scale, subject.offsets, placed))

    information, eta = np.asarray(slots.information[0, 0]), np.asarray(slots.eta[0, 0])
    assert np.linalg.eigvalsh(information)[-1] > 1e3
    assert np.abs(eta).max() > 1.0
    np.testing.assert_allclose(live.information, information, rtol=1e-8, atol=1e-8 * np.abs(information).max())
    np.testing.assert_allclose(live.eta, eta, rtol=1e-8, atol=1e-8 * np.abs(eta).max())
