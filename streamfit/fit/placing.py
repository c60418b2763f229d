"""Where a pose puts a person's bodies and keypoints in the room."""

from __future__ import annotations

import mujoco
import numpy as np

from streamfit.cameras import Rig
from streamfit.skeleton import HostKinematics, KeypointSet, Skeleton
from streamfit.subject import Subject


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
