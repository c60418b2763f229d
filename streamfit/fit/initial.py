"""The first pose: the skeleton laid onto triangulated points, from several postures at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.fit.root import angles_of
from streamfit.skeleton import Kinematics, Pose
from streamfit.skeleton.skeleton import ROOT_COORDINATES

ITERATIONS, TRIED = 10, 2
"""Levenberg-Marquardt steps, and how many postures are tried at once."""
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


@dataclass(frozen=True, eq=False)
class InitialPose:
    """Levenberg-Marquardt from points to a pose, for one skeleton and keypoint set; compiled once."""

    kinematics: Kinematics

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
        pairs = [seeds[i : i + TRIED] for i in range(0, len(seeds) - TRIED + 1, TRIED)]
        found = [self._fitted(*target, pair) for pair in (pairs if thorough else pairs[:1])]
        return min(found, key=lambda pose: float(pose[1]))[0]

    @partial(jax.jit, static_argnums=0)
    def _laid(self, points: Array, sd: Array, scale: Array, places: Array, start: Array) -> Array:
        """The postures and `start`, moved onto the points, the best first (S, D)."""
        points, weight = _weighted(points, sd)
        seeds = jnp.concatenate([jnp.asarray(self.seeds()), start[None]])
        seeds = jax.vmap(lambda seed: self._align(points, weight, scale, places, seed))(seeds)

        def misfit(q: Array) -> Array:
            square = jnp.sum((points - self.kinematics.keypoints(self.kinematics.pose(q, scale), places)) ** 2, -1)
            return jnp.sum(weight * jnp.log1p(square / REACH**2))

        return seeds[jnp.argsort(jax.vmap(misfit)(seeds))]

    @partial(jax.jit, static_argnums=0)
    def _fitted(self, points: Array, sd: Array, scale: Array, places: Array, seeds: Array) -> tuple[Array, Array]:
        """The best pose that is reached from the seeds (TRIED, D), and its cost."""
        points, weight = _weighted(points, sd)
        q, cost = jax.vmap(lambda seed: self._descend(points, weight, scale, places, seed, ITERATIONS))(seeds)
        best = jnp.argmin(jnp.where(jnp.isfinite(cost), cost, jnp.inf))
        return q[best], cost[best]

    @partial(jax.jit, static_argnums=0)
    def follow(
        self,
        points: Float[Array, "K 3"],
        sd: Float[Array, " K"],
        scale: Float[Array, " G"],
        places: Float[Array, "K 3"],
        start: Float[Array, " D"],
    ) -> Float[Array, " D"]:
        """The pose near `start`, a moment before, in a few iterations."""
        points, weight = _weighted(points, sd)
        return self._descend(points, weight, scale, places, start, ITERATIONS)[0]

    def _descend(
        self, points: Array, weight: Array, scale: Array, places: Array, q: Array, iterations: int
    ) -> tuple[Array, Array]:
        """Levenberg-Marquardt on Cauchy residuals, with joint limits and a pull towards the neutral posture."""
        skeleton = self.kinematics.skeleton
        pulled = jnp.where(jnp.arange(q.shape[0]) < ROOT_COORDINATES, 0.0, 1.0)

        def beyond(q: Array) -> Array:
            return jnp.clip(q - skeleton.upper, 0.0) + jnp.clip(q - skeleton.lower, None, 0.0)

        def look(q: Array) -> tuple[Array, Pose, Array]:
            pose = self.kinematics.pose(q, scale)
            x = self.kinematics.keypoints(pose, places)
            square = jnp.sum((points - x) ** 2, -1)
            misfit = REACH**2 * jnp.sum(weight * jnp.log1p(square / REACH**2))
            return misfit + jnp.sum((beyond(q) / LIMIT) ** 2) + jnp.sum(pulled * q**2), pose, x

        def step(carry: tuple[Array, ...], _: None) -> tuple[tuple[Any, ...], None]:
            q, damping, seen = carry
            cost, pose, x = seen
            residual = points - x
            robust = weight / (1.0 + jnp.sum(residual**2, -1) / REACH**2)
            over = beyond(q)
            stiff = jnp.where(over != 0.0, LIMIT**-2, 0.0)
            jacobian = self.kinematics.jacobian(pose, x)
            hessian = jnp.einsum("kid,k,kie->de", jacobian, robust, jacobian) + jnp.diag(stiff + pulled)
            force = jnp.einsum("kid,k,ki->d", jacobian, robust, residual) - stiff * over - pulled * q
            damped = hessian + damping * jnp.diag(jnp.diag(hessian) + 1.0)
            trial = q + jax.scipy.linalg.solve(damped, force, assume_a="pos")
            reached = look(trial)
            better = reached[0] < cost
            seen = jax.tree.map(lambda new, old: jnp.where(better, new, old), reached, seen)
            return (jnp.where(better, trial, q), jnp.where(better, damping / 3.0, damping * 4.0), seen), None

        (q, _, (cost, _, _)), _ = jax.lax.scan(step, (q, jnp.asarray(1e-2, q.dtype), look(q)), None, length=iterations)
        return q, cost

    def _align(self, points: Array, weight: Array, scale: Array, places: Array, seed: Array) -> Array:
        """Move the root so that the posture lies on the points (Kabsch 1976)."""
        still = seed.at[:ROOT_COORDINATES].set(0.0)
        model = self.kinematics.keypoints(self.kinematics.pose(still, scale), places)
        w = weight / jnp.maximum(jnp.sum(weight), 1e-9)
        a, b = w @ model, w @ points
        u, _, vt = jnp.linalg.svd(jnp.einsum("k,ki,kj->ij", w, points - b, model - a))
        flip = jnp.array([1.0, 1.0, jnp.sign(jnp.linalg.det(u @ vt))])
        rotation = (u * flip) @ vt
        return still.at[:3].set(b - rotation @ a).at[3:6].set(angles_of(rotation, jnp))


def _weighted(points: Array, sd: Array) -> tuple[Array, Array]:
    """Points, and their weights 1/m^2 (0 where there is none), no better than 2 cm."""
    known = jnp.isfinite(sd)
    return jnp.where(known[:, None], points, 0.0), jnp.where(known, 1.0 / (sd**2 + 0.02**2), 0.0)
