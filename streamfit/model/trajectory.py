"""A person's movement as a fit knows it: what gait analysis reads and every live solver gives."""

from typing import Protocol

import numpy as np


class Trajectory(Protocol):
    """The coordinates of the last moments. Times are capture times, s."""

    @property
    def since(self) -> float:
        """When the track began."""

    @property
    def until(self) -> float:
        """The last instant whose views are in it."""

    @property
    def seen(self) -> float:
        """The last instant at which the person was tracked, and not coasting."""

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (D,) and their rates at a time not long ago, in the ground frame."""
