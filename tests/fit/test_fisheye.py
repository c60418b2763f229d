"""A person in front of cameras of which every other one is a fisheye, close enough to need it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfit.cameras import Rig, project
from streamfit.fit.calibrate import fit_bilevel
from streamfit.fit.calibration import finish
from streamfit.fit.residuals import Noise
from streamfit.fit.swaps import Optics, Pairs
from streamfit.fit.tracker import Tracker
from streamfit.fit.trial import Trial
from streamfit.fit.triangulate import triangulate

RATE = 50.0
K = np.array([0.045, -0.011, 0.006, -0.003])


def as_fisheye(camera):
    """A fisheye a quarter as far from the room's middle, where a person fills more than 100 degrees."""
    turn, centre = cv2.Rodrigues(camera.rotation)[0], camera.centre * [0.3, 0.3, 1.0]
    matrix = np.array([[520.0, 0.0, 1024.0], [0.0, 520.0, 768.0], [0.0, 0.0, 1.0]])
    return replace(camera, matrix=matrix, distortions=K, fisheye=True, translation=-turn @ centre)


@pytest.fixture(scope="module")
def mixed(scene):
    cameras = [as_fisheye(c) if i % 2 else c for i, c in enumerate(scene.rig.cameras)]
    return replace(scene, rig=Rig(tuple(cameras), scene.rig.up))


def test_finds_points_far_off_the_axis(mixed):
    seen = np.stack([v.xyc for v in mixed.views(0.3)])
    count = seen.shape[1]
    noise = Noise(np.full(count, 5.0), np.full(count, 0.005), np.array(1.5), np.array(1.0))
    found = triangulate(mixed.rig.lenses(), seen, noise)
    camera = mixed.rig.cameras[1]
    inside = mixed.points(0.3) @ mixed.rig.to_ground @ cv2.Rodrigues(camera.rotation)[0].T + camera.translation
    assert np.degrees(np.arctan2(np.hypot(*inside.T[:2]), inside[:, 2])).max() > 40.0
    assert found.valid.all()
    np.testing.assert_allclose(found.position, mixed.points(0.3), atol=1e-4)


def test_sides_are_compared_by_the_same_projection(mixed):
    lenses, points = mixed.rig.lenses(), mixed.points(0.3)
    pairs = Pairs.of(mixed.skeleton, mixed.keypoints)
    noise = Noise(mixed.subject.noise, mixed.subject.wander, np.array(1.5), np.array(2.0))
    optics = Optics(pairs, lenses, noise)
    pixels, depth = optics.pixels(points[optics.paired].T.astype(np.float32))
    expected = mixed.pixels(0.3)[:, optics.paired].swapaxes(1, 2)
    np.testing.assert_allclose(pixels, expected, atol=0.05)
    assert (depth > 0.3).all()
    behind = np.repeat((mixed.rig.cameras[1].centre * [3.0, 3.0, 1.0] @ mixed.rig.to_ground.T)[:, None], 3, 1)
    optics.paired = optics.paired[:3]
    assert (optics.pixels(behind.astype(np.float32))[1][1] == 0.0).all()


def test_a_person_is_followed(mixed):
    tracker = Tracker(mixed.skeleton, mixed.rig, mixed.keypoints, mixed.subject)
    rng = np.random.default_rng(3)
    errors = []
    for t in np.arange(0.0, 1.2, 1 / RATE):
        estimate, _ = tracker.update(t, mixed.views(t, noise=1.0, rng=rng))
        assert estimate.state == "tracking"
        if t > 0.3:
            errors.append(estimate.keypoints - mixed.points(t) @ mixed.rig.to_ground)
    assert np.sqrt(np.square(errors).sum(-1).mean()) < 0.012


def test_a_body_is_calibrated_and_the_cameras_are_refined(mixed):
    """Bundle adjustment turns a fisheye back that has moved since its calibration, and leaves it a fisheye."""
    moved = mixed.rig.cameras[3]
    turn = cv2.Rodrigues(np.radians([0.0, 0.6, 0.0]))[0] @ cv2.Rodrigues(moved.rotation)[0]
    calibrated = replace(moved, rotation=cv2.Rodrigues(turn)[0][:, 0], translation=-turn @ moved.centre)
    cameras = [calibrated if c is moved else c for c in mixed.rig.cameras]
    times = np.arange(0.0, 2.0, 0.04)
    trial = Trial("turn", Rig(tuple(cameras), "z"), [(t, mixed.views(t)) for t in times])
    found = finish(fit_bilevel([trial], mixed.skeleton, mixed.keypoints, refine=True))
    (rig,) = found.subject.refined
    assert [c.fisheye for c in rig.rig.cameras] == [c.fisheye for c in cameras]
    assert np.degrees(rig.turned)[3] > 0.3
    assert found.subject.scale["thigh_r"] == pytest.approx(mixed.subject.scale["thigh_r"], rel=0.03)
    again = Rig.from_toml(rig.rig.to_toml())
    lens = type(again.lenses())(*(x[3] for x in again.lenses()))
    assert project(lens, mixed.points(0.0)).visible.all()
