"""Where points on a scaled skeleton are and how they move with its coordinates, by MuJoCo's C engine."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from streamfit.model import HostKinematics, Skeleton

_STEP = 1e-5


class PosedPoints:
    """N points fixed to bodies of a scaled skeleton; `places` (N, 3): m, in their scaled body's frame."""

    def __init__(
        self, skeleton: Skeleton, scale: Mapping[str, float], bodies: Sequence[str], places: np.ndarray
    ) -> None:
        self._skeleton, self._scale = skeleton, dict(scale)
        self._host = HostKinematics(skeleton, self._scale)
        self._bodies = np.array([skeleton.bodies.index(name) for name in bodies])
        self._places = np.asarray(places, float)
        self._coupled = [c.joint for c in skeleton.couplings]
        self._masters = [skeleton.coordinates.index(skeleton.joints[c.master]) for c in skeleton.couplings]

    def positions(self, q: np.ndarray) -> np.ndarray:
        """The points (T, N, 3) in the ground frame for poses q (T, D)."""
        return np.array([self._pose(row) for row in q])

    def linearised(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points (N, 3) for one pose (D,) and their derivative (N, 3, D) with respect to it."""
        points, model, data = self._pose(q), self._host.model, self._host.data
        mujoco.mj_comPos(model, data)
        jacobian = np.zeros((len(points), 3, model.nv))
        for point, body, out in zip(points, self._bodies, jacobian, strict=True):
            mujoco.mj_jac(model, data, out, None, point, body + 1)
        slopes = (self._skeleton.joint_positions(q + _STEP, self._scale) - data.qpos) / _STEP
        by_coordinate = jacobian[:, :, self._skeleton.coordinate_joints]
        for joint, master in zip(self._coupled, self._masters, strict=True):
            by_coordinate[:, :, master] += slopes[joint] * jacobian[:, :, joint]
        return points, by_coordinate

    def _pose(self, q: np.ndarray) -> np.ndarray:
        host = self._host
        host.pose(q)
        return host.position[self._bodies] + np.einsum("nij,nj->ni", host.rotation[self._bodies], self._places)
