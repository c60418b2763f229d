"""Robust triangulation of each keypoint."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from streamfit.arrays import Array
from streamfit.estimation.factors.reprojection import Noise, reduce_views
from streamfit.model.camera import Lenses, project, rays


class Points(NamedTuple):
    """K triangulated points (ground frame, m); `valid` where two views agree on one."""

    position: Float[Array, "K 3"]
    valid: Bool[Array, " K"]
    sd: Float[Array, " K"]
    """m, along the worst direction."""


@partial(jax.jit, static_argnames="refinements")
def triangulate(lenses: Lenses, seen: Float[Array, "C K 3"], noise: Noise, refinements: int = 5) -> Points:
    """Every pair of views proposes a point, the robust cost over all views chooses, Gauss-Newton refines."""
    cameras = seen.shape[0]
    noise = noise._replace(sta_sd=jnp.zeros_like(noise.sd))
    if cameras < 2:
        nowhere = jnp.zeros((seen.shape[1], 3), lenses.focal.dtype)
        return Points(nowhere, jnp.zeros(seen.shape[1], bool), jnp.full(seen.shape[1], jnp.inf))
    first, second = np.array(list(combinations(range(cameras), 2))).T
    centre, ray = jax.vmap(_rays)(lenses, seen)
    proposals = _between(centre[first, None], ray[first], centre[second, None], ray[second])
    present = seen[..., 2] > 0.0
    both = present[first] & present[second]
    cost = jax.vmap(lambda points: _cost(lenses, points, seen, noise))(proposals)
    cost = jnp.where(both, cost, jnp.inf)
    best = jnp.argmin(cost, 0)
    points = jnp.take_along_axis(proposals, best[None, :, None], 0)[0]
    found = jnp.isfinite(jnp.min(cost, 0))

    def refine(points: Array, _: None) -> tuple[Array, None]:
        reduced = reduce_views(lenses, jnp.broadcast_to(points, (cameras, *points.shape)), seen, noise)
        stiff = reduced.information + 1e-2 * jnp.eye(3)
        return points + jnp.linalg.solve(stiff, reduced.eta[..., None])[..., 0], None

    points, _ = jax.lax.scan(refine, points, None, length=refinements)
    reduced = reduce_views(lenses, jnp.broadcast_to(points, (cameras, *points.shape)), seen, noise)
    agreeing = jnp.sum(reduced.weight > 0.1, 0) >= 2
    least = jnp.linalg.eigvalsh(reduced.information + 1e-6 * jnp.eye(3))[:, 0]
    valid = found & agreeing & jnp.isfinite(points).all(-1)
    return Points(jnp.where(valid[:, None], points, 0.0), valid, 1.0 / jnp.sqrt(least))


def _rays(lens: Lenses, seen: Array) -> tuple[Array, Array]:
    """The camera's centre and unit rays (K, 3) through its pixels, in the ground frame."""
    pixels = jnp.where(seen[:, 2:] > 0.0, seen[:, :2], lens.centre)
    return -lens.rotation.T @ lens.translation, rays(lens, pixels) @ lens.rotation


def _between(c1: Array, d1: Array, c2: Array, d2: Array) -> Array:
    """Midpoint of the shortest segment between two rays."""
    w = c1 - c2
    b = jnp.sum(d1 * d2, -1)
    d, e = jnp.sum(d1 * w, -1), jnp.sum(d2 * w, -1)
    denominator = jnp.maximum(1.0 - b * b, 1e-6)
    s, t = (b * e - d) / denominator, (e - b * d) / denominator
    return 0.5 * (c1 + s[..., None] * d1 + c2 + t[..., None] * d2)


def _cost(lenses: Lenses, points: Array, seen: Array, noise: Noise) -> Array:
    """Negative log-likelihood (K,) of the views under Student-t errors."""

    def one(lens: Lenses, seen: Array) -> Array:
        projection = project(lens, points)
        square = jnp.sum((seen[:, :2] - projection.pixels) ** 2, -1) / (noise.sd * lens.pixel) ** 2
        square = jnp.where(projection.visible, square, 1e6)
        loss = 0.5 * (noise.dof + 2.0) * jnp.log1p(square / noise.dof)
        return jnp.where(seen[:, 2] > 0.0, seen[:, 2] * loss, 0.0)

    return jax.vmap(one)(lenses, seen).sum(0)
