"""Left and right exchanged in some views: found, undone, and left alone where it may be the track that is wrong."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.live.left_right import KINDS, USUAL, Expectation, Optics, Pairs, Sides, believe
from streamfit.estimation.live.tracker import Tracker
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model.camera import project

RATE = 50.0
LEGS, ARMS, TRUNK = range(3)
TIMES = np.arange(0, 2, 1 / RATE)


@pytest.fixture(scope="module")
def mirror(scene):
    return mirrored(scene.keypoints)


@pytest.fixture(scope="module")
def legs(scene):
    return np.array([b.startswith(("femur", "tibia", "talus", "calcn", "toes")) for b in scene.keypoints.bodies])


@pytest.fixture(scope="module")
def seen(scene):
    """The views of every instant, with the noise of a detector."""
    rng = np.random.default_rng(0)
    return [scene.views(t, noise=4.0, rng=rng) for t in TIMES]


@pytest.fixture(scope="module")
def held(scene, seen):
    """What was answered before each instant, from views that are as they should be."""
    tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, scene.subject)
    answers = [tracker.state.last]
    for t, views in zip(TIMES, seen, strict=True):
        answers.append(tracker.update(t, views)[0])
    return answers[:-1]


@pytest.fixture
def sides(scene):
    out = Sides(scene.skeleton, scene.keypoints, len(scene.rig.cameras))
    lenses = scene.rig.lenses()
    noise = Noise(scene.subject.noise, scene.subject.sta_sd, np.array(1.5), np.array(2.0))
    out.look_through(lenses._replace(rotation=lenses.rotation @ scene.rig.to_ground), noise)
    return out


def exchanged(views, cameras, mirror):
    return [replace(v, xyc=v.xyc[mirror]) if v.camera in cameras else v for v in views]


def put_right(sides, views, before):
    sides.follow(before)
    return sides.put_right(views)


def differing(found, expected):
    """Which views are not those expected, as (camera, instant)."""
    return [
        (view.camera, i)
        for i, views in enumerate(zip(found, expected, strict=True))
        for view, other in zip(*views, strict=True)
        if not np.array_equal(view.xyc, other.xyc)
    ]


def test_the_evidence_is_the_ratio_of_student_densities(scene, mirror):
    """Against the projection of the fit and the densities written out, pair by pair; lenses are distorted."""
    rng = np.random.default_rng(1)
    pairs = Pairs.of(scene.skeleton, scene.keypoints)
    lenses, misfit = scene.rig.lenses(), 5.0
    noise = Noise(scene.subject.noise, scene.subject.sta_sd, np.array(1.5), np.array(2.0))
    optics = Optics(pairs, lenses, noise)
    points = scene.points(0.4)
    pixels = np.asarray(jax.vmap(lambda lens: project(lens, points).pixels)(lenses))
    confidence = rng.uniform(0.3, 1.0, pixels.shape[:2])
    seen = np.concatenate([pixels + rng.normal(0, 8, pixels.shape), confidence[..., None]], -1)
    seen[1] = seen[1][mirror]
    seen[2, :, 2] = 0.0
    depth = np.einsum("kj,cj->ck", points, lenses.rotation[:, 2]) + lenses.translation[:, 2, None]
    variance = (noise.sd * lenses.pixel[:, None] / seen[..., 2].clip(1e-3)) ** 2
    variance += (noise.sta_sd * lenses.focal[:, :1] / depth) ** 2 + misfit**2
    density = [
        -1.75 * np.log1p(((seen[..., :2] - p) ** 2).sum(-1) / 1.5 / variance) for p in (pixels, pixels[:, mirror])
    ]
    running_mean = variance - (noise.sd * lenses.pixel[:, None]) ** 2 * (seen[..., 2].clip(1e-3) ** -2 - 1)
    apart = ((pixels - pixels[:, mirror]) ** 2).sum(-1) > 9 * running_mean
    gained = np.where(apart & (seen[..., 2] > 0), density[1] - density[0], 0)
    expected = np.minimum(gained, gained[:, mirror])[:, mirror != np.arange(len(mirror))]
    paired = optics.paired
    step = np.array([0.002, -0.001, 0.002])
    before = Expectation(optics, 0.9, (points - 2 * step)[paired].T, misfit, None)
    expectation = Expectation(optics, 1.0, (points - step)[paired].T, misfit, before)
    found = expectation.evidence(np.full(len(seen), 1.1), seen[:, paired].swapaxes(1, 2).astype("f"))
    np.testing.assert_allclose(found, expected @ pairs.groups[:, paired].T, rtol=2e-3, atol=1e-3)
    assert (found[0, [LEGS, ARMS]] < -10).all()
    assert (found[1, [LEGS, ARMS]] > 10).all()
    assert (found[2] == 0).all()


def test_a_whole_view_is_put_right_whenever_it_is_exchanged(sides, seen, held, mirror):
    """Every tenth view of one camera, and half a second of another: all of them, and no other."""
    cameras = [{1} if i % 10 == 5 else {4} if 30 <= i < 55 else set() for i in range(len(seen))]
    wrong = [exchanged(views, now, mirror) for views, now in zip(seen, cameras, strict=True)]
    found = [put_right(sides, views, before) for views, before in zip(wrong, held, strict=True)]
    assert differing(found, seen) == []
    assert len(differing(wrong, seen)) == 33


def test_legs_alone_are_put_right_alone(sides, seen, held, mirror, legs):
    only = np.where(legs, mirror, np.arange(len(mirror)))
    wrong = [exchanged(views, {3} if 30 <= i < 60 else set(), only) for i, views in enumerate(seen)]
    found = [put_right(sides, views, before) for views, before in zip(wrong, held, strict=True)]
    assert differing(found, seen) == []
    assert sides.swap_rate.max() == 0.0


def test_both_taken_for_the_same_leg_is_no_exchange(sides, seen, held, mirror, legs):
    """As detectors do where one leg hides the other."""
    one = legs & (np.arange(len(mirror)) < mirror)
    wrong = [
        exchanged(views, {2} if i > 20 else set(), np.where(one, mirror, np.arange(len(mirror))))
        for i, views in enumerate(seen)
    ]
    found = [put_right(sides, views, before) for views, before in zip(wrong, held, strict=True)]
    assert differing(found, wrong) == []


@pytest.mark.parametrize("cameras", [{0, 2, 5}, {0, 1, 2, 4, 5}, {0, 1, 2, 3, 4, 5}])
def test_half_of_the_cameras_or_more_are_left_alone(sides, seen, held, mirror, cameras):
    """Then it may as well be the track that is the wrong way round."""
    wrong = [exchanged(views, cameras if i > 10 else set(), mirror) for i, views in enumerate(seen)]
    found = [put_right(sides, views, before) for views, before in zip(wrong, held, strict=True)]
    assert differing(found, wrong) == []
    assert sides.swap_rate.max() == 0.0


def test_nothing_is_done_where_the_track_does_not_say_where_keypoints_are(sides, seen, held, mirror):
    wrong = [exchanged(views, {1}, mirror) for views in seen]
    blind = [replace(before, state="coasting") for before in held]
    assert differing([put_right(sides, v, b) for v, b in zip(wrong, blind, strict=True)], wrong) == []
    late = [[replace(view, t=view.t + 0.3) for view in views] for views in wrong]
    assert differing([put_right(sides, v, b) for v, b in zip(late, held, strict=True)], wrong) == []


def test_what_is_exchanged_is_forgotten_after_a_while():
    """With nothing to tell, a camera is believed to be as cameras usually are."""
    sure = np.array([[0.0, 1.0, 0.0, 0.0, 0.0]])
    nothing = np.zeros((1, 3))
    assert KINDS[believe(sure, np.array([0.05]), nothing).argmax()].all()
    np.testing.assert_allclose(believe(sure, np.array([2.0]), nothing)[0], USUAL, atol=1e-3)


def test_a_camera_that_is_exchanged_throughout_costs_nothing_and_is_reported(scene, seen, mirror):
    """Also when it is so from the first instant on."""
    found = []
    for cameras in (set(), {2}):
        tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, scene.subject)
        found.append(
            [tracker.update(t, exchanged(views, cameras, mirror))[0] for t, views in zip(TIMES, seen, strict=True)]
        )
    assert tracker.exchanged[2] == pytest.approx(1 - np.exp(-TIMES[-1] / 3.0), abs=0.03)
    assert (np.delete(tracker.exchanged, 2) == 0.0).all()
    q = [np.array([e.q for e in estimates[25:]]) for estimates in found]
    assert np.degrees(np.sqrt(((q[0] - q[1]) ** 2).mean())) < 0.05


def test_a_track_that_began_the_wrong_way_round_is_not_held_there(scene, seen, mirror):
    """Most cameras are exchanged for half a second: once they are not, the person is found as they are."""
    tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, scene.subject)
    turn = []
    for i, (t, views) in enumerate(zip(TIMES, seen, strict=True)):
        estimate, _ = tracker.update(t, exchanged(views, {0, 1, 3, 4, 5} if i < 25 else set(), mirror))
        turn.append((estimate.q[5] - scene.q(t)[5] + np.pi) % (2 * np.pi) - np.pi)
    assert abs(turn[20]) > 2.0
    assert np.abs(turn[-10:]).max() < 0.2
