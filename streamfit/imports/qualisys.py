"""Cameras of Qualisys Track Manager: `.qca.txt`, which is XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from streamfit.cameras import Camera
from streamfit.errors import InputError
from streamfit.files import read_text

SUBPIXEL = 64.0
"""Of the pixels in which lengths on the sensor, and so its coefficients of distortion, are stated."""
OURS = np.diag([1.0, -1.0, -1.0])
"""From the axes of a Qualisys camera, which looks along its -z with y up, to those of OpenCV."""


def is_qualisys(text: str) -> bool:
    """Whether a text looks like such a file."""
    return "<calibration" in text[:2000] and "<camera" in text


def read_qualisys(path: Path) -> list[Camera]:
    """The cameras of a `.qca.txt`, in metres; names are their serial numbers. Raises InputError.

    Places are stated in mm, and distortion as Pose2Sim reads it. Pixels are those of the marker image's field of view.
    """
    try:
        root = ElementTree.fromstring(read_text(path).encode())
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not XML as Qualisys writes it: {error}") from None
    cameras = [_camera(element, f"{path}: camera {n}") for n, element in enumerate(root.iter("camera"), start=1)]
    if not cameras:
        raise InputError(f"{path}: no <camera> in it; export the calibration from QTM once more")
    return cameras


def _camera(element: ElementTree.Element, where: str) -> Camera:
    if element.get("viewrotation", "0") != "0":
        raise InputError(f"{where}: viewrotation {element.get('viewrotation')} is not supported; export it unrotated")
    view, transform, intrinsic = (_child(element, name, where) for name in ("fov_video", "transform", "intrinsic"))
    left, top, right, bottom = (_number(view, key, where) for key in ("left", "top", "right", "bottom"))
    rotation = OURS @ [[_number(transform, f"r{i}{j}", where) for j in (1, 2, 3)] for i in (1, 2, 3)]
    centre = 1e-3 * np.array([_number(transform, key, where) for key in ("x", "y", "z")])
    keys = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    fx, fy, cx, cy = (_number(intrinsic, key, where) / SUBPIXEL for key in keys)
    keys = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
    return Camera(
        name=element.get("serial") or where.rpartition(" ")[2],
        size=(int(right - left) + 1, int(bottom - top) + 1),
        matrix=np.array([[fx, 0.0, cx - left], [0.0, fy, cy - top], [0.0, 0.0, 1.0]]),
        distortions=np.array([*(_number(intrinsic, key, where) / SUBPIXEL for key in keys), 0.0]),
        rotation=cv2.Rodrigues(rotation)[0][:, 0],
        translation=-rotation @ centre,
    )


def _child(element: ElementTree.Element, name: str, where: str) -> ElementTree.Element:
    found = element.find(name)
    if found is None:
        raise InputError(f"{where}: <{name}> is missing")
    return found


def _number(element: ElementTree.Element, key: str, where: str) -> float:
    try:
        value = float(element.get(key, ""))
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"{where}: {key} of <{element.tag}> must be a number, got {element.get(key)!r}")
    return value
