"""Check that coordinates are pixels of the picture that was calibrated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamfit.errors import InputError
from streamfit.importers.detections.people import SURE
from streamfit.model.camera import Camera

SHARES = 1.5
"""No coordinate beyond this, on either side of 0, and they are shares of the picture (or of half of it)."""
LEAST = 0.1
"""Beyond an edge points may be estimated, at most so far; more below 0, and 0 is the middle."""
ALL = 0.99
OUTSIDE = 0.5
"""Share of the points outside the picture from which on it is another picture's."""


def pixels(people: Mapping[float, np.ndarray], camera: Camera, shares: bool, source: str) -> dict[float, np.ndarray]:
    """The detections (P, K, 3) of a camera's pictures in pixels. Raises InputError where they are something else.

    `shares`: they are 0 to 1 from edge to edge of the picture, and are multiplied by its size.
    """
    sure = [one[one[..., 2] > SURE][:, :2] for one in people.values()]
    points = np.concatenate(sure) if sure else np.zeros((0, 2))
    small = len(points) > 0 and float(np.mean(np.abs(points).max(1) <= SHARES)) >= ALL
    if shares:
        if small and float(np.mean(points < -LEAST)) > 1.0 - ALL:
            raise InputError(f"{source}: its coordinates go down to {points.min():.2f}: shares of half the picture")
        if len(points) and not small:
            raise InputError(f"{source}: its coordinates go up to {np.abs(points).max():.0f}: no shares of the picture")
        return {number: _multiplied(one, camera.size) for number, one in people.items()}
    if small:
        low, high = points.min(), points.max()
        raise InputError(
            f"{source}: its coordinates are {low:.2f} to {high:.2f}, shares of the picture and not pixels: "
            "write pixels (OpenPose: --keypoint_scale 0), or say --shares where they are 0 to 1 from edge to edge"
        )
    outside = ((points < -0.5) | (points > np.array(camera.size) - 0.5)).any(1)
    if len(points) and outside.mean() > OUTSIDE:
        size, reach = camera.size, np.percentile(points, 99.0, axis=0)
        raise InputError(
            f"{source}: {100 * outside.mean():.0f} % of its points lie outside the picture of {size[0]} x {size[1]} px "
            f"that was calibrated (they reach {reach[0]:.0f}, {reach[1]:.0f}): detect in pictures of that size, not "
            "turned"
        )
    return dict(people)


def _multiplied(people: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if not people.size:
        return people
    moved = people[..., :2] * np.array(size) - 0.5
    return np.concatenate([moved, people[..., 2:]], -1)
