"""A board as known cameras see it: rendered pixel by pixel through their lenses."""

from dataclasses import dataclass

import cv2
import numpy as np

from streamfit.model.camera import Camera
from streamfit.rig.board import Board

BOARD = Board(7, 5, 0.1, 0.075)
SIZE = (960, 720)
PER_METRE = 1000.0
FLOOR = (-0.35, -0.4, 0.0)
"""Where the board's corner lies at last."""


def camera(name: str, centre: tuple[float, float, float], target: tuple[float, float, float], focal: float) -> Camera:
    """With some distortion, z up."""
    ahead = np.subtract(target, centre) / np.linalg.norm(np.subtract(target, centre))
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(ahead, right), ahead])
    return Camera(
        name=name,
        size=SIZE,
        matrix=np.array([[focal, 0.0, 487.0], [0.0, focal * 1.01, 352.0], [0.0, 0.0, 1.0]]),
        distortions=np.array([-0.18, 0.06, 0.001, -0.0015, 0.0]),
        rotation=cv2.Rodrigues(turn)[0][:, 0],
        translation=-turn @ centre,
    )


@dataclass
class Renderer:
    """Pictures of the board by one camera."""

    camera: Camera

    def __post_init__(self) -> None:
        columns, rows = np.meshgrid(np.arange(SIZE[0], dtype=float), np.arange(SIZE[1], dtype=float))
        pixels = np.stack([columns.ravel(), rows.ravel()], 1)
        flat = cv2.undistortPoints(pixels[:, None], self.camera.matrix, self.camera.distortions).reshape(-1, 2)
        self._rays = np.column_stack([flat, np.ones(len(flat))])
        self._paper = BOARD.picture(PER_METRE)

    def picture(self, board: np.ndarray) -> np.ndarray:
        """The board (to world, 4 x 4) before a grey wall."""
        whole = np.eye(4)
        whole[:3, :3], whole[:3, 3] = cv2.Rodrigues(self.camera.rotation)[0], self.camera.translation
        pose = whole @ board
        turn, shift = pose[:3, :3], pose[:3, 3]
        along = self._rays @ turn[:, 2]
        depth = np.where(np.abs(along) > 1e-9, (shift @ turn[:, 2]) / along, -1.0)
        on_board = (depth[:, None] * self._rays - shift) @ turn
        u, v = (on_board[:, :2].T * PER_METRE - 0.5).reshape(2, *SIZE[::-1]).astype(np.float32)
        hidden = (depth < 0.1).reshape(SIZE[::-1])
        u[hidden] = -1e4
        out = cv2.remap(self._paper, u, v, cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT, borderValue=150)
        if out is None:
            raise AssertionError
        return cv2.GaussianBlur(np.asarray(out), (3, 3), 0.6)


def poses(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The board held up here and there, its face to somewhere about the cameras; at last on the floor."""
    out = []
    for _ in range(count):
        out.append(np.eye(4))
        # x to the right of who looks along y, y down, z away
        out[-1][:3, :3] = cv2.Rodrigues(rng.normal(0, 0.5, 3))[0] @ np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
        middle = out[-1][:3, :3] @ [0.35, 0.25, 0.0]
        out[-1][:3, 3] = rng.uniform([-0.8, -1.5, 0.6], [0.8, 0.3, 1.7]) - middle
    floor = np.eye(4)
    floor[:3, :3] = np.diag([1.0, -1.0, -1.0])
    floor[:3, 3] = FLOOR
    return [*out, floor, floor]
