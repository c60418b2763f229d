"""Robust reprojection residuals, reduced per keypoint.

However many cameras see a keypoint, their Gauss-Newton terms with respect to its place in space add up to one
3 x 3 information matrix and one 3-vector, so that the cost of a fit hardly grows with the cameras.

A keypoint errs in two ways. Its pixels err in each camera for itself, with heavy tails. And the point on the body
is not where the skeleton has it, because skin slides and joints are no ideal joints (soft-tissue artefact, STA): that
displacement all cameras see alike, so that more cameras do not average it out. It is estimated point by point and
eliminated.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.model.camera import Lenses, pixels_per_metre, project


class Noise(NamedTuple):
    """How a keypoint errs."""

    sd: Float[Array, " K"]
    """px at 2048 wide."""
    sta_sd: Float[Array, " K"]
    """m, per axis, that the keypoint is from its place on the body."""
    dof: Float[Array, ""]
    """Degrees of freedom of the Student-t distribution of pixels."""
    confidence_power: Float[Array, ""]


class Terms(NamedTuple):
    """C views of K keypoints at one instant: Gauss-Newton terms in space."""

    information: Float[Array, "C K 3 3"]
    eta: Float[Array, "C K 3"]
    """Of each view, about the keypoint as it is displaced and with respect to the place that the skeleton has."""
    sta_cov: Float[Array, "K 3 3"]
    """Covariance of the displacement once the views are seen (m^2)."""
    stiffness: Float[Array, " K"]
    """1 / sta_sd^2."""
    sta: Float[Array, "K 3"]
    """m, ground frame."""
    weight: Float[Array, "C K"]
    """Robust weight in (0, 1]; 0 where a point is missing or behind the camera."""
    residual: Float[Array, "C K 2"]
    """px, native, of the point where the skeleton has it; 0 where the weight is."""
    residual_after_sta: Float[Array, "C K 2"]
    """The same of the displaced point."""
    sta_px_var: Float[Array, "C K"]
    """px^2, native: what the displacement's uncertainty adds to the expected square of `residual_after_sta`."""

    def reduced(self) -> tuple[Float[Array, "K 3 3"], Float[Array, "K 3"]]:
        """Information matrix and vector about where the skeleton has the keypoints, the displacement eliminated."""
        give = self.stiffness[:, None, None] * self.sta_cov
        return give @ self.information.sum(0), jnp.einsum("kij,kj->ki", give, self.eta.sum(0))


class Reduced(NamedTuple):
    """K keypoints at one instant: Gauss-Newton terms in space, and what each view contributed."""

    information: Float[Array, "K 3 3"]
    eta: Float[Array, "K 3"]
    weight: Float[Array, "C K"]
    """Robust weight in (0, 1]; 0 where a point is missing or behind the camera."""
    error: Float[Array, "C K"]
    """px, native."""


def view_terms(
    lenses: Lenses,
    points: Float[Array, "C K 3"],
    seen: Float[Array, "C K 3"],
    noise: Noise,
    decorrelation: Float[Array, " C"] | float = 1.0,
) -> Terms:
    """Terms of the robust cost at `points` (ground frame, as each camera's time has them) for pixels `seen`.

    `seen` holds x, y, confidence; a confidence of 0 is a missing point. Weights are those of a bivariate
    Student-t distribution (iteratively reweighted least squares; Lange et al. 1989), taken first about the
    skeleton's point, with the displacement as if it were noise, then about the displaced point. `decorrelation` scales
    what each view counts with against the others.
    """
    decorrelation = jnp.broadcast_to(jnp.asarray(decorrelation), seen.shape[:1])

    def one(lens: Lenses, points: Array, seen: Array) -> tuple[Array, Array, Array, Array, Array]:
        pixels, jacobian, visible = project(lens, points)
        used = visible & (seen[:, 2] > 0.0)
        residual = jnp.where(used[:, None], seen[:, :2] - pixels, 0.0)
        sta_sd = noise.sta_sd * pixels_per_metre(lens, points)
        confidence = jnp.clip(seen[:, 2], 1e-3, 1.0)
        variance = (noise.sd * lens.pixel) ** 2 / confidence**noise.confidence_power
        return residual, jacobian, used, variance, sta_sd**2

    residual, jacobian, used, variance, spread = jax.vmap(one)(lenses, points, seen)
    stiffness = 1.0 / jnp.maximum(noise.sta_sd, 1e-6) ** 2

    def weighed(residual_after_sta: Array, variance: Array) -> tuple[Array, Array, Array]:
        robust = jnp.where(used, noise.dof / (noise.dof + jnp.sum(residual_after_sta**2, -1) / variance), 0.0)
        precision = decorrelation[:, None] * robust * (noise.dof + 2.0) / noise.dof / variance
        weighted = jacobian * precision[..., None, None]
        information = jnp.einsum("ckij,ckil->ckjl", weighted, jacobian)
        return robust, information, jnp.einsum("ckij,cki->ckj", weighted, residual)

    def posterior_sta(information: Array, eta: Array) -> tuple[Array, Array]:
        sta_cov = _inverse(information.sum(0) + stiffness[:, None, None] * jnp.eye(3, dtype=stiffness.dtype))
        return sta_cov, jnp.einsum("kij,kj->ki", sta_cov, eta.sum(0))

    _, information, eta = weighed(residual, variance + spread)
    _, sta = posterior_sta(information, eta)
    residual_after_sta = residual - jnp.einsum("ckij,kj->cki", jacobian, sta)
    weight, information, eta = weighed(residual_after_sta, variance)
    sta_cov, sta = posterior_sta(information, eta)
    residual_after_sta = residual - jnp.where(used[..., None], jnp.einsum("ckij,kj->cki", jacobian, sta), 0.0)
    sta_px_var = jnp.einsum("ckij,kjl,ckil->ck", jacobian, sta_cov, jacobian)
    return Terms(information, eta, sta_cov, stiffness, sta, weight, residual, residual_after_sta, sta_px_var)


def reduce_views(
    lenses: Lenses,
    points: Float[Array, "C K 3"],
    seen: Float[Array, "C K 3"],
    noise: Noise,
    decorrelation: Float[Array, " C"] | float = 1.0,
) -> Reduced:
    """The terms of all views added up per keypoint.

    `decorrelation` scales what each view counts with; the displacement persists as the views do, so that it is their
    largest share by which the whole counts.
    """
    decorrelation = jnp.broadcast_to(jnp.asarray(decorrelation), seen.shape[:1])
    largest = jnp.max(decorrelation)
    terms = view_terms(lenses, points, seen, noise, decorrelation / jnp.maximum(largest, 1e-9))
    information, eta = terms.reduced()
    error = jnp.sqrt(jnp.sum(terms.residual**2, -1))
    return Reduced(largest * information, largest * eta, terms.weight, error)


def _inverse(matrix: Float[Array, "K 3 3"]) -> Float[Array, "K 3 3"]:
    """Inverse of symmetric positive definite 3 x 3 matrices, by cofactors: quicker than a factorisation of each."""
    a, b, c = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 0, 2]
    d, e, f = matrix[:, 1, 1], matrix[:, 1, 2], matrix[:, 2, 2]
    aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
    bb, bc, cc = a * f - c * c, b * c - a * e, a * d - b * b
    cofactors = jnp.stack([aa, ab, ac, ab, bb, bc, ac, bc, cc], -1).reshape(-1, 3, 3)
    return cofactors / (a * aa + b * ab + c * ac)[:, None, None]
