"""Calibrations of EasyMocap: `intri.yml` with every camera's lens, `extri.yml` with its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamfit.errors import InputError
from streamfit.importers.calibrations.found import Found, rodrigues
from streamfit.importers.calibrations.lens_model import is_fisheye
from streamfit.importers.calibrations.opencv_storage import Size, camera_matrix, distortion, picture_size
from streamfit.importers.calibrations.storage_tree import first, numbers_of, read_tree, text_of
from streamfit.model.camera import Camera

INTRINSIC, EXTRINSIC = "K_", ("R_", "Rot_")


def is_easymocap(tree: dict[str, Any]) -> bool:
    """Whether a file is one of the two."""
    return any(key.startswith((INTRINSIC, *EXTRINSIC)) for key in tree)


def read_easymocap(trees: dict[Path, dict[str, Any]], size: Size | None = None) -> Found:
    """The cameras of `intri.yml` and `extri.yml`, or of one of them and the other beside it. Raises InputError.

    Extrinsics are world to camera: `R_1` a Rodrigues vector, `Rot_1` its matrix. `size` is that of the pictures where
    the files do not say it (`W_1`, `H_1`).
    """
    path = next(iter(trees))
    merged: dict[str, Any] = {}
    for tree in trees.values():
        merged |= tree
    for needed, own, other in (((INTRINSIC,), "extri", "intri"), (EXTRINSIC, "intri", "extri")):
        if not any(key.startswith(needed) for key in merged):
            beside = path.with_name(path.name.replace(own, other))
            if beside == path or not beside.is_file():
                raise InputError(f"{path}: {other}.yml is needed with it: put it beside, or name it with --calibration")
            merged = read_tree(beside) | merged
    return _cameras(merged, _names(merged), path, size)


def _names(tree: dict[str, Any]) -> list[str]:
    said = tree.get("names")
    if isinstance(said, str):
        said = said.split()
    names = [text_of(name) or "" for name in said] if isinstance(said, list) else []
    with_lens = [key.removeprefix(INTRINSIC) for key in tree if key.startswith(INTRINSIC)]
    return [name for name in dict.fromkeys(names) if name] or with_lens


def _cameras(tree: dict[str, Any], names: Sequence[str], path: Path, size: Size | None) -> Found:
    cameras, notes = [], []
    for name in names:
        where = f"{path}: camera {name}"
        fields = {key.removesuffix(f"_{name}"): value for key, value in tree.items() if key.endswith(f"_{name}")}
        missing = [what for what in ("K", "T") if what not in fields]
        turn = numbers_of(first(fields, ("R", "Rot")))
        place = numbers_of(fields.get("T"))
        if missing or turn is None or place is None or place.shape != (3,):
            raise InputError(
                f"{where}: K_{name}, R_{name} and T_{name} must be there, 3 x 3, 3 and 3 numbers: without R and T the "
                "camera is calibrated alone, not among the others"
            )
        fisheye = is_fisheye(fields, where)
        lens, note = distortion(fields.get("dist", fields.get("D", "0 0 0 0 0")), fisheye, where, name)
        picture = picture_size({"width": fields.get("W"), "height": fields.get("H")}, where, size)
        matrix = camera_matrix(fields["K"], where)
        cameras.append(Camera(name, picture, matrix, lens, rodrigues(turn, where), place, fisheye))
        notes += [note] if note else []
    if not cameras:
        raise InputError(f"{path}: no camera in it")
    return Found(tuple(cameras), notes=tuple(notes))
