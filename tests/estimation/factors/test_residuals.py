from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from streamfit.estimation.factors.reprojection import Noise, reduce_views, view_terms
from streamfit.model.camera import Lenses, project

NOISE = Noise(sd=np.full(3, 5.0), sta_sd=np.zeros(3), dof=1.5, confidence_power=1.0)
WANDER = np.array([0.003, 0.01, 0.03])
WANDERING = NOISE._replace(sta_sd=WANDER)
reduced_views = jax.jit(reduce_views)


def setting(rig):
    rng = np.random.default_rng(0)
    lenses = rig.lenses()
    points = rng.normal((0, 1, 0), 0.3, (3, 3))
    pixels = seen_by(lenses, points).pixels
    seen = np.concatenate([pixels, rng.uniform(0.3, 1.0, (len(rig.cameras), 3, 1))], -1)
    return lenses, points, seen


@jax.jit
def seen_by(lenses, points):
    """The projections of K points, or of those that each camera has."""
    count = lenses.focal.shape[0]
    return jax.vmap(project)(lenses, jnp.broadcast_to(points, (count, *points.shape[-2:])))


def at(points, seen):
    return np.broadcast_to(points, seen.shape)


def variance(lenses, seen):
    """px^2 per axis, (C, K)."""
    return (NOISE.sd * lenses.pixel[:, None]) ** 2 / seen[..., 2]


@jax.jit
def student_cost(lenses, points, seen, decorrelation):
    """Negative log-likelihood of bivariate Student-t errors, constants left out."""
    square = jnp.sum((seen[..., :2] - seen_by(lenses, points).pixels) ** 2, -1) / variance(lenses, seen)
    cost = 0.5 * (NOISE.dof + 2) * jnp.log1p(square / NOISE.dof)
    return jnp.sum(decorrelation[:, None] * jnp.where(seen[..., 2] > 0, cost, 0.0))


def test_eta_is_the_slope_of_the_robust_cost(rig):
    lenses, points, seen = setting(rig)
    moved = points + 0.02
    decorrelation = np.linspace(0.2, 1.0, len(rig.cameras))
    reduced = reduced_views(lenses, at(moved, seen), seen, NOISE, decorrelation)
    slope = jax.jit(jax.grad(student_cost, 1))(lenses, moved, seen, decorrelation)
    np.testing.assert_allclose(reduced.eta, -slope, rtol=1e-6, atol=1e-6)


def test_information_is_the_curvature_where_the_fit_is_perfect(rig):
    lenses, points, seen = setting(rig)
    decorrelation = np.ones(len(rig.cameras))
    reduced = reduced_views(lenses, at(points, seen), seen, NOISE, decorrelation)
    curvature = jax.jit(jax.hessian(student_cost, 1))(lenses, points, seen, decorrelation)
    for k in range(3):
        np.testing.assert_allclose(reduced.information[k], curvature[k, :, k, :], rtol=1e-6)


def stacked(lenses, points, seen, weight, decorrelation, k):
    """Whitened residuals of keypoint k and their derivatives with respect to its place and its displacement.

    The robust weights are held; the displacement's own residual, displacement / sta_sd, stands last.
    """
    projection = seen_by(lenses, points)
    precision = decorrelation * weight[:, k] * (NOISE.dof + 2.0) / NOISE.dof / variance(lenses, seen)[:, k]
    root = np.sqrt(precision)[:, None]
    residual = (root * (seen[:, k, :2] - projection.pixels[:, k])).reshape(-1)
    slope = (root[..., None] * projection.jacobian[:, k]).reshape(-1, 3)
    place = np.concatenate([-slope, np.zeros((3, 3))])
    displacement = np.concatenate([-slope, np.eye(3) / WANDER[k]])
    return np.concatenate([residual, np.zeros(3)]), place, displacement


def test_eta_is_the_slope_of_the_cost_with_the_displacement_minimised_out(rig):
    lenses, points, seen = setting(rig)
    moved = points + np.array([0.015, -0.01, 0.02])
    decorrelation = np.linspace(0.2, 1.0, len(rig.cameras))
    reduced = reduced_views(lenses, at(moved, seen), seen, WANDERING, decorrelation)
    for k in range(3):
        # the cost's displacement counts as the camera with the largest share does: here that share is 1
        held = partial(stacked, seen=seen, weight=np.asarray(reduced.weight), decorrelation=decorrelation, k=k)
        _, _, displaced = held(lenses, moved)

        def least(place, held=held, displaced=displaced, k=k):
            every = moved.copy()
            every[k] = place
            residual, _, _ = held(lenses, every)
            best = np.linalg.lstsq(displaced, -residual, rcond=None)[0]
            return 0.5 * np.sum((residual + displaced @ best) ** 2)

        steps = 1e-5 * np.eye(3)
        slope = [(least(moved[k] + step) - least(moved[k] - step)) / 2e-5 for step in steps]
        np.testing.assert_allclose(reduced.eta[k], -np.array(slope), rtol=1e-5, atol=1e-5 * np.abs(slope).max())


def test_information_is_the_schur_complement_over_the_displacement(rig):
    lenses, points, seen = setting(rig)
    moved = points + np.array([0.015, -0.01, 0.02])
    decorrelation = np.linspace(0.2, 1.0, len(rig.cameras))
    reduced = reduced_views(lenses, at(moved, seen), seen, WANDERING, decorrelation)
    for k in range(3):
        _, a, b = stacked(lenses, moved, seen, np.asarray(reduced.weight), decorrelation, k)
        complement = a.T @ a - a.T @ b @ np.linalg.solve(b.T @ b, b.T @ a)
        np.testing.assert_allclose(reduced.information[k], complement, rtol=1e-7, atol=1e-7 * complement.max())


def test_a_common_share_scales_everything(rig):
    """The displacement persists as the views do: half the instants' worth is half of the whole."""
    lenses, points, seen = setting(rig)
    moved, decorrelation = at(points + 0.02, seen), np.linspace(0.2, 1.0, len(rig.cameras))
    whole = reduced_views(lenses, moved, seen, WANDERING, decorrelation)
    half = reduced_views(lenses, moved, seen, WANDERING, 0.5 * decorrelation)
    np.testing.assert_allclose(half.information, 0.5 * whole.information, rtol=1e-12)
    np.testing.assert_allclose(half.eta, 0.5 * whole.eta, rtol=1e-12)
    np.testing.assert_allclose(half.weight, whole.weight, rtol=1e-12)


def test_more_cameras_say_no_more_than_the_artefact_lets_them(rig):
    lenses, points, seen = setting(rig)
    sure = WANDERING._replace(sd=np.full(3, 0.2))
    most = []
    for times in (1, 20):
        many = Lenses(*(np.concatenate([x] * times) for x in lenses))
        views = np.concatenate([seen] * times)
        information = reduced_views(many, at(points, views), views, sure, np.ones(len(views))).information
        most.append(np.linalg.eigvalsh(information))
    bound = WANDER[:, None] ** -2
    assert (most[0] < most[1]).all()
    assert (most[1] < bound).all()
    np.testing.assert_allclose(most[1], np.broadcast_to(bound, (3, 3)), rtol=1e-3)


def test_what_all_cameras_see_alike_is_a_displacement_and_no_outlier(rig):
    lenses, points, seen = setting(rig)
    away = np.array([[0.001, 0, 0], [0, 0.01, 0], [0, 0, 0.025]])
    seen[..., :2] = seen_by(lenses, points + away).pixels
    sure = NOISE._replace(sd=np.full(3, 1.0))
    compiled = jax.jit(view_terms)
    terms = compiled(lenses, at(points, seen), seen, sure._replace(sta_sd=WANDER))
    np.testing.assert_allclose(terms.sta, away, atol=1e-3)
    assert np.asarray(terms.weight).min() > 0.5
    assert np.linalg.norm(terms.residual_after_sta, axis=-1).max() < 0.1 * np.linalg.norm(terms.residual, axis=-1).max()
    stiff = compiled(lenses, at(points, seen), seen, sure)
    assert np.median(np.asarray(stiff.weight)[:, 1:], 0).max() < 0.2


def test_missing_points_count_for_nothing(rig):
    lenses, points, seen = setting(rig)
    moved, one = at(points + 0.01, seen), np.ones(len(rig.cameras))
    without_view = np.where(np.arange(len(one)) == 2, 0.0, one)
    for noise in (NOISE, WANDERING):
        blind = seen.copy()
        blind[2, 1] = [np.nan, np.nan, 0.0]
        without = reduced_views(lenses, moved, blind, noise, one)
        fewer = reduced_views(lenses, moved, seen, noise, without_view)
        assert without.weight[2, 1] == 0.0
        np.testing.assert_allclose(without.information[1], fewer.information[1], rtol=1e-9)
        np.testing.assert_allclose(without.eta[1], fewer.eta[1], rtol=1e-9)
        assert np.isfinite(without.eta).all()


def test_a_keypoint_that_nobody_sees_says_nothing(rig):
    lenses, points, seen = setting(rig)
    seen[:, 1, 2] = 0.0
    reduced = reduced_views(lenses, at(points, seen), seen, WANDERING, np.ones(len(rig.cameras)))
    assert not np.asarray(reduced.information[1]).any()
    assert not np.asarray(reduced.eta[1]).any()


def test_an_outlier_pulls_less_than_a_small_error(rig):
    lenses, points, seen = setting(rig)
    near, far = seen.copy(), seen.copy()
    near[0, 0, 0] += 5.0
    far[0, 0, 0] += 400.0
    one = np.ones(len(rig.cameras))
    pull = [np.linalg.norm(reduced_views(lenses, at(points, seen), s, NOISE, one).eta[0]) for s in (near, far)]
    assert pull[1] < 0.2 * pull[0]
