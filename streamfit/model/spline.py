"""Uniform cubic B-spline: the trajectory that the live and the offline fit share.

Control point i acts on the four knot intervals i-3 .. i. With a knot every 40 ms the spline passes frequencies
up to about 12 Hz, the band of human movement, and is twice differentiable everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

SUPPORT = 4
"""Control points that act at any one time."""

_BASIS = np.array([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]]) / 6.0
"""Powers of the place in the interval (rows) to the weights of its four control points (columns)."""


def basis(place: Any, derivative: int = 0) -> Any:
    """Weights (..., 4) of an interval's control points at a place in it (...), 0 at its start and 1 at its end.

    Beyond both ends its cubic goes on. Derivatives are per interval. Takes NumPy and JAX arrays alike.
    """
    terms = [
        prod(range(p - derivative + 1, p + 1)) * place[..., None] ** (p - derivative) * _BASIS[p].astype(place.dtype)
        for p in range(derivative, SUPPORT)
    ]
    return sum(terms)


@dataclass(frozen=True)
class UniformSpline:
    """A spline over `intervals` knot intervals of `spacing` seconds from `start`; intervals + 3 control points."""

    start: float
    spacing: float
    intervals: int

    @property
    def controls(self) -> int:
        """Number of control points."""
        return self.intervals + SUPPORT - 1

    @property
    def end(self) -> float:
        """Where it ends, s."""
        return self.start + self.intervals * self.spacing

    def place(self, t: Any) -> Any:
        """Knot intervals from the start to each time."""
        return (t - self.start) / self.spacing

    def interval(self, t: np.ndarray | float) -> np.ndarray:
        """Index of the knot interval that holds each time; times outside take the first or the last."""
        index = np.floor(self.place(np.asarray(t, float))).astype(int)
        return np.clip(index, 0, self.intervals - 1)

    def local_weights(self, t: np.ndarray | float, derivative: int = 0) -> np.ndarray:
        """Weights (..., 4) of the control points `interval(t)` .. `interval(t) + 3` (per second^derivative)."""
        t = np.asarray(t, float)
        return basis(self.place(t) - self.interval(t), derivative) / self.spacing**derivative

    def weights(self, t: np.ndarray | float, derivative: int = 0) -> np.ndarray:
        """Weights (..., controls) of all control points at each time."""
        t = np.asarray(t, float)
        out = np.zeros((*t.shape, self.controls))
        index = self.interval(t)[..., None] + np.arange(SUPPORT)
        np.put_along_axis(out, index, self.local_weights(t, derivative), -1)
        return out

    def read(self, controls: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Value and rate (D,) at one time of the spline with these control points (M, D): quicker than by weights."""
        place = self.place(t)
        first = min(max(int(place // 1.0), 0), self.intervals - 1)
        u, s = place - first, self.spacing
        powers = np.array([[1.0, u, u * u, u * u * u], [0.0, 1.0 / s, 2.0 * u / s, 3.0 * u * u / s]])
        value, rate = powers @ _BASIS @ controls[first : first + SUPPORT]
        return value, rate

    def from_knot(self, knot: int) -> UniformSpline:
        """The part of the spline from that knot on: without the first control points."""
        return UniformSpline(self.start + knot * self.spacing, self.spacing, self.intervals - knot)

    def shifted(self, intervals: int) -> UniformSpline:
        """The spline that starts that many knots later."""
        return UniformSpline(self.start + intervals * self.spacing, self.spacing, self.intervals)
