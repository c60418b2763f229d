"""Marker sets of OpenSim (`.osim`, `.trc`) as keypoint sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from streamfit.errors import InputError
from streamfit.files import read_text
from streamfit.model import KeypointSet, Skeleton

SD = 0.02
"""m: how far a marker that somebody has stuck on may be from its place in the set."""


@dataclass(frozen=True, eq=False)
class Markers:
    """A keypoint set, and the markers that could not be taken: name and why."""

    keypoints: KeypointSet
    left_out: dict[str, str]


def read_markers(path: Path, skeleton: Skeleton) -> Markers:
    """The markers of a model or of a motion file. Raises InputError where none can be taken.

    Of a model: body and place, divided by the scale of the body's first mesh, since keypoint sets are unscaled; bodies
    are those of Rajagopal et al. 2016. Of a `.trc`, which holds names alone: places of the built-in `movi87`.
    """
    found = _of_names(path) if path.suffix == ".trc" else _of_model(path, skeleton)
    if not found.keypoints.names:
        raise InputError(f"{path}: none of its markers can be taken: {', '.join(found.left_out) or 'it has none'}")
    return found


def _of_model(path: Path, skeleton: Skeleton) -> Markers:
    try:
        root = ElementTree.fromstring(read_text(path))
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not an OpenSim model: {error}") from None
    scales = {body.get("name"): _vector(body.findtext(".//scale_factors")) for body in root.iter("Body")}
    names, bodies, places, left_out = [], [], [], {}
    for marker in root.iter("Marker"):
        name = marker.get("name") or "unnamed"
        parent = (marker.findtext("socket_parent_frame") or marker.findtext("body") or "").strip().rpartition("/")[2]
        place, scale = _vector(marker.findtext("location")), scales.get(parent)
        if place is None:
            left_out[name] = "it has no location"
        elif parent not in skeleton.bodies:
            left_out[name] = f"it is on {parent!r}, which the skeleton does not have"
        elif name not in names:
            names.append(name)
            bodies.append(parent)
            places.append(place / (scale if scale is not None and np.all(scale > 0.0) else 1.0))
    return Markers(_set(path, names, bodies, np.reshape(places, (-1, 3)), np.full(len(names), SD)), left_out)


def _of_names(path: Path) -> Markers:
    lines = read_text(path).splitlines()
    row = next((line for line in lines if line.startswith("Frame#")), "")
    names = [name.strip() for name in row.split("\t")[2:] if name.strip()]
    known = KeypointSet.load("movi87")
    index = {name.lower(): k for k, name in enumerate(known.names)}
    taken = [name for name in names if name.lower() in index]
    at = [index[name.lower()] for name in taken]
    left_out = {name: "movi87 has no marker of that name" for name in names if name.lower() not in index}
    bodies = [known.bodies[k] for k in at]
    return Markers(_set(path, taken, bodies, known.positions[at], known.sd[at]), left_out)


def _set(path: Path, names: list[str], bodies: list[str], places: np.ndarray, sd: np.ndarray) -> KeypointSet:
    return KeypointSet(path.stem, tuple(names), tuple(bodies), places, sd)


def _vector(text: str | None) -> np.ndarray | None:
    try:
        value = np.array((text or "").split(), float)
    except ValueError:
        return None
    return value if value.shape == (3,) and np.isfinite(value).all() else None
