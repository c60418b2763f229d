from types import SimpleNamespace

import jax
import numpy as np
import pytest

from streamfit.estimation.batch.noise_em import keypoint_noise, keypoint_sta_sd, persistent_share
from streamfit.estimation.batch.trial import Trial, lay_out
from streamfit.estimation.estimate import View
from streamfit.estimation.factors.reprojection import Noise, view_terms
from streamfit.model.camera import Camera, Lenses, Rig, project

pytestmark = pytest.mark.slow

SPACING, COUNT = 0.04, 400
NOISE = Noise(np.full(3, 6.0), np.zeros(3), np.asarray(1.5), np.asarray(2.0))
PLACES = np.array([[0.0, 1.0, 0.0], [0.2, 1.4, 0.1], [-0.1, 0.2, 0.1]])
"""m, ground frame, of three keypoints that stand still."""


@pytest.fixture(scope="module")
def mixed(rig) -> Rig:
    """The room's cameras, every other one with half as many pixels."""

    def small(camera: Camera) -> Camera:
        half = np.diag([0.5, 0.5, 1.0]) @ camera.matrix
        return Camera(camera.name, (1024, 768), half, camera.distortions, camera.rotation, camera.translation)

    return Rig(tuple(small(c) if i % 2 else c for i, c in enumerate(rig.cameras)), rig.up)


@jax.jit
def see(lenses: Lenses, points):
    """Pixels (N, C, K, 2) of points (N, K, 3)."""
    return jax.vmap(lambda x: jax.vmap(lambda lens: project(lens, x).pixels)(lenses))(points)


def seen_by(rig: Rig, errors: np.ndarray, sta_sd: np.ndarray | float = 0.0, confidence: float = 1.0):
    """The layout of COUNT instants with pixel errors (COUNT, C, 3, 2), px at 2048 wide, about keypoints that are
    displaced by `sta_sd` (COUNT, 3, 3) m."""
    lenses = rig.lenses()
    pixels = np.asarray(see(lenses, PLACES + np.broadcast_to(sta_sd, (COUNT, 3, 3))))
    pixels = pixels + errors * lenses.pixel[:, None, None]
    xyc = np.concatenate([pixels, np.full((*pixels.shape[:-1], 1), confidence)], -1)
    instants = [(i * SPACING, [View(c, i * SPACING, one) for c, one in enumerate(row)]) for i, row in enumerate(xyc)]
    return lay_out([Trial("still", rig, instants)], 3, SPACING, persistence=0.08, slots=1)


@jax.jit
def _terms(lenses: Lenses, seen, noise: Noise):
    terms = jax.vmap(lambda seen: view_terms(lenses, np.broadcast_to(PLACES, seen.shape), seen, noise))(seen)
    sta_square = (terms.sta**2).sum(-1) + terms.sta_cov.trace(axis1=-2, axis2=-1)
    return terms, sta_square


def said_of(layout, noise: Noise):
    """What a step says whose skeleton is right."""
    terms, sta_square = _terms(Lenses(*(x[0] for x in layout.lenses)), layout.seen[:, 0].astype(float), noise)
    said = terms._asdict() | {"sta_square": sta_square}
    return SimpleNamespace(said=SimpleNamespace(**{name: np.asarray(x)[:, None] for name, x in said.items()}))


def student(rng, shape, scale) -> np.ndarray:
    """Bivariate Student-t errors (..., 2) with the degrees of freedom of NOISE."""
    dof = float(NOISE.dof)
    return scale * rng.normal(size=(*shape, 2)) / np.sqrt(rng.chisquare(dof, (*shape, 1)) / dof)


def test_finds_the_scale_of_errors_with_heavy_tails(mixed):
    scale = np.array([1.0, 3.0, 12.0])
    rng = np.random.default_rng(0)
    confidence = 0.5
    errors = student(rng, (COUNT, 6, 3), scale[:, None] / confidence)
    layout, noise = seen_by(mixed, errors, confidence=confidence), NOISE
    for _ in range(25):
        noise = noise._replace(sd=keypoint_noise(layout, said_of(layout, noise), noise))
    np.testing.assert_allclose(noise.sd, scale, rtol=0.06)


def test_tells_pixel_noise_from_keypoints_that_move_on_their_bodies(mixed):
    """Pixels average out over the cameras of an instant, displacements do not."""
    scale, sta_sd = np.array([2.0, 4.0, 8.0]), np.full(3, 0.004)
    rng = np.random.default_rng(1)
    displaced = sta_sd[:, None] * rng.normal(size=(COUNT, 3, 3))
    layout = seen_by(mixed, student(rng, (COUNT, 6, 3), scale[:, None]), displaced)
    noise = NOISE._replace(sta_sd=sta_sd)
    for _ in range(25):
        noise = noise._replace(sd=keypoint_noise(layout, said_of(layout, noise), noise))
    np.testing.assert_allclose(noise.sd, scale, rtol=0.2)


def test_finds_how_far_keypoints_move_on_their_bodies(mixed):
    sta_sd = np.array([0.01, 0.02, 0.04])
    rng = np.random.default_rng(1)
    displaced = sta_sd[:, None] * rng.normal(size=(COUNT, 3, 3))
    layout = seen_by(mixed, student(rng, (COUNT, 6, 3), 1.0), displaced)
    noise = NOISE._replace(sd=np.ones(3), sta_sd=np.full(3, 0.01))
    for _ in range(25):
        noise = noise._replace(sta_sd=keypoint_sta_sd(layout, said_of(layout, noise), noise))
    np.testing.assert_allclose(noise.sta_sd, sta_sd, rtol=0.2)


def test_errors_of_finite_variance_are_learnt_without_bias(mixed):
    """With as many degrees of freedom as make errors Gaussian, the truth is where learning stays."""
    scale, sta_sd = np.array([2.0, 4.0, 8.0]), np.array([0.01, 0.02, 0.03])
    rng = np.random.default_rng(5)
    displaced = sta_sd[:, None] * rng.normal(size=(COUNT, 3, 3))
    layout = seen_by(mixed, scale[:, None] * rng.normal(size=(COUNT, 6, 3, 2)), displaced)
    noise = Noise(scale, sta_sd, np.asarray(1e9), np.asarray(2.0))
    for _ in range(10):
        step = said_of(layout, noise)
        noise = noise._replace(sd=keypoint_noise(layout, step, noise), sta_sd=keypoint_sta_sd(layout, step, noise))
    np.testing.assert_allclose(noise.sd, scale, rtol=0.05)
    np.testing.assert_allclose(noise.sta_sd, sta_sd, rtol=0.05)


def test_finds_how_long_errors_persist(mixed):
    """Errors of first-order autoregression keep rho^2 of their variance's share over two intervals (80 ms)."""
    share = np.array([0.0, 0.5, 0.9])
    rho = np.sqrt(share)[:, None]
    rng = np.random.default_rng(2)
    errors = np.zeros((COUNT, 6, 3, 2))
    errors[0] = rng.normal(size=errors.shape[1:])
    for i in range(1, COUNT):
        errors[i] = rho * errors[i - 1] + np.sqrt(1.0 - rho**2) * rng.normal(size=errors.shape[1:])
    noise = NOISE._replace(sd=np.full(3, 4.0))
    layout = seen_by(mixed, 4.0 * errors)
    found = persistent_share(layout, said_of(layout, noise), noise, SPACING)
    np.testing.assert_allclose(found, share, atol=0.06)


def test_an_outlier_does_not_pass_for_persistence(mixed):
    errors = np.random.default_rng(3).normal(size=(COUNT, 6, 3, 2))
    errors[100:105, 2] += 500.0
    noise = NOISE._replace(sd=np.ones(3))
    layout = seen_by(mixed, errors)
    assert persistent_share(layout, said_of(layout, noise), noise, SPACING).max() < 0.1


def test_says_nothing_of_a_keypoint_that_is_hardly_seen(mixed):
    errors = np.random.default_rng(4).normal(size=(COUNT, 6, 3, 2))
    layout = seen_by(mixed, errors)
    layout.seen[3:, :, :, 1, 2] = 0.0
    noise = NOISE._replace(sta_sd=np.array([0.01, 0.02, 0.03]))
    step = said_of(layout, noise)
    assert keypoint_noise(layout, step, noise)[1] == 6.0
    assert keypoint_sta_sd(layout, step, noise)[1] == 0.02
    assert np.isnan(persistent_share(layout, step, noise, SPACING)).tolist() == [False, True, False]
