"""Types of gait events and steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Side = Literal["right", "left"]
Kind = Literal["foot_strike", "foot_off"]
SIDES: tuple[Side, Side] = ("right", "left")
"""In the order of every array by side."""


@dataclass(frozen=True, eq=False)
class FootEvent:
    """A foot meets the ground (20 N rise under it) or leaves it, at `t` (s) give or take `sd_t` (s).

    `position` (3,) m, ground frame: the heel at a foot strike, the toe at a foot off.
    """

    kind: Kind
    side: Side
    t: float
    sd_t: float
    position: np.ndarray


@dataclass(frozen=True)
class Step:
    """A foot strike and what it closes; s, m, m/s, steps/min; None where not known.

    At a strike of side S at time t: `stride_time` from S's strike before, `step_time` from the other side's between,
    `stance_time` from S's strike before to S's foot off, `swing_time` from there to t, `double_support_time` both
    double supports of that stride, 0 for a runner. A heel's place is the median of the heel over 0.05 to 0.2 s after
    its strike. `stride_length` is the way between S's two heel places, `step_length` the way from the other side's heel
    place between them to S's last, along it, `step_width` its length across.
    """

    side: Side
    t: float
    step_length: float | None
    stride_length: float | None
    step_width: float | None
    step_time: float
    stride_time: float | None
    stance_time: float | None
    swing_time: float | None
    double_support_time: float | None
    cadence: float
    speed: float | None


class Contacts(NamedTuple):
    """Probability that each foot is on the ground."""

    right: float
    left: float
