"""Incremental fixed-lag smoothing: compiled steps of fixed shape from the views of an instant to a posterior.

The trajectory is a cubic B-spline over M control points. The newest A of them are active: up to N slots hold the
latest instants, linearised again now and then; with the prior they are solved for (dense Cholesky). What leaves stays:
a slot that is given up leaves its last linearisation in the prior; a control point that is no longer active is
eliminated (Schur complement) and leaves its conditional distribution given the three after it, by which the newer
views go on to move it (back-substitution) until it leaves the window one lag later.

An instant is answered in two calls. `relinearise_and_shift` does what needs none of its views, behind the answer
before: it moves the window on, linearises what it holds, and eliminates the control points that the instant does not
touch. `measurement_update` is left with the views of the one instant and the four control points that they bear on.
Where time is short `accept_update` stands in for `relinearise_and_shift` now and then: it takes over what an update has
found, and leaves the rest for later.

Everything is held about the present control points (information matrix, and information vector `eta` as the gradient
there), never as absolute sums: that is what makes it sound in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax.linalg import cholesky
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.factors import banded
from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.factors.reprojection import reduce_views, view_terms
from streamfit.estimation.live.clock_sync import RunningMean, clock_terms
from streamfit.estimation.live.sliding_window.marginalisation import Marginalisation, spread
from streamfit.estimation.live.sliding_window.window_types import (
    NOWHERE,
    Model,
    Newest,
    Prior,
    Reading,
    RelinearisationBatch,
    SmoothedResult,
    StepResult,
    SystematicInputs,
    Update,
    WindowState,
    packed,
)
from streamfit.estimation.settings import FitSettings
from streamfit.model import Kinematics, Screws
from streamfit.model.camera import Lenses
from streamfit.model.spline import SUPPORT

APART = 0.005
"""rad by which a camera must see a keypoint moved before that counts."""


class _Terms(NamedTuple):
    """An instant linearised; `points` at its time, `view_points` at each view's own."""

    information: Float[Array, "D D"]
    eta: Float[Array, " D"]
    screws: Screws
    points: Float[Array, "K 3"]
    view_points: Float[Array, "C K 3"]


@dataclass(frozen=True, eq=False)
class Window:
    """The compiled functions of the window for one skeleton, keypoint set and settings."""

    kinematics: Kinematics
    motion_prior: MotionPrior
    settings: FitSettings
    controls: int
    active: int

    @cached_property
    def marginal(self) -> Marginalisation:
        """The window's linear algebra."""
        return Marginalisation(self.motion_prior, self.settings.spacing, self.controls, self.eliminated)

    @property
    def eliminated(self) -> int:
        """How many control points are no longer linearised again."""
        return max(0, self.controls - self.active)

    def empty(self, q: np.ndarray) -> WindowState:
        """A window at rest in pose q (D,), known only roughly."""
        size, active, conditionals = len(q), self.controls - self.eliminated, self.eliminated
        information = banded.dense(self.motion_prior.bands(np.arange(active) >= banded.WIDTH - 1))
        eta = -information @ np.tile(q, active)
        untied = np.arange((banded.WIDTH - 1) * size)
        information[untied, untied] += 0.2**-2
        off_diagonal = np.zeros((conditionals, banded.WIDTH - 1, size, size))
        n = self.settings.capacity
        state = WindowState(
            np.tile(q, (self.controls, 1)),
            banded.Factor(np.tile(np.eye(size), (conditionals, 1, 1)), off_diagonal),
            np.zeros((conditionals, size)),
            information,
            eta.reshape(active, size),
            np.zeros((n, size, size)),
            np.zeros((n, size)),
        )
        return jax.tree.map(self.settings.real, state)

    @partial(jax.jit, static_argnums=0)
    def measurement_update(
        self, model: Model, prior: Prior, laid: Float[Array, " S"]
    ) -> tuple[Update, Array, SystematicInputs]:
        """Linearise the newest instant, solve for the control points that it touches, and read the pose; `laid` is
        a `Newest`, the second result a `StepResult`."""
        newest = Newest.unpacked(laid, len(model.lenses.focal), len(self.kinematics.body))
        state, size = prior.state, prior.state.controls.shape[1]
        last = self.marginal.last_weights(newest.place)
        weights = jnp.pad(last, (self.controls - SUPPORT, 0))
        terms = self._linearise(model, state.controls, weights, newest.view_place, newest.seen, newest.decorrelation)
        lower = cholesky(prior.information + spread(last[None], terms.information[None]), symmetrize_input=False)
        eta = prior.eta + jnp.outer(last, terms.eta).reshape(-1)
        change = jax.scipy.linalg.cho_solve((lower, True), eta).reshape(SUPPORT, size)
        first = self.marginal.first(prior, change)
        latest = state.controls[self.eliminated :] + jnp.concatenate([first, change])
        controls = latest[-SUPPORT:]
        read, rate = self.marginal.last_weights(newest.at), self.marginal.last_weights(newest.at, 1)
        right = jnp.einsum("m,ij->mij", read, jnp.eye(size, dtype=read.dtype)).reshape(-1, size)
        variance = jnp.sum(jnp.square(solve_triangular(lower, right, lower=True)), 0)
        reading = Reading(read @ controls, rate @ controls, variance)

        points = self.kinematics.displaced(terms.screws, terms.points, last @ change)
        whole = jnp.concatenate([state.controls[:-SUPPORT], controls])
        view_points = self._view_points(terms.screws, points, weights, newest.view_place, whole)
        answered = view_terms(model.lenses, view_points, newest.seen, model.noise)
        error = jnp.sqrt(jnp.sum(answered.residual**2, -1))
        apart = jnp.linalg.norm(
            _directions(model.lenses, view_points) - _directions(model.lenses, terms.view_points), axis=-1
        )
        shows = jnp.any((newest.seen[..., 2] > 0.0) & (apart > APART), 0)
        moved = jnp.max(jnp.where(shows, jnp.linalg.norm(points - terms.points, axis=-1), 0.0))
        found = Update(change, lower, terms.information, terms.eta, newest.slot, weights[self.eliminated :])
        systematic_inputs = SystematicInputs(terms.screws, points, answered.reduced()[0])
        return found, packed(StepResult(latest, reading, moved, error, answered.weight)), systematic_inputs

    @partial(jax.jit, static_argnums=0)
    def relinearise_and_shift(
        self, model: Model, prior: Prior, found: Update, running_mean: RunningMean, laid: Float[Array, " S"]
    ) -> tuple[Prior, RunningMean, Array]:
        """All that the next instant can do without: take over what a step has found, look back, shift, linearise again.

        `laid` are the slots. The last result is a `SmoothedResult`: the trajectory before it moves on, how
        certain that is at an earlier place, and what the last relinearised slot tells of the clocks.
        """
        cameras, keypoints = len(model.lenses.focal), len(self.kinematics.body)
        slots = RelinearisationBatch.unpacked(
            laid, self.settings.capacity, (self.settings.relinearised - 1, cameras, keypoints, 3)
        )
        state = self.marginal.taken(prior, found)
        variance = self.marginal.variance(prior, found.lower, self.marginal.weights(slots.back))
        controls = state.controls
        state = self.marginal.marginalise_measurements(state, slots.given_up)
        state = jax.lax.fori_loop(0, slots.shift, lambda _, s: self.marginal.marginalise_oldest(s), state)
        weights = self.marginal.weights(slots.place)
        linearised = (weights[slots.relinearised], slots.view_place, slots.seen, slots.decorrelation)
        terms = jax.vmap(partial(self._linearise, model, state.controls))(*linearised)
        state = state._replace(
            slot_information=state.slot_information.at[slots.relinearised].set(terms.information),
            slot_eta=state.slot_eta.at[slots.relinearised].set(terms.eta),
        )
        rate = self.marginal.weights(slots.place[slots.relinearised[-1]], 1) @ state.controls
        oldest = jax.tree.map(lambda x: x[-1], terms)
        speed = self.kinematics.displaced(oldest.screws, oldest.points, rate) - oldest.points
        oldest_views = view_terms(model.lenses, oldest.view_points, slots.seen[-1], model.noise)
        running_mean, information, eta = clock_terms(
            running_mean,
            model.lenses,
            oldest.view_points,
            speed,
            oldest_views.residual_after_sta,
            oldest_views.weight,
            model.noise.sd,
            model.persistent,
            slots.decorrelation[-1],
        )
        seen = packed(SmoothedResult(information, eta, controls, variance))
        return self.marginal.eliminate(state, weights[:, self.eliminated :]), running_mean, seen

    @partial(jax.jit, static_argnums=0)
    def accept_update(self, prior: Prior, found: Update) -> Prior:
        """Take over what a step has found and no more: nothing is linearised again, the window stays where it is.

        What was eliminated before stays so, for the instant bears on the last four control points alone.
        """
        last = found.weights[-SUPPORT:]
        return Prior(
            self.marginal.taken(prior, found),
            prior.lower,
            prior.off_diagonal,
            jnp.zeros_like(prior.rhs),
            prior.information + spread(last[None], found.information[None]),
            jnp.zeros_like(prior.eta),
            prior.weights.at[found.slot].set(found.weights, mode="drop"),
        )

    @partial(jax.jit, static_argnums=0)
    def eliminate(self, state: WindowState, place: Float[Array, " N"]) -> Prior:
        """A window whose slots, at these places, have been linearised."""
        return self.marginal.eliminate(state, self.marginal.weights(place)[:, self.eliminated :])

    def unchanged(self, size: int) -> Update:
        """What is found, of D = `size` coordinates, where no instant was looked at."""
        real = self.settings.real
        nothing = Update(
            real(np.zeros((SUPPORT, size))),
            real(np.eye(SUPPORT * size)),
            real(np.zeros((size, size))),
            real(np.zeros(size)),
            np.array(self.settings.capacity),
            real(np.zeros(self.controls - self.eliminated)),
        )
        return jax.device_put(nothing)

    @partial(jax.jit, static_argnums=0)
    def read(self, prior: Prior, at: Array) -> Array:
        """The trajectory at a place: a `Reading`."""
        last = cholesky(prior.information, symmetrize_input=False)
        read, rate = self.marginal.weights(at), self.marginal.weights(at, 1)
        controls = prior.state.controls
        return packed(Reading(read @ controls, rate @ controls, self.marginal.variance(prior, last, read)))

    def _view_points(
        self, screws: Screws, points: Array, weights: Array, place: Array, controls: Array
    ) -> Float[Array, "C K 3"]:
        """Keypoints at each view's own time, from those at its slot's, whose spline weights are given."""
        ahead = jnp.where(place[:, None] > 0.5 * NOWHERE, self.marginal.weights(place) - weights, 0.0) @ controls
        return jax.vmap(lambda change: self.kinematics.displaced(screws, points, change))(ahead)

    @partial(jax.jit, static_argnums=0)
    def systematic_variance(self, model: Model, systematic_inputs: SystematicInputs) -> Float[Array, " D"]:
        """Variance from errors that no window averages out, as the views of an instant have it.

        That of a pose fitted to one instant whose keypoints are displaced, and whose pixels' errors persist. Its
        estimate is C J' W e (W the keypoints' information, C the inverse of J' W J), where the errors e have the
        covariance of the displacements, and of the persistent share of the pixels' errors.
        """
        screws, points, information = systematic_inputs
        square, decorrelation = information @ information, model.persistent[:, None, None]
        expected, found = (jnp.square(x)[:, None, None] * square for x in (model.noise.sta_sd, model.sta_rms))
        persist = found + decorrelation * (information - expected)
        none = jnp.zeros_like(points)
        normal, _ = self.kinematics.condense(screws, points, information, none)
        middle, _ = self.kinematics.condense(screws, points, persist, none)
        size = normal.shape[0]
        factor = cholesky(normal + jnp.eye(size, dtype=normal.dtype), symmetrize_input=False)
        half = jax.scipy.linalg.cho_solve((factor, True), middle)
        variance = jnp.diag(jax.scipy.linalg.cho_solve((factor, True), half.T))
        return jnp.maximum(variance, 0.0)  # rounding, where hardly anything is seen

    def _linearise(
        self, model: Model, controls: Array, weights: Array, view_place: Array, seen: Array, decorrelation: Array
    ) -> _Terms:
        """One instant, whose spline weights (M,) are given."""
        pose = self.kinematics.pose(weights @ controls, model.scale)
        points, screws = self.kinematics.keypoints(pose, model.places), self.kinematics.screws(pose)
        view_points = self._view_points(screws, points, weights, view_place, controls)
        reduced = reduce_views(model.lenses, view_points, seen, model.noise, decorrelation)
        information, eta = self.kinematics.condense(screws, points, reduced.information, reduced.eta)
        return _Terms(information, eta, screws, points, view_points)


@partial(jax.jit, static_argnums=0)
def agreement(
    kinematics: Kinematics, model: Model, seen: Float[Array, "C K 3"], q: Float[Array, " D"]
) -> Float[Array, "C K"]:
    """Robust weights of the views of one instant at a pose: how far they agree with it."""
    points = kinematics.keypoints(kinematics.pose(q, model.scale), model.places)
    return reduce_views(model.lenses, jnp.broadcast_to(points, seen.shape), seen, model.noise).weight


def _directions(lenses: Lenses, points: Float[Array, "C K 3"]) -> Float[Array, "C K 3"]:
    """Where each camera has its points, as unit vectors in its own frame."""
    inside = jnp.einsum("cij,ckj->cki", lenses.rotation, points) + lenses.translation[:, None]
    return inside / jnp.linalg.norm(inside, axis=-1, keepdims=True)
