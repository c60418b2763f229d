"""Turn a rig so that up is where the people in it stand upright."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float

from streamfit.model.camera import UPS, Rig


def turned(rig: Rig, turn: Float[np.ndarray, "3 3"], about: Float[np.ndarray, " 3"]) -> Rig:
    """The same cameras in a world that is turned about a point (m): what was at x is at about + turn (x - about)."""
    cameras = []
    for camera in rig.cameras:
        rotation = cv2.Rodrigues(camera.rotation)[0]
        shift = camera.translation + rotation @ (about - turn.T @ about)
        cameras.append(replace(camera, rotation=cv2.Rodrigues(rotation @ turn.T)[0][:, 0], translation=shift))
    return Rig(tuple(cameras), rig.up)


def levelled(rig: Rig, direction: Float[np.ndarray, " 3"], axis: str, about: Float[np.ndarray, " 3"]) -> Rig:
    """The rig with `up = axis`, turned the shortest way about a point so that a direction of its world is up."""
    up = UPS[axis]
    direction = direction / np.linalg.norm(direction)
    across = np.cross(direction, up)
    sine = float(np.linalg.norm(across))
    angle = np.arctan2(sine, direction @ up)
    turn = cv2.Rodrigues(across / max(sine, 1e-12) * angle)[0]
    return replace(turned(rig, turn, about), up=axis)
