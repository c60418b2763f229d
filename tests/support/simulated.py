"""A person of known size and movement, seen by known cameras: sessions whose truth is known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import mujoco
import numpy as np

from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Camera, Rig
from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionWriter

SCALE = 1.06
RATE = 50.0
NOISE = 0.7  # px


@dataclass(frozen=True, eq=False)
class Walk:
    """T instants of a person: `q` (T, D), keypoints (T, K, 3) m in a z-up world."""

    t: np.ndarray
    q: np.ndarray
    points: np.ndarray


def rig(cameras: int = 5, moved: float = 0.0) -> Rig:
    """Cameras on a circle of 4 m about the origin, looking at the hips; `moved` turns the circle (rad)."""
    out = []
    for index, angle in enumerate(np.linspace(0.3, 2 * np.pi + 0.3, cameras, endpoint=False) + moved):
        centre = np.array([4 * np.cos(angle), 4 * np.sin(angle), 1.6])
        forward = np.array([0.0, 0.0, 0.95]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(forward, right), forward])
        out.append(
            Camera(
                name=f"cam_{index + 1:02d}",
                size=(1280, 960),
                matrix=np.array([[1000.0, 0.0, 640.0], [0.0, 1000.0, 480.0], [0.0, 0.0, 1.0]]),
                distortions=np.array([-0.1, 0.02, 0.001, -0.001, 0.0]),
                rotation=cv2.Rodrigues(turn)[0][:, 0],
                translation=-turn @ centre,
            )
        )
    return Rig(tuple(out), "z")


def walk(skeleton: Skeleton, keypoints: KeypointSet, seconds: float) -> Walk:
    """A person of SCALE who swings arms and legs, by MuJoCo's own kinematics."""
    t = np.arange(round(seconds * RATE)) / RATE
    q = np.zeros((len(t), len(skeleton.coordinates)))

    def move(name: str, middle: float, swing: float, phase: float = 0.0) -> None:
        q[:, skeleton.coordinates.index(name)] = middle + swing * np.sin(2 * np.pi * 0.8 * t + phase)

    move("pelvis_ty", 1.0, 0.02)
    move("pelvis_rotation", 0.3, 0.2)
    move("pelvis_tx", 0.0, 0.3)
    for side, phase in (("r", 0.0), ("l", np.pi)):
        move(f"hip_flexion_{side}", 0.3, 0.4, phase)
        move(f"knee_angle_{side}", 0.6, 0.4, phase + 1.0)
        move(f"ankle_angle_{side}", 0.0, 0.2, phase)
        move(f"arm_flex_{side}", 0.2, 0.4, phase + np.pi)
        move(f"elbow_flex_{side}", 0.7, 0.3, phase)
    scale = dict.fromkeys(skeleton.groups, SCALE)
    model = skeleton.scaled(scale)
    data = mujoco.MjData(model)
    body = [model.body(name).id for name in keypoints.bodies]
    points = np.zeros((len(t), len(body), 3))
    for i, row in enumerate(q):
        data.qpos[:] = skeleton.joint_positions(row, scale)
        mujoco.mj_kinematics(model, data)
        turn = data.xmat[body].reshape(-1, 3, 3)
        points[i] = data.xpos[body] + np.einsum("kij,kj->ki", turn, SCALE * keypoints.positions)
    return Walk(t, q, points @ rig().to_ground)


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3)."""
    seen = cv2.projectPoints(
        points.reshape(-1, 3), camera.rotation, camera.translation, camera.matrix, camera.distortions
    )[0]
    return seen.reshape(*points.shape[:-1], 2)


def write_session(
    path: Path,
    cameras: Rig,
    keypoints: KeypointSet,
    motion: Walk,
    person: Callable[[int], str] = lambda i: "0",
    subject_toml: str | None = None,
) -> Path:
    """A recording of the walk with NOISE, one message per instant."""
    rng = np.random.default_rng(1)
    name = path.stem
    with SessionWriter(path, cameras.to_toml(), keypoints.to_toml(), subject_toml) as writer:
        for i, t in enumerate(motion.t.tolist()):
            views = []
            for camera in cameras.cameras:
                pixels = project(camera, motion.points[i])
                pixels += NOISE * rng.standard_normal(pixels.shape)
                xyc = np.column_stack([pixels, np.full(len(pixels), 0.9)])
                views.append({"camera": camera.name, "person": person(i), "xyc": xyc})
            message = {"v": 1, "type": "keypoints", "session": name, "t": t, "frame": i, "views": views}
            writer.write("keypoints", encode(message), int(t * 1e9), int(t * 1e9))
    return path
