"""OpenPose's output and its like: a folder per camera with a JSON file per frame."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.errors import InputError
from streamfit.files import read_text
from streamfit.importers.detections.picture_names import Numbered, number_pictures

FRAME = re.compile(r"(\d+)(?:_keypoints)?\.json$", re.IGNORECASE)
KEYPOINTS = ("pose_keypoints_2d", "pose_keypoints")
"""As OpenPose names them, and as it did before version 1.3."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The pictures of one camera: of each by its number the people (P, K, 3) px, px, confidence; P may be 0."""

    people: dict[float, np.ndarray]
    keypoints: int | None
    """K; None where nobody was ever seen."""
    names: Numbered


def clearest(people: np.ndarray) -> np.ndarray | None:
    """Of people (P, K, 3) the one who is seen with most confidence; None for nobody."""
    return people[int(np.argmax(people[..., 2].sum(1)))] if len(people) else None


def read_frames(folder: Path) -> Frames:
    """All frames of a camera. Raises InputError that names the file."""
    names = number_pictures(folder.glob("*.json"))
    if names is None:
        raise InputError(f"{folder}: no NAME_000000_keypoints.json in it, as OpenPose writes with --write_json")
    people: dict[float, np.ndarray] = {}
    count = None
    for number, path in names.paths.items():
        found = people[number] = read_people(path)
        if len(found) and count not in (None, found.shape[1]):
            raise InputError(f"{path}: {found.shape[1]} keypoints, but {count} in the files before it")
        count = found.shape[1] if len(found) else count
    return Frames(people, count, names)


def read_people(path: Path) -> np.ndarray:
    """The people (P, K, 3) of one file; whoever has no keypoint there is left out. Raises InputError."""
    try:
        entries = json.loads(read_text(path).removeprefix("\ufeff"))["people"]
        flat = [_keypoints(entry) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise InputError(f"{path}: not what OpenPose writes ({type(error).__name__}: {str(error)[:60]})") from None
    flat = [row for row in flat if row.size]
    if not flat:
        return np.zeros((0, 0, 3))
    if len({row.shape for row in flat}) > 1 or flat[0].ndim != 1 or len(flat[0]) % 3:
        raise InputError(f"{path}: pose_keypoints_2d must hold x, y, confidence of as many keypoints for everybody")
    people = np.stack(flat).reshape(len(flat), -1, 3)
    people[~np.isfinite(people).all(-1)] = 0.0
    # some write the mean of heat maps, a little above 1
    people[..., 2] = np.clip(people[..., 2], 0.0, 1.0)
    return people[people[..., 2].any(1)]


def _keypoints(entry: dict[str, Any]) -> np.ndarray:
    """Of one person (3 K,), also where they are written as K lists of three; none of an empty entry."""
    if not entry:
        return np.zeros(0)  # who is seen by other cameras, in what Pose2Sim has associated
    value = next((entry[key] for key in KEYPOINTS if key in entry), None)
    if value is None:
        raise KeyError(KEYPOINTS[0])
    found = np.array(value, float)
    return found.ravel() if found.ndim == 2 and found.shape[1] == 3 else found
