"""Calibrated cameras: the `cameras.toml` of Anipose, Caliscope, FreeMoCap and Pose2Sim, and projection.

Pixels are OpenCV's: x right, y down, (0, 0) at the centre of the top-left pixel of the raw, distorted image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import jax.numpy as jnp
import numpy as np
import tomli_w
from jaxtyping import Bool, Float

from streamfit.arrays import Array
from streamfit.errors import InputError
from streamfit.files import numbers, parse_toml, read_text

REFERENCE_WIDTH = 2048
"""Image width (px) at which pixel noise is stated; a narrower image's pixels are worth more."""
MAX_CAMERAS = 256
NEAR = 0.05
"""Points nearer to the image plane than this (m), or behind it, are not seen."""
FIELD = 3.0
"""Nor are those farther off the optical axis than this many times their depth: no lens of this model sees as far, and
beyond its picture the polynomial of its distortion grows without bound."""

_TO_GROUND = {
    "z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "-z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "-x": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
}


@dataclass(frozen=True, eq=False)
class Camera:
    """One pinhole camera with Brown-Conrady distortion (k1, k2, p1, p2, k3), world to camera, metres."""

    name: str
    size: tuple[int, int]
    matrix: np.ndarray
    distortions: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Where the camera is in the world (3,)."""
        return -cv2.Rodrigues(self.rotation)[0].T @ self.translation


@dataclass(frozen=True, eq=False)
class Rig:
    """The cameras of one room and the world axis that points up in it."""

    cameras: tuple[Camera, ...]
    up: str = "z"

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    @property
    def to_ground(self) -> np.ndarray:
        """Rotation (3, 3) from the cameras' world frame to the y-up ground frame of the skeleton."""
        return np.array(_TO_GROUND[self.up], float)

    @staticmethod
    def load(path: str | Path) -> Rig:
        return Rig.from_toml(read_text(Path(path)), str(path))

    @staticmethod
    def from_toml(text: str, source: str = "cameras.toml") -> Rig:
        """Every table with a `matrix` is a camera; other tables are ignored but `[metadata]`."""
        tables = parse_toml(text, source)
        metadata = tables.get("metadata", {})
        metadata = metadata if isinstance(metadata, dict) else {}
        up, unit = metadata.get("up", "z"), metadata.get("units", "m")
        if not isinstance(up, str) or up not in _TO_GROUND:
            raise InputError(f"{source}: [metadata] up = {up!r} is not one of {', '.join(_TO_GROUND)}")
        if unit not in ("m", "mm"):
            raise InputError(f"{source}: [metadata] units = {unit!r} is not 'm' or 'mm'")
        cameras = [
            read_camera(key, table, 1e-3 if unit == "mm" else 1.0, f"{source}: [{key}]")
            for key, table in tables.items()
            if isinstance(table, dict) and "matrix" in table
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
        tables: dict[str, Any] = {
            camera.name: {
                "name": camera.name,
                "size": list(camera.size),
                "matrix": camera.matrix.tolist(),
                "distortions": camera.distortions.tolist(),
                "rotation": camera.rotation.tolist(),
                "translation": camera.translation.tolist(),
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
            distortion=np.array([camera.distortions for camera in self.cameras]),
            pixel=np.array([camera.size[0] / REFERENCE_WIDTH for camera in self.cameras]),
        )


class Lenses(NamedTuple):
    """C cameras as arrays: ground frame to camera frame, then to pixels. `pixel`: width / REFERENCE_WIDTH."""

    rotation: Float[Array, "C 3 3"]
    translation: Float[Array, "C 3"]
    focal: Float[Array, "C 2"]
    centre: Float[Array, "C 2"]
    distortion: Float[Array, "C 5"]
    pixel: Float[Array, " C"]


class Projection(NamedTuple):
    """Pixels, their derivative with respect to the point (px/m), and whether the camera can see the point."""

    pixels: Float[Array, "*batch 2"]
    jacobian: Float[Array, "*batch 2 3"]
    visible: Bool[Array, "*batch"]


def project(lens: Lenses, points: Float[Array, "*batch 3"]) -> Projection:
    """Points (ground frame, m) seen by one camera (the fields of `lens` without their first axis).

    The model is that of OpenCV's `projectPoints` (k1, k2, p1, p2, k3). Points behind the camera or far beside its
    field get finite values and `visible` false.
    """
    # written out: products of 3 x 3 matrices as such cost several times as much
    rotation, translation = lens.rotation, lens.translation
    px, py, pz = points[..., 0], points[..., 1], points[..., 2]
    across, down, depth = (
        row[0] * px + row[1] * py + row[2] * pz + shift for row, shift in zip(rotation, translation, strict=True)
    )
    visible = (depth > NEAR) & (across * across + down * down < (FIELD * depth) ** 2)
    inverse = 1.0 / jnp.where(visible, depth, 1.0)
    x, y = across * inverse, down * inverse
    k1, k2, p1, p2, k3 = (lens.distortion[i] for i in range(5))
    r2 = x * x + y * y
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = k1 + r2 * (2.0 * k2 + 3.0 * k3 * r2)
    bent_x = x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)
    bent_y = y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y
    fx, fy = lens.focal[0], lens.focal[1]
    pixels = jnp.stack([fx * bent_x + lens.centre[0], fy * bent_y + lens.centre[1]], -1)

    xx = fx * (radial + 2.0 * x * x * slope + 2.0 * p1 * y + 6.0 * p2 * x)
    xy = 2.0 * x * y * slope + 2.0 * p1 * x + 2.0 * p2 * y
    yy = fy * (radial + 2.0 * y * y * slope + 6.0 * p1 * y + 2.0 * p2 * x)
    seen_x = (xx * inverse, fx * xy * inverse, -(xx * x + fx * xy * y) * inverse)
    seen_y = (fy * xy * inverse, yy * inverse, -(fy * xy * x + yy * y) * inverse)
    rows = [sum(seen[..., None] * row for seen, row in zip(each, rotation, strict=True)) for each in (seen_x, seen_y)]
    return Projection(pixels, jnp.stack(rows, -2), visible)


def undistort(lens: Lenses, pixels: Float[Array, "*batch 2"], iterations: int = 10) -> Float[Array, "*batch 2"]:
    """Normalised image coordinates of pixels seen by one camera, by fixed-point iteration as OpenCV does."""
    bent = (pixels - lens.centre) / lens.focal
    k1, k2, p1, p2, k3 = (lens.distortion[i] for i in range(5))
    x, y = bent[..., 0], bent[..., 1]
    for _ in range(iterations):
        r2 = x * x + y * y
        radial = jnp.maximum(1.0 + r2 * (k1 + r2 * (k2 + r2 * k3)), 0.1)
        dx = 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)
        dy = p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y
        x, y = (bent[..., 0] - dx) / radial, (bent[..., 1] - dy) / radial
    return jnp.stack([x, y], -1)


def read_camera(key: str, table: dict[str, Any], metres: float, where: str) -> Camera:
    """A camera of one table of `cameras.toml`, whose translation is in units of `metres`. Raises InputError."""
    if table.get("fisheye") is True:
        raise InputError(f"{where}: fisheye lenses are not supported; calibrate with the pinhole model")
    size = numbers(table, "size", (2,), where)
    if (size < 1).any():
        raise InputError(f"{where}: 'size' must be width and height in pixels, got {size.tolist()}")
    matrix = numbers(table, "matrix", (3, 3), where)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or abs(matrix[0, 1]) > 1e-6 * matrix[0, 0]:
        raise InputError(f"{where}: 'matrix' must hold positive focal lengths and no skew")
    given = table.get("distortions")
    count = len(given) if isinstance(given, list) else 5
    distortions = numbers(table, "distortions", (count,), where)
    if count < 4 or np.any(distortions[5:] != 0.0):
        raise InputError(f"{where}: 'distortions' must be k1, k2, p1, p2 and optionally k3, got {count} coefficients")
    return Camera(
        name=str(table.get("name", key)),
        size=(int(size[0]), int(size[1])),
        matrix=matrix,
        distortions=np.pad(distortions, (0, 1))[:5],
        rotation=numbers(table, "rotation", (3,), where),
        translation=numbers(table, "translation", (3,), where) * metres,
    )


def _check_size(rig: Rig, source: str) -> None:
    """Refuse a rig whose cameras are impossibly near to or far from each other: the units are wrong."""
    centres = np.array([camera.centre for camera in rig.cameras])
    spread = np.linalg.norm(centres[:, None] - centres[None], axis=-1).max()
    if len(centres) > 1 and not 0.05 <= spread <= 100.0:
        raise InputError(
            f"{source}: the cameras are {spread:.3g} m apart at most, which is no room; translations must be in "
            'metres, or say units = "mm" under [metadata]'
        )
