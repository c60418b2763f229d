"""Forward kinematics on the host: for one pose at a time many times as quick as a compiled call."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from streamfit.model.camera import Rig
from streamfit.model.keypoint_set import KeypointSet
from streamfit.model.skeleton import Skeleton
from streamfit.model.subject import Subject


class HostKinematics:
    """The bodies of a scaled skeleton by MuJoCo's C engine. Not thread-safe."""

    def __init__(self, skeleton: Skeleton, scale: Mapping[str, float]) -> None:
        model = self.model = skeleton.scaled(scale)
        data = self.data = mujoco.MjData(model)
        self._coordinate = skeleton.coordinate_joints
        coupled = (model.eq_type == int(mujoco.mjtEq.mjEQ_JOINT)) & (model.eq_obj2id >= 0)
        coupled &= model.eq_active0.astype(bool)
        self._follower, self._leader = model.eq_obj1id[coupled], model.eq_obj2id[coupled]
        polynomial = model.eq_data[coupled, :5].T
        used = np.flatnonzero(polynomial.any(1))
        self._first, *self._others = polynomial[used[-1] if len(used) else 0 :: -1].copy()
        self.position = data.xpos[1:]
        """(B, 3) m, ground frame, as are the others: views that hold the pose last asked for."""
        self.rotation = data.xmat.reshape(-1, 3, 3)[1:]
        """(B, 3, 3)"""
        self.quaternion = data.xquat[1:]
        """(B, 4) w first."""

    def pose(self, q: np.ndarray) -> None:
        """Bring the bodies into the pose q (D,)."""
        qpos = self.data.qpos
        qpos[self._coordinate] = q
        x = qpos[self._leader]
        value = self._first
        for coefficient in self._others:
            value = value * x + coefficient
        qpos[self._follower] = value
        mujoco.mj_kinematics(self.model, self.data)


class Placing:
    """Bodies and keypoints of one subject in the world frame of a rig's cameras. Not thread-safe."""

    def __init__(self, skeleton: Skeleton, subject: Subject, keypoints: KeypointSet, rig: Rig) -> None:
        self._bodies = HostKinematics(skeleton, subject.scale)
        self._body = keypoints.body_indices(skeleton.bodies)
        self._places = subject.places(skeleton, keypoints)[..., None]
        self._to_world = rig.to_ground.T
        self._turn_to_world = _quaternion_product(self._to_world)

    def at(self, q: np.ndarray) -> dict[str, np.ndarray]:
        """`position` (B, 3) m, `quaternion` (B, 4) w first and `keypoints` (K, 3) m of a pose q (D,)."""
        bodies = self._bodies
        bodies.pose(q)
        position, rotation = bodies.position @ self._to_world.T, self._to_world @ bodies.rotation
        return {
            "position": position,
            "quaternion": bodies.quaternion @ self._turn_to_world,
            "keypoints": position[self._body] + (rotation[self._body] @ self._places)[..., 0],
        }


def _quaternion_product(rotation: np.ndarray) -> np.ndarray:
    """(4, 4) that quaternions (B, 4) are multiplied by, from the right, to be turned by a rotation matrix."""
    turn, out = np.zeros(4), np.zeros((4, 4))
    mujoco.mju_mat2Quat(turn, rotation.reshape(9))
    for row, unit in zip(out, np.eye(4), strict=True):
        mujoco.mju_mulQuat(row, turn, unit)
    return out
