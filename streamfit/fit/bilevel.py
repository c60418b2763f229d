"""One Gauss-Newton step of the joint fit: a person's scale and offsets with the trajectories of all trials.

The shared parameters theta = (scale factors G, keypoint offsets 3K) border the banded system of the control
points. The trajectories are eliminated (Schur complement), theta is solved for, and the trajectories follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from streamfit.arrays import Array
from streamfit.cameras import Lenses
from streamfit.fit import banded
from streamfit.fit.prior import MotionPrior
from streamfit.fit.residuals import Noise, reduce_views
from streamfit.skeleton import Kinematics
from streamfit.trajectory import SUPPORT

CHUNK = 128
"""Slots that are linearised at once."""


class Data(NamedTuple):
    """The views of all trials (see `trial.Layout`) and what is known of the cameras and the detector."""

    lenses: Lenses
    """(T, C, ...): of each trial."""
    trial: Int[Array, " M"]
    seen: Float[Array, "M S C K 3"]
    weights: Float[Array, "M S 4"]
    ahead: Float[Array, "M S C 4"]
    share: Float[Array, "M S C"]
    prior: Float[Array, "M 4 D D"]
    """Information of the control points before any view."""


class Shared(NamedTuple):
    """What all trials share."""

    scale: Float[Array, " G"]
    offsets: Float[Array, "K 3"]


class SharedPrior(NamedTuple):
    """Gaussian prior of the shared parameters."""

    mean: Float[Array, " P"]
    information: Float[Array, "P P"]


class Step(NamedTuple):
    """The parameters after a step, and what the views said before it."""

    controls: Float[Array, "M D"]
    shared: Shared
    cost: Float[Array, ""]
    error: Float[Array, "M S C K"]
    """px, native."""
    weight: Float[Array, "M S C K"]
    information: Float[Array, "P P"]
    """Of the shared parameters, the trajectories eliminated."""


@dataclass(frozen=True, eq=False)
class Bilevel:
    """The step for one skeleton and keypoint set."""

    kinematics: Kinematics
    prior: MotionPrior
    positions: np.ndarray
    spacing: float

    @partial(jax.jit, static_argnums=0)
    def step(
        self,
        data: Data,
        noise: Noise,
        controls: Float[Array, "M D"],
        shared: Shared,
        prior: SharedPrior,
    ) -> Step:
        """Linearise every slot, eliminate the trajectories, solve for theta and follow."""
        m, s = data.weights.shape[:2]
        terms, sums = self._linearise(data, noise, controls, shared)
        terms = jax.tree.map(lambda x: x.reshape(m, s, *x.shape[1:]), terms)
        bands = data.prior + _bands(data.weights, terms.information)
        right = _rows(data.weights, terms.force) - banded.multiply(data.prior, controls)
        stiff, push = self.prior.limits(controls, self.spacing)
        diagonal = jnp.arange(controls.shape[1])
        factor = banded.factorise(bands.at[:, 0, diagonal, diagonal].add(stiff))
        own = banded.forward(factor, (right + push)[..., None])
        cost = sums.cost + 0.5 * jnp.sum(controls * banded.multiply(data.prior, controls))
        theta = jnp.concatenate([shared.scale, shared.offsets.reshape(-1)])
        border = banded.forward(factor, _rows(data.weights, terms.border))
        corner = _corner(sums) + prior.information
        pull = jnp.concatenate([sums.stretch_force, sums.spot_force.reshape(-1)]) - prior.information @ (
            theta - prior.mean
        )
        information = corner - jnp.einsum("mdp,mdq->pq", border, border)
        turn = jax.scipy.linalg.solve(information, pull - jnp.einsum("mdp,md->p", border, own[..., 0]), assume_a="pos")
        change = banded.backward(factor, own - (border @ turn)[..., None])[..., 0]
        theta, groups = theta + turn, shared.scale.shape[0]
        moved = Shared(theta[:groups], theta[groups:].reshape(-1, 3))
        away = theta - turn - prior.mean
        return Step(
            controls + change,
            moved,
            cost + 0.5 * away @ prior.information @ away,
            terms.error,
            terms.weight,
            information,
        )

    def _linearise(self, data: Data, noise: Noise, controls: Array, shared: Shared) -> tuple[_Terms, _Sums]:
        """Terms of each slot (M S) and the sums over all of them, chunk by chunk."""
        m, s = data.weights.shape[:2]
        groups, size, count = shared.scale.shape[0], controls.shape[1], self.positions.shape[0]
        group = np.array(self.kinematics.skeleton.body_group)[self.kinematics.body]
        places = shared.scale[group][:, None] * self.positions + shared.offsets

        def one(
            weights: Array, ahead: Array, seen: Array, share: Array, near: Array, trial: Array
        ) -> tuple[_Terms, _Sums]:
            q = weights @ near
            pose = self.kinematics.pose(q, shared.scale)
            points = self.kinematics.keypoints(pose, places)
            jacobian = self.kinematics.jacobian(pose, points)
            own = points + jnp.einsum("kid,cd->cki", jacobian, ahead @ near)
            lenses = Lenses(*(x[trial] for x in data.lenses))
            reduced = reduce_views(lenses, own, seen, noise, share)
            pressed = jnp.einsum("kij,kjd->kid", reduced.information, jacobian)
            weight = reduced.weight
            loss = jnp.where(weight > 0.0, -jnp.log(jnp.maximum(weight, 1e-30)), 0.0)
            cost = 0.5 * (noise.freedom + 2.0) * jnp.sum(share[:, None] * loss)
            information = jnp.einsum("kid,kie->de", jacobian, pressed)
            force = jnp.einsum("kid,ki->d", jacobian, reduced.force)
            turned = pose.rotation[self.kinematics.body]
            grown = jnp.einsum("kij,kj->ki", turned, self.positions)
            stretch = self.kinematics.scale_jacobian(pose, q) + grown[..., None] * np.eye(groups)[group][:, None, :]
            felt = jnp.einsum("kij,kjl->kil", reduced.information, turned)
            border = [
                jnp.einsum("kid,kig->dg", pressed, stretch),
                jnp.einsum("kid,kij->dkj", pressed, turned),
            ]
            return _Terms(
                information,
                force,
                jnp.concatenate([border[0], border[1].reshape(size, 3 * count)], 1),
                reduced.error,
                weight,
            ), _Sums(
                jnp.einsum("kig,kij,kjh->gh", stretch, reduced.information, stretch),
                jnp.einsum("kig,kil->gkl", stretch, felt),
                jnp.einsum("kil,kim->klm", turned, felt),
                jnp.einsum("kig,ki->g", stretch, reduced.force),
                jnp.einsum("kij,ki->kj", turned, reduced.force),
                cost,
            )

        neighbours = jnp.stack([jnp.pad(controls[a:], ((0, a), (0, 0))) for a in range(SUPPORT)], 1)
        near = jnp.broadcast_to(neighbours[:, None], (m, s, SUPPORT, size))
        trial = jnp.broadcast_to(jnp.asarray(data.trial)[:, None], (m, s))
        inputs = [
            x.reshape(m * s, *x.shape[2:]) for x in (data.weights, data.ahead, data.seen, data.share, near, trial)
        ]
        chunks = -(-m * s // CHUNK)
        inputs = [jnp.pad(x, ((0, chunks * CHUNK - m * s),) + ((0, 0),) * (x.ndim - 1)) for x in inputs]

        def chunk(total: _Sums, part: list[Array]) -> tuple[_Sums, _Terms]:
            terms, sums = jax.vmap(one)(*part)
            return jax.tree.map(lambda t, x: t + x.sum(0), total, sums), terms

        parts = [x.reshape(chunks, CHUNK, *x.shape[1:]) for x in inputs]
        shapes = jax.eval_shape(lambda p: one(*[x[0] for x in p])[1], [x[0] for x in parts])
        zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        sums, terms = jax.lax.scan(chunk, zero, parts)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[: m * s], terms), sums


class _Terms(NamedTuple):
    """Of one slot."""

    information: Float[Array, "D D"]
    force: Float[Array, " D"]
    border: Float[Array, "D P"]
    error: Float[Array, "C K"]
    weight: Float[Array, "C K"]


class _Sums(NamedTuple):
    """Of all slots: the blocks of the shared parameters' information, their forces, and the cost."""

    scales: Float[Array, "G G"]
    mixed: Float[Array, "G K 3"]
    spots: Float[Array, "K 3 3"]
    stretch_force: Float[Array, " G"]
    spot_force: Float[Array, "K 3"]
    cost: Float[Array, ""]


def _corner(sums: _Sums) -> Float[Array, "P P"]:
    groups, count = sums.mixed.shape[:2]
    block = jnp.zeros((count, 3, count, 3)).at[np.arange(count), :, np.arange(count), :].set(sums.spots)
    mixed = sums.mixed.reshape(groups, 3 * count)
    return jnp.block([[sums.scales, mixed], [mixed.T, block.reshape(3 * count, 3 * count)]])


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
