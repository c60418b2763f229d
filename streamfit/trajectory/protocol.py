"""What the fit asks of an implicit trajectory."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np


class Trajectory(Protocol):
    """A movement that is linear in its control points: q(t) = weights(t) @ controls, for any basis.

    The banded solver of the window moreover takes each time to depend on at most `SUPPORT` neighbours.
    """

    @property
    def start(self) -> float:
        """s."""

    @property
    def end(self) -> float:
        """s."""

    @property
    def controls(self) -> int:
        """How many control points it has."""

    def weights(self, t: np.ndarray | float, derivative: int = 0) -> np.ndarray:
        """Weights (..., controls) of the control points at each time, per second^derivative."""

    def shifted(self, intervals: int) -> Self:
        """The trajectory that starts that many control points later."""
