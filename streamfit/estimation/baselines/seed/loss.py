"""The reprojection loss of Cotton 2024 (arXiv 2402.17192): first-order fits minimise it, all methods are scored by it.

Of each camera, instant and keypoint: confidence x Huber(|reprojection error|), the error in pixels of an image
2048 wide; summed, and divided by the sum of the confidences.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.batch.result import Movement
from streamfit.estimation.batch.trial import Trial
from streamfit.model.camera import REFERENCE_WIDTH, Lenses, project

HUBER = 5.0
"""px at 2048 wide up to which the loss is quadratic; beyond, it is linear."""
MISS = float(REFERENCE_WIDTH)
"""px at 2048 wide: the largest error there is. A keypoint that is NaN, behind the camera or an image's width from
where it was seen costs this much; being constant there, the loss has no gradient from that view."""


class Cost(NamedTuple):
    """Sums over views: confidence x Huber, and confidence. Their ratio is the loss."""

    cost: Float[Array, ""]
    confidence: Float[Array, ""]


def huber(square: Float[Array, "*batch"], delta: float) -> Float[Array, "*batch"]:
    """Huber's function of |e| given |e|^2: e^2 / 2 up to delta, delta (|e| - delta / 2) beyond. Smooth at 0."""
    beyond = square > delta**2
    length = jnp.sqrt(jnp.where(beyond, square, delta**2))
    return jnp.where(beyond, delta * (length - 0.5 * delta), 0.5 * square)


def square_errors(
    lenses: Lenses, points: Float[Array, "C K 3"] | Float[Array, "K 3"], seen: Float[Array, "C K 3"]
) -> Float[Array, "C K"]:
    """Squared reprojection errors (px^2 at 2048 wide), at most MISS^2, never NaN.

    `points` (ground frame, m) are as each camera's time has them, or the same for all.
    """

    def one(lens: Lenses, points: Array, seen: Array) -> Array:
        pixels, _, visible = project(lens, points)
        measured = jnp.where(seen[:, 2:] > 0.0, seen[:, :2], lens.centre)
        square = jnp.sum((pixels - measured) ** 2, -1) / lens.pixel**2
        return jnp.where(visible & (square < MISS**2), square, MISS**2)

    return jax.vmap(one)(lenses, jnp.broadcast_to(points, seen.shape), seen)


def reprojection_cost(
    lenses: Lenses,
    points: Float[Array, "C K 3"] | Float[Array, "K 3"],
    seen: Float[Array, "C K 3"],
    delta: float = HUBER,
) -> Cost:
    """The cost of one instant's C views `seen` (px, px, confidence); `points` as in `square_errors`."""
    confidence = seen[..., 2]
    return Cost(jnp.sum(confidence * huber(square_errors(lenses, points, seen), delta)), jnp.sum(confidence))


def loss_of(trials: Sequence[Trial], movements: Sequence[Movement], delta: float = HUBER) -> float:
    """Mean over the trials of the loss of their movements, with each view compared at its own time.

    Keypoints are interpolated linearly between the movement's instants. A view for which the movement has no
    keypoints costs as MISS says, so that leaving out what is difficult does not pay. Trials without a view
    are not counted.
    """
    losses = []
    for trial, movement in zip(trials, movements, strict=True):
        count = movement.keypoints.shape[1]
        times, seen = _views(trial, len(movement.rig.cameras), count)
        if not seen[..., 2].any():
            continue
        points = _at(movement, times) @ movement.rig.to_ground.T
        cost, confidence = _summed(movement.rig.lenses(), points, seen, delta)
        losses.append(float(cost) / float(confidence))
    return float(np.mean(losses)) if losses else float("nan")


@partial(jax.jit, static_argnames="delta")
def _summed(lenses: Lenses, points: Array, seen: Array, delta: float) -> Cost:
    each = jax.vmap(lambda points, seen: reprojection_cost(lenses, points, seen, delta))(points, seen)
    return Cost(jnp.sum(each.cost), jnp.sum(each.confidence))


def _views(trial: Trial, cameras: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Own times (N, C) and points (N, C, K, 3) of the views of all instants; of a view that is not there, nothing."""
    times = np.full((len(trial.instants), cameras), np.nan)
    seen = np.zeros((len(trial.instants), cameras, count, 3))
    for row, (_, views) in enumerate(trial.instants):
        for view in views:
            times[row, view.camera] = view.t
            seen[row, view.camera] = view.xyc
    return times, seen


def _at(movement: Movement, times: np.ndarray) -> np.ndarray:
    """Keypoints (..., K, 3) at times (...), NaN where unknown; beyond the ends as far as one more instant is away."""
    t, x = movement.t, movement.keypoints
    if len(t) == 1:
        return np.where((np.abs(times - t[0]) < 1e-3)[..., None, None], x[0], np.nan)
    after = np.clip(np.searchsorted(t, times), 1, len(t) - 1)
    fraction = ((times - t[after - 1]) / (t[after] - t[after - 1]))[..., None, None]
    # an instant that does not count must not spoil its neighbour: 0 x NaN is NaN
    mixed = np.where(fraction == 0.0, 0.0, fraction * x[after]) + np.where(
        fraction == 1.0, 0.0, (1.0 - fraction) * x[after - 1]
    )
    return np.where(np.abs(fraction - 0.5) <= 1.5, mixed, np.nan)
