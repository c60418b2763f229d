import mujoco
import numpy as np
import pytest

from streamfit.estimation.batch.calibrate import compiled
from streamfit.estimation.batch.trajectories import keypoints_of, movements_of
from streamfit.estimation.batch.trial import Trial, lay_out
from streamfit.estimation.estimate import View
from streamfit.estimation.settings import FitSettings
from streamfit.model.camera import Rig

SPACING = 0.04


@pytest.fixture(scope="module")
def kinematics(scene):
    return compiled(scene.skeleton, scene.keypoints, FitSettings()).linearise.kinematics


def by_mujoco(scene, scale: np.ndarray, q: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Keypoints (K, 3) of a pose, ground frame."""
    skeleton = scene.skeleton
    factors = dict(zip(skeleton.groups, scale, strict=True))
    model = skeleton.scaled(factors)
    data = mujoco.MjData(model)
    data.qpos[:] = skeleton.joint_positions(q, factors)
    mujoco.mj_kinematics(model, data)
    body = 1 + scene.keypoints.body_indices(skeleton.bodies)
    return data.xpos[body] + np.einsum("kij,kj->ki", data.xmat[body].reshape(-1, 3, 3), places)


def test_keypoints_are_mujocos(scene, kinematics):
    """More poses than are placed at once; those that are unknown stay so."""
    rng = np.random.default_rng(0)
    q = rng.normal(0, 0.4, (300, len(scene.skeleton.coordinates)))
    q[7, 3] = np.nan
    scale = rng.uniform(0.8, 1.2, len(scene.skeleton.groups))
    places = rng.normal(0, 0.1, scene.keypoints.positions.shape)
    points = keypoints_of(kinematics, q, scale, places)
    for i in (0, 255, 256, 299):
        np.testing.assert_allclose(points[i], by_mujoco(scene, scale, q[i], places), atol=1e-9)
    assert np.isnan(points[7]).all()
    assert np.isfinite(np.delete(points, 7, 0)).all()


@pytest.fixture(scope="module")
def laid_out(scene):
    """Two trials in two rigs, the first with a gap of a second in its views."""
    count = len(scene.keypoints.names)
    view = View(0, 0.0, np.ones((count, 3)))
    times = np.arange(50) * 0.03
    gap = (times > 0.4) & (times < 1.0)
    first = [(t, [] if blind else [View(0, t, view.xyc)]) for t, blind in zip(times, gap, strict=True)]
    other = Rig(scene.rig.cameras[:4], "y")
    trials = [Trial("one", scene.rig, first), Trial("two", other, [(5.0 + t, [view]) for t in times[:10]])]
    return trials, lay_out(trials, count, SPACING, 0.08, slots=1), gap


def test_a_movement_is_its_spline_at_the_trials_instants(scene, kinematics, laid_out):
    trials, layout, gap = laid_out
    rng = np.random.default_rng(1)
    controls = rng.normal(0, 0.3, (layout.controls, len(scene.skeleton.coordinates)))
    scale = np.ones(len(scene.skeleton.groups))
    places = scene.keypoints.positions
    one, two = movements_of(trials, layout, controls, kinematics, scale, places)
    assert [one.name, two.name] == ["one", "two"]
    assert [one.rig, two.rig] == [trials[0].rig, trials[1].rig]
    np.testing.assert_array_equal(one.t, [t for t, _ in trials[0].instants])
    assert len(layout.splines) == 3
    assert np.isnan(one.q).all(1).tolist() == gap.tolist()
    assert np.isnan(one.keypoints).all((1, 2)).tolist() == gap.tolist()
    for movement, piece in ((one, 0), (one, 1), (two, 2)):
        spline, first = layout.splines[piece], layout.first[piece]
        inside = (movement.t >= spline.start) & (movement.t <= spline.end)
        assert inside.sum() >= 10
        expected = spline.weights(movement.t[inside]) @ controls[first : first + spline.controls]
        np.testing.assert_allclose(movement.q[inside], expected, atol=1e-12)
        i = np.flatnonzero(inside)[3]
        ground = by_mujoco(scene, scale, movement.q[i], places)
        np.testing.assert_allclose(movement.keypoints[i] @ movement.rig.to_ground.T, ground, atol=1e-9)


def test_refined_rigs_take_the_place_of_the_trials_own(scene, kinematics, laid_out):
    trials, layout, _ = laid_out
    refined = [Rig(rig.cameras, rig.up) for rig in layout.rigs]
    controls = np.zeros((layout.controls, len(scene.skeleton.coordinates)))
    scale = np.ones(len(scene.skeleton.groups))
    moved = movements_of(trials, layout, controls, kinematics, scale, scene.keypoints.positions, refined)
    assert [movement.rig for movement in moved] == refined
