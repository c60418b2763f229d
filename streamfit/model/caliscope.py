"""Caliscope's own `camera_array.toml`, as the tables of `cameras.toml`."""

from __future__ import annotations

from typing import Any

from streamfit.errors import InputError

NOTHING = ("null", "None", None)
"""How Caliscope writes what is not known."""


def camera_tables(tables: dict[str, Any], source: str) -> dict[str, dict[str, Any]]:
    """The tables that describe cameras, by their keys. Those that are marked `ignore` are left out.

    Caliscope's cameras are `[cameras.0]`, `[cameras.1]` ..; camera 1 is named `cam_1`, as in its export for Anipose.
    `InputError` for one that it has not placed among the others yet.
    """
    own = tables.get("cameras")
    if not isinstance(own, dict) or "matrix" in own:
        found = {key: table for key, table in tables.items() if isinstance(table, dict) and "matrix" in table}
        return {key: table for key, table in found.items() if table.get("ignore") is not True}
    used = {
        key: table
        for key, table in own.items()
        if isinstance(table, dict) and "matrix" in table and table.get("ignore") is not True
    }
    unplaced = [key for key, table in used.items() if any(table.get(k) in NOTHING for k in ("rotation", "translation"))]
    if unplaced:
        which = "no camera" if len(unplaced) == len(used) else "not camera " + ", ".join(unplaced)
        raise InputError(
            f"{source}: Caliscope has placed {which} yet (rotation and translation are missing): run its extrinsic "
            "calibration, or set ignore = true for cameras that are not to be used"
        )
    return {f"cameras.{key}": {"name": _name(key, table)} | table for key, table in used.items()}


def _name(key: str, table: dict[str, Any]) -> str:
    return f"cam_{table.get('cam_id', table.get('port', key))}"
