"""The unit of a calibration's translations: as stated, else the only one that makes a room of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfit.errors import InputError
from streamfit.model.camera import Camera

NAMED = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
HALL = 100.0
"""m between two cameras at most; numbers beyond that are millimetres, as most programs write them."""
VIEW = (0.8, 20.0)
"""m of the room across a picture, at what the cameras look at: less holds no person, and across more a person is too
small in it to be measured."""
PARALLEL = 0.02
"""Least eigenvalue, over their count, of axes that meet at a point one can tell."""


def metres_of(units: str) -> float | None:
    """m of one unit, by its name or as a number (0.06: board squares of 60 mm); None for "auto". InputError."""
    if units == "auto":
        return None
    try:
        metres = NAMED.get(units) or float(units)
    except ValueError:
        metres = 0.0
    if not 1e-6 <= metres <= 1e3:
        raise InputError(f"--units {units}: must be {', '.join(NAMED)} or the metres of one unit, as 0.06")
    return metres


def guessed_metres(cameras: Sequence[Camera], source: str) -> float:
    """m of one unit of the translations, where nobody says. InputError that asks, where no room comes of them."""
    spread = spread_of(cameras)
    metres = NAMED["mm"] if spread > HALL else NAMED["m"]
    across = view_across(cameras)
    if across is None or VIEW[0] <= metres * across <= VIEW[1]:
        return metres
    fitting = [f"--units {name}" for name, unit in NAMED.items() if VIEW[0] <= unit * across <= VIEW[1]]
    small = metres * across < VIEW[0]
    raise InputError(
        f"{source}: taken as {'mm' if metres < 1.0 else 'm'}, {metres * across:.2g} m of the room would be seen across "
        f"a picture, which is too {'little for' if small else 'much to measure'} a person: say in which unit its "
        f"translations are: {' or '.join(fitting) or '--units'}, or the metres of one (--units 0.06: board squares)"
    )


def spread_of(cameras: Sequence[Camera]) -> float:
    """The largest distance between two cameras, in their own unit."""
    centres = np.array([camera.centre for camera in cameras])
    return float(np.linalg.norm(centres[:, None] - centres, axis=-1).max())


def view_across(cameras: Sequence[Camera]) -> float | None:
    """How much of the room is seen across a picture (its longer side) where the cameras' axes meet; their own unit.

    The point nearest to all axes, least squares; None for cameras that look in one direction or away from it.
    """
    centres = np.array([camera.centre for camera in cameras])
    axes = np.array([cv2.Rodrigues(camera.rotation)[0][2] for camera in cameras])
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    total = across.sum(0)
    if len(cameras) < 2 or np.linalg.eigvalsh(total)[0] < PARALLEL * len(cameras):
        return None
    meeting = np.linalg.solve(total, np.einsum("cij,cj->i", across, centres))
    depth = np.einsum("ci,ci->c", axes, meeting - centres)
    if np.median(depth) <= 0.0:
        return None
    field = np.array([2.0 * camera.field.max() for camera in cameras])
    return float(np.median((depth * field)[depth > 0.0]))
