"""The first pose: the skeleton laid onto triangulated points, from several postures at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from streamfit.skeleton import Kinematics

ITERATIONS, FOLLOWING = 30, 8
REACH = 0.05
"""m: residuals beyond this count less and less."""

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
        sd: Float[Array, "K"],
        scale: Float[Array, "G"],
        places: Float[Array, "K 3"],
        start: Float[Array, "D"],
    ) -> tuple[Float[Array, "D"], Float[Array, ""]]:
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
        sd: Float[Array, "K"],
        scale: Float[Array, "G"],
        places: Float[Array, "K 3"],
        start: Float[Array, "D"],
    ) -> tuple[Float[Array, "D"], Float[Array, ""]]:
        """The pose near `start`, a moment before, in a few iterations."""
        weight = jnp.where(jnp.isfinite(sd), 1.0 / (sd**2 + 0.02**2), 0.0)
        points = jnp.where(jnp.isfinite(sd)[:, None], points, 0.0)
        q, cost = self._descend(points, weight, scale, places, start, FOLLOWING)
        return q, cost / jnp.maximum(jnp.sum(weight > 0), 1)

    def _cost(self, q: Array, points: Array, weight: Array, scale: Array, places: Array) -> tuple[Array, ...]:
        skeleton = self.kinematics.skeleton
        pose = self.kinematics.pose(q, scale)
        x = self.kinematics.keypoints(pose, places)
        residual = points - x
        square = jnp.sum(residual**2, -1)
        robust = 1.0 / (1.0 + square / REACH**2)
        over = jnp.clip(q - skeleton.upper, 0.0) + jnp.clip(q - skeleton.lower, None, 0.0)
        angles = jnp.where(jnp.arange(q.shape[0]) < 6, 0.0, q)
        cost = jnp.sum(weight * REACH**2 * jnp.log1p(square / REACH**2)) + jnp.sum((over / 0.05) ** 2) + jnp.sum(angles**2)
        return cost, pose, x, residual, robust * weight, over

    def _descend(
        self, points: Array, weight: Array, scale: Array, places: Array, q: Array, iterations: int
    ) -> tuple[Array, Array]:
        size = q.shape[0]
        angles = jnp.where(jnp.arange(size) < 6, 0.0, 1.0)

        def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
            q, damping, cost = carry
            _, pose, x, residual, robust, over = self._cost(q, points, weight, scale, places)
            jacobian = self.kinematics.jacobian(pose, x)
            stiff = jnp.where(over != 0.0, 0.05**-2, 0.0)
            hessian = jnp.einsum("kid,k,kie->de", jacobian, robust, jacobian) + jnp.diag(stiff + angles)
            force = jnp.einsum("kid,k,ki->d", jacobian, robust, residual) - stiff * over - angles * q
            scaled = hessian + damping * jnp.diag(jnp.diag(hessian) + 1.0)
            trial = q + jax.scipy.linalg.solve(scaled, force, assume_a="pos")
            reached = self._cost(trial, points, weight, scale, places)[0]
            better = reached < cost
            q = jnp.where(better, trial, q)
            return (q, jnp.where(better, damping / 3.0, damping * 4.0), jnp.where(better, reached, cost)), None

        cost = self._cost(q, points, weight, scale, places)[0]
        (q, _, cost), _ = jax.lax.scan(step, (q, jnp.asarray(1e-2, q.dtype), cost), None, length=iterations)
        return q, cost

    def _align(self, points: Array, weight: Array, scale: Array, places: Array, seed: Array) -> Array:
        """Move the root so that the posture lies on the points (Kabsch 1976)."""
        still = seed.at[:6].set(0.0)
        model = self.kinematics.keypoints(self.kinematics.pose(still, scale), places)
        w = weight / jnp.maximum(jnp.sum(weight), 1e-9)
        a, b = w @ model, w @ points
        u, _, vt = jnp.linalg.svd(jnp.einsum("k,ki,kj->ij", w, points - b, model - a))
        flip = jnp.array([1.0, 1.0, jnp.sign(jnp.linalg.det(u @ vt))])
        rotation = (u * flip) @ vt
        return still.at[:3].set(b - rotation @ a).at[3:6].set(root_angles(rotation))


def root_angles(rotation: Float[Array, "3 3"]) -> Float[Array, "3"]:
    """Tilt, list, rotation (rad) of a rotation matrix: body-fixed z, x, y."""
    return jnp.stack(
        [
            jnp.arctan2(-rotation[0, 1], rotation[1, 1]),
            jnp.arcsin(jnp.clip(rotation[2, 1], -1.0, 1.0)),
            jnp.arctan2(-rotation[2, 0], rotation[2, 2]),
        ]
    )
