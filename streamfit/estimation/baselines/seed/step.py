"""Gradient descent on the reprojection loss of all trials: the compiled part of the first-order fit.

All of it is in float32 and of fixed shapes, and the data stay on the device: a step needs nothing from the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from streamfit.arrays import Array
from streamfit.estimation.baselines.seed.curves import Curves
from streamfit.estimation.baselines.seed.loss import reprojection_cost, square_errors
from streamfit.estimation.baselines.seed.settings import FirstOrderSettings
from streamfit.model import Kinematics
from streamfit.model.camera import Lenses


class Data(NamedTuple):
    """The rows of all trials (see `Sightings`) and what the curves need to know of their times."""

    features: Any
    seen: Float[Array, "T R C K 3"]
    count: Int[Array, " T"]
    lenses: Lenses


class Parameters(NamedTuple):
    """All that is fitted. The factor of a scale group is 1 + overall + its part."""

    curves: Any
    overall: Float[Array, ""]
    part: Float[Array, " G"]
    offsets: Float[Array, "K 3"]
    """m, in the scaled bodies' frames."""

    @property
    def scale(self) -> Float[Array, " G"]:
        """Factor of each group of bodies, (G,)."""
        return 1.0 + self.overall + self.part


class State(NamedTuple):
    """The fit after `step` steps; `loss` is that of the last step's samples, with the offsets' penalty."""

    parameters: Parameters
    optimiser: optax.OptState
    step: Int[Array, ""]
    loss: Float[Array, ""]


class Fitted(NamedTuple):
    """What parameters say: the movement at given times, and squared errors of all rows (px^2 at 2048 wide)."""

    q: Float[Array, "T N D"]
    points: Float[Array, "T N K 3"]
    """Ground frame, m."""
    square: Float[Array, "T R C K"]


@dataclass(frozen=True, eq=False)
class Descent:
    """The descent for one skeleton, keypoint set (`positions` (K, 3), m) and set of trials.

    With `held` the overall scale is not fitted. The methods are for `jax.jit`.
    """

    kinematics: Kinematics
    positions: np.ndarray
    curves: Curves
    settings: FirstOrderSettings
    held: bool

    def start(self, centres: Float[Array, "T 3"], overall: Float[Array, ""]) -> State:
        """The state before the first step: as drawn but for the overall scale, at rest at the centres."""
        curves = self.curves.init(jax.random.key(self.settings.seed), centres)
        part = jnp.zeros(len(self.kinematics.skeleton.groups), jnp.float32)
        offsets = jnp.zeros(self.positions.shape, jnp.float32)
        parameters = Parameters(curves, jnp.asarray(overall, jnp.float32), part, offsets)
        return State(parameters, self._optimiser().init(parameters), jnp.int32(0), jnp.float32(0.0))

    def advance(self, state: State, data: Data, steps: Int[Array, ""]) -> State:
        """The state so many steps later. The samples depend on the number of the step alone."""
        optimiser, key = self._optimiser(), jax.random.key(self.settings.seed + 1)

        def one(_: Array, state: State) -> State:
            sample = self._draw(data, jax.random.fold_in(key, state.step))
            loss, gradient = jax.value_and_grad(self.loss)(state.parameters, sample)
            change, memory = optimiser.update(gradient, state.optimiser, state.parameters)
            if self.held:
                change = change._replace(overall=jnp.zeros_like(change.overall))
            return State(optax.apply_updates(state.parameters, change), memory, state.step + 1, loss)

        return jax.lax.fori_loop(0, steps, one, state)

    def loss(self, parameters: Parameters, data: Data) -> Float[Array, ""]:
        """Mean over trials of the reprojection loss of all rows, and the penalty on the offsets."""
        q = jax.vmap(self.curves.at)(parameters.curves, data.features)
        # one batch for all trials: XLA's CPU compiler trips over the kinematics with two
        points = self._keypoints(parameters, q.reshape(-1, q.shape[-1])).reshape(*q.shape[:2], -1, 3)

        def trial(points: Array, seen: Array, lenses: Lenses) -> Array:
            each = jax.vmap(lambda x, seen: reprojection_cost(lenses, x, seen, self.settings.huber))(points, seen)
            return jnp.sum(each.cost) / jnp.maximum(jnp.sum(each.confidence), 1e-6)

        losses = jax.vmap(trial)(points, data.seen, data.lenses)
        return jnp.mean(losses) + self.settings.offset_penalty * jnp.sum(parameters.offsets**2)

    def evaluate(self, parameters: Parameters, data: Data, features: Any) -> Fitted:
        """The movement at the times of `features`, and the errors at the data's; trial by trial, to save memory."""

        def trial(own: tuple[Any, Any, Data]) -> Fitted:
            curve, features, data = own
            q, at_rows = self.curves.at(curve, features), self.curves.at(curve, data.features)
            points, seen_points = jnp.split(self._keypoints(parameters, jnp.concatenate([q, at_rows])), [len(q)])
            square = jax.vmap(lambda x, seen: square_errors(data.lenses, x, seen))(seen_points, data.seen)
            return Fitted(q, points, square)

        return jax.lax.map(trial, (parameters.curves, features, data))

    def _keypoints(self, parameters: Parameters, q: Float[Array, "N D"]) -> Float[Array, "N K 3"]:
        scale = parameters.scale
        places = self.kinematics.places(scale, jnp.asarray(self.positions, scale.dtype)) + parameters.offsets
        return jax.vmap(lambda q: self.kinematics.keypoints(self.kinematics.pose(q, scale), places))(q)

    def _draw(self, data: Data, key: Array) -> Data:
        """Rows of each trial, at random."""
        trials, rows = data.seen.shape[:2]
        size = (trials, min(self.settings.samples, rows))
        index = jax.random.randint(key, size, 0, data.count[:, None])
        features, seen = jax.tree.map(lambda x: jax.vmap(lambda x, i: x[i])(x, index), (data.features, data.seen))
        return data._replace(features=features, seen=seen)

    def _optimiser(self) -> optax.GradientTransformation:
        first, last = self.settings.learning_rate
        rate = optax.exponential_decay(first, self.settings.steps, last / first)
        return optax.adamw(rate, b1=self.settings.beta1, weight_decay=self.settings.weight_decay)
