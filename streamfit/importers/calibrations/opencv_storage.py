"""Cameras as OpenCV's FileStorage, ROS and programs like them write them (`.yml`, `.yaml`, `.xml`, `.json`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamfit.errors import InputError
from streamfit.importers.calibrations.found import Found, rodrigues
from streamfit.importers.calibrations.lens_model import is_fisheye
from streamfit.importers.calibrations.storage_tree import first, number_of, numbers_of
from streamfit.model.camera import Camera

Size = tuple[int, int]

MATRIX = ("camera_matrix", "cameraMatrix", "CameraMatrix", "K", "matrix", "intrinsic_matrix", "mtx", "intrinsics")
DISTORTION = (
    "distortion_coefficients", "dist_coeffs", "distCoeffs", "distortion_coeffs", "DistCoeffs", "D", "dist",
    "distortions", "distortion",
)  # fmt: skip
ROTATION = ("R", "rvec", "rotation", "rotation_matrix", "rotation_vector")
TRANSLATION = ("T", "t", "tvec", "translation", "translation_vector")
EXTRINSIC = ("extrinsic", "extrinsics", "extrinsic_matrix", "RT", "Rt", "world_to_camera", "T_cam_world")
"""Rotation and translation in one, 3 x 4 or 4 x 4, world to camera."""
WIDTH, HEIGHT = ("image_width", "width", "imageWidth", "w"), ("image_height", "height", "imageHeight", "h")
SIZE = ("size", "image_size", "imageSize", "resolution", "img_size")
OF_ROS = ("projection_matrix", "rectification_matrix", "P")
"""Where these are, `R` rectifies a stereo pair: it does not say how the camera stands."""


def read_storage(path: Path, tree: dict[str, Any], size: Size | None = None) -> Found:
    """The cameras of a file, one or a map of several; a single one is named as the file. Raises InputError.

    The names that tutorials and tools use for its fields are known. Extrinsics are world to camera. `size` is that of
    the pictures where the file does not say.
    """
    if first(tree, MATRIX) is not None:
        return _found([_camera(tree, path.stem, str(path), size)])
    several = {name: node for name, node in tree.items() if isinstance(node, dict) and first(node, MATRIX) is not None}
    if not several:
        raise InputError(f"{path}: no camera in it; it needs {MATRIX[0]}, or a map with that for each camera")
    return _found([_camera(node, name, f"{path}: {name}", size) for name, node in several.items()])


def _found(cameras: list[tuple[Camera, str]]) -> Found:
    return Found(tuple(camera for camera, _ in cameras), notes=tuple(note for _, note in cameras if note))


def _camera(tree: dict[str, Any], name: str, where: str, size: Size | None) -> tuple[Camera, str]:
    matrix = camera_matrix(first(tree, MATRIX), where)
    lens, note = read_distortion(tree, where, name)
    rotation, translation = _extrinsics(tree, where)
    return Camera(
        name=name,
        size=picture_size(tree, where, size),
        matrix=matrix,
        distortions=lens,
        rotation=rotation,
        translation=translation,
        fisheye=is_fisheye(tree, where),
    ), note


def camera_matrix(value: Any, where: str) -> np.ndarray:
    """The intrinsic matrix (3, 3), also of fx, fy, cx, cy. Raises InputError."""
    found = numbers_of(value)
    if found is not None and found.shape == (4,):
        fx, fy, cx, cy = found
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    if found is None or found.shape != (9,):
        count = "no" if found is None else len(found)
        raise InputError(f"{where}: {MATRIX[0]} has {count} finite numbers; it must be 3 x 3")
    return found.reshape(3, 3)


def read_distortion(tree: dict[str, Any], where: str, name: str) -> tuple[np.ndarray, str]:
    """k1, k2, p1, p2, k3, or k1 .. k4 of a fisheye; and what to say of them, or "". Raises InputError."""
    value = first(tree, DISTORTION)
    if value is None:
        raise InputError(f"{where}: no {DISTORTION[0]} (nor {', '.join(DISTORTION[1:])})")
    return distortion(value, is_fisheye(tree, where), where, name)


def distortion(value: Any, fisheye: bool, where: str, name: str) -> tuple[np.ndarray, str]:
    """As `read_distortion`, of one field."""
    given = numbers_of(value)
    if given is None:
        raise InputError(f"{where}: {DISTORTION[0]} are no finite numbers")
    most = 4 if fisheye else 5
    if np.any(given[most:] != 0.0):
        known = "k1, k2, k3, k4 of a fisheye" if fisheye else "k1, k2, p1, p2, k3"
        raise InputError(f"{where}: {len(given)} coefficients of distortion; only {known} are supported")
    if fisheye and len(given) < most:
        raise InputError(f"{where}: {len(given)} coefficients of distortion; a fisheye has four: k1, k2, k3, k4")
    note = ""
    if not fisheye and len(given) == 4 and np.any(given != 0.0):
        note = f"{name}: its 4 coefficients are taken as k1, k2, p1, p2; if it is a fisheye, add fisheye_model: 1"
    return np.pad(given[:most], (0, most - len(given[:most]))), note


def picture_size(tree: dict[str, Any], where: str, size: Size | None) -> Size:
    """Width and height, px: what the file says, else `size`. Raises InputError."""
    width, height = (number_of(first(tree, names)) for names in (WIDTH, HEIGHT))
    both = numbers_of(first(tree, SIZE))
    if width is None or height is None:
        if both is not None and both.shape == (2,):
            width, height = both
        elif size is not None:
            width, height = size
        else:
            raise InputError(
                f"{where}: the size of the picture is missing; add {WIDTH[0]} and {HEIGHT[0]}, or say --size 1920x1080"
            )
    if not (1 <= width <= 1e5 and 1 <= height <= 1e5):
        raise InputError(f"{where}: a picture of {width:g} x {height:g} px is none")
    return round(width), round(height)


def _extrinsics(tree: dict[str, Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    own = first(tree, EXTRINSIC)
    whole = numbers_of(own)
    if whole is not None and whole.shape in ((12,), (16,)):
        rows = whole.reshape(-1, 4)[:3]
        return rodrigues(rows[:, :3].ravel(), where), rows[:, 3]
    tree = own if isinstance(own, dict) and "data" not in own else tree
    rectified = any(name in tree for name in OF_ROS)
    turn = first(tree, tuple(name for name in ROTATION if name != "R") if rectified else ROTATION)
    place = first(tree, TRANSLATION)
    if turn is None or place is None:
        missing = " and ".join(
            name for name, value in (("its rotation (rvec)", turn), ("its place (tvec)", place)) if value is None
        )
        raise InputError(
            f"{where}: {missing} missing: the file says how the lens sees, not where the camera stands; add rvec and "
            "tvec, world to camera, or calibrate the cameras together with streamfit rig"
        )
    values, translation = numbers_of(turn), numbers_of(place)
    if values is None or translation is None or translation.shape != (3,):
        raise InputError(f"{where}: the rotation must be 3 or 3 x 3 finite numbers and the translation 3")
    return rodrigues(values, where), translation
