"""Keypoint sets: what a detector's points are called and where they sit on the skeleton."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from streamfit.errors import InputError
from streamfit.files import numbers, parse_toml, read_text

BUILT_IN = ("coco17", "halpe26", "body25", "body25b", "mediapipe33", "movi87", "wholebody133")

MAX_KEYPOINTS = 1024


@dataclass(frozen=True, eq=False)
class KeypointSet:
    """K keypoints in the detector's order.

    `positions` (K, 3): m, in the frame of the unscaled body `bodies[k]`; `sd` (K,): m, how far a person's true
    place may be from there.
    """

    name: str
    names: tuple[str, ...]
    bodies: tuple[str, ...]
    positions: np.ndarray
    sd: np.ndarray

    @cached_property
    def _contents(self) -> tuple[object, ...]:
        return (self.name, self.names, self.bodies, self.positions.tobytes(), self.sd.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeypointSet) and self._contents == other._contents

    def __hash__(self) -> int:
        return hash(self._contents)

    @staticmethod
    def load(name: str | Path) -> KeypointSet:
        """A built-in set by name, or a file."""
        if str(name) in BUILT_IN:
            text = (files("streamfit.model") / "keypoint_sets" / f"{name}.toml").read_text(encoding="utf-8")
            return _read(parse_toml(text, str(name)), str(name))
        path = Path(name)
        if not path.suffix and not path.exists():
            raise InputError(f"keypoint set {str(name)!r} is not built in; use {', '.join(BUILT_IN)} or a .toml file")
        return KeypointSet.from_toml(read_text(path), str(path))

    @staticmethod
    def from_toml(text: str, source: str = "keypoints.toml") -> KeypointSet:
        """A set written out as `[[keypoint]]` tables, or the built-in set that `name` alone means."""
        tables = parse_toml(text, source)
        if "keypoint" not in tables and tables.get("name") in BUILT_IN:
            return KeypointSet.load(tables["name"])
        return _read(tables, source)

    def to_toml(self) -> str:
        """The text of a keypoint set's file."""
        rows = [
            {"name": n, "body": b, "position": p.tolist(), "sd": float(s)}
            for n, b, p, s in zip(self.names, self.bodies, self.positions, self.sd, strict=True)
        ]
        return tomli_w.dumps({"name": self.name, "keypoint": rows})

    def body_indices(self, bodies: tuple[str, ...]) -> np.ndarray:
        """Index (K,) of each keypoint's body among a skeleton's; `InputError` for a body it does not have."""
        for name, body in zip(self.names, self.bodies, strict=True):
            if body not in bodies:
                raise InputError(
                    f"keypoint set {self.name}: {name!r} is on body {body!r}, which the skeleton does not have"
                )
        return np.array([bodies.index(body) for body in self.bodies])


def _read(tables: dict[str, Any], source: str) -> KeypointSet:
    rows = tables.get("keypoint")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{source}: no [[keypoint]] table, and 'name' is not a built-in set ({', '.join(BUILT_IN)})")
    if len(rows) > MAX_KEYPOINTS:
        raise InputError(f"{source}: {len(rows)} keypoints; at most {MAX_KEYPOINTS}")
    names, positions, sds = [], [], []
    for index, row in enumerate(rows):
        where = f"{source}: keypoint {index} ({row.get('name', 'unnamed')})"
        for key in ("name", "body"):
            if not isinstance(row.get(key), str):
                raise InputError(f"{where}: {key!r} must be a text")
        if row["name"] in names:
            raise InputError(f"{where}: two keypoints have that name")
        names.append(row["name"])
        positions.append(numbers(row, "position", (3,), where))
        sds.append(float(numbers(row, "sd", (), where)))
        if sds[-1] <= 0:
            raise InputError(f"{where}: 'sd' must be above 0 m")
    return KeypointSet(
        name=str(tables.get("name", Path(source).stem)),
        names=tuple(names),
        bodies=tuple(row["body"] for row in rows),
        positions=np.array(positions),
        sd=np.array(sds),
    )
