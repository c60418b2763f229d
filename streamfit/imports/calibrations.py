"""Calibrations of other software as our rig."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from streamfit.cameras import Camera, Rig, read_camera
from streamfit.errors import InputError
from streamfit.files import parse_toml, read_text
from streamfit.imports.opencv_storage import read_storage
from streamfit.imports.qualisys import is_qualisys, read_qualisys

Units = Literal["auto", "m", "mm"]
HALL = 100.0
"""m between two cameras at most; numbers beyond that are millimetres."""


def read_calibration(paths: Sequence[Path], units: Units = "auto", up: str | None = None) -> Rig:
    """The rig of a calibration in one file or one per camera. Raises InputError.

    TOML as Anipose, Caliscope, FreeMoCap and Pose2Sim write it, `.qca.txt` of Qualisys, or OpenCV's FileStorage. `up`
    is the world's axis where the file does not say; without units ("auto") a rig too large for metres is in mm.
    """
    cameras: list[Camera] = []
    said = None
    for path in paths:
        if path.suffix == ".toml":
            found, said = _toml(path)
        elif path.suffix in (".yml", ".yaml", ".json") or not is_qualisys(read_text(path)):
            found = read_storage(path)
        else:
            found = read_qualisys(path)
        cameras += found
    names = [camera.name for camera in cameras]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{paths[0]}: two cameras are named {sorted(twice)[0]!r}; give each its own name")
    centres = np.array([camera.centre for camera in cameras])
    spread = float(np.linalg.norm(centres[:, None] - centres, axis=-1).max())
    if units == "mm" or (units == "auto" and spread > HALL):
        cameras = [replace(camera, translation=1e-3 * camera.translation) for camera in cameras]
    rig = Rig(tuple(cameras), up or said or "z")
    return Rig.from_toml(rig.to_toml(), str(paths[0]))  # as the file that is written will be read


def _toml(path: Path) -> tuple[list[Camera], str | None]:
    """The cameras as they stand in the file, and what it says is up. Those marked `ignore` (Caliscope) are left out."""
    tables = parse_toml(read_text(path), str(path))
    metadata = tables.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    metres = 1e-3 if metadata.get("units") == "mm" else 1.0
    cameras = [
        read_camera(key, _as_vector(table), metres, f"{path}: [{key}]")
        for key, table in tables.items()
        if isinstance(table, dict) and "matrix" in table and table.get("ignore") is not True
    ]
    if not cameras:
        raise InputError(f"{path}: no camera in it; each needs a table with matrix, distortions, rotation, translation")
    up = metadata.get("up")
    return cameras, up if isinstance(up, str) else None


def _as_vector(table: dict[str, Any]) -> dict[str, Any]:
    """The table with its rotation as a vector, also where it is a matrix."""
    try:
        matrix = np.array(table.get("rotation"), float)
    except (TypeError, ValueError):
        return table
    if matrix.shape != (3, 3):
        return table
    return table | {"rotation": cv2.Rodrigues(matrix)[0][:, 0].tolist()}
