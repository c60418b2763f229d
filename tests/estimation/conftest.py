"""A person who moves as we say, seen by simulated cameras."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
import pytest

from streamfit.estimation.estimate import View
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.camera import Rig, project
from streamfit.model.subject import Subject


@dataclass(frozen=True, eq=False)
class Scene:
    """A rig, a subject, and a movement q(t) (D,) in the ground frame."""

    skeleton: Skeleton
    keypoints: KeypointSet
    rig: Rig
    subject: Subject
    turn_rate: float = 0.8
    swing_rate: float = 0.9

    def __post_init__(self) -> None:
        kinematics = Kinematics(self.skeleton, self.keypoints.body_indices(self.skeleton.bodies))
        scale, places = self.subject.factors(self.skeleton), self.subject.places(self.skeleton, self.keypoints)
        lenses = self.rig.lenses()

        @jax.jit
        def see(q):
            points = kinematics.keypoints(kinematics.pose(q, scale), places)
            return points, jax.vmap(lambda lens: project(lens, points).pixels)(lenses)

        object.__setattr__(self, "_see", see)

    def q(self, t: float) -> np.ndarray:
        """Someone who turns round while the limbs swing."""
        names = self.skeleton.coordinates
        q = np.zeros(len(names))
        swing = np.sin(2 * np.pi * self.swing_rate * t)
        values = {
            "pelvis_tx": 0.3 * np.sin(t),
            "pelvis_ty": 0.95 + 0.02 * np.sin(11 * t),
            "pelvis_tilt": 0.1,
            "pelvis_rotation": self.turn_rate * t,
            "hip_flexion_r": 0.4 * swing,
            "hip_flexion_l": -0.4 * swing,
            "knee_angle_r": 0.5 - 0.4 * swing,
            "knee_angle_l": 0.5 + 0.4 * swing,
            "ankle_angle_r": 0.1 * swing,
            "arm_flex_r": -0.4 * swing,
            "arm_flex_l": 0.4 * swing,
            "arm_add_r": -0.2,
            "arm_add_l": -0.2,
            "elbow_flex_r": 0.5,
            "elbow_flex_l": 0.5,
            "lumbar_rotation": 0.1 * swing,
        }
        for name, value in values.items():
            q[names.index(name)] = value
        return q

    def points(self, t: float) -> np.ndarray:
        """Keypoints (K, 3) in the ground frame."""
        return np.asarray(self._see(self.q(t))[0])

    def pixels(self, t: float) -> np.ndarray:
        """Where the cameras see the keypoints (C, K, 2)."""
        return np.asarray(self._see(self.q(t))[1])

    def views(self, t: float, noise: float = 0.0, rng: np.random.Generator | None = None, cameras=None, offsets=None):
        """The views of an instant, each camera `offsets[c]` s later than t."""
        out = []
        for camera in range(len(self.rig.cameras)) if cameras is None else cameras:
            own = t + (0.0 if offsets is None else offsets[camera])
            pixels = np.asarray(self._see(self.q(own))[1][camera])
            if rng is not None:
                pixels = pixels + noise * rng.normal(size=pixels.shape)
            out.append(View(camera, own, np.concatenate([pixels, np.ones((len(pixels), 1))], 1)))
        return out


@pytest.fixture(scope="session")
def scene(skeleton, keypoints, rig) -> Scene:
    return Scene(skeleton, keypoints, rig, Subject.generic(skeleton, keypoints, 1.75))
