"""Decide whose views are whose, ahead of the persons' fits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamfit.estimation.estimate import View


@dataclass(frozen=True, eq=False)
class Prediction:
    """Where a person who is followed will be: keypoints (K, 3), m, in the world frame of the cameras."""

    keypoints: np.ndarray
    seen: float
    """The capture time at which they were tracked last, s."""


Predict = Callable[[float], Mapping[str, Prediction]]
"""From a capture time (s) to the persons who are followed; what is not asked for costs nothing."""


class Association(Protocol):
    """Who is who. One session has one, which may remember what it has decided."""

    def assign(self, t: float, views: Sequence[View], predict: Predict) -> tuple[View, ...]:
        """The views of the instant `t` (s) that are of somebody, in the given order, each with its `person`."""


class TrustSender:
    """Take the person whom the sender names."""

    def assign(self, t: float, views: Sequence[View], predict: Predict) -> tuple[View, ...]:
        """The views as they are."""
        return tuple(views)
