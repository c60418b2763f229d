from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from streamfit.estimation.baselines.seed.loss import MISS, huber, loss_of, reprojection_cost
from streamfit.estimation.batch.result import Movement
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.estimate import View
from streamfit.model.camera import Camera, Rig

cost_of = jax.jit(reprojection_cost)
FAR = 5.0 * (MISS - 2.5)
"""What a keypoint costs that is not there at all."""


@pytest.fixture
def one_camera() -> Rig:
    """1024 wide, so that each of its pixels counts as two; it looks along the world's z from the origin."""
    matrix = np.array([[1000.0, 0, 500.0], [0, 1000.0, 400.0], [0, 0, 1]])
    return Rig((Camera("only", (1024, 768), matrix, np.zeros(5), np.zeros(3), np.zeros(3)),), "z")


def seen_at(*rows) -> np.ndarray:
    return np.array([rows], float)


def test_huber_is_quadratic_then_linear():
    e = np.array([0.0, 3.0, 5.0, 13.0])
    np.testing.assert_allclose(huber(jnp.array(e**2), 5.0), [0.0, 4.5, 12.5, 52.5])
    slope = jax.vmap(jax.grad(lambda e: huber(e**2, 5.0)))(e)
    np.testing.assert_allclose(slope, [0.0, 3.0, 5.0, 5.0])


def test_cost_as_computed_by_hand(one_camera):
    lenses = one_camera.lenses()
    world = np.array([[0.0, 0.0, 2.0], [0.1, 0.0, 2.0], [0.0, 0.0, 2.0]])
    ground = world @ one_camera.to_ground.T
    # they project to (500, 400), (550, 400), (500, 400)
    seen = seen_at([500.0, 401.5, 1.0], [544.0, 408.0, 0.5], [np.nan, np.nan, 0.0])
    cost, confidence = cost_of(lenses, ground, seen)
    # errors of 1.5 and 10 native pixels are 3 and 20 at 2048 wide; the third was not seen
    assert cost == pytest.approx(1.0 * 4.5 + 0.5 * 5.0 * (20.0 - 2.5))
    assert confidence == pytest.approx(1.5)


@pytest.mark.parametrize("world", [[0.0, 0.0, -2.0], [0.0, 0.0, 0.0], [np.nan] * 3, [40.0, 0.0, 2.0]])
def test_what_cannot_be_projected_costs_an_images_width(one_camera, world):
    ground = np.array([world]) @ one_camera.to_ground.T
    assert cost_of(one_camera.lenses(), ground, seen_at([500.0, 400.0, 0.5])).cost == pytest.approx(0.5 * FAR)


def test_a_point_behind_a_camera_leaves_the_gradient_of_the_others(one_camera):
    lenses, seen = one_camera.lenses(), seen_at([500.0, 400.0, 1.0], [500.0, 400.0, 1.0])

    ground = np.array([[0.0, 0.0, -3.0], [0.1, 0.0, 2.0]]) @ one_camera.to_ground.T
    gradient = jax.jit(jax.grad(lambda ground: reprojection_cost(lenses, ground, seen).cost))(ground)
    assert np.isfinite(gradient).all()
    assert not gradient[0].any()
    assert gradient[1].any()


T = np.arange(0.0, 1.0, 0.05)


def moving(scene, times, keep=None) -> Movement:
    points = np.stack([scene.points(t) for t in times]) @ scene.rig.to_ground
    if keep is not None:
        points[~keep] = np.nan
    return Movement("walk", scene.rig, times, np.zeros((len(times), 40)), points)


@pytest.fixture(scope="module")
def watched(scene) -> Trial:
    return Trial("walk", scene.rig, [(t, scene.views(t)) for t in T])


def test_the_true_movement_costs_nothing(scene, watched):
    assert loss_of([watched], [moving(scene, T)]) == pytest.approx(0.0, abs=1e-9)


def test_the_same_movement_elsewhere_costs(scene, watched):
    true = moving(scene, T)
    assert loss_of([watched], [replace(true, keypoints=true.keypoints + np.array([0.0, 0.0, 0.1]))]) > 10.0


def test_leaving_out_instants_does_not_pay(scene, watched):
    keep = np.ones(len(T), bool)
    keep[5:10] = False
    assert loss_of([watched], [moving(scene, T, keep)]) == pytest.approx(FAR * 5 / len(T), rel=1e-6)


def test_each_trial_counts_alike_and_blind_ones_not_at_all(scene, watched):
    short = Trial("short", scene.rig, watched.instants[:3])
    blind = Trial("blind", scene.rig, [(t, []) for t in T])
    lost = moving(scene, T, np.zeros(len(T), bool))
    losses = loss_of([watched, short, blind], [moving(scene, T), lost, lost])
    assert losses == pytest.approx(0.5 * FAR, rel=1e-6)
    assert np.isnan(loss_of([blind], [lost]))


def test_views_are_compared_at_their_own_times(one_camera):
    """A point that moves evenly, seen 10 ms after each instant, after the last one too."""
    t = np.array([0.0, 0.1, 0.2])
    world = np.stack([0.1 * t, 0.0 * t, 2.0 + 0.0 * t], -1)[:, None]
    late = [(s, [View(0, s + 0.01, np.array([[500.0 + 50.0 * (s + 0.01), 400.0, 1.0]]))]) for s in t]
    movement = Movement("even", one_camera, t, np.zeros((3, 0)), world)
    assert loss_of([Trial("even", one_camera, late)], [movement]) == pytest.approx(0.0, abs=1e-9)
    later = [(s, [View(0, s + 0.41, views[0].xyc)]) for s, views in late]
    assert loss_of([Trial("even", one_camera, later)], [movement]) == pytest.approx(FAR)
