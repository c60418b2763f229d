"""The simulated cameras and the errors of the simulated detector."""

import cv2
import numpy as np
import pytest

from streamfit.model.camera import Rig
from streamfit.sim.detector import Errors, detect
from streamfit.sim.occlusion import body_balls, hidden
from streamfit.sim.room import SIZE, project, room

QUIET = Errors(swaps=0.0, losses=0.0)


@pytest.fixture(scope="module")
def rig():
    return room()


@pytest.fixture(scope="module")
def true_pixels(rig, walked):
    return np.stack([project(camera, walked.keypoints) for camera in rig.cameras], 1)


@pytest.fixture(scope="module")
def views(rig, walked, skeleton, keypoints, subject):
    return detect(walked, rig, skeleton, keypoints, subject, seed=3)


@pytest.fixture(scope="module")
def quiet(rig, walked, skeleton, keypoints, subject):
    return detect(walked, rig, skeleton, keypoints, subject, 3, QUIET)


@pytest.fixture(scope="module")
def depth(rig, walked, skeleton, subject):
    balls, radii = body_balls(walked.q, skeleton, subject)
    return np.stack([hidden(walked.keypoints, camera.centre, balls, radii) for camera in rig.cameras], 1)


def test_eight_cameras_see_nearly_all_of_the_walk(rig, true_pixels):
    assert len(rig.cameras) == 8
    seen = np.isfinite(true_pixels[..., 0])
    assert seen.mean() > 0.97
    assert (seen.sum(1) >= 4).all()


def test_the_rig_survives_its_file_and_its_lenses_distort(rig, walked):
    again = Rig.from_toml(rig.to_toml())
    for camera, copy in zip(rig.cameras, again.cameras, strict=True):
        np.testing.assert_allclose(
            project(camera, walked.keypoints[::100]), project(copy, walked.keypoints[::100]), atol=1e-6
        )
        corner = np.array([[[SIZE[0] - 1.0, SIZE[1] - 1.0]]])
        straight = cv2.undistortPoints(corner, camera.matrix, camera.distortions, P=camera.matrix)
        assert np.linalg.norm(straight - corner) > 20


def test_true_points_score_as_published_detectors_do(views, true_pixels):
    error = np.linalg.norm(views[..., :2] - true_pixels, axis=-1)
    counted = views[..., 2] >= 0.5
    for limit, share in ((5, 0.70), (10, 0.88), (20, 0.96)):
        assert (error[counted] < limit).mean() == pytest.approx(share, abs=0.015)


def test_errors_persist_for_about_80_ms(quiet, true_pixels):
    error = np.sign(quiet[..., :2] - true_pixels)
    missing = quiet[..., 2] == 0
    error[missing] = np.nan

    def alike(steps):
        return np.nanmean(error[:-steps] * error[steps:])

    # The signs of a Gaussian process of correlation r agree as 2/pi asin(r).
    for seconds in (0.02, 0.08, 0.16):
        expected = 2 / np.pi * np.arcsin(np.exp(-seconds / 0.08))
        assert alike(round(100 * seconds)) == pytest.approx(expected, abs=0.04)


def test_errors_are_heavy_tailed(quiet, true_pixels):
    error = (quiet[..., :2] - true_pixels)[quiet[..., 2] > 0]
    size = np.abs(error[:, 0])
    # In a normal distribution 0.07 % lie beyond 5 times the median.
    assert 0.05 < (size > 5 * np.median(size)).mean() < 0.2


def test_points_behind_the_body_are_worse_and_confidence_tells_part_of_it(quiet, true_pixels, depth):
    error = np.linalg.norm(quiet[..., :2] - true_pixels, axis=-1)
    found, behind = quiet[..., 2] > 0, depth > 0.5
    assert 0.03 < behind.mean() < 0.25
    worse = np.median(error[found & behind]) / np.median(error[found & ~behind])
    assert 1.5 < worse < 3.5
    confidence = quiet[..., 2]
    assert confidence[found & behind].mean() < confidence[found & ~behind].mean() - 0.1
    told = np.corrcoef(confidence[found], np.log(error[found]))[0, 1]
    assert -0.75 < told < -0.15


def test_a_point_on_the_far_side_of_the_trunk_is_hidden(skeleton, keypoints, subject, walked):
    balls, radii = body_balls(walked.q[:1], skeleton, subject)
    back, front = np.array([-4.0, -1.0, 1.2]), np.array([4.0, -1.0, 1.2])
    sternum = keypoints.names.index("sternum")
    assert hidden(walked.keypoints[:1], back, balls, radii)[0, sternum] > 0.5
    assert hidden(walked.keypoints[:1], front, balls, radii)[0, sternum] == 0


def test_legs_are_swapped_and_views_lost_now_and_then(views, true_pixels, keypoints):
    empty = (views[..., 2] == 0).all(2)
    assert 0.001 < empty.mean() < 0.03
    left, right = keypoints.names.index("LKnee"), keypoints.names.index("RKnee")
    apart = np.linalg.norm(true_pixels[:, :, left] - true_pixels[:, :, right], axis=-1)
    as_left = np.linalg.norm(views[:, :, right, :2] - true_pixels[:, :, left], axis=-1)
    as_right = np.linalg.norm(views[:, :, right, :2] - true_pixels[:, :, right], axis=-1)
    swapped = (apart > 60) & (as_left < 15) & (as_right > 45)
    assert 0.001 < swapped[apart > 60].mean() < 0.03


def test_missing_points_have_no_place_and_all_numbers_are_usable(views):
    assert np.isfinite(views).all()
    assert ((views[..., 2] >= 0) & (views[..., 2] <= 1)).all()
    assert (views[views[..., 2] == 0] == 0).all()


def test_the_same_seed_says_the_same(rig, walked, skeleton, keypoints, subject, views):
    again = detect(walked, rig, skeleton, keypoints, subject, seed=3)
    np.testing.assert_array_equal(views, again)
    other = detect(walked, rig, skeleton, keypoints, subject, seed=4)
    assert (views != other).mean() > 0.9
