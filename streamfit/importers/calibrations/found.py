"""The content of another program's calibration file."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from streamfit.errors import InputError
from streamfit.model.camera import Camera


@dataclass(frozen=True, eq=False)
class Found:
    """Cameras with translations in the file's own unit, and what it says beside them."""

    cameras: tuple[Camera, ...]
    metres: float | None = None
    """Of one unit of the translations; None where the file does not say."""
    up: str | None = None
    notes: tuple[str, ...] = ()
    """What whoever imports it should know, a line each."""


def rodrigues(values: np.ndarray, where: str) -> np.ndarray:
    """A rotation vector (3,) of one, or of a rotation matrix (9 numbers). Raises InputError."""
    if values.shape == (3,):
        return values
    if values.shape == (9,):
        matrix = values.reshape(3, 3)
        if np.abs(matrix).max() < 2.0 and np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3):
            if np.linalg.det(matrix) > 0.0:
                return np.asarray(cv2.Rodrigues(matrix)[0][:, 0])
            raise InputError(f"{where}: the rotation is mirrored; it must be that of a right-handed frame")
    raise InputError(f"{where}: the rotation must be a Rodrigues vector or a 3 x 3 rotation matrix")
