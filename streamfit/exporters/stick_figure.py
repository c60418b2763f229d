"""A subject's skeleton as lines and points in space and in the cameras' images, for drawing."""

import jax
import mujoco
import numpy as np

from streamfit.estimation.batch.trajectories import keypoints_of
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.camera import Lenses, Rig, project
from streamfit.model.subject import Subject

BENDS = 9
"""Points along a bone: a lens bends it."""
BEYOND = 0.5
"""Widths outside the image from which on lens distortion means nothing."""


class StickFigure:
    """Lines from each body to the one it hangs on, a stub at the ends of limbs, and lines between the two sides.

    `segments` (S, 2): the ends of each line among the N joints; `sides` (S,): "right", "left" or "middle"; `across`
    (A, 2): the right and the left joint where a pair of limbs begins.
    """

    def __init__(self, skeleton: Skeleton, keypoints: KeypointSet, subject: Subject) -> None:
        model, bodies = skeleton.scaled(subject.scale), skeleton.bodies
        parents = model.body_parentid[1:] - 1
        tips = [b for b in range(len(bodies)) if b not in parents and model.body_geomnum[b + 1]]
        self._count = len(keypoints.names)
        self._scale = subject.factors(skeleton)
        self._kinematics = Kinematics(skeleton, np.array([*keypoints.body_indices(bodies), *range(len(bodies)), *tips]))
        stubs = [_farthest_geometry(model, b + 1) for b in tips]
        self._places = np.concatenate(
            [subject.places(skeleton, keypoints), np.zeros((len(bodies), 3)), np.reshape(stubs, (-1, 3))]
        )
        chain = [(parent, b) for b, parent in enumerate(parents.tolist()) if parent >= 0]
        ends = [(b, len(bodies) + index) for index, b in enumerate(tips)]
        across = [
            (b, bodies.index(name[:-2] + "_l"))
            for b, name in enumerate(bodies)
            if name.endswith("_r") and not bodies[parents[b]].endswith("_r") and name[:-2] + "_l" in bodies
        ]
        self.segments = np.array([*chain, *ends, *across])
        self.across = np.array(across, int).reshape(-1, 2)
        limbs = {"_r": "right", "_l": "left"}
        starts = [parent for parent, _ in chain] + tips
        self.sides = (*(limbs.get(bodies[b][-2:], "middle") for b in starts), *("middle" for _ in across))

    def keypoints(self, q: np.ndarray) -> np.ndarray:
        """(T, K, 3) m, ground frame, for poses (T, D); NaN where the pose is."""
        return self._points(q)[:, : self._count]

    def joints(self, q: np.ndarray) -> np.ndarray:
        """(T, N, 3) m, ground frame, for poses (T, D); NaN where the pose is."""
        return self._points(q)[:, self._count :]

    def bones(self, q: np.ndarray) -> np.ndarray:
        """(T, S, BENDS, 3) m, ground frame: points along every segment, for poses (T, D)."""
        ends = self.joints(q)[:, self.segments]
        along = np.linspace(0.0, 1.0, BENDS)[:, None]
        return (1.0 - along) * ends[:, :, :1] + along * ends[:, :, 1:]

    def _points(self, q: np.ndarray) -> np.ndarray:
        return keypoints_of(self._kinematics, q, self._scale, self._places)


def in_pixels(rig: Rig, points: np.ndarray) -> np.ndarray:
    """Points (C, ..., 3), ground frame, each in its own camera's pixels (C, ..., 2); NaN where it cannot be there."""
    lenses = rig.lenses()
    # a fisheye's polynomial grows as far as it sees, so its own picture tells
    fisheyes = np.array([camera.fisheye for camera in rig.cameras])
    straight = lenses._replace(distortion=np.where(fisheyes[:, None], lenses.distortion, 0.0))
    size = np.array([camera.size for camera in rig.cameras]).reshape(-1, *(1,) * (points.ndim - 2), 2)
    pixels, _ = _projected(lenses, points)
    unbent, visible = _projected(straight, points)
    near = ((unbent > -BEYOND * size) & (unbent < (1.0 + BEYOND) * size)).all(axis=-1)
    return np.where((visible & near)[..., None], pixels, np.nan)


def _projected(lenses: Lenses, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    projected = jax.vmap(lambda lens, x: project(lens, x))(lenses, points)
    return np.asarray(projected.pixels), np.asarray(projected.visible)


def _farthest_geometry(model: mujoco.MjModel, body: int) -> np.ndarray:
    """Centre (3,) m, in the body's frame, of its geometry that is farthest from its origin."""
    start = model.body_geomadr[body]
    centres = model.geom_pos[start : start + model.body_geomnum[body]]
    return centres[np.argmax(np.linalg.norm(centres, axis=1))]
