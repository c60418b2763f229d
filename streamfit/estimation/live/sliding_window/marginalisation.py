"""The window's linear algebra: spline weights, what is eliminated, and what leaves it (Schur complements).

All functions are traced as part of the window's compiled ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax.lax.linalg import cholesky
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.factors import banded
from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.live.sliding_window.window_types import NOWHERE, Prior, Update, WindowState
from streamfit.model.spline import SUPPORT, basis


@dataclass(frozen=True, eq=False)
class Marginalisation:
    """A window of M = `controls` control points, `spacing` s apart, of which the first `eliminated` are not active."""

    motion_prior: MotionPrior
    spacing: float
    controls: int
    eliminated: int

    def weights(self, place: Float[Array, "*batch"], derivative: int = 0) -> Float[Array, "*batch M"]:
        """Spline weights of all control points at a place (per second^derivative); zero at NOWHERE."""
        interval = jnp.clip(jnp.floor(place), 0, self.controls - SUPPORT)
        local = basis(place - interval, derivative) / self.spacing**derivative
        acts = jnp.arange(self.controls) == interval[..., None, None] + jnp.arange(SUPPORT)[:, None]
        weights = jnp.sum(jnp.where(acts, local[..., None], 0.0), -2)
        return jnp.where(place[..., None] > 0.5 * NOWHERE, weights, 0.0)

    def last_weights(self, place: Float[Array, ""], derivative: int = 0) -> Float[Array, " 4"]:
        """Weights of the last control points as the last knot interval has them; zero at NOWHERE.

        Somewhat before that interval its cubic still is the spline, but for the cube of how far.
        """
        weights = basis(place - (self.controls - SUPPORT), derivative) / self.spacing**derivative
        return jnp.where(place > 0.5 * NOWHERE, weights, 0.0)

    def eliminate(self, state: WindowState, weights: Float[Array, "N A"]) -> Prior:
        """All that is known, with the first active control points eliminated."""
        stiff, push = self.motion_prior.limits(state.controls[self.eliminated :], self.spacing)
        whole = state.information + spread(weights, state.slot_information) + jnp.diag(stiff.reshape(-1))
        eta = (state.eta + weights.T @ state.slot_eta + push).reshape(-1)
        n = len(whole) - SUPPORT * state.controls.shape[1]
        tied = (banded.WIDTH - 1) * state.controls.shape[1]
        lower = cholesky(whole[:n, :n], symmetrize_input=False)
        right = jnp.concatenate([whole[:n, n : n + tied], eta[:n, None]], 1)
        right = solve_triangular(lower, right, lower=True)
        off_diagonal, rhs = right[:, :-1], right[:, -1]
        rest = whole[n:, n:].at[:tied, :tied].add(-off_diagonal.T @ off_diagonal)
        return Prior(state, lower, off_diagonal, rhs, rest, eta[n:].at[:tied].add(-rhs @ off_diagonal), weights)

    def first(self, prior: Prior, last: Float[Array, "4 D"]) -> Float[Array, "F D"]:
        """How the first active control points change with the last: back-substitution."""
        left = prior.rhs - prior.off_diagonal @ last[: banded.WIDTH - 1].reshape(-1)
        return solve_triangular(prior.lower, left, lower=True, trans=1).reshape(-1, last.shape[1])

    def taken(self, prior: Prior, found: Update) -> WindowState:
        """The window after a step."""
        state = prior.state
        active = jnp.concatenate([self.first(prior, found.controls), found.controls])
        weights = prior.weights.at[found.slot].set(found.weights, mode="drop")
        information = state.slot_information.at[found.slot].set(found.information, mode="drop")
        eta = state.slot_eta.at[found.slot].set(found.eta, mode="drop")
        return WindowState(
            state.controls + jnp.concatenate([self._conditional_change(state, active), active]),
            state.conditionals,
            jnp.zeros_like(state.rhs),
            state.information,
            state.eta - (state.information @ active.reshape(-1)).reshape(active.shape),
            information,
            eta - jnp.einsum("nij,nj->ni", information, weights @ active),
        )

    def variance(self, prior: Prior, last: Float[Array, "S S"], read: Float[Array, " M"]) -> Float[Array, " D"]:
        """Variance at any place, the last four control points having that Cholesky factor: forward substitution."""
        p, conditionals, size = self.eliminated, prior.state.conditionals, prior.state.controls.shape[1]
        right = jnp.einsum("m,ij->mij", read, jnp.eye(size, dtype=read.dtype))
        square = jnp.zeros(size, read.dtype)
        for i in range(p):
            y = solve_triangular(conditionals.diagonal[i], right[i], lower=True)
            square += jnp.sum(y**2, 0)
            right = right.at[i + 1 : i + banded.WIDTH].add(-jnp.einsum("kij,ir->kjr", conditionals.off_diagonal[i], y))
        active = right[p:].reshape(-1, size)
        first, tied = len(prior.lower), prior.off_diagonal.shape[1]
        y = solve_triangular(prior.lower, active[:first], lower=True)
        rest = active[first:].at[:tied].add(-prior.off_diagonal.T @ y)
        z = solve_triangular(last, rest, lower=True)
        return square + jnp.sum(y**2, 0) + jnp.sum(z**2, 0)

    def _conditional_change(self, state: WindowState, active: Float[Array, "A D"]) -> Float[Array, "P D"]:
        """How the eliminated control points change with the active ones: back-substitution."""
        change = [active[k] for k in range(banded.WIDTH - 1)]
        for i in reversed(range(self.eliminated)):
            left = state.rhs[i] - sum(
                state.conditionals.off_diagonal[i, k] @ change[k] for k in range(banded.WIDTH - 1)
            )
            change.insert(0, solve_triangular(state.conditionals.diagonal[i], left, lower=True, trans=1))
        return jnp.stack(change[: self.eliminated]) if self.eliminated else active[:0]

    def marginalise_measurements(self, state: WindowState, place: Float[Array, " N"]) -> WindowState:
        """Add the slots that leave to what is known."""
        weights, leaves = self.weights(place)[:, self.eliminated :], place > 0.5 * NOWHERE
        return state._replace(
            information=state.information + spread(weights, state.slot_information),
            eta=state.eta + weights.T @ state.slot_eta,
            slot_information=jnp.where(leaves[:, None, None], 0.0, state.slot_information),
            slot_eta=jnp.where(leaves[:, None], 0.0, state.slot_eta),
        )

    def marginalise_oldest(self, state: WindowState) -> WindowState:
        """Eliminate the oldest active control point and append one that continues the movement.

        What the joint limits say of the one that is eliminated stays.
        """
        p, size = self.eliminated, state.controls.shape[1]
        stiff, push = self.motion_prior.limits(state.controls[p][None], self.spacing)
        lower = cholesky(state.information[:size, :size] + jnp.diag(stiff[0]), symmetrize_input=False)
        near = slice(size, banded.WIDTH * size)
        right = jnp.concatenate([state.information[:size, near], (state.eta[0] + push[0])[:, None]], 1)
        right = solve_triangular(lower, right, lower=True)
        off_diagonal, rhs = right[:, :-1], right[:, -1]
        taken = (banded.WIDTH - 1) * size
        information = state.information[size:, size:].at[:taken, :taken].add(-off_diagonal.T @ off_diagonal)
        eta = state.eta[1:].at[: banded.WIDTH - 1].add(-(rhs @ off_diagonal).reshape(-1, size))
        last = 2.0 * state.controls[-1] - state.controls[-2]
        controls = jnp.concatenate([state.controls[1:], last[None]])
        information = jnp.pad(information, ((0, size), (0, size)))
        tie = jnp.asarray(banded.dense(self.motion_prior.bands(np.arange(banded.WIDTH) == banded.WIDTH - 1)), eta.dtype)
        at = -banded.WIDTH * size
        information = information.at[at:, at:].add(tie)
        newest = controls[-banded.WIDTH :].reshape(-1)
        eta = jnp.concatenate([eta, jnp.zeros_like(eta[:1])])
        eta = eta.at[-banded.WIDTH :].add(-(tie @ newest).reshape(-1, size))
        if p:
            off_diagonal = off_diagonal.reshape(size, -1, size).transpose(1, 0, 2)
            conditionals = banded.Factor(
                jnp.concatenate([state.conditionals.diagonal[1:], lower[None]]),
                jnp.concatenate([state.conditionals.off_diagonal[1:], off_diagonal[None]]),
            )
            state = state._replace(conditionals=conditionals, rhs=jnp.concatenate([state.rhs[1:], rhs[None]]))
        return state._replace(controls=controls, information=information, eta=eta)


def spread(weights: Float[Array, "N A"], information: Float[Array, "N D D"]) -> Float[Array, "AD AD"]:
    """Information about poses (N) as information about the control points that make them."""
    size = weights.shape[1] * information.shape[-1]
    return jnp.einsum("na,nb,nij->aibj", weights, weights, information).reshape(size, size)
