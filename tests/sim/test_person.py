"""The simulated person's own body, and the points on it."""

import mujoco
import numpy as np

from streamfit.estimation.quality.check_sides import mirrored
from streamfit.sim.person import true_subject
from streamfit.sim.posing import PosedPoints


def test_derivatives_of_posed_points_are_those_of_finite_differences(skeleton, keypoints, subject, walked):
    places = subject.places(skeleton, keypoints)
    posed = PosedPoints(skeleton, subject.scale, keypoints.bodies, places)
    q = walked.q[437]
    points, jacobian = posed.linearised(q)
    step = 1e-6
    for i in range(len(q)):
        moved = q + step * (np.arange(len(q)) == i)
        slope = (posed.positions(moved[None])[0] - points) / step
        np.testing.assert_allclose(jacobian[:, :, i], slope, atol=2e-5, err_msg=skeleton.coordinates[i])


def test_keypoints_are_where_mujoco_puts_sites_of_the_scaled_body(skeleton, keypoints, subject, walked):
    model = skeleton.scaled(subject.scale)
    data = mujoco.MjData(model)
    data.qpos[:] = skeleton.joint_positions(walked.q[250], subject.scale)
    mujoco.mj_kinematics(model, data)
    places = subject.places(skeleton, keypoints)
    for k, body in enumerate(keypoints.bodies):
        x, y, z = data.body(body).xpos + data.body(body).xmat.reshape(3, 3) @ places[k]
        np.testing.assert_allclose(walked.keypoints[250, k], (x, -z, y), atol=1e-9)


def test_the_person_differs_from_the_skeleton_within_what_the_set_allows(skeleton, keypoints, subject):
    assert set(subject.scale) == set(skeleton.groups)
    assert all(0.95 < factor < 1.1 for factor in subject.scale.values())
    distance = np.linalg.norm(subject.offsets, axis=1) / keypoints.sd
    assert 0.4 < np.sqrt(np.mean(distance**2) / 3) < 0.6
    assert distance.max() < 2.5


def test_the_person_is_the_same_every_time_and_nearly_symmetric(skeleton, keypoints, subject):
    again = true_subject(skeleton, keypoints)
    np.testing.assert_array_equal(again.offsets, subject.offsets)
    left, right = (subject.offsets[keypoints.names.index(name)] for name in ("lfrontthigh", "rfrontthigh"))
    sd = keypoints.sd[keypoints.names.index("lfrontthigh")]
    assert np.linalg.norm(left * (1, 1, -1) - right) < 2.5 * sd


def test_the_person_stands_as_tall_as_an_adult(walked, keypoints):
    assert 1.6 < walked.keypoints[0, keypoints.names.index("Head"), 2] < 1.8
    assert 0.8 < walked.keypoints[0, keypoints.names.index("mhip"), 2] < 1.05


def test_what_sits_on_a_limb_has_its_twin_on_the_other(keypoints):
    """Also where it is drawn in the plane that halves the limb."""
    twin = mirrored(keypoints)
    np.testing.assert_array_equal(twin[twin], np.arange(len(twin)))
    sided = [i for i, body in enumerate(keypoints.bodies) if body.endswith(("_r", "_l"))]
    assert all(keypoints.bodies[twin[i]][:-2] == keypoints.bodies[i][:-2] and twin[i] != i for i in sided)
