"""Robust reprojection residuals, reduced per keypoint.

However many cameras see a keypoint, their Gauss-Newton terms with respect to its place in space add up to one
3 x 3 information matrix and one 3-vector, so that the cost of a fit hardly grows with the cameras.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.cameras import Lenses, project


class Noise(NamedTuple):
    """What a keypoint's pixels are worth."""

    sd: Float[Array, " K"]
    """px at 2048 wide."""
    wander: Float[Array, " K"]
    """m that the keypoint may be from its place on the body."""
    freedom: Float[Array, ""]
    """Degrees of freedom of the Student-t distribution."""
    confidence_power: Float[Array, ""]


class Reduced(NamedTuple):
    """K keypoints at one instant: Gauss-Newton terms in space, and what each view contributed."""

    information: Float[Array, "K 3 3"]
    force: Float[Array, "K 3"]
    weight: Float[Array, "C K"]
    """Robust weight in (0, 1]; 0 where a point is missing or behind the camera."""
    error: Float[Array, "C K"]
    """px, native."""


def reduce_views(
    lenses: Lenses,
    points: Float[Array, "C K 3"],
    seen: Float[Array, "C K 3"],
    noise: Noise,
    share: Float[Array, " C"] | float = 1.0,
) -> Reduced:
    """Terms of the robust cost at `points` (ground frame, as each camera's time has them) for pixels `seen`.

    `seen` holds x, y, confidence; a confidence of 0 is a missing point. Weights are those of a bivariate
    Student-t distribution (iteratively reweighted least squares; Lange et al. 1989). `share` scales what each
    view counts with.
    """

    def one(lens: Lenses, points: Array, seen: Array) -> tuple[Array, Array, Array, Array]:
        pixels, jacobian, visible = project(lens, points)
        used = visible & (seen[:, 2] > 0.0)
        residual = jnp.where(used[:, None], seen[:, :2] - pixels, 0.0)
        square = jnp.sum(residual**2, -1)
        depth = points @ lens.rotation[2] + lens.translation[2]
        wander = noise.wander * lens.focal[0] / jnp.maximum(depth, 0.1)
        confidence = jnp.clip(seen[:, 2], 1e-3, 1.0)
        variance = (noise.sd * lens.pixel) ** 2 / confidence**noise.confidence_power + wander**2
        robust = jnp.where(used, noise.freedom / (noise.freedom + square / variance), 0.0)
        precision = robust * (noise.freedom + 2.0) / noise.freedom / variance
        weighted = jacobian * precision[:, None, None]
        information = jnp.einsum("kij,kil->kjl", weighted, jacobian)
        force = jnp.einsum("kij,ki->kj", weighted, residual)
        return information, force, robust, jnp.sqrt(square)

    information, force, weight, error = jax.vmap(one)(lenses, points, seen)
    share = jnp.broadcast_to(jnp.asarray(share), weight.shape[:1])
    return Reduced(jnp.einsum("c,ckij->kij", share, information), jnp.einsum("c,cki->ki", share, force), weight, error)
