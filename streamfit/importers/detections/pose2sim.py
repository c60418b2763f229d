"""A project folder of Pose2Sim: where its detections and its calibration are, and what its Config.toml says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamfit.errors import InputError
from streamfit.files import parse_toml, read_text
from streamfit.importers.calibrations.files import calibration_beside
from streamfit.importers.natural_order import natural

SETS = {
    "BODY_25B": "body25b",
    "BODY_25": "body25",
    "HALPE_26": "halpe26",
    "BODY_WITH_FEET": "halpe26",
    "COCO_133": "wholebody133",
    "WHOLE_BODY": "wholebody133",
    "COCO_17": "coco17",
    "BODY": "coco17",
    "BLAZEPOSE": "mediapipe33",
}
DETECTIONS = ("pose-associated", "pose-2d-tracked", "pose-sync", "pose", "pose-2d")
"""Folders of a trial, those made of others before these: people told apart, videos synchronised, as detected."""


@dataclass(frozen=True)
class Source:
    """Folders of detections, one per camera in natural order of their names, and what is known of them."""

    folders: list[Path]
    calibration: list[Path]
    rate: float | None = None
    keypoints: str | None = None
    note: str = ""
    """Which of the trial's folders they are, where there are several."""


def find_parts(folder: Path) -> Source:
    """The parts of a trial's folder, of one of its `DETECTIONS`, or of any with folders of JSON files. InputError.

    Calibration and configuration are looked for there and up to three folders above, as Pose2Sim lays them out.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = {name: inner for name in DETECTIONS if (inner := _with_json(folder / name))}
    name, folders = next(iter(found.items()), ("", _with_json(folder)))
    if not folders:
        trials = {path.parent.relative_to(folder) for path in folder.glob("*/pose*") if _with_json(path)}
        names = ", ".join(sorted(map(str, trials), key=natural))
        hint = f"; name one of its trials: {names}" if trials else ", one folder of JSON files per camera"
        raise InputError(f"{folder}: no detections in it{hint}")
    calibration: list[Path] = []
    config: dict[str, Any] = {}
    for place in [folder, *folder.resolve().parents[:3]]:
        calibration = calibration or calibration_beside(place)
        if (place / "Config.toml").is_file():
            config = _merged(parse_toml(read_text(place / "Config.toml"), str(place / "Config.toml")), config)
    rate, model = _entry(config, "project", "frame_rate"), _entry(config, "pose", "pose_model")
    model = model or _entry(config, "pose-2d", "pose_model")
    known = SETS.get(str(model).upper()) if model else None
    others = [other for other in found if other != name]
    note = f"{name}/" + (f" (not {' or '.join(f'{other}/' for other in others)})" if others else "") if name else ""
    return Source(folders, calibration, float(rate) if type(rate) in (int, float) else None, known, note)


def _with_json(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    inner = [path for path in folder.iterdir() if path.is_dir() and "calib" not in path.name.lower()]
    return sorted((path for path in inner if next(path.glob("*.json"), None)), key=lambda path: natural(path.name))


def _entry(config: dict[str, Any], table: str, key: str) -> Any:
    inner = config.get(table)
    return inner.get(key) if isinstance(inner, dict) else None


def _merged(outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """What the inner folder's file says goes before the outer one's."""
    out = dict(outer)
    for key, value in inner.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if both else value
    return out
