"""Calibrated cameras: the `cameras.toml` of Anipose, Caliscope, FreeMoCap and Pose2Sim.

Pixels are OpenCV's: x right, y down, (0, 0) at the centre of the top-left pixel of the raw, distorted image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tomli_w

from streamfit.errors import InputError
from streamfit.files import numbers, parse_toml, read_text
from streamfit.model.caliscope import camera_tables
from streamfit.model.projection import (
    BROWN,
    FIELD,
    FISHEYE,
    NEAR,
    Lenses,
    Projection,
    bent_angle,
    farthest,
    pixels_per_metre,
    project,
    rays,
    stack_lenses,
)

__all__ = [
    "FIELD",
    "FISHEYE",
    "NEAR",
    "UNITS",
    "UPS",
    "Camera",
    "Lenses",
    "Projection",
    "Rig",
    "pixels_per_metre",
    "project",
    "rays",
    "read_camera",
    "stack_lenses",
]

REFERENCE_WIDTH = 2048
"""Image width (px) at which pixel noise is stated; a narrower image's pixels are worth more."""
MAX_CAMERAS = 256

_TO_GROUND = {
    "z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "-z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "-x": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
}


UPS = {name: np.array(rows, float).T @ [0.0, 1.0, 0.0] for name, rows in _TO_GROUND.items()}
"""The direction (3,), in the world, of each `up`."""


class Unit(NamedTuple):
    """A unit of length in which rigs are calibrated."""

    plural: str
    metres: float


UNITS = {
    "m": Unit("metres", 1.0),
    "dm": Unit("decimetres", 0.1),
    "cm": Unit("centimetres", 0.01),
    "mm": Unit("millimetres", 0.001),
    "in": Unit("inches", 0.0254),
    "ft": Unit("feet", 0.3048),
}
"""What `units` under `[metadata]` may say; or a number, in metres: the edge of a board's square."""


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera, world to camera, metres.

    `distortions`: k1, k2, p1, p2, k3 (Brown-Conrady) of a pinhole; k1 .. k4 of OpenCV's fisheye model where `fisheye`.
    """

    name: str
    size: tuple[int, int]
    matrix: np.ndarray
    distortions: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    fisheye: bool = False

    @property
    def centre(self) -> np.ndarray:
        """Where the camera is in the world (3,)."""
        return -cv2.Rodrigues(self.rotation)[0].T @ self.translation

    @property
    def field(self) -> np.ndarray:
        """Half width and half height (2,) of the picture at 1 m; of a fisheye up to 60 degrees off its axis."""
        half = 0.5 * np.array(self.size) / self.matrix[[0, 1], [0, 1]]
        return np.tan(np.minimum(half, np.pi / 3)) if self.fisheye else half

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Unit vectors (N, 3) of the camera's frame (x right, y down, z ahead) in which it sees pixels (N, 2)."""
        pixels = np.asarray(pixels, float).reshape(-1, 2)
        if self.fisheye:
            angles = np.linspace(0.0, farthest(self.distortions), 4096)
            bent = (pixels - self.matrix[:2, 2]) / self.matrix[[0, 1], [0, 1]]
            off = np.maximum(np.linalg.norm(bent, axis=1), 1e-9)
            angle = np.interp(off, np.asarray(bent_angle(self.distortions, angles)[0]), angles)
            return np.concatenate([bent * (np.sin(angle) / off)[:, None], np.cos(angle)[:, None]], 1)
        flat = pixels
        if len(pixels):
            flat = cv2.undistortPoints(pixels, self.matrix, self.distortions)[:, 0]
        ahead = np.concatenate([flat, np.ones((len(flat), 1))], 1)
        return np.asarray(ahead / np.linalg.norm(ahead, axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Rig:
    """The cameras of one room and the world axis that points up in it."""

    cameras: tuple[Camera, ...]
    up: str = "z"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the cameras, in order."""
        return tuple(camera.name for camera in self.cameras)

    @property
    def to_ground(self) -> np.ndarray:
        """Rotation (3, 3) from the cameras' world frame to the y-up ground frame of the skeleton."""
        return np.array(_TO_GROUND[self.up], float)

    @staticmethod
    def load(path: str | Path) -> Rig:
        """The rig in a `cameras.toml`. Raises InputError."""
        return Rig.from_toml(read_text(Path(path)), str(path))

    @staticmethod
    def from_toml(text: str, source: str = "cameras.toml") -> Rig:
        """Every table with a `matrix` is a camera; other tables are ignored but `[metadata]`.

        Caliscope's own `camera_array.toml`, whose cameras are tables of `[cameras]`, is read too.
        """
        tables = parse_toml(text, source)
        metadata = tables.get("metadata", {})
        metadata = metadata if isinstance(metadata, dict) else {}
        up, unit = metadata.get("up", "z"), metadata.get("units", "m")
        if not isinstance(up, str) or up not in _TO_GROUND:
            raise InputError(f"{source}: [metadata] up = {up!r} is not one of {', '.join(_TO_GROUND)}")
        metres = _metres(unit, source)
        cameras = [
            read_camera(key, table, metres, f"{source}: [{key}]")
            for key, table in camera_tables(tables, source).items()
        ]
        if not cameras:
            raise InputError(
                f"{source}: no camera in it; each needs a table with matrix, distortions, rotation, translation"
            )
        if len(cameras) > MAX_CAMERAS:
            raise InputError(f"{source}: {len(cameras)} cameras; at most {MAX_CAMERAS}")
        names = [camera.name for camera in cameras]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{source}: two cameras are named {name!r}; give each its own name")
        rig = Rig(tuple(cameras), up)
        _check_size(rig, source)
        return rig

    def to_toml(self) -> str:
        """The text of a `cameras.toml`."""
        tables: dict[str, Any] = {
            camera.name: {
                "name": camera.name,
                "size": list(camera.size),
                "matrix": camera.matrix.tolist(),
                "distortions": camera.distortions.tolist(),
                "rotation": camera.rotation.tolist(),
                "translation": camera.translation.tolist(),
                **({"fisheye": True} if camera.fisheye else {}),
            }
            for camera in self.cameras
        }
        return tomli_w.dumps(tables | {"metadata": {"up": self.up, "units": "m"}})

    def select(self, names: list[str] | tuple[str, ...]) -> Rig:
        """The rig of these cameras alone, in the order of the calibration."""
        for name in names:
            if name not in self.names:
                raise InputError(f"camera {name!r} is not in the calibration; it has {', '.join(self.names)}")
        return Rig(tuple(camera for camera in self.cameras if camera.name in names), self.up)

    def lenses(self) -> Lenses:
        """The rig as arrays for projection from the ground frame."""
        rotation = np.array([cv2.Rodrigues(camera.rotation)[0] for camera in self.cameras])
        matrix = np.array([camera.matrix for camera in self.cameras])
        return Lenses(
            rotation=rotation @ self.to_ground.T,
            translation=np.array([camera.translation for camera in self.cameras]),
            focal=matrix[:, [0, 1], [0, 1]],
            centre=matrix[:, :2, 2],
            distortion=_coefficients(self.cameras),
            pixel=np.array([camera.size[0] / REFERENCE_WIDTH for camera in self.cameras]),
        )


def read_camera(key: str, table: dict[str, Any], metres: float, where: str) -> Camera:
    """A camera of one table of `cameras.toml`, whose translation is in units of `metres`. Raises InputError.

    Its rotation may be a matrix, as Caliscope writes it.
    """
    size = numbers(table, "size", (2,), where)
    if (size < 1).any():
        raise InputError(f"{where}: 'size' must be width and height in pixels, got {size.tolist()}")
    matrix = numbers(table, "matrix", (3, 3), where)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or abs(matrix[0, 1]) > 1e-6 * matrix[0, 0]:
        raise InputError(f"{where}: 'matrix' must hold positive focal lengths and no skew")
    fisheye = table.get("fisheye") is True
    rotation = table.get("rotation")
    matrices = isinstance(rotation, list) and any(isinstance(row, list) for row in rotation)
    turn = numbers(table, "rotation", (3, 3) if matrices else (3,), where)
    if matrices and not (np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) and np.linalg.det(turn) > 0.0):
        raise InputError(f"{where}: 'rotation' must be a Rodrigues vector or a rotation matrix")
    return Camera(
        name=str(table.get("name", key)),
        size=(int(size[0]), int(size[1])),
        matrix=matrix,
        distortions=_distortions(table, fisheye, where),
        rotation=cv2.Rodrigues(turn)[0][:, 0] if matrices else turn,
        translation=numbers(table, "translation", (3,), where) * metres,
        fisheye=fisheye,
    )


def _distortions(table: dict[str, Any], fisheye: bool, where: str) -> np.ndarray:
    given = table.get("distortions")
    count = len(given) if isinstance(given, list) else BROWN
    distortions = numbers(table, "distortions", (count,), where)
    if fisheye:
        if count < 4 or np.any(distortions[4:] != 0.0):
            raise InputError(f"{where}: 'distortions' of a fisheye must be k1, k2, k3, k4, got {count} coefficients")
        return distortions[:4]
    if count < 4 or np.any(distortions[BROWN:] != 0.0):
        raise InputError(f"{where}: 'distortions' must be k1, k2, p1, p2 and optionally k3, got {count} coefficients")
    return np.pad(distortions, (0, 1))[:BROWN]


def _coefficients(cameras: Sequence[Camera]) -> np.ndarray:
    """`Lenses.distortion` of these cameras."""
    width = FISHEYE if any(camera.fisheye for camera in cameras) else BROWN
    rows = np.zeros((len(cameras), width))
    for row, camera in zip(rows, cameras, strict=True):
        row[: len(camera.distortions)] = camera.distortions
        if camera.fisheye:
            row[FISHEYE - 1] = farthest(camera.distortions)
    return rows


def _metres(unit: Any, source: str) -> float:
    """How large a unit of `[metadata]` is, m."""
    if isinstance(unit, str) and unit in UNITS:
        return UNITS[unit].metres
    if isinstance(unit, int | float) and not isinstance(unit, bool) and 1e-6 <= unit <= 1e6:
        return float(unit)
    raise InputError(f"{source}: [metadata] units = {unit!r} is not one of {', '.join(UNITS)} nor a number of metres")


def _check_size(rig: Rig, source: str) -> None:
    """Refuse a rig whose cameras are impossibly near to or far from each other: the units are wrong."""
    centres = np.array([camera.centre for camera in rig.cameras])
    spread = np.linalg.norm(centres[:, None] - centres[None], axis=-1).max()
    if len(centres) > 1 and not 0.05 <= spread <= 100.0:
        raise InputError(
            f"{source}: the cameras are {spread:.3g} m apart at most, which is no room; translations must be in "
            'metres, or say units = "mm" (or cm, in .., or the size of a square in m) under [metadata]'
        )
