"""A person who stands in the middle of the example room, as its cameras see them."""

from typing import Any

import cv2
import mujoco
import numpy as np

from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig


def standing_views(rig: Rig, keypoints: KeypointSet, height: float = 0.93, place: float = 0.0) -> list[dict[str, Any]]:
    """A view per camera; the pelvis is `height` m above the ground and `place` m along x."""
    skeleton = Skeleton.load()
    data = mujoco.MjData(skeleton.model)
    mujoco.mj_kinematics(skeleton.model, data)
    index = [skeleton.model.body(body).id for body in keypoints.bodies]
    ground = data.xpos[index] + np.einsum("kij,kj->ki", data.xmat[index].reshape(-1, 3, 3), keypoints.positions)
    world = (ground + np.array([place, height, 0.0])) @ rig.to_ground
    views = []
    for camera in rig.cameras:
        pixels, _ = cv2.projectPoints(world, camera.rotation, camera.translation, camera.matrix, camera.distortions)
        xyc = np.column_stack([pixels[:, 0], np.full(len(world), 0.9)]).astype(np.float32)
        views.append({"camera": camera.name, "xyc": xyc})
    return views
