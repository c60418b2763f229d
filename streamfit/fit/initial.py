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

ITERATIONS, FOLLOWING = 30, 8
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

    @partial(jax.jit, static_argnums=0)
    def __call__(
        self,
        points: Float[Array, "K 3"],
        sd: Float[Array, " K"],
        scale: Float[Array, " G"],
        places: Float[Array, "K 3"],
        start: Float[Array, " D"],
    ) -> tuple[Float[Array, " D"], Float[Array, ""]]:
        """The best pose (D,) and its cost per point for points (ground frame); `sd` (m) is infinite where
        there is none. `start` is a pose to try beside the postures (the last one known)."""
        seeds = jnp.concatenate([jnp.asarray(self.seeds()), start[None]])
        weight = jnp.where(jnp.isfinite(sd), 1.0 / (sd**2 + 0.02**2), 0.0)
        points = jnp.where(jnp.isfinite(sd)[:, None], points, 0.0)
        seeds = jax.vmap(lambda seed: self._align(points, weight, scale, places, seed))(seeds)
        q, cost = jax.vmap(lambda seed: self._descend(points, weight, scale, places, seed, ITERATIONS))(seeds)
        best = jnp.argmin(jnp.where(jnp.isfinite(cost), cost, jnp.inf))
        return q[best], cost[best] / jnp.maximum(jnp.sum(weight > 0), 1)

    @partial(jax.jit, static_argnums=0)
    def follow(
        self,
        points: Float[Array, "K 3"],
        sd: Float[Array, " K"],
        scale: Float[Array, " G"],
        places: Float[Array, "K 3"],
        start: Float[Array, " D"],
    ) -> tuple[Float[Array, " D"], Float[Array, ""]]:
        """The pose near `start`, a moment before, in a few iterations."""
        weight = jnp.where(jnp.isfinite(sd), 1.0 / (sd**2 + 0.02**2), 0.0)
        points = jnp.where(jnp.isfinite(sd)[:, None], points, 0.0)
        q, cost = self._descend(points, weight, scale, places, start, FOLLOWING)
        return q, cost / jnp.maximum(jnp.sum(weight > 0), 1)

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
