"""A person in front of cameras of which every other one is a fisheye, close enough to need it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfit.estimation.batch.bundle_adjust import calibrated_cameras, refined_rigs
from streamfit.estimation.batch.trial import Trial, lay_out
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.triangulate import triangulate
from streamfit.estimation.live.left_right import Optics, Pairs
from streamfit.estimation.live.tracker import Tracker
from streamfit.model.camera import Lenses, Rig, project

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
    noise = Noise(mixed.subject.noise, mixed.subject.sta_sd, np.array(1.5), np.array(2.0))
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


def test_a_refined_fisheye_is_still_one(mixed):
    trial = Trial("turn", mixed.rig, [(t, mixed.views(t)) for t in (0.0, 0.1, 0.2)])
    layout = lay_out([trial], len(mixed.keypoints.names), 0.04, 0.03)
    (one,) = refined_rigs(layout, [trial], calibrated_cameras(layout))
    assert [c.fisheye for c in one.rig.cameras] == [c.fisheye for c in mixed.rig.cameras]
    np.testing.assert_allclose(one.turned, 0.0, atol=1e-7)


def test_rigs_with_and_without_a_fisheye_are_laid_out_together(scene, mixed):
    trials = [Trial(name, s.rig, [(0.0, s.views(0.0))]) for name, s in (("plain", scene), ("mixed", mixed))]
    lenses = lay_out(trials, len(mixed.keypoints.names), 0.04, 0.03).lenses
    for r, one in enumerate((scene, mixed)):
        for c in range(6):
            lens = Lenses(*(x[r, c] for x in lenses))
            np.testing.assert_allclose(project(lens, one.points(0.0)).pixels, one.pixels(0.0)[c], atol=1e-9)
