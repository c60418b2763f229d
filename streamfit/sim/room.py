"""The simulated room: eight cameras on tripods and walls around the walk."""

import cv2
import numpy as np

from streamfit.model.camera import Camera, Rig

SIZE = (2048, 1536)
_HALF_WIDTHS = (4.7, 3.9)
_HEIGHTS = (2.4, 1.3)
_AIM = 0.95
_FOCAL = 1320.0
_LENS = (-0.115, 0.042, 0.0004, -0.0003, -0.004)


def room(count: int = 8, seed: int = 2) -> Rig:
    """Cameras on an ellipse of about 9 by 8 m, alternately high and low, all looking at its middle.

    World: z up, x along the walk, metres. No two lenses are quite alike.
    """
    draw = np.random.default_rng(seed)
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * (i + 0.5) / count
        place = np.array([_HALF_WIDTHS[0] * np.cos(angle), _HALF_WIDTHS[1] * np.sin(angle), _HEIGHTS[i % 2]])
        target = np.array([*draw.normal(0.0, 0.15, 2), _AIM])
        focal = _FOCAL * draw.uniform(0.98, 1.02)
        centre = np.array(SIZE) / 2 - 0.5 + draw.normal(0.0, 8.0, 2)
        rotation = _looking(target - place)
        cameras.append(
            Camera(
                name=f"cam_{i + 1:02d}",
                size=SIZE,
                matrix=np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]]),
                distortions=np.array(_LENS) * draw.uniform(0.9, 1.1, 5),
                rotation=cv2.Rodrigues(rotation)[0].ravel(),
                translation=-rotation @ place,
            )
        )
    return Rig(tuple(cameras), "z")


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels (.., 2) of world points (.., 3); NaN where they are behind the camera or outside its image."""
    flat = points.reshape(-1, 3)
    pixels = cv2.projectPoints(flat, camera.rotation, camera.translation, camera.matrix, camera.distortions)[0].reshape(
        -1, 2
    )
    depth = (flat @ cv2.Rodrigues(camera.rotation)[0].T + camera.translation)[:, 2]
    inside = ((pixels >= 0) & (pixels <= np.array(camera.size) - 1)).all(1) & (depth > 0.3)
    pixels[~inside] = np.nan
    return pixels.reshape(*points.shape[:-1], 2)


def _looking(direction: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) world to camera of an upright camera that looks along a direction (x right, y down)."""
    forward = direction / np.linalg.norm(direction)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
