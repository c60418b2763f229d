"""Incremental fixed-lag smoothing: one compiled step of fixed shape from the views of an instant to a posterior.

The trajectory is a cubic B-spline over M control points. The newest A of them are active: up to N slots hold the
latest instants, each step linearises them again, adds the prior and solves (dense Cholesky). What leaves stays: a
slot that is given up leaves its last linearisation in the prior; a control point that is no longer active is
eliminated (Schur complement) and leaves its conditional distribution given the three after it, by which the newer
views go on to move it (back-substitution) until it leaves the window one lag later.

Everything is held about the present control points (information, and force as the gradient there), never as absolute
sums: that is what makes it sound in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax.lax.linalg import cholesky
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float, Int

from streamfit.arrays import Array
from streamfit.cameras import Lenses
from streamfit.fit import banded
from streamfit.fit.clocks import Usual, clock_terms
from streamfit.fit.prior import MotionPrior
from streamfit.fit.residuals import Noise, reduce_views, view_terms
from streamfit.fit.root import turn_root
from streamfit.fit.settings import FitSettings
from streamfit.skeleton import Kinematics
from streamfit.skeleton.skeleton import ROOT_COORDINATES
from streamfit.trajectory import SUPPORT, basis


class Model(NamedTuple):
    """What is frozen while a person is tracked."""

    lenses: Lenses
    scale: Float[Array, " G"]
    places: Float[Array, "K 3"]
    noise: Noise
    displacement: Float[Array, " K"]
    """m, per axis, that keypoints were found to be from their places."""
    persistent: Float[Array, " K"]
    """Share of the pixels' variance that persists."""


NOWHERE = -1e6
"""The place of a slot that holds nothing."""


class State(NamedTuple):
    """The window between two steps: P passive control points, then A active ones (P + A = M)."""

    controls: Float[Array, "M D"]
    passive: banded.Factor
    """Of the passive ones (P): a change x of theirs follows those after it as L' x + B y = own."""
    own: Float[Array, "P D"]
    information: Float[Array, "AD AD"]
    """What is known of the active ones without the slots: movement, and all that was given up."""
    force: Float[Array, "A D"]
    slot_information: Float[Array, "N D D"]
    slot_force: Float[Array, "N D"]
    factor: Float[Array, "AD AD"]
    """Cholesky factor of all that is known of the active ones, slots and limits included."""


class Slots(NamedTuple):
    """The latest instants, as the host lays them out. Places are in knots from the window's start; NOWHERE is none."""

    place: Float[Array, " N"]
    given_up: Float[Array, " N"]
    """Of what the slot held before and now leaves: its place in the window before the shift."""
    fresh: Int[Array, " F"]
    """The slots that are linearised again, first the one whose residuals are reported; of these:"""
    seen: Float[Array, "F C K 3"]
    view_place: Float[Array, "F C"]
    share: Float[Array, "F C"]
    """Share of its information that a view counts with (errors persist)."""
    shift: Float[Array, ""]
    """Control points by which the window moves on first."""
    at: Float[Array, ""]
    """The place of the reading, in the last knot interval."""
    back: Float[Array, ""]
    """The place of the reading of those who look back."""

    def packed(self) -> np.ndarray:
        """All in one array: what a compiled call costs grows with the arrays that it takes from the host."""
        return np.concatenate([np.ravel(x) for x in self], dtype=self.seen.dtype)

    @staticmethod
    def unpacked(packed: Float[Array, " S"], slots: int, seen: tuple[int, ...]) -> Slots:
        """Of so many slots; `seen` is its shape (F, C, K, 3)."""
        shapes = [(slots,), (slots,), seen[:1], seen, seen[:2], seen[:2], (), (), ()]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        parts = [x.reshape(shape) for x, shape in zip(jnp.split(packed, ends[:-1]), shapes, strict=True)]
        slots_ = Slots(*parts)
        return slots_._replace(fresh=slots_.fresh.astype(int), shift=slots_.shift.astype(int))


class Reading(NamedTuple):
    """The trajectory at one time."""

    q: Float[Array, " D"]
    qd: Float[Array, " D"]
    variance: Float[Array, " D"]
    """Posterior, of errors that come and go."""


class Outcome(NamedTuple):
    """What a step answers."""

    reading: Reading
    error: Float[Array, "C K"]
    """px, of the first fresh slot, after the solve (to first order)."""
    weight: Float[Array, "C K"]


class Behind(NamedTuple):
    """What a step leaves for those who look back: the skeleton at two of the fresh slots."""

    screws: Float[Array, "D 6"]
    points: Float[Array, "K 3"]
    information: Float[Array, "K 3 3"]
    """Of the first: after the solve, with what its views say of the keypoints."""
    own: Float[Array, "C K 3"]
    speed: Float[Array, "K 3"]
    """Of the last: the keypoints (m) at each view's own time, and their velocity (m/s)."""


class Hindsight(NamedTuple):
    """What becomes known by looking back."""

    clock_information: Float[Array, " C"]
    clock_force: Float[Array, " C"]
    """What the last slot's views say of what is to be added to their times (1/s^2, 1/s), as if they erred anew each."""
    reading: Reading
    """At an earlier time."""


class _Terms(NamedTuple):
    """The fresh slots; `points` at the slots' times."""

    information: Float[Array, "F D D"]
    force: Float[Array, "F D"]
    screws: Float[Array, "F D 6"]
    points: Float[Array, "F K 3"]


class _Moved(NamedTuple):
    """Keypoints of a slot: at its time, at each view's own time, and their velocity (m/s)."""

    points: Float[Array, "K 3"]
    own: Float[Array, "C K 3"]
    speed: Float[Array, "K 3"]


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
        n = self.settings.slots
        rigid = np.linalg.cholesky(information + np.eye(len(information)))
        state = State(
            np.tile(q, (self.controls, 1)),
            banded.Factor(np.tile(np.eye(size), (passive, 1, 1)), beyond),
            np.zeros((passive, size)),
            information,
            force.reshape(active, size),
            np.zeros((n, size, size)),
            np.zeros((n, size)),
            rigid,
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
        root = active.T @ state.factor
        factor = np.linalg.cholesky(root @ root.T)
        turned = State(controls, passive, own, information, force, slot_information, slot_force, factor)
        return jax.tree.map(self.settings.real, turned)

    @partial(jax.jit, static_argnums=0)
    def step(self, model: Model, state: State, packed: Float[Array, " S"]) -> tuple[State, Outcome, Behind]:
        """Give up, shift, linearise the fresh slots, solve, and read the newest pose; `packed` are the slots."""
        slots = self._slots(model, packed)
        p, fresh, at = self.passive, slots.fresh, slots.at
        state = self._give_up(state, slots.given_up)
        state = jax.lax.fori_loop(0, slots.shift, lambda _, s: self._shift(s), state)
        weights = self._weights(slots.place)
        terms = self._linearise(model, state.controls, weights[fresh], slots)
        information = state.slot_information.at[fresh].set(terms.information)
        slot_force = state.slot_force.at[fresh].set(terms.force)
        factor, force = self._factor(state, weights[:, p:], information, slot_force)
        active = jax.scipy.linalg.cho_solve((factor, True), force.reshape(-1)).reshape(-1, force.shape[1])
        change = jnp.concatenate([self._follow(state, active), active])
        controls = state.controls + change
        read, rate = self._weights(at), self._weights(at, 1)
        reading = Reading(read @ controls, rate @ controls, self._newest_variance(factor, read))

        newest = self._after(terms, 0, weights[fresh[0]], slots, change, controls)
        answered = view_terms(model.lenses, newest.own, slots.seen[0], model.noise)
        oldest = self._after(terms, -1, weights[fresh[-1]], slots, change, controls)
        turned = (state.information @ active.reshape(-1)).reshape(active.shape)
        state = State(
            controls,
            state.passive,
            jnp.zeros_like(state.own),
            state.information,
            state.force - turned,
            information,
            slot_force - jnp.einsum("nij,nj->ni", information, weights[:, p:] @ active),
            factor,
        )
        error = jnp.sqrt(jnp.sum(answered.residual**2, -1))
        behind = Behind(terms.screws[0], newest.points, answered.reduced()[0], oldest.own, oldest.speed)
        return state, Outcome(reading, error, answered.weight), behind

    @partial(jax.jit, static_argnums=0)
    def look_back(
        self, model: Model, state: State, behind: Behind, usual: Usual, packed: Float[Array, " S"]
    ) -> tuple[Usual, Hindsight]:
        """What the last fresh slot of a step tells of the clocks, and the trajectory at an earlier place."""
        slots = self._slots(model, packed)
        settled = view_terms(model.lenses, behind.own, slots.seen[-1], model.noise)
        usual, information, force = clock_terms(
            usual,
            model.lenses,
            behind.own,
            behind.speed,
            settled.left,
            settled.weight,
            model.noise.sd,
            model.persistent,
            slots.share[-1],
        )
        return usual, Hindsight(information, force, self._read(state, slots.back))

    def _slots(self, model: Model, packed: Float[Array, " S"]) -> Slots:
        cameras, keypoints = len(model.lenses.focal), len(self.kinematics.body)
        return Slots.unpacked(packed, self.settings.slots, (self.settings.fresh, cameras, keypoints, 3))

    def _after(
        self, terms: _Terms, i: int, weights: Float[Array, " M"], slots: Slots, change: Array, controls: Array
    ) -> _Moved:
        """Keypoints of a fresh slot after a step of the control points, to first order."""
        screws, place = terms.screws[i], slots.place[slots.fresh[i]]
        points = self.kinematics.displaced(screws, terms.points[i], weights @ change)
        ahead = self._ahead(weights, slots.view_place[i]) @ controls
        own = jax.vmap(lambda at: self.kinematics.displaced(screws, points, at))(ahead)
        rate = self._weights(place, 1) @ controls
        return _Moved(points, own, self.kinematics.displaced(screws, points, rate) - points)

    @partial(jax.jit, static_argnums=0)
    def read(self, state: State, at: Array) -> Reading:
        """The trajectory at another place."""
        return self._read(state, at)

    def _read(self, state: State, at: Array) -> Reading:
        read, rate = self._weights(at), self._weights(at, 1)
        return Reading(read @ state.controls, rate @ state.controls, self._variance(state, read))

    def _weights(self, place: Float[Array, "*batch"], derivative: int = 0) -> Float[Array, "*batch M"]:
        """Spline weights of all control points at a place (per second^derivative); zero at NOWHERE."""
        interval = jnp.clip(jnp.floor(place), 0, self.controls - SUPPORT)
        local = basis(place - interval, derivative) / self.settings.spacing**derivative
        acts = jnp.arange(self.controls) == interval[..., None, None] + jnp.arange(SUPPORT)[:, None]
        weights = jnp.sum(jnp.where(acts, local[..., None], 0.0), -2)
        return jnp.where(place[..., None] > 0.5 * NOWHERE, weights, 0.0)

    def _ahead(self, weights: Float[Array, " M"], place: Float[Array, " C"]) -> Float[Array, "C M"]:
        """Spline weights at each view's own time minus those at its slot's."""
        return jnp.where(place[:, None] > 0.5 * NOWHERE, self._weights(place) - weights, 0.0)

    def _factor(
        self, state: State, weights: Float[Array, "N A"], information: Float[Array, "N D D"], force: Float[Array, "N D"]
    ) -> tuple[Float[Array, "AD AD"], Float[Array, "A D"]]:
        """Cholesky factor of all that is known of the active control points, and the force on them."""
        stiff, push = self.prior.limits(state.controls[self.passive :], self.settings.spacing)
        whole = state.information + _spread(weights, information) + jnp.diag(stiff.reshape(-1))
        return cholesky(whole, symmetrize_input=False), state.force + weights.T @ force + push

    def _follow(self, state: State, active: Float[Array, "A D"]) -> Float[Array, "P D"]:
        """How the passive control points change with the active ones: back-substitution."""
        change = [active[k] for k in range(banded.WIDTH - 1)]
        for i in reversed(range(self.passive)):
            left = state.own[i] - sum(state.passive.beyond[i, k] @ change[k] for k in range(banded.WIDTH - 1))
            change.insert(0, solve_triangular(state.passive.diagonal[i], left, lower=True, trans=1))
        return jnp.stack(change[: self.passive]) if self.passive else active[:0]

    def _newest_variance(self, factor: Array, read: Float[Array, " M"]) -> Float[Array, " D"]:
        """Variance in the last knot interval: the factor's last blocks alone matter."""
        size = factor.shape[0] // (self.controls - self.passive)
        last = factor[-SUPPORT * size :, -SUPPORT * size :]
        right = jnp.einsum("m,ij->mij", read[-SUPPORT:], jnp.eye(size, dtype=read.dtype)).reshape(-1, size)
        return jnp.sum(jnp.square(solve_triangular(last, right, lower=True)), 0)

    def _variance(self, state: State, read: Float[Array, " M"]) -> Float[Array, " D"]:
        """Variance at any place: forward substitution of its weights."""
        p, passive, size = self.passive, state.passive, state.controls.shape[1]
        right = jnp.einsum("m,ij->mij", read, jnp.eye(size, dtype=read.dtype))
        square = jnp.zeros(size, read.dtype)
        for i in range(p):
            y = solve_triangular(passive.diagonal[i], right[i], lower=True)
            square += jnp.sum(y**2, 0)
            right = right.at[i + 1 : i + banded.WIDTH].add(-jnp.einsum("kij,ir->kjr", passive.beyond[i], y))
        y = solve_triangular(state.factor, right[p:].reshape(-1, size), lower=True)
        return square + jnp.sum(y**2, 0)

    @partial(jax.jit, static_argnums=0)
    def lasting(self, model: Model, behind: Behind) -> Float[Array, " D"]:
        """Variance from errors that no window averages out, as the views of a step's first fresh slot have it.

        That of a pose fitted to one instant whose keypoints are displaced, and whose pixels' errors persist. Its
        estimate is C J' W e (W the keypoints' information, C the inverse of J' W J), where the errors e have the
        covariance of the displacements, and of the persistent share of the pixels' errors.
        """
        screws, points, information, _, _ = behind
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

    def _linearise(self, model: Model, controls: Array, weights: Float[Array, "F M"], slots: Slots) -> _Terms:
        def one(q: Array, weights: Array, view_place: Array, seen: Array, share: Array) -> _Terms:
            pose = self.kinematics.pose(q, model.scale)
            points = self.kinematics.keypoints(pose, model.places)
            screws = self.kinematics.screws(pose)
            ahead = self._ahead(weights, view_place) @ controls
            own = jax.vmap(lambda change: self.kinematics.displaced(screws, points, change))(ahead)
            reduced = reduce_views(model.lenses, own, seen, model.noise, share)
            information, force = self.kinematics.condense(screws, points, reduced.information, reduced.force)
            return _Terms(information, force, screws, points)

        return jax.vmap(one)(weights @ controls, weights, slots.view_place, slots.seen, slots.share)

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
