"""The first pose: the skeleton laid onto triangulated points, from several postures at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.model import Kinematics
from streamfit.model.root import angles_of
from streamfit.model.skeleton import ROOT_COORDINATES

ITERATIONS, TRIED = 10, 2
"""Levenberg-Marquardt steps, and how many postures are tried."""
REACH, LIMIT = 0.05, 0.05
"""m: residuals beyond this count less and less. rad: a joint limit may be exceeded by this."""

_POSTURES: tuple[dict[str, float], ...] = (
    {},
    {"hip_flexion": 1.4, "knee_angle": 1.5},
    {"hip_flexion": 1.8, "knee_angle": 2.2, "ankle_angle": 0.3},
    {"arm_add": -1.3, "elbow_flex": 0.3},
    {"arm_flex": 1.4, "elbow_flex": 1.2, "pro_sup": 1.2},
    {"lumbar_extension": -0.8, "hip_flexion": 1.2},
)
"""Standing, sitting, crouching, arms abducted, arms raised before the body, bent forward (radians)."""


class _Look(NamedTuple):
    """What is known at a pose: the normal equations about it."""

    q: Float[Array, " D"]
    cost: Float[Array, ""]
    hessian: Float[Array, "D D"]
    eta: Float[Array, " D"]


@dataclass(frozen=True, eq=False)
class InitialPose:
    """Levenberg-Marquardt from points to a pose, for one skeleton and keypoint set; compiled once."""

    kinematics: Kinematics

    @staticmethod
    @lru_cache(maxsize=8)
    def of(kinematics: Kinematics) -> InitialPose:
        """One for each, so that it is compiled once."""
        return InitialPose(kinematics)

    def seeds(self) -> np.ndarray:
        """Starting postures (S, D)."""
        names = self.kinematics.skeleton.coordinates
        out = np.zeros((len(_POSTURES), len(names)))
        for row, posture in zip(out, _POSTURES, strict=True):
            for name, value in posture.items():
                for side in ("", "_r", "_l"):
                    if name + side in names:
                        row[names.index(name + side)] = value
        return out

    def __call__(
        self,
        points: Float[Array, "K 3"],
        sd: Float[Array, " K"],
        scale: Float[Array, " G"],
        places: Float[Array, "K 3"],
        start: Float[Array, " D"],
        thorough: bool = False,
    ) -> Float[Array, " D"]:
        """A pose (D,) for points (ground frame, m); `sd` (m) is infinite where there is none.

        The postures, and `start` beside them, are laid onto the points; those that lie best are fitted, all of
        them where it is to be `thorough`.
        """
        target = (points, sd, scale, places)
        seeds = np.asarray(self._laid(*target, start))
        found = [self._descend(*target, seed) for seed in (seeds if thorough else seeds[:TRIED])]
        costs = np.array([float(cost) for _, cost in found])
        return found[int(np.argmin(np.where(np.isfinite(costs), costs, np.inf)))][0]

    def follow(
        self,
        points: Float[Array, "K 3"],
        sd: Float[Array, " K"],
        scale: Float[Array, " G"],
        places: Float[Array, "K 3"],
        start: Float[Array, " D"],
    ) -> Float[Array, " D"]:
        """The pose near `start`, a moment before, in a few iterations."""
        return self._descend(points, sd, scale, places, start)[0]

    @partial(jax.jit, static_argnums=0)
    def _laid(self, points: Array, sd: Array, scale: Array, places: Array, start: Array) -> Array:
        """The postures and `start`, moved onto the points, the best first (S, D)."""
        points, weight = _weighted(points, sd)
        seeds = jnp.concatenate([jnp.asarray(self.seeds()), start[None]])
        seeds, misfit = jax.lax.map(lambda seed: self._align(points, weight, scale, places, seed), seeds)
        return seeds[jnp.argsort(misfit)]

    @partial(jax.jit, static_argnums=0)
    def _descend(
        self, points: Array, sd: Array, scale: Array, places: Array, start: Array
    ) -> tuple[Float[Array, " D"], Float[Array, ""]]:
        """Levenberg-Marquardt on Cauchy residuals, with joint limits and a pull towards the neutral posture: the
        pose, and its cost.

        Each round looks at what the last one proposes, so that the kinematics are compiled once.
        """
        points, weight = _weighted(points, sd)
        skeleton = self.kinematics.skeleton
        pulled = jnp.where(jnp.arange(start.shape[0]) < ROOT_COORDINATES, 0.0, 1.0)

        def look(q: Array) -> _Look:
            pose = self.kinematics.pose(q, scale)
            x = self.kinematics.keypoints(pose, places)
            residual = points - x
            square = jnp.sum(residual**2, -1) / REACH**2
            over = jnp.clip(q - skeleton.upper, 0.0) + jnp.clip(q - skeleton.lower, None, 0.0)
            misfit = REACH**2 * jnp.sum(weight * jnp.log1p(square))
            cost = misfit + jnp.sum((over / LIMIT) ** 2) + jnp.sum(pulled * q**2)
            robust = weight / (1.0 + square)
            stiff = jnp.where(over != 0.0, LIMIT**-2, 0.0)
            jacobian = self.kinematics.jacobian(pose, x)
            hessian = jnp.einsum("kid,k,kie->de", jacobian, robust, jacobian) + jnp.diag(stiff + pulled)
            eta = jnp.einsum("kid,k,ki->d", jacobian, robust, residual) - stiff * over - pulled * q
            return _Look(q, cost, hessian, eta)

        def step(carry: tuple[_Look, Array, Array], _: None) -> tuple[tuple[_Look, Array, Array], None]:
            best, damping, proposed = carry
            new = look(proposed)
            better = new.cost < best.cost
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), new, best)
            damping = jnp.where(better, damping / 3.0, damping * 4.0)
            damped = best.hessian + damping * jnp.diag(jnp.diag(best.hessian) + 1.0)
            return (best, damping, best.q + jax.scipy.linalg.solve(damped, best.eta, assume_a="pos")), None

        nothing = _Look(start, jnp.asarray(jnp.inf, start.dtype), jnp.eye(start.shape[0], dtype=start.dtype), 0 * start)
        carry = (nothing, jnp.asarray(3e-2, start.dtype), start)
        (best, _, _), _ = jax.lax.scan(step, carry, None, length=ITERATIONS + 1)
        return best.q, best.cost

    def _align(
        self, points: Array, weight: Array, scale: Array, places: Array, seed: Array
    ) -> tuple[Float[Array, " D"], Float[Array, ""]]:
        """The posture with its root moved so that it lies on the points (Kabsch 1976), and its robust misfit."""
        still = seed.at[:ROOT_COORDINATES].set(0.0)
        model = self.kinematics.keypoints(self.kinematics.pose(still, scale), places)
        w = weight / jnp.maximum(jnp.sum(weight), 1e-9)
        a, b = w @ model, w @ points
        u, _, vt = jnp.linalg.svd(jnp.einsum("k,ki,kj->ij", w, points - b, model - a))
        flip = jnp.array([1.0, 1.0, jnp.sign(jnp.linalg.det(u @ vt))])
        rotation = (u * flip) @ vt
        square = jnp.sum((points - b - (model - a) @ rotation.T) ** 2, -1)
        misfit = jnp.sum(weight * jnp.log1p(square / REACH**2))
        return still.at[:3].set(b - rotation @ a).at[3:6].set(angles_of(rotation, jnp)), misfit


def _weighted(points: Array, sd: Array) -> tuple[Array, Array]:
    """Points, and their weights 1/m^2 (0 where there is none), no better than 2 cm."""
    known = jnp.isfinite(sd)
    return jnp.where(known[:, None], points, 0.0), jnp.where(known, 1.0 / (sd**2 + 0.02**2), 0.0)
