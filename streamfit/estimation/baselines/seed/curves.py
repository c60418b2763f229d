"""The implicit functions of all trials, alike in shape so that one compiled step serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.baselines.seed.mlp import ImplicitMLP, run, within_limits
from streamfit.model import Skeleton
from streamfit.model.skeleton import ROOT_COORDINATES
from streamfit.model.spline import SUPPORT, UniformSpline

KNOTS = 0.04
"""s between the knots of a spline, as in the second-order fit."""


class Curves(Protocol):
    """T implicit functions. What depends on time alone (`features`) is computed once, in float64, and then cast."""

    def init(self, key: Array, centres: Float[Array, "T 3"]) -> Any:
        """Parameters, each array with T first, that keep the root at its trial's centre at all times."""

    def features(self, t: Float[Array, "T N"]) -> Any:
        """What the functions need to know of these times (s): arrays with T, N first."""

    def at(self, parameters: Any, features: Any) -> Float[Array, "N D"]:
        """The coordinates of one trial, by its slice of the parameters and of the features."""


@dataclass(frozen=True, eq=False)
class MLPCurves:
    """A network for each trial. Trials differ in length and so in levels of the encoding: shorter ones are padded
    with features of zero, which leaves each network what it would be alone."""

    networks: tuple[ImplicitMLP, ...]
    lower: np.ndarray
    upper: np.ndarray

    @staticmethod
    def over(spans: Sequence[tuple[float, float]], skeleton: Skeleton, hidden: tuple[int, ...]) -> MLPCurves:
        """Curves over these spans (s) of time."""
        size = len(skeleton.coordinates)
        networks = (ImplicitMLP(start, end - start, size, hidden) for start, end in spans)
        return MLPCurves(tuple(networks), *_limits(skeleton))

    def init(self, key: Array, centres: Float[Array, "T 3"]) -> Any:
        """Initial parameters; `centres` (T, 3) m are where the person is."""
        levels, out = self._levels(), []
        for index, (network, centre) in enumerate(zip(self.networks, centres, strict=True)):
            *hidden, last = network.init(jax.random.fold_in(key, index), levels)
            out.append((*hidden, last._replace(bias=last.bias.at[:3].set(jnp.asarray(centre, last.bias.dtype)))))
        return jax.tree.map(lambda *layers: jnp.stack(layers), *out)

    def features(self, t: Float[Array, "T N"]) -> Any:
        """What depends on the times (T, N) alone, s."""
        levels = self._levels()
        each = [network.encode(own, levels) for network, own in zip(self.networks, t, strict=True)]
        return np.stack(each).astype(np.float32)

    def at(self, parameters: Any, features: Any) -> Float[Array, "N D"]:
        """Coordinates (N, D) at the times of the features."""
        return within_limits(run(parameters, features), self.lower, self.upper)

    def _levels(self) -> int:
        return max(network.levels for network in self.networks)


@dataclass(frozen=True, eq=False)
class SplineCurves:
    """A cubic B-spline for each trial; shorter ones have control points in reserve that nothing depends on."""

    splines: tuple[UniformSpline, ...]
    lower: np.ndarray
    upper: np.ndarray

    @staticmethod
    def over(spans: Sequence[tuple[float, float]], skeleton: Skeleton) -> SplineCurves:
        """Curves over these spans (s) of time."""
        splines = (
            UniformSpline(start, KNOTS, max(1, int(np.ceil((end - start) / KNOTS + 1e-6)))) for start, end in spans
        )
        return SplineCurves(tuple(splines), *_limits(skeleton))

    def init(self, key: Array, centres: Float[Array, "T 3"]) -> Any:
        """Initial parameters; `centres` (T, 3) m are where the person is."""
        shape = (len(self.splines), max(spline.controls for spline in self.splines), len(self.lower))
        return jnp.zeros(shape, jnp.float32).at[..., :3].set(jnp.asarray(centres, jnp.float32)[:, None])

    def features(self, t: Float[Array, "T N"]) -> Any:
        """What depends on the times (T, N) alone, s."""
        first = np.stack([spline.interval(own) for spline, own in zip(self.splines, t, strict=True)])
        weights = np.stack([spline.local_weights(own) for spline, own in zip(self.splines, t, strict=True)])
        return first.astype(np.int32), weights.astype(np.float32)

    def at(self, parameters: Any, features: Any) -> Float[Array, "N D"]:
        """Coordinates (N, D) at the times of the features."""
        first, weights = features
        near = parameters[first[:, None] + np.arange(SUPPORT, dtype=np.int32)]
        return within_limits(jnp.einsum("na,nad->nd", weights, near), self.lower, self.upper)


def _limits(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """The joint limits; the root is free whatever the model says, since people turn round."""
    root = np.arange(len(skeleton.coordinates)) < ROOT_COORDINATES
    return np.where(root, -np.inf, skeleton.lower), np.where(root, np.inf, skeleton.upper)
