import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mujoco import mjx

from streamfit.model import HostKinematics, Kinematics


@pytest.fixture(scope="module")
def scattered(skeleton):
    """Kinematics with 60 keypoints anywhere on the bodies, their places, and the compiled calls."""
    rng = np.random.default_rng(0)
    kinematics = Kinematics(skeleton, rng.integers(0, len(skeleton.bodies), 60))
    places = rng.normal(0, 0.1, (60, 3))

    @jax.jit
    def call(q, scale):
        pose = kinematics.pose(q, scale)
        points = kinematics.keypoints(pose, kinematics.places(scale, places))
        return pose, points, kinematics.jacobian(pose, points), kinematics.scale_jacobian(pose, q, places)

    @jax.jit
    def derivatives(q, scale):
        def points(q, scale):
            return kinematics.keypoints(kinematics.pose(q, scale), kinematics.places(scale, places))

        return jax.jacfwd(points, (0, 1))(q, scale)

    return kinematics, places, call, derivatives


def poses(skeleton, count):
    rng = np.random.default_rng(2)
    for _ in range(count):
        yield rng.normal(0, 0.6, len(skeleton.coordinates)), rng.uniform(0.6, 1.5, len(skeleton.groups))


def test_equals_mujoco_at_random_poses_and_scales(skeleton, scattered):
    kinematics, places, call, _ = scattered
    for q, scale in poses(skeleton, 20):
        factors = dict(zip(skeleton.groups, scale, strict=True))
        model = skeleton.scaled(factors)
        data = mujoco.MjData(model)
        data.qpos[:] = skeleton.joint_positions(q, factors)
        mujoco.mj_kinematics(model, data)
        pose, points, _, _ = call(q, scale)
        np.testing.assert_allclose(pose.position, data.xpos[1:], atol=1e-9)
        np.testing.assert_allclose(pose.rotation.reshape(-1, 9), data.xmat[1:], atol=1e-9)
        np.testing.assert_allclose(pose.anchor, data.xanchor, atol=1e-9)
        turned = np.einsum(
            "kij,kj->ki", data.xmat.reshape(-1, 3, 3)[1 + kinematics.body], kinematics.places(scale, places)
        )
        np.testing.assert_allclose(points, data.xpos[1 + kinematics.body] + turned, atol=1e-9)


def test_equals_mjx(skeleton, scattered):
    _, _, call, _ = scattered
    model = mjx.put_model(skeleton.model)
    place = jax.jit(lambda qpos: mjx.kinematics(model, mjx.make_data(model).replace(qpos=qpos)).xpos)
    q, _ = next(poses(skeleton, 1))
    expected = place(jnp.asarray(skeleton.joint_positions(q)))
    np.testing.assert_allclose(call(q, np.ones(len(skeleton.groups)))[0].position, expected[1:], atol=1e-6)


def test_jacobians_equal_automatic_and_finite_differences(skeleton, scattered):
    _, _, call, derivatives = scattered
    for q, scale in poses(skeleton, 3):
        _, points, jacobian, _ = call(q, scale)
        by_q, _ = derivatives(q, scale)
        np.testing.assert_allclose(jacobian, by_q, atol=1e-10)
        step = 1e-6
        for d in range(len(q)):
            ahead, behind = q.copy(), q.copy()
            ahead[d] += step
            behind[d] -= step
            finite = (np.asarray(call(ahead, scale)[1]) - np.asarray(call(behind, scale)[1])) / (2 * step)
            np.testing.assert_allclose(jacobian[:, :, d], finite, atol=1e-7)
        assert np.isfinite(points).all()


def test_scale_jacobian_equals_automatic_differences(skeleton, scattered):
    _, _, call, derivatives = scattered
    for q, scale in poses(skeleton, 3):
        np.testing.assert_allclose(call(q, scale)[3], derivatives(q, scale)[1], atol=1e-10)


def test_works_in_single_precision(skeleton, scattered):
    _, _, call, _ = scattered
    q, scale = next(poses(skeleton, 1))
    single = call(q.astype(np.float32), scale.astype(np.float32))
    assert single[0].position.dtype == jnp.float32
    np.testing.assert_allclose(single[0].position, call(q, scale)[0].position, atol=1e-5)


def test_screws_do_what_the_jacobian_does(skeleton, scattered):
    kinematics, _, call, _ = scattered
    rng = np.random.default_rng(5)
    for q, scale in poses(skeleton, 3):
        pose, points, jacobian, _ = call(q, scale)
        screws = kinematics.screws(pose)
        change = 1e-2 * rng.normal(size=len(q))
        moved = points + jnp.einsum("kid,d->ki", jacobian, change)
        np.testing.assert_allclose(kinematics.displaced(screws, points, change), moved, atol=1e-12)
        half = rng.normal(size=(60, 3, 3))
        information, eta = half @ half.swapaxes(1, 2), rng.normal(size=(60, 3))
        hessian, pull = kinematics.condense(screws, points, information, eta)
        np.testing.assert_allclose(hessian, jnp.einsum("kid,kij,kje->de", jacobian, information, jacobian), atol=1e-9)
        np.testing.assert_allclose(pull, jnp.einsum("kid,ki->d", jacobian, eta), atol=1e-10)


def test_on_the_host_as_compiled(skeleton, scattered):
    """Bodies by the C engine, where one pose follows another, against those of this engine."""
    _, _, call, _ = scattered
    for q, scale in poses(skeleton, 5):
        host = HostKinematics(skeleton, dict(zip(skeleton.groups, scale, strict=True)))
        for pose in (0.5 * q, q):
            host.pose(pose)
        expected = call(q, scale)[0]
        np.testing.assert_allclose(host.position, expected.position, atol=1e-9)
        np.testing.assert_allclose(host.rotation, expected.rotation, atol=1e-9)
        turned = np.zeros((len(host.quaternion), 9))
        for out, quaternion in zip(turned, host.quaternion, strict=True):
            mujoco.mju_quat2Mat(out, quaternion)
        np.testing.assert_allclose(turned.reshape(-1, 3, 3), expected.rotation, atol=1e-9)
