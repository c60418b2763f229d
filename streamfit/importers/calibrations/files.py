"""Where a folder keeps its calibration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamfit.errors import InputError
from streamfit.files import parse_toml, read_text
from streamfit.importers.natural_order import natural

OWN = ("camera_array.toml", "cameras.toml", "calibration.toml")
"""Of Caliscope, ourselves and FreeMoCap: what a folder may hold that is none of calibrations alone."""


def calibration_beside(folder: Path) -> list[Path]:
    """The calibration of a project's folder: in a folder of it whose name holds `calib`, or in itself. [] for none."""
    if not folder.is_dir():
        return []
    places = [path for path in folder.iterdir() if path.is_dir() and "calib" in path.name.lower()]
    for place in sorted(places, key=lambda path: natural(path.name)):
        if found := calibration_in(place):
            return found
    alone = [folder / name for name in OWN if (folder / name).is_file()]
    return alone[:1] or _easymocap(folder)


def calibration_in(folder: Path) -> list[Path]:
    """The files of the one calibration that a folder holds, [] for none. InputError where there are several.

    Of Pose2Sim's conversions the `.toml` is taken rather than what it was made of.
    """
    kinds: tuple[tuple[str, Callable[[Path], bool]], ...] = (
        ("*.toml", _has_camera),
        ("*.qca.txt", lambda path: True),
    )
    for pattern, fits in kinds:
        found = [path for path in sorted(folder.glob(pattern)) if fits(path)]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise InputError(f"{folder}: several calibrations ({names}); say which with --calibration FILE")
        if found:
            return found
    if found := _easymocap(folder):
        return found
    each = [path for kind in ("*.yml", "*.yaml", "*.xml") for path in folder.glob(kind)]
    return sorted(each, key=lambda path: natural(path.name))


def _easymocap(folder: Path) -> list[Path]:
    both = [folder / "intri.yml", folder / "extri.yml"]
    return both if all(path.is_file() for path in both) else []


def _has_camera(path: Path) -> bool:
    tables = parse_toml(read_text(path), str(path))
    inner = tables.get("cameras")
    several = [*tables.values(), *(inner.values() if isinstance(inner, dict) else ())]
    return any(isinstance(table, dict) and "matrix" in table for table in several)
