"""Each camera's clock against the others', estimated while a person is tracked.

A camera whose clock is off shows the person where they were or will be, not where the others see them: its residuals
go with the image velocities. Each answered instant so tells how far every clock is off, the more the faster the
person moves, and a Kalman filter per camera (offset and drift) gathers it. Residuals and velocities are taken about
their usual values, because a camera that is calibrated a little wrong errs the same way all the time. What all clocks
have in common cannot be seen; the median camera is taken to be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.model.camera import Lenses, project

OFFSET, DRIFT = 0.01, 1e-4
"""Standard deviations (s; s/s) before anything is seen: half a frame at 50 Hz, and cheap crystals."""
TOGETHER = 1.0 / 16.0
"""Share that an instant counts with: the errors of a view's keypoints go together (a limb that is hidden, a pose that
the detector reads with a bias). What is found scatters four times as widely as if each erred for itself."""
WANDER, AGEING = 1e-4, 1e-6
"""By how much they change in a second (s; s/s): jitter of a free-running camera, and a crystal that warms up."""
KNOWN = 0.5
"""Share of OFFSET below which a clock counts as known and takes part in the median."""
CLEARLY = 3.0
"""Standard deviations up to which an offset is not applied, and beyond which it is shrunk the less (James-Stein)."""
OFTEN = 0.1
"""s over which what is heard is added up."""
LONGEST = 1.0
"""s between two looks that count as watched; after a longer gap drifts are as uncertain as before."""
MEMORY = 30.0
"""Independent views over which the usual residual is taken: seconds, in which a movement turns back."""


class RunningMean(NamedTuple):
    """What each camera's view of each keypoint has been lately."""

    residual: Float[Array, "C K 2"]
    """px."""
    flow: Float[Array, "C K 2"]
    """px/s."""
    count: Float[Array, "C K"]
    """How many independent views that was."""

    @staticmethod
    def none(cameras: int, keypoints: int) -> RunningMean:
        """Nothing seen yet."""
        size = (cameras, keypoints)
        return RunningMean(np.zeros((*size, 2)), np.zeros((*size, 2)), np.zeros(size))


def clock_terms(
    running_mean: RunningMean,
    lenses: Lenses,
    points: Float[Array, "C K 3"],
    speed: Float[Array, "K 3"],
    residual: Float[Array, "C K 2"],
    weight: Float[Array, "C K"],
    sd: Float[Array, " K"],
    persistent: Float[Array, " K"],
    decorrelation: Float[Array, " C"],
) -> tuple[RunningMean, Float[Array, " C"], Float[Array, " C"]]:
    """The running mean with the views of an instant, and the information and information vector (1/s^2, 1/s) of each
    about what is to be added to its time.

    `points` (m, ground frame) move at `speed` (m/s); `residual` (px) has the robust `weight`, 0 where nothing is seen.
    A keypoint's pixels err by `sd` (px at 2048 wide), of whose square the share `persistent` lasts: that much is told
    from the mean (the regression of residuals on velocities with a random intercept). Views count with `decorrelation`.
    """
    jacobian = jax.vmap(project)(lenses, points).jacobian
    flow = jnp.einsum("ckij,kj->cki", jacobian, speed)
    own = weight * decorrelation[:, None]
    count = jnp.minimum(running_mean.count + own, MEMORY)
    gain = (own / jnp.maximum(count, 1e-9))[..., None]
    after = RunningMean(
        running_mean.residual + gain * (residual - running_mean.residual),
        running_mean.flow + gain * (flow - running_mean.flow),
        count,
    )
    odds = count * persistent / jnp.maximum(1.0 - persistent, 1e-3)
    told = (odds / (1.0 + odds))[..., None]
    moving, off = flow - told * after.flow, residual - told * after.residual
    precision = (own / jnp.square(lenses.pixel[:, None] * sd))[..., None]
    return after, jnp.sum(precision * moving**2, (1, 2)), jnp.sum(precision * moving * off, (1, 2))


@dataclass(frozen=True)
class ClockState:
    """What Clocks have found out, as plain numbers: `t` s of the last look, None before the first."""

    t: float | None
    offset: list[float]
    drift: list[float]
    applied: list[float]
    covariance: list[list[list[float]]]


@dataclass(frozen=True, eq=False)
class ClockReading:
    """What has been found out of the clocks of C cameras: what to add to their times (s), how that grows (s/s), what
    of it is applied (s), its standard deviation (s), and whether enough has been seen of each to tell."""

    offset: np.ndarray
    drift: np.ndarray
    applied: np.ndarray
    sd: np.ndarray
    known: np.ndarray
    state: ClockState
    """To resume from."""


class Clocks:
    """What to add to the times of each of C cameras: `offset` (s) at the last look and `drift` (s/s), as found.

    `applied` is what it takes: nothing where a camera may as well be right, for most rigs are triggered together.
    """

    def __init__(self, cameras: int) -> None:
        self.offset = np.zeros(cameras)
        self.drift = np.zeros(cameras)
        self.applied = np.zeros(cameras)
        self._heard = np.zeros((2, cameras))
        self._covariance = np.tile(np.diag([OFFSET**2, DRIFT**2]), (cameras, 1, 1))
        self._t = -np.inf

    @property
    def sd(self) -> Float[Array, " C"]:
        """s."""
        return np.sqrt(self._covariance[:, 0, 0])

    @property
    def known(self) -> np.ndarray:
        """Whether enough has been seen of each (C,)."""
        return self.sd < KNOWN * OFFSET

    def reading(self) -> ClockReading:
        """All of it, as it is now."""
        sd = self.sd
        return ClockReading(self.offset.copy(), self.drift.copy(), self.applied, sd, sd < KNOWN * OFFSET, self.state())

    def state(self) -> ClockState:
        """To `resume` from."""
        return ClockState(
            self._t if np.isfinite(self._t) else None,
            self.offset.tolist(),
            self.drift.tolist(),
            self.applied.tolist(),
            self._covariance.tolist(),
        )

    def resume(self, state: ClockState) -> None:
        """Go on from a state of as many cameras. Raises ValueError."""
        found = [np.array(values) for values in (state.offset, state.drift, state.applied, state.covariance)]
        if [values.shape for values in found] != [self.offset.shape] * 3 + [self._covariance.shape]:
            raise ValueError("the clocks are those of other cameras")
        self.offset, self.drift, self.applied, self._covariance = found
        self._t = -np.inf if state.t is None else state.t

    def note(self, t: float, information: Float[Array, " C"], eta: Float[Array, " C"]) -> None:
        """Learn from an instant: terms (1/s^2, 1/s) of what is still to be added to each camera's times."""
        self._heard += information, eta
        if self._t <= t < self._t + OFTEN:
            return
        dt = float(np.clip(t - self._t, 0.0, LONGEST)) if np.isfinite(self._t) else 0.0
        self._t = t
        information, eta = TOGETHER * self._heard
        self._heard[:] = 0.0
        eta = eta - information * (self.offset - self.applied)
        self.offset += dt * self.drift
        forward = np.array([[1.0, dt], [0.0, 1.0]])
        before = forward @ self._covariance @ forward.T + dt * np.diag([WANDER**2, AGEING**2])
        spread = before[:, :, 0]
        gain = spread / (1.0 + information * spread[:, 0])[:, None]
        change = gain * eta[:, None]
        self.offset += change[:, 0]
        self.drift += change[:, 1]
        self._covariance = before - (information[:, None, None] * gain[:, :, None]) * spread[:, None, :]
        if (known := self.known).sum() > 1:
            self.offset -= np.median(self.offset[known])
            self.drift -= np.median(self.drift[known])
        clear = np.square(self.offset) - np.square(CLEARLY * self.sd)
        self.applied = np.where(clear > 0.0, clear / np.where(clear > 0.0, self.offset, 1.0), 0.0)
