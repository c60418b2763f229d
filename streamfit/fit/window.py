"""The sliding window: one compiled step of fixed shape from the views of an instant to a pose and its posterior.

The trajectory is a cubic B-spline over M control points. Up to N slots hold the latest instants; each step
linearises them again, adds the prior and solves. What leaves is kept: a slot that is given up leaves its last
linearisation in the prior, a control point that is given up is marginalised (Schur complement), so the window is
short and nothing is forgotten. Information is held in absolute form: cost = 1/2 c' P c - p' c.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.cameras import Lenses
from streamfit.fit import banded
from streamfit.fit.prior import MotionPrior
from streamfit.fit.residuals import Noise, reduce_views
from streamfit.fit.root import turn_root
from streamfit.fit.settings import FitSettings
from streamfit.skeleton import Kinematics
from streamfit.skeleton.skeleton import ROOT_COORDINATES

_multiply = jax.jit(banded.multiply)


class Model(NamedTuple):
    """What is frozen while a person is tracked."""

    lenses: Lenses
    scale: Float[Array, " G"]
    places: Float[Array, "K 3"]
    noise: Noise


class State(NamedTuple):
    """The window between two steps."""

    controls: Float[Array, "M D"]
    prior: Float[Array, "M 4 D D"]
    pull: Float[Array, "M D"]
    slot_information: Float[Array, "N D D"]
    slot_pull: Float[Array, "N D"]


class Slots(NamedTuple):
    """The latest instants, as the host lays them out."""

    seen: Float[Array, "N C K 3"]
    weights: Float[Array, "N M"]
    """Spline weights at the slot's time, in the window after the shift; zero where the slot is empty."""
    ahead: Float[Array, "N C M"]
    """Spline weights at each view's own time minus those at the slot's."""
    share: Float[Array, "N C"]
    """Share of its information that a view counts with (errors persist)."""
    given_up: Float[Array, "N M"]
    """Spline weights, in the window before the shift, of what the slot held before and now leaves."""


class Reading(NamedTuple):
    """The trajectory at one time."""

    q: Float[Array, " D"]
    qd: Float[Array, " D"]
    sd: Float[Array, " D"]


class Outcome(NamedTuple):
    """What a step answers."""

    state: State
    readings: Reading
    """Batched over the R reading times."""
    position: Float[Array, "B 3"]
    rotation: Float[Array, "B 3 3"]
    keypoints: Float[Array, "K 3"]
    error: Float[Array, "C K"]
    """px, of the newest slot, after the solve (to first order)."""
    weight: Float[Array, "C K"]


class _Terms(NamedTuple):
    """The linearised slots; `points` at the slots' times."""

    information: Float[Array, "N D D"]
    force: Float[Array, "N D"]
    screws: Float[Array, "N D 6"]
    points: Float[Array, "N K 3"]


@dataclass(frozen=True, eq=False)
class Window:
    """The compiled functions of the window for one skeleton, keypoint set and settings."""

    kinematics: Kinematics
    prior: MotionPrior
    settings: FitSettings
    controls: int

    def empty(self, q: np.ndarray) -> State:
        """A window at rest in pose q (D,), known only roughly."""
        size = len(q)
        prior = self.prior.bands(np.arange(self.controls) >= banded.WIDTH - 1)
        rough = np.full(size, 0.2**-2)
        controls = np.tile(q, (self.controls, 1))
        pull = np.zeros_like(controls)
        for untied in range(banded.WIDTH - 1):
            prior[untied, 0] += np.diag(rough)
            pull[untied] = rough * q
        n = self.settings.slots
        return State(controls, prior, pull, np.zeros((n, size, size)), np.zeros((n, size)))

    def turned(self, state: State, turn: np.ndarray, near: np.ndarray, poses: np.ndarray) -> State:
        """The window seen in a frame turned by `turn` (3, 3), the root's angles near `near`; `poses` (N, D) are
        those of the slots.

        Control points and slots are carried over one by one, their information by the derivative of the map.
        """
        controls, maps = _turn_all(np.array(state.controls), turn, near)
        prior, inverse = np.array(state.prior), np.linalg.inv(maps)
        force = np.array(state.pull) - np.array(_multiply(state.prior, state.controls))
        for d in range(banded.WIDTH):
            rows = self.controls - d
            prior[:rows, d] = np.swapaxes(inverse[:rows], 1, 2) @ prior[:rows, d] @ inverse[d:]
        force = np.einsum("mji,mj->mi", inverse, force)
        pull = force + np.array(_multiply(prior, controls))
        information = np.array(state.slot_information)
        push = np.array(state.slot_pull) - np.einsum("nij,nj->ni", information, poses)
        poses, maps = _turn_all(poses, turn, near)
        inverse = np.linalg.inv(maps)
        information = np.swapaxes(inverse, 1, 2) @ information @ inverse
        push = np.einsum("nji,nj->ni", inverse, push) + np.einsum("nij,nj->ni", information, poses)
        return State(controls, prior, pull, information, push)

    @partial(jax.jit, static_argnums=0)
    def step(
        self, model: Model, state: State, slots: Slots, shift: Array, newest: Array, read: Array, rate: Array
    ) -> Outcome:
        """Give up, shift by `shift` control points, linearise all slots, solve, and read the trajectory.

        `newest` is the index of the slot whose residuals are reported; `read` and `rate` (R, M) are the spline
        weights of the reading times and their derivatives.
        """
        state = self._give_up(state, slots.given_up)
        state = jax.lax.fori_loop(0, shift, lambda _, s: self._shift(s), state)
        terms = self._linearise(model, state.controls, slots)
        pose = slots.weights @ state.controls
        slot_pull = terms.force + jnp.einsum("nij,nj->ni", terms.information, pose)

        bands = state.prior + _spread(slots.weights, terms.information)
        right = state.pull + slots.weights.T @ slot_pull - banded.multiply(bands, state.controls)
        stiff, push = self.prior.limits(state.controls, self.settings.spacing)
        factor = banded.factorise(_add_diagonal(bands, stiff))
        right = jnp.concatenate([(right + push)[..., None], _columns(read, right.shape[1])], -1)
        solved = banded.forward(factor, right)
        change = banded.backward(factor, solved[..., :1])[..., 0]
        controls = state.controls + change
        readings = Reading(read @ controls, rate @ controls, _spread_of(solved[..., 1:], read.shape[0]))

        moved = self.kinematics.displaced(terms.screws[newest], terms.points[newest], slots.weights[newest] @ change)
        seen = slots.seen[newest]
        spread = jax.vmap(lambda at: self.kinematics.displaced(terms.screws[newest], moved, at))
        own = spread(slots.ahead[newest] @ controls)
        answered = reduce_views(model.lenses, own, seen, model.noise)
        body = self.kinematics.pose(readings.q[0], model.scale)
        return Outcome(
            State(controls, state.prior, state.pull, terms.information, slot_pull),
            readings,
            body.position,
            body.rotation,
            self.kinematics.keypoints(body, model.places),
            answered.error,
            answered.weight,
        )

    @partial(jax.jit, static_argnums=0)
    def place(self, model: Model, q: Float[Array, " D"]) -> tuple[Array, Array, Array]:
        """Positions (B, 3) and rotations (B, 3, 3) of the bodies, and the keypoints (K, 3), at a pose."""
        pose = self.kinematics.pose(q, model.scale)
        return pose.position, pose.rotation, self.kinematics.keypoints(pose, model.places)

    @partial(jax.jit, static_argnums=0)
    def read(self, state: State, weights: Array, read: Array, rate: Array) -> Reading:
        """The trajectory at further times (R, M) after a step whose slots had `weights` (N, M)."""
        stiff, _ = self.prior.limits(state.controls, self.settings.spacing)
        bands = state.prior + _spread(weights, state.slot_information)
        factor = banded.factorise(_add_diagonal(bands, stiff))
        solved = banded.forward(factor, _columns(read, state.controls.shape[1]))
        return Reading(read @ state.controls, rate @ state.controls, _spread_of(solved, read.shape[0]))

    def _linearise(self, model: Model, controls: Array, slots: Slots) -> _Terms:
        def one(weights: Array, ahead: Array, seen: Array, share: Array) -> _Terms:
            pose = self.kinematics.pose(weights @ controls, model.scale)
            points = self.kinematics.keypoints(pose, model.places)
            screws = self.kinematics.screws(pose)
            own = jax.vmap(lambda change: self.kinematics.displaced(screws, points, change))(ahead @ controls)
            reduced = reduce_views(model.lenses, own, seen, model.noise, share)
            information, force = self.kinematics.condense(screws, points, reduced.information, reduced.force)
            return _Terms(information, force, screws, points)

        return jax.vmap(one)(slots.weights, slots.ahead, slots.seen, slots.share)

    def _give_up(self, state: State, weights: Array) -> State:
        return state._replace(
            prior=state.prior + _spread(weights, state.slot_information),
            pull=state.pull + weights.T @ state.slot_pull,
        )

    def _shift(self, state: State) -> State:
        """Marginalise the oldest control point and append one that continues the movement."""
        size = state.prior.shape[-1]
        front = jnp.zeros((banded.WIDTH, banded.WIDTH, size, size), state.prior.dtype).at[0].set(state.prior[0])
        lower, beyond, update = banded.eliminate(front)
        y = jax.scipy.linalg.solve_triangular(lower, state.pull[0], lower=True)
        prior, pull = state.prior[1:], state.pull[1:]
        for a in range(3):
            prior = prior.at[a, : 3 - a].add(-jnp.stack([update[a, b] for b in range(a, 3)]))
        pull = pull.at[:3].add(-jnp.einsum("kij,i->kj", beyond, y))
        prior = jnp.concatenate([prior, jnp.zeros_like(prior[:1])])
        pull = jnp.concatenate([pull, jnp.zeros_like(pull[:1])])
        diagonal = jnp.arange(size)
        m = self.controls
        for a in range(banded.WIDTH):
            for b in range(a, banded.WIDTH):
                prior = prior.at[m - 4 + a, b - a, diagonal, diagonal].add(self.prior.pattern[a, b])
        last = 2.0 * state.controls[-1] - state.controls[-2]
        return state._replace(controls=jnp.concatenate([state.controls[1:], last[None]]), prior=prior, pull=pull)


@partial(jax.jit, static_argnums=0)
def agreement(
    kinematics: Kinematics, model: Model, seen: Float[Array, "C K 3"], q: Float[Array, " D"]
) -> Float[Array, "C K"]:
    """Robust weights of the views of one instant at a pose: how far they agree with it."""
    points = kinematics.keypoints(kinematics.pose(q, model.scale), model.places)
    return reduce_views(model.lenses, jnp.broadcast_to(points, seen.shape), seen, model.noise).weight


def _spread(weights: Float[Array, "N M"], information: Float[Array, "N D D"]) -> Float[Array, "M 4 D D"]:
    """Information about poses (N) as information about the control points that make them."""
    rows = []
    for d in range(banded.WIDTH):
        pair = weights * jnp.pad(weights[:, d:], ((0, 0), (0, d)))
        rows.append(jnp.einsum("nm,nij->mij", pair, information))
    return jnp.stack(rows, 1)


def _turn_all(poses: np.ndarray, turn: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, D) in a turned frame, their root's angles near `near`, and the derivatives (N, D, D)."""
    out, root = poses.copy(), slice(0, ROOT_COORDINATES)
    maps = np.tile(np.eye(poses.shape[1]), (len(poses), 1, 1))
    for n in range(len(poses)):
        out[n, root], maps[n, root, root] = turn_root(poses[n, root], turn, near)
    return out, maps


def _add_diagonal(bands: Float[Array, "M 4 D D"], stiff: Float[Array, "M D"]) -> Float[Array, "M 4 D D"]:
    diagonal = jnp.arange(bands.shape[-1])
    return bands.at[:, 0, diagonal, diagonal].add(stiff)


def _columns(read: Float[Array, "R M"], size: int) -> Float[Array, "M D RD"]:
    """Right sides whose forward solutions give the variance of each coordinate at each reading time."""
    return jnp.einsum("rm,ij->mirj", read, jnp.eye(size, dtype=read.dtype)).reshape(read.shape[1], size, -1)


def _spread_of(solved: Float[Array, "M D RD"], readings: int) -> Float[Array, "R D"]:
    """Standard deviations from forward solutions of `_columns`."""
    return jnp.sqrt(jnp.sum(solved**2, (0, 1))).reshape(readings, -1)
