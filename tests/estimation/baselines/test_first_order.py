from dataclasses import replace

import jax
import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.estimation.baselines.seed.curves import MLPCurves
from streamfit.estimation.baselines.seed.data import near_views, sightings
from streamfit.estimation.baselines.seed.fit import FirstOrderSettings, fit_first_order
from streamfit.estimation.baselines.seed.loss import loss_of
from streamfit.estimation.baselines.seed.result import keypoint_noise
from streamfit.estimation.baselines.seed.step import Data, Descent
from streamfit.estimation.batch.result import finish
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.estimate import View
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.subject import Subject

pytestmark = pytest.mark.slow

SETTINGS = FirstOrderSettings(hidden=(48, 64), steps=250, samples=24, learning_rate=(5e-3, 1e-4), report_every=50)


LEG = """
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <worldbody>
    <body name="pelvis">
      <joint name="tx" type="slide" axis="1 0 0"/>
      <joint name="ty" type="slide" axis="0 1 0"/>
      <joint name="tz" type="slide" axis="0 0 1"/>
      <joint name="tilt" axis="0 0 1"/>
      <joint name="list" axis="1 0 0"/>
      <joint name="rotation" axis="0 1 0"/>
      <geom size=".1"/>
      <body name="femur" pos="0 -.1 .1">
        <joint name="hip" axis="0 0 1" range="-.8 2.1"/>
        <geom size=".1"/>
        <body name="tibia" pos="0 -.4 0">
          <joint name="knee" axis="0 0 -1" range="0 2.6"/>
          <geom size=".1"/>
        </body>
      </body>
    </body>
  </worldbody>
  <custom>
    <tuple name="scale:pelvis"><element objtype="body" objname="pelvis"/></tuple>
    <tuple name="scale:thigh"><element objtype="body" objname="femur"/></tuple>
    <tuple name="scale:shank"><element objtype="body" objname="tibia"/></tuple>
  </custom>
</mujoco>
"""


@pytest.fixture(scope="module")
def leg(scene, tmp_path_factory):
    """A pelvis with one leg that swings: quick to compile."""
    path = tmp_path_factory.mktemp("leg") / "leg.xml"
    path.write_text(LEG)
    skeleton = Skeleton.load(path)
    count = len(scene.keypoints.names)
    bodies = tuple(np.resize(["pelvis", "femur", "tibia"], count))
    places = np.random.default_rng(2).uniform([-0.1, -0.4, -0.1], [0.1, 0.0, 0.1], (count, 3))
    keypoints = KeypointSet("leg", scene.keypoints.names, bodies, places, np.full(count, 0.01))

    class Leg(type(scene)):
        def q(self, t: float) -> np.ndarray:
            return np.array([0.2 * t, 0.9, 0.1, 0.0, 0.1, 0.5 * t, np.sin(5 * t), 1.0 + 0.8 * np.cos(5 * t)])

    return Leg(skeleton, keypoints, scene.rig, Subject.generic(skeleton, keypoints, 1.7))


@pytest.fixture(scope="module")
def leg_trials(leg) -> list[Trial]:
    """Two of different lengths."""
    return [
        Trial(name, leg.rig, [(t, leg.views(t)) for t in np.arange(start, end, 0.05)])
        for name, start, end in (("long", 0.0, 2.0), ("short", 7.0, 8.0))
    ]


@pytest.fixture(scope="module")
def trials(scene) -> list[Trial]:
    """Three seconds with a gap of one, a second that starts elsewhere, and one that nobody is seen in."""

    def seen(times) -> list:
        return [(t, scene.views(t) if not 1.5 < t < 2.5 else []) for t in times]

    return [
        Trial("long", scene.rig, seen(np.arange(0.0, 3.0, 0.05))),
        Trial("blind", scene.rig, [(t, []) for t in np.arange(0.0, 1.0, 0.1)]),
        Trial("short", scene.rig, seen(np.arange(7.0, 8.0, 0.05))),
    ]


@pytest.fixture(scope="module")
def stages(scene, trials) -> list:
    return list(fit_first_order(trials, scene.skeleton, scene.keypoints, SETTINGS))


@pytest.fixture(scope="module")
def calibrated(stages):
    return stages[-1].result()


def test_follows_the_movement_and_finds_the_size(scene, trials, stages, calibrated):
    first = next(stage for stage in stages if stage.result).result()
    assert first.steps == 1
    before, after = (loss_of(trials, c.movements) for c in (first, calibrated))
    assert after < 0.02 * before
    assert calibrated.subject.fit["loss"] == pytest.approx(after, rel=1e-3)
    for trial, movement in zip(trials, calibrated.movements, strict=True):
        for t, points in zip(movement.t, movement.keypoints, strict=True):
            if np.isfinite(points).all():
                truth = scene.points(t) @ trial.rig.to_ground
                assert np.median(np.linalg.norm(points - truth, axis=1)) < 0.03


def test_movements_are_of_all_instants_but_empty_where_nothing_was_seen(trials, calibrated):
    assert [movement.name for movement in calibrated.movements] == ["long", "blind", "short"]
    for trial, movement in zip(trials, calibrated.movements, strict=True):
        np.testing.assert_array_equal(movement.t, [t for t, _ in trial.instants])
        viewed = np.array([bool(views) for _, views in trial.instants])
        np.testing.assert_array_equal(np.isfinite(movement.q).all(1), viewed)
        np.testing.assert_array_equal(np.isfinite(movement.keypoints).all((1, 2)), viewed)


def test_joints_stay_within_their_limits(scene, calibrated):
    q = calibrated.movements[0].q[:20, 6:]
    assert (q >= scene.skeleton.lower[6:] - 1e-6).all()
    assert (q <= scene.skeleton.upper[6:] + 1e-6).all()


def test_says_how_far_it_is_and_what_it_did(stages, calibrated):
    fractions = [stage.fraction for stage in stages]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert calibrated.converged
    assert calibrated.steps == SETTINGS.steps
    fit = calibrated.subject.fit
    assert (fit["method"], fit["steps"], fit["hidden"]) == ("mlp", 250, [48, 64])
    assert set(fit["residuals"]) == {"long", "short"}
    assert fit["residuals"]["long"]["gc_10"] > 0.8
    assert calibrated.subject.to_toml()


def test_the_same_again_gives_the_same_however_it_is_reported(scene, trials, calibrated):
    again = finish(fit_first_order(trials, scene.skeleton, scene.keypoints, replace(SETTINGS, report_every=7)))
    np.testing.assert_array_equal(again.subject.offsets, calibrated.subject.offsets)
    np.testing.assert_array_equal(again.movements[0].q, calibrated.movements[0].q)


def test_splines_are_fitted_the_same_way_and_a_stature_holds_the_overall_scale(leg, leg_trials):
    settings = replace(SETTINGS, trajectory="spline", learning_rate=(2e-2, 1e-3))
    stages = fit_first_order(leg_trials, leg.skeleton, leg.keypoints, settings, stature=1.6)
    results = [stage.result for stage in stages if stage.result]
    first, last = results[0](), results[-1]()
    # Adam's first step is the learning rate in every parameter: here in the part of the scale alone
    change = np.abs(np.array(list(first.subject.scale.values())) - 1.6 / 1.7)
    np.testing.assert_allclose(change, 2e-2, rtol=0.02)
    assert loss_of(leg_trials, last.movements) < 0.2 * loss_of(leg_trials, first.movements)
    assert last.subject.fit["method"] == "first-order spline"


def test_gradient_is_that_of_the_loss(leg, leg_trials):
    rows = sightings(leg_trials, len(leg.keypoints.names))
    curves = MLPCurves.over([(t[0], t[-1]) for t in rows.t], leg.skeleton, (8, 6))
    kinematics = Kinematics(leg.skeleton, leg.keypoints.body_indices(leg.skeleton.bodies))
    descent = Descent(kinematics, leg.keypoints.positions, curves, SETTINGS, held=False)
    some = Data(curves.features(rows.t)[:, :5], rows.seen[:, :5], rows.count, rows.lenses)
    data = jax.tree.map(lambda x: np.asarray(x, float), some)
    start = jax.jit(descent.start)(np.array([[0.1, 0.9, 0.2], [0.3, 0.9, -0.1]]), 0.0).parameters
    rng = np.random.default_rng(5)
    at = jax.tree.map(lambda x: np.asarray(x, float) + 0.03 * rng.normal(size=x.shape), start)
    value_and_gradient = jax.jit(jax.value_and_grad(descent.loss))
    gradient = value_and_gradient(at, data)[1]
    for field in at._fields:
        way = at._replace(**{f: jax.tree.map(lambda x: 0.0 * x, getattr(at, f)) for f in at._fields})
        way = way._replace(**{field: jax.tree.map(lambda x: rng.normal(size=x.shape), getattr(at, field))})
        ahead, behind = (
            value_and_gradient(jax.tree.map(lambda x, v, h=h: x + h * v, at, way), data)[0] for h in (1e-6, -1e-6)
        )
        slope = sum(np.vdot(g, v) for g, v in zip(jax.tree.leaves(gradient), jax.tree.leaves(way), strict=True))
        assert (ahead - behind) / 2e-6 == pytest.approx(slope, rel=1e-4), field


def test_views_that_are_not_of_one_time_are_rows_of_their_own(scene):
    xyc = np.ones((len(scene.keypoints.names), 3))
    views = [View(0, 1.0, xyc), View(1, 1.0004, 2 * xyc), View(2, 1.004, 3 * xyc)]
    rows = sightings([Trial("free", scene.rig, [(1.0, views), (1.01, [])])], len(xyc))
    np.testing.assert_allclose(rows.t, [[1.0002, 1.004]])
    assert rows.count.tolist() == [2]
    assert [np.flatnonzero(row[:, 0, 2]).tolist() for row in rows.seen[0]] == [[0, 1], [2]]


def test_instants_in_short_gaps_lie_near_views(scene):
    view = [View(0, 0.0, np.ones((1, 3)))]
    instants = [(t, view if seen else []) for t, seen in zip([0, 1, 1.2, 1.4, 3, 4], [0, 1, 0, 1, 0, 0], strict=True)]
    assert near_views(Trial("x", scene.rig, instants)).tolist() == [False, True, True, True, False, False]


def test_noise_is_the_scale_of_the_errors_whatever_their_tails():
    rng = np.random.default_rng(1)
    scale = np.array([2.0, 7.0])
    student = rng.normal(size=(4000, 2, 2)) * np.sqrt(1.5 / rng.chisquare(1.5, (4000, 2)))[..., None]
    error = np.linalg.norm(student, axis=-1) * scale / 0.5
    np.testing.assert_allclose(keypoint_noise(error, np.full(error.shape, 0.5)), scale, rtol=0.07)
    assert keypoint_noise(error[:10], np.ones((10, 2))).tolist() == [6.0, 6.0]


def test_nothing_to_fit_is_one_line(scene):
    one = Trial("one", scene.rig, [(t, scene.views(t, cameras=[0])) for t in np.arange(0, 1, 0.05)])
    none = Trial("none", scene.rig, [])
    with pytest.raises(InputError, match="two cameras"):
        finish(fit_first_order([one], scene.skeleton, scene.keypoints, SETTINGS))
    with pytest.raises(InputError, match="no views"):
        finish(fit_first_order([none], scene.skeleton, scene.keypoints, SETTINGS))
