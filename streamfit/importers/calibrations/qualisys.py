"""Cameras of Qualisys Track Manager: `.qca.txt`, which is XML."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from streamfit.errors import InputError
from streamfit.files import read_text
from streamfit.importers.calibrations.found import Found
from streamfit.model.camera import Camera

SUBPIXEL = 64.0
"""Of the pixels in which lengths on the sensor, and so its coefficients of distortion, are stated."""
OURS = np.diag([1.0, -1.0, -1.0])
"""From the axes of a Qualisys camera, which looks along its -z with y up, to those of OpenCV."""
NO_MODEL = ("", "none", "n/a")
VIDEO = re.compile(r"video|hybrid|oqus\s*\d+\s*c", re.IGNORECASE)
"""Models that film; the others (Miqus M3, Arqus ..) see markers alone. Those of no stated model are taken to film."""
FRACTIONS = (Fraction(1), Fraction(2, 3), Fraction(1, 2), Fraction(1, 3), Fraction(1, 4))
"""Of the sensor's pixels in its lower resolutions: 1080p, 720p, 540p .. of a sensor of 1088 lines."""


def is_qualisys(text: str) -> bool:
    """Whether a text looks like such a file."""
    return "<calibration" in text[:2000] and "<camera" in text


def read_qualisys(path: Path) -> Found:
    """The video cameras of a `.qca.txt`; names are their serial numbers. Raises InputError.

    Places are stated in mm, and distortion as Pose2Sim reads it, with the third radial term, which Pose2Sim leaves
    out. Lengths in the picture are stated in pixels of the full sensor: at a lower `video_resolution` the picture has
    fewer. Cameras for markers and cameras that are not calibrated are left out, and said.
    """
    try:
        root = ElementTree.fromstring(read_text(path))
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path}: not XML as Qualisys writes it: {error}") from None
    elements = list(root.iter("camera"))
    if not elements:
        raise InputError(f"{path}: no <camera> in it; export the calibration from QTM once more")
    cameras: list[Camera] = []
    left_out: list[str] = []
    third: list[str] = []
    lower: dict[str, list[str]] = {}
    for n, element in enumerate(elements, start=1):
        name = element.get("serial") or str(n)
        if why := _unusable(element):
            left_out.append(f"{name} ({why})")
            continue
        camera = _camera(element, name, f"{path}: camera {name}")
        cameras.append(camera)
        if camera.distortions[4] != 0.0:
            third.append(name)
        if (said := element.get("video_resolution", "").strip()).lower() not in (*NO_MODEL, "1080p"):
            lower.setdefault(f"{said}: {camera.size[0]} x {camera.size[1]} px", []).append(name)
    if not cameras:
        raise InputError(f"{path}: no calibrated video camera in it: {', '.join(left_out)}")
    notes = [f"left out: {', '.join(left_out)}"] if left_out else []
    notes += [f"pictures of {', '.join(names)} are {size}" for size, names in lower.items()]
    notes += [f"the third radial term of {', '.join(third)} is used"] if third else []
    return Found(tuple(cameras), metres=1e-3, notes=tuple(notes))


def _unusable(element: ElementTree.Element) -> str:
    """Why this is no calibrated video camera, or ""."""
    model = element.get("model", "").strip()
    if model.lower() not in NO_MODEL and not VIDEO.search(model):
        return f"{model}, a camera for markers"
    if element.get("active") == "0":
        return "not active"
    said = (element.get("calibrated", "true"), element.get("point-count", "1"))
    transform, intrinsic = element.find("transform"), element.find("intrinsic")
    if said[0].lower() in ("false", "0") or said[1] == "0" or (transform is None) != (intrinsic is None):
        return "not calibrated"
    if transform is None or intrinsic is None:
        return ""  # which is damaged, and is said as that
    turn = [_plain(transform.get(f"r{i}{j}", "")) for i in (1, 2, 3) for j in (1, 2, 3)]
    stated = [*turn, *(_plain(value) for value in (*transform.attrib.values(), *intrinsic.attrib.values()))]
    return "not calibrated" if np.isnan(stated).any() or not np.any(turn) else ""


def _plain(text: str) -> float:
    """A number; 1 of what is none, which another reader refuses."""
    try:
        return float(text)
    except ValueError:
        return 1.0


def _camera(element: ElementTree.Element, name: str, where: str) -> Camera:
    if element.get("viewrotation", "0") != "0":
        raise InputError(f"{where}: viewrotation {element.get('viewrotation')} is not supported; export it unrotated")
    view, transform, intrinsic = (_child(element, child, where) for child in ("fov_video", "transform", "intrinsic"))
    left, top, right, bottom = (_number(view, key, where) for key in ("left", "top", "right", "bottom"))
    rotation = OURS @ [[_number(transform, f"r{i}{j}", where) for j in (1, 2, 3)] for i in (1, 2, 3)]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise InputError(f"{where}: <transform> holds no rotation")
    centre = np.array([_number(transform, key, where) for key in ("x", "y", "z")])
    keys = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    fx, fy, cx, cy = (_number(intrinsic, key, where) / SUBPIXEL for key in keys)
    keys = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
    lens = [_number(intrinsic, key, where) / SUBPIXEL for key in keys]
    third = 0.0 if intrinsic.get("radialDistortion3") is None else _number(intrinsic, "radialDistortion3", where)
    width, height = right - left + 1.0, bottom - top + 1.0
    if not (1.0 <= width <= 1e5 and 1.0 <= height <= 1e5):
        raise InputError(f"{where}: <fov_video> of {width:g} x {height:g} px is no picture")
    part = _part_of_sensor(element, width, height, where)
    # the centre of the first pixel is (0, 0) before and after
    cx, cy = (part * (value + 0.5) - 0.5 for value in (cx - left, cy - top))
    return Camera(
        name=name,
        size=(max(1, round(part * width)), max(1, round(part * height))),
        matrix=np.array([[part * fx, 0.0, cx], [0.0, part * fy, cy], [0.0, 0.0, 1.0]]),
        distortions=np.array([*lens, third / SUBPIXEL]),
        rotation=cv2.Rodrigues(rotation)[0][:, 0],
        translation=-rotation @ centre,
    )


def _part_of_sensor(element: ElementTree.Element, width: float, height: float, where: str) -> float:
    """Pixels of the picture for one of the sensor, by `video_resolution` (`540p`). Raises InputError."""
    said = element.get("video_resolution", "").strip().lower()
    if said in NO_MODEL:
        return 1.0
    found = re.fullmatch(r"(?:\d{2,5}\s*x\s*)?(\d{2,5})\s*p?", said)
    if found is None:
        raise InputError(f"{where}: video_resolution {said[:40]!r} is not known; it is one such as 540p")
    whole = element.find("fov_video_max")
    if whole is not None:
        left, top, right, bottom = (_number(whole, key, where) for key in ("left", "top", "right", "bottom"))
        width, height = right - left + 1.0, bottom - top + 1.0
    exact = float(found[1]) / max(min(width, height), 1.0)
    near = min(FRACTIONS, key=lambda part: abs(float(part) - exact))
    return float(near) if abs(exact / float(near) - 1.0) < 0.02 else exact


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
