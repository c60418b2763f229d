"""Cameras that programs write with OpenCV's FileStorage (`.yml`, `.yaml`, `.xml`, `.json`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamfit.cameras import Camera
from streamfit.errors import InputError

MATRIX = ("camera_matrix", "cameraMatrix", "K", "matrix", "intrinsic_matrix", "mtx")
DISTORTION = ("distortion_coefficients", "dist_coeffs", "distCoeffs", "D", "dist", "distortions")
ROTATION = ("R", "rvec", "rotation", "rotation_matrix", "RT")
TRANSLATION = ("T", "t", "tvec", "translation", "translation_vector")
WIDTH, HEIGHT = ("image_width", "width", "imageWidth"), ("image_height", "height", "imageHeight")


def read_storage(path: Path) -> list[Camera]:
    """The cameras of a file, one or a map of several; a single one is named as the file. Raises InputError.

    The names that tutorials and tools use for its fields are known. Extrinsics are world to camera.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        root = storage.root()
        names = [] if root.empty() else list(root.keys())
    except (cv2.error, SystemError) as error:
        raise InputError(f"{path}: OpenCV cannot read it: {str(error).splitlines()[-1][:100]}") from None
    if _first(root, MATRIX) is not None:
        return [_camera(root, path.stem, str(path))]
    cameras = [name for name in names if root.getNode(name).isMap() and _first(root.getNode(name), MATRIX) is not None]
    if not cameras:
        raise InputError(f"{path}: no camera in it; it needs {MATRIX[0]}, or a map with that for each camera")
    return [_camera(root.getNode(name), name, f"{path}: {name}") for name in cameras]


def _camera(node: Any, name: str, where: str) -> Camera:
    matrix = _array(node, MATRIX, (9,), where).reshape(3, 3)
    given = _array(node, DISTORTION, None, where)
    if len(given) not in (4, 5) and np.any(given[5:] != 0.0):
        raise InputError(f"{where}: {len(given)} coefficients of distortion; only k1, k2, p1, p2, k3 are supported")
    rotation = _array(node, ROTATION, None, where)
    if len(rotation) == 9:
        rotation = cv2.Rodrigues(rotation.reshape(3, 3))[0][:, 0]
    if len(rotation) != 3:
        raise InputError(f"{where}: the rotation must be a Rodrigues vector or a 3 x 3 matrix")
    width, height = (_first(node, keys) for keys in (WIDTH, HEIGHT))
    size = _first(node, ("size", "image_size", "imageSize"))
    if width is not None and height is not None:
        picture = (int(width.real()), int(height.real()))
    elif size is not None and size.isSeq() and size.size() == 2:
        picture = (int(size.at(0).real()), int(size.at(1).real()))
    else:
        raise InputError(f"{where}: the size of the image is missing; add {WIDTH[0]} and {HEIGHT[0]}")
    return Camera(
        name=name,
        size=picture,
        matrix=matrix,
        distortions=np.pad(given[:5], (0, 5 - len(given[:5]))),
        rotation=rotation,
        translation=_array(node, TRANSLATION, (3,), where),
    )


def _first(node: Any, names: tuple[str, ...]) -> Any:
    """The first of these fields that there is, or None."""
    return next((found for name in names if not (found := node.getNode(name)).empty()), None)


def _array(node: Any, names: tuple[str, ...], shape: tuple[int, ...] | None, where: str) -> np.ndarray:
    found = _first(node, names)
    if found is None:
        raise InputError(f"{where}: no {names[0]} (nor {', '.join(names[1:])})")
    if found.isSeq():
        value = np.array([found.at(i).real() for i in range(found.size())])
    else:
        read = found.mat()
        value = np.array([]) if read is None else np.asarray(read, float).ravel()
    if (shape is not None and value.shape != shape) or not len(value) or not np.isfinite(value).all():
        raise InputError(f"{where}: {names[0]} has {len(value)} finite numbers")
    return value
