"""What is known of movement before any view: smooth, unhurried, within the joints' limits, near neutral."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.factors.banded import WIDTH
from streamfit.estimation.settings import FitSettings
from streamfit.model import Skeleton
from streamfit.model.skeleton import ROOT_COORDINATES


@dataclass(frozen=True, eq=False)
class MotionPrior:
    """Gaussian prior of a spline's control points, coordinate by coordinate.

    `row` (4, D): what one more control point adds to the information among itself and the three before it
    is `pattern` (4, 4, D), the oldest first. Derived from white noise on velocity, acceleration and pose.
    """

    pattern: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    limit: float

    @staticmethod
    def of(skeleton: Skeleton, settings: FitSettings) -> MotionPrior:
        """The prior for this skeleton."""
        is_root = np.arange(len(skeleton.coordinates)) < 3
        velocity = np.where(is_root, settings.root_velocity, np.minimum(settings.angle_velocity, skeleton.calm))
        acceleration = np.where(is_root, settings.root_acceleration, settings.angle_acceleration)
        pose = np.where(np.arange(len(is_root)) < ROOT_COORDINATES, np.inf, settings.pose)
        h = settings.spacing
        terms = [
            (np.array([0.0, 0.0, 0.0, 1.0]), pose),
            (np.array([0.0, 0.0, -1.0, 1.0]) / h, velocity),
            (np.array([0.0, 1.0, -2.0, 1.0]) / h**2, acceleration),
        ]
        pattern = sum(np.multiply.outer(np.outer(d, d), h / sd**2) for d, sd in terms)
        return MotionPrior(np.asarray(pattern), skeleton.lower, skeleton.upper, settings.limit)

    def bands(self, joined: np.ndarray) -> np.ndarray:
        """Information (M, 4, D, D) of M control points; `joined` (M,) where one continues the three before it."""
        size = self.pattern.shape[-1]
        out = np.zeros((len(joined), WIDTH, size, size))
        diagonal = np.arange(size)
        for newest in np.flatnonzero(joined):
            for a in range(WIDTH):
                for b in range(a, WIDTH):
                    out[newest - 3 + a, b - a, diagonal, diagonal] += self.pattern[a, b]
        return out

    def limits(self, controls: Float[Array, "M D"], spacing: float) -> tuple[Float[Array, "M D"], Float[Array, "M D"]]:
        """Information matrix and vector (diagonal) of joint limits on control points.

        A B-spline lies in the hull of its control points: where they keep the limits, so does the movement.
        """
        upper, lower = (jnp.asarray(bound, controls.dtype) for bound in (self.upper, self.lower))
        over = jnp.where(controls > upper, controls - upper, 0.0)
        under = jnp.where(controls < lower, controls - lower, 0.0)
        beyond = over + under
        information = jnp.where(beyond != 0.0, spacing / self.limit**2, 0.0)
        return information, -information * beyond
