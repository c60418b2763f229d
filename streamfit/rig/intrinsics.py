"""Focal lengths, centre and distortion of one camera from its views of the board."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from streamfit.errors import InputError
from streamfit.rig.board import Board
from streamfit.rig.views import View, Watched

VIEWS = 60
"""Of the board, at most: chosen to be as different as can be."""
FEWEST = 6
"""Views without which nothing can be said."""
WORSE = 3.0
"""Times the median view's error from which on a view is left out: it is blurred, or taken for what it is not."""
CELLS = (8, 6)
"""Of the picture, in which corners are counted for its coverage."""
WIDE = 0.5
"""Coverage below which the third radial coefficient is not fitted: only the picture's corners tell it."""


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """`matrix` (3, 3), `distortions` (5,) k1, k2, p1, p2, k3; `rms` px, over `views`; `coverage`: share of the picture
    in which corners were seen."""

    matrix: Float[np.ndarray, "3 3"]
    distortions: Float[np.ndarray, " 5"]
    rms: float
    views: int
    coverage: float


def fit_intrinsics(watched: Watched, board: Board) -> Intrinsics:
    """Fit a camera's intrinsics. InputError where it has seen too little of the board."""
    if len(watched.views) < FEWEST:
        raise InputError(
            f"{watched.name}: the board was found in {len(watched.views)} of {watched.looked} pictures, {FEWEST} are "
            "needed; is it the board that --board, --square and --dictionary say, large enough, sharp and lit?"
        )
    views = _varied(list(watched.views.values()), watched.size)
    coverage = _coverage(views, watched.size)
    flags = 0 if coverage >= WIDE else cv2.CALIB_FIX_K3
    for _ in range(2):
        points = [board.corners[view.ids].astype(np.float32) for view in views]
        pixels = [view.pixels.astype(np.float32) for view in views]
        found = cv2.calibrateCameraExtended(points, pixels, watched.size, np.eye(3), np.zeros(5), flags=flags)
        rms, matrix, distortions, errors = found[0], found[1], found[2], found[-1].ravel()
        good = errors < WORSE * np.median(errors)
        if good.all() or good.sum() < FEWEST:
            break
        views = [view for view, keep in zip(views, good, strict=True) if keep]
    return Intrinsics(np.asarray(matrix), np.asarray(distortions).ravel()[:5], float(rms), len(views), coverage)


def _varied(views: list[View], size: tuple[int, int]) -> list[View]:
    """Views that differ most in where the board is in the picture, how large and how slanted."""
    described = np.array([_described(view, size) for view in views])
    chosen = [int(np.argmax([len(view.ids) for view in views]))]
    far = np.linalg.norm(described - described[chosen[0]], axis=1)
    while len(chosen) < min(VIEWS, len(views)):
        chosen.append(int(np.argmax(far)))
        far = np.minimum(far, np.linalg.norm(described - described[chosen[-1]], axis=1))
    return [views[i] for i in chosen]


def _described(view: View, size: tuple[int, int]) -> np.ndarray:
    middle, spread = view.pixels.mean(0) / size, np.cov(view.pixels.T / np.max(size))
    return np.concatenate([middle, 2.0 * np.sqrt(np.abs(spread[[0, 0, 1], [0, 1, 1]]))])


def _coverage(views: list[View], size: tuple[int, int]) -> float:
    cells = np.concatenate([np.floor(view.pixels / size * CELLS).astype(int) for view in views])
    inside = cells[((cells >= 0) & (cells < CELLS)).all(1)]
    return len(np.unique(inside, axis=0)) / (CELLS[0] * CELLS[1])
