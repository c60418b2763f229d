"""The constants of the fit in one place, each with its unit and reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class FitSettings:
    """What the fit assumes about people and detectors. The defaults are for people and are not per recording."""

    spacing: float = 0.04
    """s between knots: 12 Hz, the band of human movement (the seed's trajectories pass 6 to 13 Hz)."""
    slots: int = 8
    """Instants that take late views and are linearised again; older ones keep their last linearisation."""
    relinearised: int = 8
    """Of those, linearised at each step: those with new views, the latest ones, and the oldest. Each costs hardly 2 %
    of a step; with four instead of all, answers one by one are .01 deg worse, and those of four at once .05."""
    room: int = 3
    """Slots more, for instants that are only followed where time is short."""
    followed: float = 0.032
    """s of such instants until all is linearised again: three of four at 100 Hz, none at 30."""
    active: int = 6
    """Control points that those instants may touch: the newest 80 to 120 ms."""
    precision: Literal["float64", "float32"] = "float32"
    """Of the live fit. Single precision answers the same to a tenth of a degree, in two thirds of the time."""
    dof: float = 1.5
    """Degrees of freedom of the Student-t weights: detector errors have no finite variance."""
    persistence: float = 0.08
    """s for which a detector's error persists: views closer in time than that tell little new."""
    confidence_power: float = 2.0
    """Information of a keypoint grows with its confidence to this power."""
    angle_velocity: float = 5.0
    angle_acceleration: float = 120.0
    """Standard deviations of joint velocity and acceleration over one second (rad/s, rad/s^2). The skeleton names the
    joints that move more slowly."""
    root_velocity: float = 2.0
    root_acceleration: float = 20.0
    """The same for the root's translation (m/s, m/s^2)."""
    pose: float = 1.0
    """rad: weak prior towards the anatomical position, per second of movement."""
    limit: float = 0.05
    """rad by which a joint limit may be exceeded at one standard deviation."""

    varying: float = 0.75
    """Fraction of the variance of displaced keypoints that varies while a person moves. The rest is an offset of the
    angles, which `sd` excludes."""

    @property
    def capacity(self) -> int:
        """Slots in all."""
        return self.slots + self.room

    def __post_init__(self) -> None:
        if self.relinearised > self.slots:
            raise ValueError(f"{self.relinearised} relinearised slots of {self.slots}")

    def real(self, x: npt.ArrayLike) -> np.ndarray:
        """Numbers in the live fit's precision."""
        return np.asarray(x, self.precision)
