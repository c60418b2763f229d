"""An implicit trajectory as a neural network: a multilayer perceptron from time to the coordinates.

The architecture is that of Cotton 2024 (arXiv 2402.17192). Time enters as itself and as sines and cosines, whose
highest frequency limits how fast the coordinates readily change: that is its smoothness prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, pi, sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array

HIDDEN = (128, 256, 512, 1024, 2048)
REMINDED = 3
"""Hidden layers, from the first, whose input holds the encoded time (the first has nothing else)."""
QUIET = 1e-2
"""The output layer starts this much smaller than the others: the trajectory starts as good as constant."""


class Layer(NamedTuple):
    """One layer: x -> x @ weight + bias."""

    weight: Float[Array, "I O"]
    bias: Float[Array, " O"]


Layers = tuple[Layer, ...]
"""The hidden layers in order, then the output layer."""


@dataclass(frozen=True)
class ImplicitMLP:
    """The network of one trial of `duration` seconds from `start`: its sizes and its encoding of time."""

    start: float
    duration: float
    outputs: int
    hidden: tuple[int, ...] = HIDDEN

    @property
    def levels(self) -> int:
        """L = ceil(log2(80 T / 2 pi) + 1), one at least: the highest frequency is then 6.4 to 12.8 Hz x T / ceil(T)."""
        return max(1, ceil(log2(80.0 * max(self.duration, 1e-3) / (2.0 * pi)) + 1.0))

    def encode(self, t: Float[Array, " N"], levels: int | None = None) -> Float[Array, "N F"]:
        """t' = pi (t - start) / ceil(T), then sin and cos of 2^k t' for k = 0 .. L-1, computed in float64.

        With `levels` above L the features of the levels beyond it follow as zeros, so that trials of different
        lengths can be stacked: a feature of zero changes nothing and its weights feel no gradient.
        """
        phase = pi * (np.asarray(t, float) - self.start) / max(ceil(self.duration), 1)
        angle = phase[:, None] * 2.0 ** np.arange(self.levels)
        waves = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(len(phase), -1)
        spare = 2 * ((self.levels if levels is None else levels) - self.levels)
        return np.concatenate([phase[:, None], waves, np.zeros((len(phase), spare))], 1)

    def init(self, key: Array, levels: int | None = None) -> Layers:
        """Random weights in float32 (He et al. 2015 for ReLU), biases of zero; `levels` as for `encode`."""
        features, spare = 1 + 2 * self.levels, 2 * ((self.levels if levels is None else levels) - self.levels)
        layers = []
        width = 0
        for index, size in enumerate((*self.hidden, self.outputs)):
            reminded = index < min(REMINDED, len(self.hidden))
            rows = width + (features if reminded else 0)
            spread = sqrt(2.0 / rows) * (1.0 if index < len(self.hidden) else QUIET)
            weight = spread * jax.random.normal(jax.random.fold_in(key, index), (rows, size), jnp.float32)
            weight = jnp.pad(weight, ((0, spare if reminded else 0), (0, 0)))
            layers.append(Layer(weight, jnp.zeros(size, jnp.float32)))
            width = size
        return tuple(layers)

    def __call__(self, layers: Layers, t: Float[Array, " N"]) -> Float[Array, "N D"]:
        """What the network says at these times (s), in the precision of its weights."""
        return run(layers, jnp.asarray(self.encode(t), layers[0].weight.dtype))


def run(layers: Layers, encoded: Float[Array, "N F"]) -> Float[Array, "N D"]:
    """The network at encoded times: ReLU layers, of which the first ones get the encoding again, then a linear one."""
    x = encoded
    for index, layer in enumerate(layers[:-1]):
        if 0 < index < REMINDED:
            x = jnp.concatenate([x, encoded], -1)
        x = jax.nn.relu(x @ layer.weight + layer.bias)
    return x @ layers[-1].weight + layers[-1].bias


def within_limits(
    raw: Float[Array, "*batch D"], lower: Float[Array, " D"], upper: Float[Array, " D"]
) -> Float[Array, "*batch D"]:
    """Coordinates of unbounded values: tanh to between the limits; those without limits as they are."""
    held = np.isfinite(lower) & np.isfinite(upper)
    low, high = np.where(held, lower, -1.0), np.where(held, upper, 1.0)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    return jnp.where(held, middle.astype(raw.dtype) + half.astype(raw.dtype) * jnp.tanh(raw), raw)
