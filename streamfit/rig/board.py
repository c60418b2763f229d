"""The ChArUco board: a chessboard whose white squares hold markers, so that any part of it tells where it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Int

from streamfit.errors import InputError

LEAST = 6
"""Corners from which on a view says where the board is."""


@dataclass(frozen=True)
class Board:
    """A board of `columns` x `rows` squares; `square` and `marker` are the lengths of their edges, m."""

    columns: int = 8
    rows: int = 6
    square: float = 0.06
    marker: float = 0.045
    dictionary: str = "DICT_5X5_100"

    def __post_init__(self) -> None:
        if not 0.0 < self.marker < self.square:
            raise InputError(f"a marker of {self.marker} m does not fit into a square of {self.square} m")
        if min(self.columns, self.rows) < 3:
            raise InputError("a board has at least 3 x 3 squares")
        if not hasattr(cv2.aruco, self.dictionary) or not self.dictionary.startswith("DICT_"):
            known = [name for name in dir(cv2.aruco) if name.startswith("DICT_")]
            raise InputError(f"no dictionary {self.dictionary!r}; there are {', '.join(known)}")
        try:
            _ = self._charuco
        except cv2.error:
            count = self.columns * self.rows // 2
            raise InputError(f"{self.dictionary} has fewer markers than the {count} of such a board") from None

    @cached_property
    def corners(self) -> Float[np.ndarray, "N 3"]:
        """Where the inner corners are on the board, m; x along a row, y along a column, z into the paper."""
        return np.asarray(self._charuco.getChessboardCorners(), float)

    def find(self, picture: np.ndarray) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 2"]]:
        """The corners that a picture (grey or BGR) shows: which, and where (px); fewer than LEAST are none."""
        corners, ids, _, _ = self._detector.detectBoard(picture)
        if corners is None or ids is None or len(ids) < LEAST:
            return np.zeros(0, int), np.zeros((0, 2))
        ids, pixels = np.asarray(ids).ravel(), np.asarray(corners, float).reshape(-1, 2)
        along = self.corners[ids, :2]
        # in one line they do not tell how the board is turned about it
        return (
            (np.zeros(0, int), np.zeros((0, 2))) if np.ptp(along, axis=0).min() < 0.5 * self.square else (ids, pixels)
        )

    def picture(self, per_metre: float) -> np.ndarray:
        """The board to print, grey, without a margin."""
        size = round(self.columns * self.square * per_metre), round(self.rows * self.square * per_metre)
        return np.asarray(self._charuco.generateImage(size, marginSize=0))

    @cached_property
    def _charuco(self) -> cv2.aruco.CharucoBoard:
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square, self.marker, dictionary)

    @cached_property
    def _detector(self) -> cv2.aruco.CharucoDetector:
        return cv2.aruco.CharucoDetector(self._charuco)
