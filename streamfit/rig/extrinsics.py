"""Where the cameras are, from moments in which several of them saw the board at once.

First along a tree: each camera's place relative to one that it shared most moments with, the median over them. Then
all cameras and all places of the board together (bundle adjustment; Triggs et al. 2000), robustly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.spatial.transform import Rotation

from streamfit.errors import InputError
from streamfit.rig.board import Board
from streamfit.rig.intrinsics import Intrinsics
from streamfit.rig.views import Watched

MOMENTS = 80
"""That are adjusted at most: those that most cameras share, spread over time."""
FEWEST = 3
"""Moments that two cameras must share to be placed by each other."""
OUTLIER = 1.0
"""px beyond which an error's weight falls."""

Pose = Float[np.ndarray, "4 4"]


@dataclass(frozen=True, eq=False)
class Placed:
    """`cameras`: world to camera (C, 4, 4), the first being the world; `boards`: board to world, by moment; `errors`:
    px of each corner that was adjusted, by camera."""

    cameras: Float[np.ndarray, "C 4 4"]
    boards: dict[int, Pose]
    errors: list[np.ndarray]


def place_cameras(watched: Sequence[Watched], lenses: Sequence[Intrinsics], board: Board) -> Placed:
    """Place the cameras relative to each other. InputError that names those that share too few moments."""
    seen = [_board_poses(camera, lens, board) for camera, lens in zip(watched, lenses, strict=True)]
    start = _along_tree(watched, seen)
    shared = sorted({moment for poses in seen for moment in poses if sum(moment in other for other in seen) > 1})
    count = {moment: sum(moment in poses for poses in seen) for moment in shared}
    spread = [
        part[int(np.argmax([count[m] for m in part]))] for part in np.array_split(shared, min(MOMENTS, len(shared)))
    ]
    moments = [int(moment) for moment in spread]
    boards = {
        m: next(np.linalg.inv(start[c]) @ poses[m] for c, poses in enumerate(seen) if m in poses) for m in moments
    }
    return _adjust(watched, lenses, board, start, boards)


def _board_poses(camera: Watched, lens: Intrinsics, board: Board) -> dict[int, Pose]:
    """Board to camera, by moment."""
    out = {}
    for moment, view in camera.views.items():
        points = board.corners[view.ids]
        found, turn, shift = cv2.solvePnP(points, view.pixels, lens.matrix, lens.distortions, flags=cv2.SOLVEPNP_IPPE)
        if found:
            turn, shift = cv2.solvePnPRefineLM(points, view.pixels, lens.matrix, lens.distortions, turn, shift)
            out[moment] = _pose(np.concatenate([turn.ravel(), shift.ravel()]))
    return out


def _along_tree(watched: Sequence[Watched], seen: Sequence[Mapping[int, Pose]]) -> Float[np.ndarray, "C 4 4"]:
    n = len(seen)
    shared = np.array([[len(seen[i].keys() & seen[j].keys()) if i != j else 0 for j in range(n)] for i in range(n)])
    weights = np.where(shared >= FEWEST, 1.0 / np.maximum(shared, 1), 0.0)
    order, before = breadth_first_order(minimum_spanning_tree(weights), 0, directed=False)
    if len(order) < n:
        apart = ", ".join(watched[i].name for i in range(n) if i not in order)
        with_ = ", ".join(watched[i].name for i in order)
        raise InputError(
            f"{apart}: fewer than {FEWEST} moments in which the board is seen together with {with_}; hold it where "
            "both sides see it, and check that the videos begin at the same time (--offset CAMERA=S)"
        )
    placed = np.tile(np.eye(4), (n, 1, 1))
    for camera in order[1:]:
        other = before[camera]
        moments = seen[camera].keys() & seen[other].keys()
        relative = np.array([seen[camera][m] @ np.linalg.inv(seen[other][m]) for m in moments])
        placed[camera] = _median(relative) @ placed[other]
    return placed


def _median(poses: Float[np.ndarray, "N 4 4"]) -> Pose:
    """The pose that is nearest to all others, and the median of the shifts of those near it."""
    turns = Rotation.from_matrix(poses[:, :3, :3])
    angles = np.array([(turns * turn.inv()).magnitude() for turn in turns])
    middle = int(np.argmin(np.median(angles, axis=1)))
    near = angles[middle] <= max(np.median(angles[middle]), 1e-9)
    out = np.eye(4)
    out[:3, :3] = turns[near].mean().as_matrix()
    out[:3, 3] = np.median(poses[near, :3, 3], axis=0)
    return out


def _adjust(
    watched: Sequence[Watched],
    lenses: Sequence[Intrinsics],
    board: Board,
    cameras: Float[np.ndarray, "C 4 4"],
    boards: dict[int, Pose],
) -> Placed:
    moments = list(boards)
    pairs = [(c, k) for c, camera in enumerate(watched) for k, moment in enumerate(moments) if moment in camera.views]
    views = [watched[c].views[moments[k]] for c, k in pairs]
    ends = 2 * np.cumsum([0, *(len(view.ids) for view in views)])
    free = len(cameras) - 1

    def poses(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = x.reshape(-1, 6)
        return np.stack([np.eye(4), *map(_pose, rows[:free])]), np.stack([_pose(row) for row in rows[free:]])

    def residuals(x: np.ndarray) -> np.ndarray:
        at, of = poses(x)
        out = np.empty(ends[-1])
        for (c, k), view, first, end in zip(pairs, views, ends, ends[1:], strict=False):
            whole = at[c] @ of[k]
            turn = cv2.Rodrigues(whole[:3, :3])[0]
            lens = lenses[c]
            pixels = cv2.projectPoints(board.corners[view.ids], turn, whole[:3, 3], lens.matrix, lens.distortions)[0]
            out[first:end] = (np.asarray(pixels).reshape(-1, 2) - view.pixels).ravel()
        return out

    x0 = np.concatenate([_vector(pose) for pose in [*cameras[1:], *boards.values()]])
    touches = lil_matrix((ends[-1], len(x0)), dtype=int)
    for (c, k), first, end in zip(pairs, ends, ends[1:], strict=False):
        touches[first:end, 6 * (free + k) : 6 * (free + k + 1)] = 1
        if c:
            touches[first:end, 6 * (c - 1) : 6 * c] = 1
    found = least_squares(
        residuals, x0, jac_sparsity=touches, loss="soft_l1", f_scale=OUTLIER, x_scale="jac", method="trf", max_nfev=60
    )
    at, of = poses(found.x)
    apart = np.linalg.norm(residuals(found.x).reshape(-1, 2), axis=1)
    errors = [
        np.concatenate(
            [apart[first // 2 : end // 2] for (o, _), first, end in zip(pairs, ends, ends[1:], strict=False) if o == c]
        )
        for c in range(len(watched))
    ]
    return Placed(at, dict(zip(moments, of, strict=True)), errors)


def _pose(vector: np.ndarray) -> Pose:
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = cv2.Rodrigues(vector[:3])[0], vector[3:]
    return out


def _vector(pose: Pose) -> np.ndarray:
    return np.concatenate([cv2.Rodrigues(pose[:3, :3])[0].ravel(), pose[:3, 3]])
