"""The root's rotation: its angles, their continuity, and a frame in which they stay away from the singularity.

Tilt, list and rotation (body-fixed z, x, y) are singular where list is a right angle: a person lying on the side.
The window therefore works in a frame of its own, turned against the ground, that is chosen anew when list grows
large; what is published is always in the ground frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from streamfit.model.skeleton import ROOT_COORDINATES

TURN = 0.9
"""rad of list in the window's frame at which another frame is chosen."""
UPRIGHT = 0.5
"""rad of list in the ground frame below which the ground frame itself serves."""


def rotation_of(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of tilt, list, rotation (..., 3)."""
    (sa, sb, sc), (ca, cb, cc) = np.moveaxis(np.sin(angles), -1, 0), np.moveaxis(np.cos(angles), -1, 0)
    rows = [
        [ca * cc - sa * sb * sc, -sa * cb, ca * sc + sa * sb * cc],
        [sa * cc + ca * sb * sc, ca * cb, sa * sc - ca * sb * cc],
        [-cb * sc, sb, cb * cc],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def angles_of(rotation: Any, xp: ModuleType = np) -> Any:
    """Tilt, list, rotation (..., 3) of rotation matrices, list within a right angle; `xp` is numpy or jax.numpy."""
    tilt = xp.arctan2(-rotation[..., 0, 1], rotation[..., 1, 1])
    list_ = xp.arcsin(xp.clip(rotation[..., 2, 1], -1.0, 1.0))
    turn = xp.arctan2(-rotation[..., 2, 0], rotation[..., 2, 2])
    return xp.stack([tilt, list_, turn], -1)


def angles_near(rotation: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The angles (3,) of a rotation that lie nearest to `near`: no jump by a turn, nor to the other solution."""
    first = angles_of(rotation)
    second = np.array([first[0] + np.pi, np.pi - first[1], first[2] + np.pi])
    candidates = [a + 2.0 * np.pi * np.round((near - a) / (2.0 * np.pi)) for a in (first, second)]
    return min(candidates, key=lambda a: float(np.sum((a - near) ** 2)))


def rate_matrix(angles: np.ndarray) -> np.ndarray:
    """E (3, 3): angular velocity in the frame that the root turns in = E x rates of tilt, list, rotation."""
    a, b = angles[0], angles[1]
    list_axis = [np.cos(a), np.sin(a), 0.0]
    turn_axis = [-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)]
    return np.array([[0.0, 0.0, 1.0], list_axis, turn_axis]).T


def turn_root(root: np.ndarray, turn: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root coordinates (6,) seen in a frame turned by `turn` (3, 3), and the derivative (6, 6) of that map."""
    angles = angles_near(turn @ rotation_of(root[3:6]), near)
    derivative = np.zeros((6, 6))
    derivative[:3, :3] = turn
    derivative[3:, 3:] = np.linalg.lstsq(rate_matrix(angles), turn @ rate_matrix(root[3:6]), rcond=1e-6)[0]
    return np.concatenate([turn @ root[:3], angles]), derivative


@dataclass(frozen=True, eq=False)
class Frame:
    """The frame that a window works in: `turn` (3, 3) takes ground vectors into it."""

    turn: np.ndarray

    @staticmethod
    def ground() -> Frame:
        """The frame that is the ground's own."""
        return Frame(np.eye(3))

    @staticmethod
    def regular_at(rotation: np.ndarray, limit: float = TURN) -> Frame:
        """The ground frame where a root so turned is regular in it, else that in which it is upright."""
        return Frame.ground() if abs(angles_of(rotation)[1]) < limit else Frame(rotation.T)

    @cached_property
    def is_ground(self) -> bool:
        """Whether it is the ground's own frame."""
        return np.array_equal(self.turn, np.eye(3))

    def enter(self, q: np.ndarray, near: np.ndarray) -> np.ndarray:
        """A pose (D,) of the ground frame in this one; in the ground frame its root's angles are near `near`."""
        out, root = q.copy(), slice(0, ROOT_COORDINATES)
        out[root], _ = turn_root(q[root], self.turn, near if self.is_ground else np.zeros(3))
        return out

    def leave(self, q: np.ndarray, qd: np.ndarray, sd: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, ...]:
        """Coordinates, rates and standard deviations (D,) in the ground frame, the root's angles near `near`.

        Where this is not the ground frame, correlations between the root's coordinates are neglected.
        """
        if self.is_ground:
            return q, qd, sd
        q, qd, sd, root = q.copy(), qd.copy(), sd.copy(), slice(0, ROOT_COORDINATES)
        q[root], change = turn_root(q[root], self.turn.T, near)
        qd[root] = change @ qd[root]
        sd[root] = np.sqrt(change**2 @ sd[root] ** 2)
        return q, qd, sd
