"""Calibrations of other software as our rig."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamfit.errors import InputError
from streamfit.files import parse_toml, read_text
from streamfit.importers.calibrations.easymocap import is_easymocap, read_easymocap
from streamfit.importers.calibrations.found import Found
from streamfit.importers.calibrations.opencv_storage import Size, read_storage
from streamfit.importers.calibrations.qualisys import is_qualisys, read_qualisys
from streamfit.importers.calibrations.storage_tree import read_tree
from streamfit.importers.calibrations.units import guessed_metres, metres_of
from streamfit.model.caliscope import camera_tables
from streamfit.model.camera import Rig, read_camera


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rig in metres, and what was found on the way, a line each."""

    rig: Rig
    unit: float
    """m of one unit of its translations."""
    units_known: bool
    """Whether somebody said so, or it was guessed."""
    notes: tuple[str, ...] = ()


def read_calibration(
    paths: Sequence[Path], units: str = "auto", up: str | None = None, size: Size | None = None
) -> Calibration:
    """The rig of a calibration in one file or one per camera. Raises InputError.

    TOML as Anipose, Caliscope, FreeMoCap and Pose2Sim write it, `.qca.txt` of Qualisys, OpenCV's FileStorage, ROS, or
    EasyMocap's pair of files. `units`: see `metres_of`; `up` is the world's axis and `size` the pictures' where the
    files do not say.
    """
    parts = _parts(paths, size)
    cameras = [camera for part in parts for camera in part.cameras]
    names = [camera.name for camera in cameras]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{paths[0]}: two cameras are named {sorted(twice)[0]!r}; give each its own name")
    source = str(paths[0])
    stated = {part.metres for part in parts if part.metres is not None}
    said = metres_of(units)
    if stated and (len(stated) > 1 or any(part.metres is None for part in parts)):
        raise InputError(f"{source}: some of the files say their units and others not; import them one by one")
    if said is not None and stated - {said}:
        raise InputError(f"{source}: its units are known ({1000 * stated.pop():g} mm), not --units {units}")
    metres = said or next(iter(stated), None) or guessed_metres(cameras, source)
    scaled = tuple(replace(camera, translation=metres * camera.translation) for camera in cameras)
    rig = Rig(scaled, up or next((part.up for part in parts if part.up), None) or "z")
    rig = Rig.from_toml(rig.to_toml(), source)  # as the file that is written will be read
    return Calibration(rig, metres, bool(said or stated), tuple(note for part in parts for note in part.notes))


def _parts(paths: Sequence[Path], size: Size | None) -> list[Found]:
    parts: list[Found] = []
    easymocap: dict[Path, dict[str, Any]] = {}
    for path in paths:
        if path.suffix.lower() == ".toml":
            parts.append(_toml(path))
        elif is_qualisys(read_text(path)):
            parts.append(read_qualisys(path))
        elif is_easymocap(tree := read_tree(path)):
            easymocap[path] = tree
        else:
            parts.append(read_storage(path, tree, size))
    return [*parts, read_easymocap(easymocap, size)] if easymocap else parts


def _toml(path: Path) -> Found:
    """The cameras as they stand in the file. Those marked `ignore` (Caliscope) are left out."""
    tables = parse_toml(read_text(path), str(path))
    metadata = tables.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    unit, up = metadata.get("units"), metadata.get("up")
    if unit not in (None, "m", "mm"):
        raise InputError(f"{path}: [metadata] units = {str(unit)[:20]!r} is not 'm' or 'mm'")
    used = camera_tables(tables, str(path))
    cameras = tuple(read_camera(key, table, 1.0, f"{path}: [{key}]") for key, table in used.items())
    if not cameras:
        raise InputError(f"{path}: no camera in it; each needs a table with matrix, distortions, rotation, translation")
    ignored = [key for key, table in {**tables, **_inner(tables)}.items() if _is_ignored(table)]
    notes = (f"left out, as the file says (ignore): {', '.join(ignored)}",) if ignored else ()
    metres = {None: None, "m": 1.0, "mm": 1e-3}[unit]
    return Found(cameras, metres, up if isinstance(up, str) else None, notes)


def _inner(tables: dict[str, Any]) -> dict[str, Any]:
    cameras = tables.get("cameras")
    return cameras if isinstance(cameras, dict) else {}


def _is_ignored(table: Any) -> bool:
    return isinstance(table, dict) and "matrix" in table and table.get("ignore") is True
