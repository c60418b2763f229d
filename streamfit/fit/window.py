"""Incremental fixed-lag smoothing: compiled steps of fixed shape from the views of an instant to a posterior.

The trajectory is a cubic B-spline over M control points. The newest A of them are active: up to N slots hold the
latest instants, linearised again now and then; with the prior they are solved for (dense Cholesky). What leaves stays:
a slot that is given up leaves its last linearisation in the prior; a control point that is no longer active is
eliminated (Schur complement) and leaves its conditional distribution given the three after it, by which the newer
views go on to move it (back-substitution) until it leaves the window one lag later.

An instant is answered in two calls. `advance` does what needs none of its views, behind the answer before: it moves the
window on, linearises what it holds, and eliminates the control points that the instant does not touch. `step` is left
with the views of the one instant and the four control points that they bear on. Where time is short `follow` stands in
for `advance` now and then: it takes over what a step has found, and leaves the rest for later.

Everything is held about the present control points (information, and force as the gradient there), never as absolute
sums: that is what makes it sound in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax.lax.linalg import cholesky
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.cameras import Lenses
from streamfit.fit import banded
from streamfit.fit.clocks import Usual, clock_terms
from streamfit.fit.prior import MotionPrior
from streamfit.fit.residuals import reduce_views, view_terms
from streamfit.fit.root import turn_root
from streamfit.fit.settings import FitSettings
from streamfit.fit.window_data import (
    NOWHERE,
    Change,
    Hindsight,
    Model,
    Newest,
    Outcome,
    Reading,
    Ready,
    Sight,
    Slots,
    State,
    packed,
)
from streamfit.skeleton import Kinematics, Screws
from streamfit.skeleton.skeleton import ROOT_COORDINATES
from streamfit.trajectory import SUPPORT, basis

APART = 0.005
"""rad by which a camera must see a keypoint moved before that counts."""


class _Terms(NamedTuple):
    """An instant linearised; `points` at its time, `own` at each view's own."""

    information: Float[Array, "D D"]
    force: Float[Array, " D"]
    screws: Screws
    points: Float[Array, "K 3"]
    own: Float[Array, "C K 3"]


@dataclass(frozen=True, eq=False)
class Window:
    """The compiled functions of the window for one skeleton, keypoint set and settings."""

    kinematics: Kinematics
    prior: MotionPrior
    settings: FitSettings
    controls: int
    active: int

    @property
    def passive(self) -> int:
        """How many control points are no longer linearised again."""
        return max(0, self.controls - self.active)

    def empty(self, q: np.ndarray) -> State:
        """A window at rest in pose q (D,), known only roughly."""
        size, active, passive = len(q), self.controls - self.passive, self.passive
        information = banded.dense(self.prior.bands(np.arange(active) >= banded.WIDTH - 1))
        force = -information @ np.tile(q, active)
        untied = np.arange((banded.WIDTH - 1) * size)
        information[untied, untied] += 0.2**-2
        beyond = np.zeros((passive, banded.WIDTH - 1, size, size))
        n = self.settings.held
        state = State(
            np.tile(q, (self.controls, 1)),
            banded.Factor(np.tile(np.eye(size), (passive, 1, 1)), beyond),
            np.zeros((passive, size)),
            information,
            force.reshape(active, size),
            np.zeros((n, size, size)),
            np.zeros((n, size)),
        )
        return jax.tree.map(self.settings.real, state)

    def turned(self, state: State, turn: np.ndarray, near: np.ndarray, poses: np.ndarray) -> State:
        """The window seen in a frame turned by `turn` (3, 3), the root's angles near `near`; `poses` (N, D) are
        those of the slots.

        Control points and slots are carried over one by one, their information by the derivative of the map.
        """
        state = jax.tree.map(lambda x: np.array(x, float), state)
        controls, maps = _turn_all(state.controls, turn, near)
        inverse, p = np.linalg.inv(maps), self.passive
        diagonal, beyond, own = state.passive.diagonal, state.passive.beyond, state.own
        for i in range(p):
            # the same equations, turned within themselves so that the first block is triangular again
            first = inverse[i].T @ diagonal[i]
            lower = np.linalg.cholesky(first @ first.T)
            within = np.linalg.solve(lower, first)
            diagonal[i], own[i] = lower, within @ own[i]
            for k in range(banded.WIDTH - 1):
                beyond[i, k] = within @ beyond[i, k] @ inverse[i + 1 + k]
        active = scipy.linalg.block_diag(*inverse[p:])
        information = active.T @ state.information @ active
        force = np.einsum("mji,mj->mi", inverse[p:], state.force)
        _, maps = _turn_all(poses, turn, near)
        inverse = np.linalg.inv(maps)
        slot_information = np.swapaxes(inverse, 1, 2) @ state.slot_information @ inverse
        slot_force = np.einsum("nji,nj->ni", inverse, state.slot_force)
        passive = banded.Factor(diagonal, beyond)
        turned = State(controls, passive, own, information, force, slot_information, slot_force)
        return jax.tree.map(self.settings.real, turned)

    @partial(jax.jit, static_argnums=0)
    def step(self, model: Model, ready: Ready, laid: Float[Array, " S"]) -> tuple[Change, Array, Sight]:
        """Linearise the newest instant, solve for the control points that it touches, and read the pose; `laid` is
        a `Newest`, the second result an `Outcome`."""
        newest = Newest.unpacked(laid, len(model.lenses.focal), len(self.kinematics.body))
        state, size = ready.state, ready.state.controls.shape[1]
        last = self._last_weights(newest.place)
        weights = jnp.pad(last, (self.controls - SUPPORT, 0))
        terms = self._linearise(model, state.controls, weights, newest.view_place, newest.seen, newest.share)
        lower = cholesky(ready.information + _spread(last[None], terms.information[None]), symmetrize_input=False)
        force = ready.force + jnp.outer(last, terms.force).reshape(-1)
        change = jax.scipy.linalg.cho_solve((lower, True), force).reshape(SUPPORT, size)
        first = self._first(ready, change)
        latest = state.controls[self.passive :] + jnp.concatenate([first, change])
        controls = latest[-SUPPORT:]
        read, rate = self._last_weights(newest.at), self._last_weights(newest.at, 1)
        right = jnp.einsum("m,ij->mij", read, jnp.eye(size, dtype=read.dtype)).reshape(-1, size)
        variance = jnp.sum(jnp.square(solve_triangular(lower, right, lower=True)), 0)
        reading = Reading(read @ controls, rate @ controls, variance)

        points = self.kinematics.displaced(terms.screws, terms.points, last @ change)
        whole = jnp.concatenate([state.controls[:-SUPPORT], controls])
        own = self._own(terms.screws, points, weights, newest.view_place, whole)
        answered = view_terms(model.lenses, own, newest.seen, model.noise)
        error = jnp.sqrt(jnp.sum(answered.residual**2, -1))
        apart = jnp.linalg.norm(_directions(model.lenses, own) - _directions(model.lenses, terms.own), axis=-1)
        shows = jnp.any((newest.seen[..., 2] > 0.0) & (apart > APART), 0)
        moved = jnp.max(jnp.where(shows, jnp.linalg.norm(points - terms.points, axis=-1), 0.0))
        found = Change(change, lower, terms.information, terms.force, newest.slot, weights[self.passive :])
        sight = Sight(terms.screws, points, answered.reduced()[0])
        return found, packed(Outcome(latest, reading, moved, error, answered.weight)), sight

    @partial(jax.jit, static_argnums=0)
    def advance(
        self, model: Model, ready: Ready, found: Change, usual: Usual, laid: Float[Array, " S"]
    ) -> tuple[Ready, Usual, Array]:
        """All that the next instant can do without: take over what a step has found, look back, shift, linearise again.

        `laid` are the slots. The last result is a `Hindsight`: the trajectory before it moves on, how certain that is
        at an earlier place, and what the last fresh slot tells of the clocks.
        """
        cameras, keypoints = len(model.lenses.focal), len(self.kinematics.body)
        slots = Slots.unpacked(laid, self.settings.held, (self.settings.fresh - 1, cameras, keypoints, 3))
        state = self._taken(ready, found)
        variance = self._variance(ready, found.lower, self._weights(slots.back))
        controls = state.controls
        state = self._give_up(state, slots.given_up)
        state = jax.lax.fori_loop(0, slots.shift, lambda _, s: self._shift(s), state)
        weights = self._weights(slots.place)
        linearised = (weights[slots.fresh], slots.view_place, slots.seen, slots.share)
        terms = jax.vmap(partial(self._linearise, model, state.controls))(*linearised)
        state = state._replace(
            slot_information=state.slot_information.at[slots.fresh].set(terms.information),
            slot_force=state.slot_force.at[slots.fresh].set(terms.force),
        )
        rate = self._weights(slots.place[slots.fresh[-1]], 1) @ state.controls
        oldest = jax.tree.map(lambda x: x[-1], terms)
        speed = self.kinematics.displaced(oldest.screws, oldest.points, rate) - oldest.points
        settled = view_terms(model.lenses, oldest.own, slots.seen[-1], model.noise)
        usual, information, force = clock_terms(
            usual,
            model.lenses,
            oldest.own,
            speed,
            settled.left,
            settled.weight,
            model.noise.sd,
            model.persistent,
            slots.share[-1],
        )
        seen = packed(Hindsight(information, force, controls, variance))
        return self._ready(state, weights[:, self.passive :]), usual, seen

    @partial(jax.jit, static_argnums=0)
    def follow(self, ready: Ready, found: Change) -> Ready:
        """Take over what a step has found and no more: nothing is linearised again, the window stays where it is.

        What was eliminated before stays so, for the instant bears on the last four control points alone.
        """
        last = found.weights[-SUPPORT:]
        return Ready(
            self._taken(ready, found),
            ready.lower,
            ready.beyond,
            jnp.zeros_like(ready.own),
            ready.information + _spread(last[None], found.information[None]),
            jnp.zeros_like(ready.force),
            ready.weights.at[found.slot].set(found.weights, mode="drop"),
        )

    @partial(jax.jit, static_argnums=0)
    def ready(self, state: State, place: Float[Array, " N"]) -> Ready:
        """A window whose slots, at these places, have been linearised."""
        return self._ready(state, self._weights(place)[:, self.passive :])

    def unchanged(self, size: int) -> Change:
        """What is found, of D = `size` coordinates, where no instant was looked at."""
        real = self.settings.real
        nothing = Change(
            real(np.zeros((SUPPORT, size))),
            real(np.eye(SUPPORT * size)),
            real(np.zeros((size, size))),
            real(np.zeros(size)),
            np.array(self.settings.held),
            real(np.zeros(self.controls - self.passive)),
        )
        return jax.device_put(nothing)

    @partial(jax.jit, static_argnums=0)
    def read(self, ready: Ready, at: Array) -> Array:
        """The trajectory at a place: a `Reading`."""
        last = cholesky(ready.information, symmetrize_input=False)
        read, rate = self._weights(at), self._weights(at, 1)
        controls = ready.state.controls
        return packed(Reading(read @ controls, rate @ controls, self._variance(ready, last, read)))

    def _ready(self, state: State, weights: Float[Array, "N A"]) -> Ready:
        """All that is known, with the first active control points eliminated."""
        stiff, push = self.prior.limits(state.controls[self.passive :], self.settings.spacing)
        whole = state.information + _spread(weights, state.slot_information) + jnp.diag(stiff.reshape(-1))
        force = (state.force + weights.T @ state.slot_force + push).reshape(-1)
        n = len(whole) - SUPPORT * state.controls.shape[1]
        tied = (banded.WIDTH - 1) * state.controls.shape[1]
        lower = cholesky(whole[:n, :n], symmetrize_input=False)
        right = jnp.concatenate([whole[:n, n : n + tied], force[:n, None]], 1)
        right = solve_triangular(lower, right, lower=True)
        beyond, own = right[:, :-1], right[:, -1]
        rest = whole[n:, n:].at[:tied, :tied].add(-beyond.T @ beyond)
        return Ready(state, lower, beyond, own, rest, force[n:].at[:tied].add(-own @ beyond), weights)

    def _first(self, ready: Ready, last: Float[Array, "4 D"]) -> Float[Array, "F D"]:
        """How the first active control points change with the last: back-substitution."""
        left = ready.own - ready.beyond @ last[: banded.WIDTH - 1].reshape(-1)
        return solve_triangular(ready.lower, left, lower=True, trans=1).reshape(-1, last.shape[1])

    def _taken(self, ready: Ready, found: Change) -> State:
        """The window after a step."""
        state = ready.state
        active = jnp.concatenate([self._first(ready, found.controls), found.controls])
        weights = ready.weights.at[found.slot].set(found.weights, mode="drop")
        information = state.slot_information.at[found.slot].set(found.information, mode="drop")
        force = state.slot_force.at[found.slot].set(found.force, mode="drop")
        return State(
            state.controls + jnp.concatenate([self._follow(state, active), active]),
            state.passive,
            jnp.zeros_like(state.own),
            state.information,
            state.force - (state.information @ active.reshape(-1)).reshape(active.shape),
            information,
            force - jnp.einsum("nij,nj->ni", information, weights @ active),
        )

    def _weights(self, place: Float[Array, "*batch"], derivative: int = 0) -> Float[Array, "*batch M"]:
        """Spline weights of all control points at a place (per second^derivative); zero at NOWHERE."""
        interval = jnp.clip(jnp.floor(place), 0, self.controls - SUPPORT)
        local = basis(place - interval, derivative) / self.settings.spacing**derivative
        acts = jnp.arange(self.controls) == interval[..., None, None] + jnp.arange(SUPPORT)[:, None]
        weights = jnp.sum(jnp.where(acts, local[..., None], 0.0), -2)
        return jnp.where(place[..., None] > 0.5 * NOWHERE, weights, 0.0)

    def _last_weights(self, place: Float[Array, ""], derivative: int = 0) -> Float[Array, " 4"]:
        """Weights of the last control points as the last knot interval has them; zero at NOWHERE.

        Somewhat before that interval its cubic still is the spline, but for the cube of how far.
        """
        weights = basis(place - (self.controls - SUPPORT), derivative) / self.settings.spacing**derivative
        return jnp.where(place > 0.5 * NOWHERE, weights, 0.0)

    def _own(
        self, screws: Screws, points: Array, weights: Array, place: Array, controls: Array
    ) -> Float[Array, "C K 3"]:
        """Keypoints at each view's own time, from those at its slot's, whose spline weights are given."""
        ahead = jnp.where(place[:, None] > 0.5 * NOWHERE, self._weights(place) - weights, 0.0) @ controls
        return jax.vmap(lambda change: self.kinematics.displaced(screws, points, change))(ahead)

    def _follow(self, state: State, active: Float[Array, "A D"]) -> Float[Array, "P D"]:
        """How the passive control points change with the active ones: back-substitution."""
        change = [active[k] for k in range(banded.WIDTH - 1)]
        for i in reversed(range(self.passive)):
            left = state.own[i] - sum(state.passive.beyond[i, k] @ change[k] for k in range(banded.WIDTH - 1))
            change.insert(0, solve_triangular(state.passive.diagonal[i], left, lower=True, trans=1))
        return jnp.stack(change[: self.passive]) if self.passive else active[:0]

    def _variance(self, ready: Ready, last: Float[Array, "S S"], read: Float[Array, " M"]) -> Float[Array, " D"]:
        """Variance at any place, the last four control points having that Cholesky factor: forward substitution."""
        p, passive, size = self.passive, ready.state.passive, ready.state.controls.shape[1]
        right = jnp.einsum("m,ij->mij", read, jnp.eye(size, dtype=read.dtype))
        square = jnp.zeros(size, read.dtype)
        for i in range(p):
            y = solve_triangular(passive.diagonal[i], right[i], lower=True)
            square += jnp.sum(y**2, 0)
            right = right.at[i + 1 : i + banded.WIDTH].add(-jnp.einsum("kij,ir->kjr", passive.beyond[i], y))
        active = right[p:].reshape(-1, size)
        first, tied = len(ready.lower), ready.beyond.shape[1]
        y = solve_triangular(ready.lower, active[:first], lower=True)
        rest = active[first:].at[:tied].add(-ready.beyond.T @ y)
        z = solve_triangular(last, rest, lower=True)
        return square + jnp.sum(y**2, 0) + jnp.sum(z**2, 0)

    @partial(jax.jit, static_argnums=0)
    def lasting(self, model: Model, sight: Sight) -> Float[Array, " D"]:
        """Variance from errors that no window averages out, as the views of an instant have it.

        That of a pose fitted to one instant whose keypoints are displaced, and whose pixels' errors persist. Its
        estimate is C J' W e (W the keypoints' information, C the inverse of J' W J), where the errors e have the
        covariance of the displacements, and of the persistent share of the pixels' errors.
        """
        screws, points, information = sight
        square, share = information @ information, model.persistent[:, None, None]
        expected, found = (jnp.square(x)[:, None, None] * square for x in (model.noise.wander, model.displacement))
        persist = found + share * (information - expected)
        none = jnp.zeros_like(points)
        normal, _ = self.kinematics.condense(screws, points, information, none)
        middle, _ = self.kinematics.condense(screws, points, persist, none)
        size = normal.shape[0]
        factor = cholesky(normal + jnp.eye(size, dtype=normal.dtype), symmetrize_input=False)
        half = jax.scipy.linalg.cho_solve((factor, True), middle)
        variance = jnp.diag(jax.scipy.linalg.cho_solve((factor, True), half.T))
        return jnp.maximum(variance, 0.0)  # rounding, where hardly anything is seen

    def _linearise(
        self, model: Model, controls: Array, weights: Array, view_place: Array, seen: Array, share: Array
    ) -> _Terms:
        """One instant, whose spline weights (M,) are given."""
        pose = self.kinematics.pose(weights @ controls, model.scale)
        points, screws = self.kinematics.keypoints(pose, model.places), self.kinematics.screws(pose)
        own = self._own(screws, points, weights, view_place, controls)
        reduced = reduce_views(model.lenses, own, seen, model.noise, share)
        information, force = self.kinematics.condense(screws, points, reduced.information, reduced.force)
        return _Terms(information, force, screws, points, own)

    def _give_up(self, state: State, place: Float[Array, " N"]) -> State:
        """Add the slots that leave to what is known."""
        weights, leaves = self._weights(place)[:, self.passive :], place > 0.5 * NOWHERE
        return state._replace(
            information=state.information + _spread(weights, state.slot_information),
            force=state.force + weights.T @ state.slot_force,
            slot_information=jnp.where(leaves[:, None, None], 0.0, state.slot_information),
            slot_force=jnp.where(leaves[:, None], 0.0, state.slot_force),
        )

    def _shift(self, state: State) -> State:
        """Eliminate the oldest active control point and append one that continues the movement.

        What the joint limits say of the one that is eliminated stays.
        """
        p, size = self.passive, state.controls.shape[1]
        stiff, push = self.prior.limits(state.controls[p][None], self.settings.spacing)
        lower = cholesky(state.information[:size, :size] + jnp.diag(stiff[0]), symmetrize_input=False)
        near = slice(size, banded.WIDTH * size)
        right = jnp.concatenate([state.information[:size, near], (state.force[0] + push[0])[:, None]], 1)
        right = solve_triangular(lower, right, lower=True)
        beyond, own = right[:, :-1], right[:, -1]
        taken = (banded.WIDTH - 1) * size
        information = state.information[size:, size:].at[:taken, :taken].add(-beyond.T @ beyond)
        force = state.force[1:].at[: banded.WIDTH - 1].add(-(own @ beyond).reshape(-1, size))
        last = 2.0 * state.controls[-1] - state.controls[-2]
        controls = jnp.concatenate([state.controls[1:], last[None]])
        information = jnp.pad(information, ((0, size), (0, size)))
        tie = jnp.asarray(banded.dense(self.prior.bands(np.arange(banded.WIDTH) == banded.WIDTH - 1)), force.dtype)
        at = -banded.WIDTH * size
        information = information.at[at:, at:].add(tie)
        newest = controls[-banded.WIDTH :].reshape(-1)
        force = jnp.concatenate([force, jnp.zeros_like(force[:1])])
        force = force.at[-banded.WIDTH :].add(-(tie @ newest).reshape(-1, size))
        if p:
            beyond = beyond.reshape(size, -1, size).transpose(1, 0, 2)
            passive = banded.Factor(
                jnp.concatenate([state.passive.diagonal[1:], lower[None]]),
                jnp.concatenate([state.passive.beyond[1:], beyond[None]]),
            )
            state = state._replace(passive=passive, own=jnp.concatenate([state.own[1:], own[None]]))
        return state._replace(controls=controls, information=information, force=force)


@partial(jax.jit, static_argnums=0)
def agreement(
    kinematics: Kinematics, model: Model, seen: Float[Array, "C K 3"], q: Float[Array, " D"]
) -> Float[Array, "C K"]:
    """Robust weights of the views of one instant at a pose: how far they agree with it."""
    points = kinematics.keypoints(kinematics.pose(q, model.scale), model.places)
    return reduce_views(model.lenses, jnp.broadcast_to(points, seen.shape), seen, model.noise).weight


def _spread(weights: Float[Array, "N A"], information: Float[Array, "N D D"]) -> Float[Array, "AD AD"]:
    """Information about poses (N) as information about the control points that make them."""
    size = weights.shape[1] * information.shape[-1]
    return jnp.einsum("na,nb,nij->aibj", weights, weights, information).reshape(size, size)


def _turn_all(poses: np.ndarray, turn: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, D) in a turned frame, their root's angles near `near`, and the derivatives (N, D, D)."""
    out, root = poses.copy(), slice(0, ROOT_COORDINATES)
    maps = np.tile(np.eye(poses.shape[1]), (len(poses), 1, 1))
    for n in range(len(poses)):
        out[n, root], maps[n, root, root] = turn_root(poses[n, root], turn, near)
    return out, maps


def _directions(lenses: Lenses, points: Float[Array, "C K 3"]) -> Float[Array, "C K 3"]:
    """Where each camera has its points, as unit vectors in its own frame."""
    inside = jnp.einsum("cij,ckj->cki", lenses.rotation, points) + lenses.translation[:, None]
    return inside / jnp.linalg.norm(inside, axis=-1, keepdims=True)
