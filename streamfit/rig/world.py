"""The world of a rig: its floor and its origin."""

from __future__ import annotations

import cv2
import numpy as np

from streamfit.model.camera import Camera, Rig
from streamfit.rig.extrinsics import Placed
from streamfit.rig.intrinsics import Intrinsics
from streamfit.rig.views import Watched


def on_the_board(watched: list[Watched], lenses: list[Intrinsics], placed: Placed, moment: int | None) -> Rig:
    """The rig in the world of the board as it lay at a moment: origin in its corner, x along its rows, z up.

    Up is the side from which the cameras see it. None: the world is the first camera's, y down.
    """
    frame, up = np.eye(4), "-y"
    if moment is not None:
        board, up = placed.boards[moment], "z"
        centres = np.array([np.linalg.inv(camera)[:3, 3] for camera in placed.cameras])
        seen_from = np.sign(np.median((centres - board[:3, 3]) @ board[:3, 2]))
        flip = np.diag([1.0, seen_from, seen_from, 1.0])
        frame = board @ flip
    cameras = []
    for camera, lens, pose in zip(watched, lenses, placed.cameras, strict=True):
        whole = pose @ frame
        cameras.append(
            Camera(
                name=camera.name,
                size=camera.size,
                matrix=lens.matrix,
                distortions=lens.distortions,
                rotation=cv2.Rodrigues(whole[:3, :3])[0][:, 0],
                translation=whole[:3, 3],
            )
        )
    return Rig(tuple(cameras), up)
