"""One Gauss-Newton step of the joint fit: body and cameras together with the trajectories of all trials.

The trajectories are eliminated from the bordered system (Schur complement; see `linearise`), the shared
parameters are solved for, and the trajectories follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.batch.linearise import CAMERA, Data, Linearise, Placed, Shared, Slots
from streamfit.estimation.factors import banded
from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.factors.reprojection import Noise
from streamfit.model.spline import SUPPORT, basis


class SharedPrior(NamedTuple):
    """Gaussian prior of the shared parameters; of the cameras, about where they were calibrated to be."""

    mean: Float[Array, " P"]
    information: Float[Array, "P P"]


class Step(NamedTuple):
    """The parameters after a step, and what the views said before it."""

    controls: Float[Array, "M D"]
    shared: Shared
    cost: Float[Array, ""]
    said: Slots
    information: Float[Array, "P P"]
    """Of the shared parameters, the trajectories eliminated, the prior included."""


@dataclass(frozen=True, eq=False)
class Bilevel:
    """The step for one skeleton and keypoint set."""

    linearise: Linearise
    prior: MotionPrior

    @partial(jax.jit, static_argnums=0)
    def step(self, data: Data, noise: Noise, controls: Float[Array, "M D"], shared: Shared, prior: SharedPrior) -> Step:
        """Linearise every slot, eliminate the trajectories, solve for what is shared and follow."""
        slots, sums = self.linearise(data, noise, controls, shared)
        none = jnp.zeros(0)
        said = slots._replace(information=none, eta=none, border=none)
        weights = basis(data.place)
        bands = data.prior + _bands(weights, slots.information)
        right = _rows(weights, slots.eta) + data.toward - banded.multiply(data.prior, controls)
        stiff, push = self.prior.limits(controls, self.linearise.spacing)
        diagonal = jnp.arange(controls.shape[1])
        factor = banded.factorise(bands.at[:, 0, diagonal, diagonal].add(stiff))
        own = banded.forward(factor, (right + push)[..., None])
        cost = sums.cost + jnp.sum(controls * (0.5 * banded.multiply(data.prior, controls) - data.toward))
        if not self.linearise.border:
            change = banded.backward(factor, own)[..., 0]
            nothing = jnp.zeros((0, 0))
            return Step(controls + change, shared, cost, said, nothing)
        away = self._away(data, shared) - prior.mean
        border = banded.forward(factor, _rows(weights, slots.border))
        pull = sums.eta() - prior.information @ away
        information = sums.corner() + prior.information - jnp.einsum("mdp,mdq->pq", border, border)
        turn = jax.scipy.linalg.solve(information, pull - jnp.einsum("mdp,md->p", border, own[..., 0]), assume_a="pos")
        change = banded.backward(factor, own - (border @ turn)[..., None])[..., 0]
        return Step(
            controls + change,
            self._moved(shared, turn),
            cost + 0.5 * away @ prior.information @ away,
            said,
            information,
        )

    def _away(self, data: Data, shared: Shared) -> Float[Array, " P"]:
        """The shared parameters as one vector; the cameras as deviations from where they were calibrated to be."""
        parts = [shared.scale, shared.offsets.reshape(-1)]
        if self.linearise.refine:
            parts.append(deviation(data.lenses.rotation, data.lenses.translation, shared.cameras).reshape(-1))
        return jnp.concatenate(parts)

    def _moved(self, shared: Shared, change: Float[Array, " P"]) -> Shared:
        groups, spots = shared.scale.size, shared.offsets.size
        scale, offsets = change[:groups], change[groups : groups + spots].reshape(-1, 3)
        cameras = shared.cameras
        if self.linearise.refine:
            moves = change[groups + spots :].reshape(*cameras.clock.shape, CAMERA)
            turn = rotation_by(moves[..., :3])
            cameras = Placed(
                turn @ cameras.rotation,
                jnp.einsum("rcij,rcj->rci", turn, cameras.translation) + moves[..., 3:6],
                cameras.clock + moves[..., 6],
            )
        return Shared(shared.scale + scale, shared.offsets + offsets, cameras)


def rotation_by(vector: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3 3"]:
    """Rotation matrices of rotation vectors (Rodrigues)."""
    x, y, z = jnp.moveaxis(vector, -1, 0)
    none = jnp.zeros_like(x)
    cross = jnp.stack([none, -z, y, z, none, -x, -y, x, none], -1).reshape(*x.shape, 3, 3)
    angle = jnp.sqrt(jnp.sum(vector**2, -1) + 1e-24)[..., None, None]
    return jnp.eye(3) + jnp.sin(angle) / angle * cross + (1.0 - jnp.cos(angle)) / angle**2 * (cross @ cross)


def deviation(
    rotation: Float[Array, "R C 3 3"], translation: Float[Array, "R C 3"], cameras: Placed
) -> Float[Array, "R C 7"]:
    """How far cameras are from a calibration: turn (rotation vector), shift and clock, in the cameras' frames."""
    turn = cameras.rotation @ rotation.swapaxes(-1, -2)
    skew = 0.5 * (turn - turn.swapaxes(-1, -2))
    sine = jnp.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)
    length = jnp.sqrt(jnp.sum(sine**2, -1, keepdims=True) + 1e-24)
    vector = sine / length * jnp.arcsin(jnp.minimum(length, 1.0))
    shift = cameras.translation - jnp.einsum("rcij,rcj->rci", turn, translation)
    return jnp.concatenate([vector, shift, cameras.clock[..., None]], -1)


def _bands(weights: Float[Array, "M S 4"], information: Float[Array, "M S D D"]) -> Float[Array, "M 4 D D"]:
    """Information about the slots' poses as information about the control points."""
    m = weights.shape[0]
    columns = []
    for d in range(SUPPORT):
        total = jnp.zeros((m, *information.shape[2:]))
        for a in range(SUPPORT - d):
            part = jnp.einsum("ms,msij->mij", weights[:, :, a] * weights[:, :, a + d], information)
            total = total.at[a:].add(part[: m - a])
        columns.append(total)
    return jnp.stack(columns, 1)


def _rows(weights: Float[Array, "M S 4"], values: Float[Array, "M S ..."]) -> Float[Array, "M ..."]:
    """Gradients with respect to the slots' poses as gradients with respect to the control points."""
    m = weights.shape[0]
    total = jnp.zeros((m, *values.shape[2:]))
    for a in range(SUPPORT):
        total = total.at[a:].add(jnp.einsum("ms,ms...->m...", weights[:, :, a], values)[: m - a])
    return total
