from dataclasses import replace

import numpy as np

from streamfit.estimation.live.clock_sync import Clocks, RunningMean, clock_terms
from streamfit.estimation.live.tracker import Tracker
from streamfit.model.camera import Rig

STEP = 0.02


def told(seconds, offsets, sd, drift=0.0, seed=0):
    """Clocks that have heard every STEP how far each is off, with normal errors (s)."""
    rng = np.random.default_rng(seed)
    clocks = Clocks(len(offsets))
    information = np.full(len(offsets), 1.0 / sd**2)
    for t in np.arange(0.0, seconds, STEP):
        left = offsets + drift * t + sd / 4.0 * rng.normal(size=len(offsets)) - clocks.applied
        clocks.note(t, information, information * left)
    return clocks


def test_finds_the_offsets_up_to_what_all_have_in_common():
    offsets = np.array([0.0, 0.02, -0.01, 0.0, 0.001])
    clocks = told(20.0, offsets + 0.05, sd=0.01)
    assert clocks.known.all()
    np.testing.assert_allclose(clocks.offset, offsets, atol=1e-3)
    assert (np.abs(clocks.applied) <= np.abs(clocks.offset)).all()
    assert (clocks.applied[1:3] / offsets[1:3] > 0.6).all()


def test_finds_a_drift():
    drift = np.array([0.0, 3e-4, 0.0])
    clocks = told(60.0, np.zeros(3), sd=0.01, drift=drift)
    np.testing.assert_allclose(clocks.drift, drift, atol=8e-5)
    np.testing.assert_allclose(clocks.offset, 60.0 * drift, atol=2.5e-3)


def test_cameras_that_are_right_are_left_alone():
    worst = [np.abs(told(2.0, np.zeros(8), sd=0.05, seed=seed).applied).max() for seed in range(20)]
    assert np.count_nonzero(worst) <= 1


def test_nothing_is_known_before_anybody_moves():
    clocks = Clocks(3)
    for t in np.arange(0.0, 5.0, STEP):
        clocks.note(t, np.zeros(3), np.zeros(3))
    assert not clocks.known.any()
    assert not clocks.applied.any()


def test_terms_find_a_delay_beside_a_constant_error_of_calibration(scene):
    """Residuals along the image velocities, and a few pixels that never change."""
    rng = np.random.default_rng(1)
    lenses, count = scene.rig.lenses(), len(scene.keypoints.names)
    size = (len(scene.rig.cameras), count)
    delay = 0.004 * rng.normal(size=size[0])
    constant = 5.0 * rng.normal(size=(*size, 2))
    running_mean = RunningMean.none(*size)
    information, eta = np.zeros((2, size[0]))
    known = (np.full(count, 5.0), np.full(count, 0.5), np.ones(size[0]))
    for t in np.arange(0.0, 8.0, 0.1):
        points = scene.points(t)
        speed = (scene.points(t + 1e-3) - scene.points(t - 1e-3)) / 2e-3
        at = np.broadcast_to(points, (*size, 3))
        pixels = scene.pixels(t)
        flow = (scene.pixels(t + 1e-3) - scene.pixels(t - 1e-3)) / 2e-3
        residual = constant + delay[:, None, None] * flow + 0.1 * rng.normal(size=pixels.shape)
        running_mean, more, push = clock_terms(running_mean, lenses, at, speed, residual, np.ones(size), *known)
        information, eta = information + np.asarray(more), eta + np.asarray(push)
    np.testing.assert_allclose(eta / information, delay, atol=1e-3)


def test_a_camera_whose_clock_is_behind_is_found_and_taken_into_account(scene):
    """It says t but shows t + 20 ms."""
    four = replace(scene, rig=Rig(scene.rig.cameras[:4], scene.rig.up), turn_rate=2.0)
    tracker = Tracker(four.skeleton, four.rig, four.keypoints, four.subject)
    offsets = np.array([0.0, 0.0, 0.02, 0.0])
    rng = np.random.default_rng(2)
    for t in np.arange(0.0, 8.0, STEP):
        views = four.views(t, noise=2.0, rng=rng, offsets=offsets)
        tracker.update(t, [replace(view, t=t) for view in views])
    clocks = tracker.clocks
    assert clocks.known.all()
    assert 0.6 < clocks.offset[2] / offsets[2] < 1.1
    assert 0.3 < clocks.applied[2] / offsets[2] < 1.1
    assert np.abs(clocks.offset[[0, 1, 3]]).max() < 0.003
    assert not clocks.applied[[0, 1, 3]].any()
