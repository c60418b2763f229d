from dataclasses import replace
from itertools import chain

import cv2
import numpy as np
import pytest

from streamfit.estimation.estimate import Estimate, Load, View
from streamfit.estimation.live.measure import RELINEARISE_BEYOND
from streamfit.estimation.live.sliding_window.window import Window
from streamfit.estimation.live.sliding_window.window_types import SystematicInputs
from streamfit.estimation.live.tracker import Tracker
from streamfit.estimation.settings import FitSettings
from streamfit.model.camera import Rig
from streamfit.model.root import Frame
from streamfit.model.subject import Subject

RATE = 50.0


@pytest.fixture(scope="module")
def tracker_of(scene):
    """A fresh tracker of the scene's person; compiled functions are shared."""

    def make(subject: Subject | None = None) -> Tracker:
        return Tracker(scene.skeleton, scene.rig, scene.keypoints, subject or scene.subject)

    return make


def run(tracker, scene, times, **how):
    """Estimates of the instants, live and smoothed."""
    live, smoothed = [], []
    for t in times:
        estimate, settled = tracker.update(t, scene.views(t, **how))
        live.append(estimate)
        smoothed += settled
    return live, smoothed + tracker.finish()


def run_hurried(tracker, scene, times, together):
    """The same where others always wait, so many together."""
    live, smoothed = [], []
    for i in range(0, len(times), together):
        live += tracker.answer([(t, scene.views(t)) for t in times[i : i + together]], load=Load.OVERLOADED)
        smoothed += tracker.settle()
    return live, smoothed + tracker.finish()


def errors(scene, estimates, skip=0.5):
    """RMSE (rad) of the coordinates that coco-like keypoints see well, and of the keypoints (m)."""
    well = [
        i
        for i, n in enumerate(scene.skeleton.coordinates)
        if n.startswith(("pelvis_rot", "pelvis_list", "hip_flex", "knee", "elbow", "arm_flex"))
    ]
    kept = [e for e in estimates if e.t > skip]
    angles = np.array([e.q[well] - scene.q(e.t)[well] for e in kept])
    to_world = scene.rig.to_ground.T
    places = np.array([e.keypoints - scene.points(e.t) @ to_world.T for e in kept])
    return np.sqrt((angles**2).mean()), np.sqrt((places**2).sum(-1).mean())


@pytest.mark.slow
def test_follows_a_person_who_turns_round(scene, tracker_of):
    """Exact views: a few millimetres and a degree, through more than a full turn, without any jump."""
    faster = replace(scene, turn_rate=3.0)
    times = np.arange(0, 3, 1 / RATE)
    live, smoothed = run(tracker_of(), faster, times)
    assert [e.t for e in live] == [e.t for e in smoothed] == list(times)
    assert {e.state for e in live} == {"tracking"}
    for estimates, degrees in ((live, 2.0), (smoothed, 1.0)):
        angle, place = errors(faster, estimates)
        assert np.degrees(angle) < degrees
        assert place < 0.012
    turn = np.array([e.q[5] for e in live])
    assert np.abs(np.diff(turn)).max() < 0.2
    assert turn[-1] - turn[0] > 2.0 * np.pi


@pytest.mark.parametrize(
    ("rate", "together", "load"),
    [
        (50.0, 1, Load.OVERLOADED),
        (50.0, 3, Load.OVERLOADED),
        (100.0, 4, Load.OVERLOADED),
        (60.0, 1, Load.BUSY),
        (100.0, 1, Load.BUSY),
    ],
)
@pytest.mark.slow
def test_in_a_hurry_the_answers_are_as_good(scene, tracker_of, rate, together, load):
    """Every instant is answered once and smoothed once, by the same trajectory to a fraction of its error."""
    noise, hurry = np.random.default_rng(3), np.random.default_rng(4)
    seen = [(t, scene.views(t, noise=3.0, rng=noise)) for t in np.arange(0, 2.0, 1 / rate)]
    at_ease, hurried = tracker_of(), tracker_of()
    live, smoothed = zip(*(at_ease.update(t, views) for t, views in seen), strict=True)
    running_mean = [list(live), [*chain.from_iterable(smoothed), *at_ease.finish()]]
    answered: list[list[Estimate]] = [[], []]
    while seen:
        taken, seen = seen[:together], seen[together:]
        answered[0] += hurried.answer(taken, load if hurry.random() < 0.8 else Load.NORMAL)
        answered[1] += hurried.settle()
    answered[1] += hurried.finish()
    for one, other in zip(running_mean, answered, strict=True):
        assert [e.t for e in other] == [e.t for e in one]
        angle, place = errors(scene, one)
        hurried_angle, hurried_place = errors(scene, other)
        assert hurried_angle < 1.05 * angle
        assert hurried_place < 1.05 * place
        assert {(e.views, e.state) for e in other} == {(e.views, e.state) for e in one}
        spread = np.mean([e.sd for e in other[20:]], 0) / np.mean([e.sd for e in one[20:]], 0)
        assert (spread > 0.8).all()
        assert (spread < 1.2).all()


@pytest.mark.parametrize(("rate", "together"), [(30.0, 1), (60.0, 3), (100.0, 4)])
@pytest.mark.slow
def test_who_moves_fast_is_followed_from_far_ahead(scene, tracker_of, rate, together):
    """Limbs swing three times a second, the person turns by 4 rad/s: a single step from so far ahead errs by 10 deg."""
    fast = replace(scene, turn_rate=4.0, swing_rate=3.0)
    live, smoothed = run_hurried(tracker_of(), fast, np.arange(0, 3, 1 / rate), together)
    for estimates, degrees in ((live, 3.0), (smoothed, 2.5)):
        angle, place = errors(fast, estimates)
        assert np.degrees(angle) < degrees
        assert place < 0.01


def test_tracks_from_the_first_instant(scene, tracker_of):
    estimate, _ = tracker_of().update(10.0, scene.views(10.0))
    assert estimate.state == "tracking"
    assert estimate.views == len(scene.rig.cameras)
    assert np.linalg.norm(estimate.keypoints - scene.points(10.0) @ scene.rig.to_ground, axis=1).mean() < 0.02
    assert np.isfinite(estimate.sd).all()


def test_no_answer_is_surer_than_the_skeleton(scene):
    """However well a person is seen: here without noise, their keypoints never away from their places."""
    exact = replace(scene.subject, sta_sd=np.full(26, 1e-4), sta_rms=np.full(26, 1e-4), persistent=np.zeros(26))
    tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, exact)
    live, smoothed = run(tracker, scene, np.arange(0, 0.5, 1 / RATE))
    assert smoothed
    assert all((e.sd >= scene.skeleton.model_error.constant).all() for e in (*live, *smoothed))


def test_noise_is_smoothed_and_the_lagged_answer_is_better(scene, tracker_of):
    times = np.arange(0, 3, 1 / RATE)
    live, smoothed = run(tracker_of(), scene, times, noise=4.0, rng=np.random.default_rng(0))
    assert np.degrees(errors(scene, smoothed)[0]) < np.degrees(errors(scene, live)[0]) < 4.0
    assert np.median([e.rms_px for e in live]) == pytest.approx(4.0 * np.sqrt(2), rel=0.35)


def test_outliers_and_a_camera_that_is_off_do_little_harm(scene, tracker_of):
    rng = np.random.default_rng(1)
    tracker, live = tracker_of(), []
    for t in np.arange(0, 2, 1 / RATE):
        views = scene.views(t, noise=2.0, rng=rng)
        for view in views:
            wild = rng.random(len(view.xyc)) < 0.15
            view.xyc[wild, :2] += rng.normal(0, 200, (wild.sum(), 2))
        views[0].xyc[:, :2] += 50.0
        live.append(tracker.update(t, views)[0])
    assert np.degrees(errors(scene, live)[0]) < 5.0


def test_coasts_without_views_says_so_and_comes_back(scene, tracker_of):
    tracker = tracker_of()
    knees = [i for i, name in enumerate(scene.skeleton.coordinates) if name.startswith("knee")]
    states, sds = [], []
    for t in np.arange(0, 2.0, 1 / RATE):
        views = scene.views(t) if not 0.8 <= t < 1.3 else []
        estimate, _ = tracker.update(t, views)
        states.append(estimate.state)
        sds.append(estimate.sd[knees].mean())
    blind = [i for i, t in enumerate(np.arange(0, 2.0, 1 / RATE)) if 0.8 <= t < 1.3]
    assert {states[i] for i in blind} == {"coasting"}
    assert all(np.diff([sds[i] for i in blind]) >= 0)
    assert sds[blind[-1]] > 3 * sds[blind[0] - 1]
    assert states[blind[-1] + 1] == "tracking"
    assert sds[-1] < 1.5 * sds[blind[0] - 1]


def test_is_lost_after_a_second_and_starts_again_at_once(scene, tracker_of):
    tracker = tracker_of()
    for t in np.arange(0, 0.5, 1 / RATE):
        last, _ = tracker.update(t, scene.views(t))
    for t in np.arange(0.5, 2.5, 1 / RATE):
        estimate, _ = tracker.update(t, [])
    assert estimate.state == "lost"
    assert np.isnan(estimate.sd).all()
    assert np.isfinite(estimate.q).all()
    for t in np.arange(6.0, 6.3, 1 / RATE):
        estimate, _ = tracker.update(t, scene.views(t))
        assert estimate.state == "tracking"
    away = estimate.q[:6] - scene.q(estimate.t)[:6]
    away[5] -= 2 * np.pi * round(away[5] / (2 * np.pi))
    assert np.abs(away).max() < 0.1
    assert last.state == "tracking"


def test_one_view_coasts(scene, tracker_of):
    tracker = tracker_of()
    for t in np.arange(0, 0.5, 1 / RATE):
        tracker.update(t, scene.views(t))
    estimate, _ = tracker.update(0.5, scene.views(0.5, cameras=[2]))
    assert estimate.state == "coasting"
    assert estimate.views == 1


def test_never_seen_is_lost_in_the_neutral_pose(scene, tracker_of):
    estimate, smoothed = tracker_of().update(0.0, [])
    assert estimate.state == "lost"
    np.testing.assert_array_equal(estimate.q, scene.skeleton.neutral)
    assert np.isnan(estimate.sd).all()
    assert len(smoothed) == 1


def test_views_are_used_at_their_own_times(scene, tracker_of):
    """Cameras up to 9 ms apart: as good as together, and far better than if their times were not told."""
    offsets = np.array([0.0, 3, -6, 9, -4, 7]) * 1e-3
    times = np.arange(0, 2, 1 / RATE)
    told, _ = run(tracker_of(), scene, times, offsets=offsets)
    tracker, untold = tracker_of(), []
    for t in times:
        views = [View(v.camera, t, v.xyc) for v in scene.views(t, offsets=offsets)]
        untold.append(tracker.update(t, views)[0])
    together, _ = run(tracker_of(), scene, times)
    assert errors(scene, told)[0] < 1.15 * errors(scene, together)[0]
    assert np.nanmedian([e.rms_px for e in told]) < 0.5 * np.nanmedian([e.rms_px for e in untold])


def test_late_views_join_at_their_own_time_or_are_counted(scene, tracker_of):
    tracker = tracker_of()
    times = np.arange(0, 1, 1 / RATE)
    for i, t in enumerate(times):
        views = scene.views(t, cameras=[0, 1, 2, 3, 4])
        if i >= 3:
            views += scene.views(times[i - 3], cameras=[5])
        estimate, _ = tracker.update(t, views)
    assert tracker.too_late == 0
    assert estimate.rms_px < 3.0
    tracker.update(1.0, scene.views(1.0) + scene.views(0.2, cameras=[5]))
    assert tracker.too_late == 1


def test_times_that_do_not_increase_are_refused(scene, tracker_of):
    tracker = tracker_of()
    tracker.update(1.0, scene.views(1.0))
    with pytest.raises(ValueError, match="not after"):
        tracker.update(1.0, scene.views(1.0))


@pytest.mark.parametrize("together", [1, 2])
def test_a_person_lying_on_the_side_is_no_singularity(scene, tracker_of, together):
    """List passes a right angle: keypoints stay right and the published angles do not jump by a turn."""

    class Rolling(type(scene)):
        def q(self, t):
            q = super().q(t)
            q[4] = 1.2 * t
            return q

    rolling = Rolling(scene.skeleton, scene.keypoints, scene.rig, scene.subject)
    times = np.arange(0, 2.6, 1 / RATE)
    tracker = tracker_of()
    live, smoothed = run(tracker, rolling, times) if together == 1 else run_hurried(tracker, rolling, times, together)
    assert {e.state for e in live} == {"tracking"}
    assert [e.t for e in smoothed] == list(times)
    assert np.degrees(errors(rolling, smoothed)[0]) < 2.5
    assert errors(rolling, smoothed)[1] < 0.012
    assert errors(rolling, live)[1] < 0.03
    assert np.abs(live[-1].q[3:6] - rolling.q(live[-1].t)[3:6]).max() < 0.2


def elsewhere(scene, middle):
    """The scene with its world's origin so far from it (3,), in the ground frame."""

    class There(type(scene)):
        def q(self, t):
            q = super().q(t)
            q[:3] += middle
            return q

    def carried(camera):
        centre = camera.centre + scene.rig.to_ground.T @ middle
        return replace(camera, translation=-cv2.Rodrigues(camera.rotation)[0] @ centre)

    rig = Rig(tuple(carried(camera) for camera in scene.rig.cameras))
    return There(scene.skeleton, scene.keypoints, rig, scene.subject)


@pytest.mark.parametrize("far", [60.0, 2000.0])
def test_where_the_origin_of_the_world_is_makes_no_difference(scene, far):
    """A running track or a surveyed hall: single precision answers the same there as at the origin."""
    times, found = np.arange(0, 1.0, 1 / RATE), []
    for there in (scene, elsewhere(scene, far * np.array([0.6, 0.0, -0.8]))):
        tracker = Tracker(there.skeleton, there.rig, there.keypoints, there.subject)
        rng = np.random.default_rng(3)
        found.append([tracker.update(t, there.views(t, 2.0, rng))[0] for t in times])
    here, there = ([(e.q[3:], e.sd) for e in estimates] for estimates in found)
    for (q, sd), (expected, certain) in zip(there, here, strict=True):
        assert np.abs(q - expected).max() < 5e-6 * far + 1e-3
        np.testing.assert_allclose(sd, certain, rtol=0.02)


@pytest.mark.parametrize(("farther", "origin", "again"), [(1.0, 0.0, True), (1.0, 60.0, True), (10.0, 0.0, False)])
def test_another_step_is_for_movement_that_a_camera_sees(scene, monkeypatch, farther, origin, again):
    """A jump by 10 cm from one instant to the next, seen from 4 m, wherever that is, and from 40 m by longer lenses."""

    class Jumping(type(scene)):
        def q(self, t):
            q = super().q(0.0)
            q[0] = origin + 0.1 * (t >= 0.5)
            return q

    def moved_off(camera):
        rotation, middle = cv2.Rodrigues(camera.rotation)[0], np.array([0.0, 0.0, 0.9])
        centre = middle + farther * (camera.centre - middle) + scene.rig.to_ground.T @ [origin, 0.0, 0.0]
        lens = camera.matrix * np.array([[farther, 1.0, 1.0], [1.0, farther, 1.0], [1.0, 1.0, 1.0]])
        return replace(camera, matrix=lens, translation=-rotation @ centre)

    rig = Rig(tuple(moved_off(camera) for camera in scene.rig.cameras))
    seen = Jumping(scene.skeleton, scene.keypoints, rig, scene.subject)
    tracker = Tracker(scene.skeleton, rig, scene.keypoints, scene.subject)
    for t in np.arange(0, 0.5, 1 / RATE):
        before, _ = tracker.update(t, seen.views(t))
    steps, step = [], Window.measurement_update
    monkeypatch.setattr(Window, "measurement_update", lambda *args: (steps.append(args), step(*args))[1])
    after, _ = tracker.update(0.5, seen.views(0.5))
    assert np.linalg.norm(after.keypoints - before.keypoints, axis=1).max() > RELINEARISE_BEYOND
    assert (len(steps) > 1) == again


def test_a_subject_can_be_swapped_in_flight(scene, tracker_of):
    tracker = tracker_of(Subject.generic(scene.skeleton, scene.keypoints, 1.5))
    times = np.arange(0, 1, 1 / RATE)
    for t in times:
        before, _ = tracker.update(t, scene.views(t))
    tracker.set_subject(scene.subject)
    for t in times + 1.0:
        after, _ = tracker.update(t, scene.views(t))
    assert after.state == "tracking"
    assert after.rms_px < 0.3 * before.rms_px


def test_a_jump_elsewhere_is_found_again(scene, tracker_of):
    """Another person under the same name, 1.5 m away: a fresh start within half a second."""

    class Elsewhere(type(scene)):
        def q(self, t):
            q = super().q(t)
            q[0] += 1.5
            q[5] += 2.5
            return q

    other = Elsewhere(scene.skeleton, scene.keypoints, scene.rig, scene.subject)
    tracker = tracker_of()
    for t in np.arange(0, 1, 1 / RATE):
        tracker.update(t, scene.views(t))
    for t in np.arange(1, 1.6, 1 / RATE):
        estimate, _ = tracker.update(t, other.views(t))
    assert np.abs(estimate.keypoints - other.points(estimate.t) @ scene.rig.to_ground).max() < 0.05


def with_settings(scene, **settings):
    return Tracker(scene.skeleton, scene.rig, scene.keypoints, scene.subject, settings=FitSettings(**settings))


@pytest.fixture(scope="module")
def double(scene):
    """What the window of double precision, all of whose control points are active, makes of two seconds."""
    return run(
        with_settings(scene, precision="float64", active=99, slots=4, relinearised=4), scene, np.arange(0, 2, 1 / RATE)
    )


@pytest.mark.parametrize(
    ("settings", "tolerant"), [({"precision": "float64"}, False), ({"precision": "float32"}, True)]
)
def test_what_is_passive_or_single_precision_answers_the_same(scene, double, settings, tolerant):
    """Control points that left as conditionals follow the later views as if they were still solved for.

    Not at first: the windows begin at rest at different times, which a wrist forgets by a factor of e in 0.25 s.
    """
    times = np.arange(0, 2, 1 / RATE)
    for found, expected in zip(
        run(with_settings(scene, slots=4, relinearised=4, **settings), scene, times), double, strict=True
    ):
        assert [e.t for e in found] == [e.t for e in expected]
        later = slice(len(times) * 4 // 5, None)
        q, reference = (np.array([e.q for e in part[later]]) for part in (found, expected))
        assert np.abs(q - reference).max() < (1e-4 if tolerant else 2e-5)
        np.testing.assert_allclose(
            [e.sd for e in found[later]], [e.sd for e in expected[later]], rtol=3e-3 if tolerant else 1e-3
        )


def test_a_camera_that_the_person_walks_past_harms_nothing(scene, tracker_of):
    """Keypoints beside a camera, a hand's breadth before its image plane, where its detector sees something else."""
    ahead = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # looks along y, from x = 1.5
    turn, there = cv2.Rodrigues(ahead)[0][:, 0], -ahead @ [1.5, 0.0, 1.0]
    beside = replace(scene.rig.cameras[5], rotation=turn, translation=there)
    passing = replace(scene, rig=Rig((*scene.rig.cameras[:5], beside)))
    tracker = Tracker(scene.skeleton, passing.rig, scene.keypoints, scene.subject)
    guesses = np.random.default_rng(5).uniform(0.0, 1500.0, (len(scene.keypoints.names), 2))
    live = []
    for t in np.arange(0, 3, 1 / RATE):
        *views, _ = passing.views(t)
        wrong = View(5, t, np.concatenate([guesses, np.ones((len(guesses), 1))], 1))
        live.append(tracker.update(t, [*views, wrong])[0])
    assert {e.state for e in live} == {"tracking"}
    assert all(np.isfinite(e.q).all() and np.isfinite(e.sd).all() for e in live)
    reference, _ = run(tracker_of(), scene, np.arange(0, 3, 1 / RATE), cameras=range(5))
    assert np.abs([a.q - b.q for a, b in zip(live[25:], reference[25:], strict=True)]).max() < 0.05


def test_what_lasts_is_what_displaced_keypoints_do_to_a_pose(scene):
    """Against the covariance C J' W S W J C, written out with the Jacobian of each keypoint."""
    tracker = with_settings(scene, precision="float64")
    kinematics, model = tracker.solver.setup.window.kinematics, tracker.state.model.seen_from(Frame.ground())
    model = model._replace(sta_rms=1.5 * model.noise.sta_sd)
    q = scene.q(0.3)
    pose = kinematics.pose(q, model.scale)
    points = kinematics.keypoints(pose, model.places)
    jacobian = np.asarray(kinematics.jacobian(pose, points))
    rng = np.random.default_rng(0)
    half = rng.normal(size=(len(points), 3, 3)) * 20.0
    # no more than the displacement leaves: the inverse of (pixels' covariance + sta_sd^2)
    sta_sd = np.asarray(model.noise.sta_sd)[:, None, None] ** 2 * np.eye(3)
    information = np.linalg.inv(np.linalg.inv(half @ half.swapaxes(1, 2) + 100.0 * np.eye(3)) + sta_sd)
    share = np.asarray(model.persistent)[:, None, None]
    covariance = 1.5**2 * sta_sd + share * (np.linalg.inv(information) - sta_sd)
    normal = np.einsum("kid,kij,kje->de", jacobian, information, jacobian) + np.eye(len(q))
    middle = np.einsum("kid,kij,kjl,klm,kme->de", jacobian, information, covariance, information, jacobian)
    inverse = np.linalg.inv(normal)
    systematic_inputs = SystematicInputs(kinematics.screws(pose), points, information)
    found = tracker.solver.setup.window.systematic_variance(model, systematic_inputs)
    np.testing.assert_allclose(found, np.diag(inverse @ middle @ inverse), rtol=1e-6)
