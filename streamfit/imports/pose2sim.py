"""A project folder of Pose2Sim: where its detections and its calibration are, and what its Config.toml says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamfit.errors import InputError
from streamfit.files import parse_toml, read_text

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


@dataclass(frozen=True)
class Source:
    """Folders of detections, one per camera in order of their names, and what is known of them."""

    folders: list[Path]
    calibration: list[Path]
    rate: float | None = None
    keypoints: str | None = None


def find_parts(folder: Path) -> Source:
    """The parts of a trial's folder, of its `pose` folder, or of any that holds folders of JSON files. InputError.

    Calibration and configuration are looked for there and up to three folders above, as Pose2Sim lays them out.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    folders = next((found for place in (folder, folder / "pose") if (found := _with_json(place))), None)
    if folders is None:
        trials = sorted({str(path.parent.relative_to(folder)) for path in folder.glob("*/pose")})
        hint = f"; name one of its trials: {', '.join(trials)}" if trials else ", one folder of JSON files per camera"
        raise InputError(f"{folder}: no detections in it{hint}")
    calibration: list[Path] = []
    config: dict[str, Any] = {}
    for place in [folder, *folder.resolve().parents[:3]]:
        calibration = calibration or _calibration(place)
        if (place / "Config.toml").is_file():
            config = _merged(parse_toml(read_text(place / "Config.toml"), str(place / "Config.toml")), config)
    rate = config.get("project", {}).get("frame_rate")
    model = config.get("pose", {}).get("pose_model", config.get("pose-2d", {}).get("pose_model"))
    known = SETS.get(str(model).upper()) if model else None
    return Source(folders, calibration, float(rate) if type(rate) in (int, float) else None, known)


def _with_json(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(inner for inner in folder.iterdir() if inner.is_dir() and next(inner.glob("*.json"), None))


def _calibration(folder: Path) -> list[Path]:
    places = [p for p in folder.iterdir() if p.is_dir() and "calib" in p.name.lower()] if folder.is_dir() else []
    found = [path for place in sorted(places) for kind in ("*.toml", "*.qca.txt") for path in sorted(place.glob(kind))]
    return found[:1]


def _merged(outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """What the inner folder's file says goes before the outer one's."""
    out = dict(outer)
    for key, value in inner.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if both else value
    return out
