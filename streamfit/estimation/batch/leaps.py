"""Where in a recording the person is suddenly farther off than people move: a recording that was looped or joined.

Each camera tells how far the middle of the points that it sees has moved across its view; how far off the person is
comes from the rays of all cameras to those middles. Half of the cameras and at least two must see the leap: one that
looks along it sees little, and one that takes up somebody else sees one that is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfit.estimation.estimate import View
from streamfit.estimation.quality.metrics import CONFIDENT
from streamfit.model.camera import Camera, Rig

LEAP, FASTEST = 0.15, 10.0
"""A person is suddenly farther off than LEAP m and FASTEST m/s explain."""
FEWEST = 6
"""Points that a camera must see both times."""
OFTEN = 0.1
"""Share of instants with a leap from which on nobody is followed, and nothing tells a leap from garbage."""


def leaps(rig: Rig, instants: Sequence[tuple[float, Sequence[View]]]) -> frozenset[int]:
    """The instants (their indices) at which the person is where they cannot have come to since the last views."""
    seen: dict[int, list[tuple[int, View]]] = {}
    for index, (_, views) in enumerate(instants):
        for view in views:
            seen.setdefault(view.camera, []).append((index, view))
    told = [told for camera, own in seen.items() if (told := _told(rig.cameras[camera], own)) is not None]
    if not told:
        return frozenset()
    at, passed, rays, centre = (np.concatenate(x) for x in zip(*told, strict=True))
    places = _places(len(instants), at, rays[:, 1], centre)
    moved = np.linalg.norm(places[at] - centre, axis=1) * np.linalg.norm(rays[:, 1] - rays[:, 0], axis=1)
    cameras = np.bincount(at, minlength=len(instants))
    leaping = np.bincount(at[moved > LEAP + FASTEST * passed], minlength=len(instants))
    found = np.flatnonzero(leaping >= np.maximum(2, (cameras + 1) // 2))
    return frozenset() if len(found) > OFTEN * len(instants) else frozenset(found.tolist())


def _told(camera: Camera, own: Sequence[tuple[int, View]]) -> tuple[np.ndarray, ...] | None:
    """What a camera tells of its N views that have one before: the indices of their instants, s since the one before,
    unit rays (N, 2, 3; world) to the middle of the points that it sees both times, and where it stands (N, 3)."""
    at, t = np.array([index for index, _ in own]), np.array([view.t for _, view in own])
    xyc = np.array([view.xyc for _, view in own])
    there = xyc[..., 2] >= CONFIDENT
    both = there[1:] & there[:-1]
    count = both.sum(1)
    enough = count >= FEWEST
    if not enough.any():
        return None
    pairs = np.stack([xyc[:-1, :, :2], xyc[1:, :, :2]], 1)[enough]
    ordered = np.sort(np.where(both[enough][:, None, :, None], pairs, np.inf), axis=2)
    middles = ordered[np.arange(len(ordered)), :, count[enough] // 2]
    rays = camera.rays(middles.reshape(-1, 2)).reshape(-1, 2, 3) @ cv2.Rodrigues(camera.rotation)[0]
    return at[1:][enough], np.diff(t)[enough], rays, np.repeat(camera.centre[None], len(rays), 0)


def _places(instants: int, at: np.ndarray, rays: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The points (instants, 3) nearest to the rays (N, 3) from `centre` (N, 3) of each instant `at` (N,)."""
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    normal, right = np.zeros((instants, 3, 3)), np.zeros((instants, 3))
    np.add.at(normal, at, across)
    np.add.at(right, at, np.einsum("nij,nj->ni", across, centre))
    return np.asarray(np.linalg.solve(normal + 1e-6 * np.eye(3), right[..., None])[..., 0])
