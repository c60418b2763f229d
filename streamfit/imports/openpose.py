"""What OpenPose writes, and what writes like it: a folder per camera, in it a JSON file per frame."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamfit.errors import InputError
from streamfit.files import read_text

FRAME = re.compile(r"(\d+)(?:_keypoints)?\.json$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Frames:
    """The pictures of one camera: of each by its number the people (P, K, 3) px, px, confidence; P may be 0."""

    people: dict[int, np.ndarray]
    keypoints: int | None
    """K; None where nobody was ever seen."""

    def clearest(self, number: int) -> np.ndarray | None:
        """The person (K, 3) that is seen with most confidence; None for nobody, or no such picture."""
        people = self.people.get(number)
        return None if people is None else clearest(people)


def clearest(people: np.ndarray) -> np.ndarray | None:
    """Of people (P, K, 3) the one who is seen with most confidence; None for nobody."""
    return people[int(np.argmax(people[..., 2].sum(1)))] if len(people) else None


def read_frames(folder: Path) -> Frames:
    """All frames of a camera. Raises InputError that names the file."""
    people, count = {}, None
    for path in sorted(folder.glob("*.json")):
        number = FRAME.search(path.name)
        if number is None:
            continue
        found = people[int(number.group(1))] = read_people(path)
        if len(found) and count not in (None, found.shape[1]):
            raise InputError(f"{path}: {found.shape[1]} keypoints, but {count} in the files before it")
        count = found.shape[1] if len(found) else count
    if not people:
        raise InputError(f"{folder}: no NAME_000000_keypoints.json in it, as OpenPose writes with --write_json")
    return Frames(people, count)


def read_people(path: Path) -> np.ndarray:
    """The people (P, K, 3) of one file. Raises InputError."""
    try:
        entries = json.loads(read_text(path))["people"]
        flat = [np.array(entry["pose_keypoints_2d"], float) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path}: not what OpenPose writes ({type(error).__name__}: {str(error)[:60]})") from None
    flat = [row for row in flat if row.size]
    if not flat:
        return np.zeros((0, 0, 3))
    if len({row.shape for row in flat}) > 1 or flat[0].ndim != 1 or len(flat[0]) % 3:
        raise InputError(f"{path}: pose_keypoints_2d must hold x, y, confidence of as many keypoints for everybody")
    people = np.stack(flat).reshape(len(flat), -1, 3)
    # some write the mean of heat maps, a little above 1
    people[..., 2] = np.clip(np.nan_to_num(people[..., 2]), 0.0, 1.0)
    return people
