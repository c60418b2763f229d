"""The current trajectory of one track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamfit.model.root import Frame
from streamfit.model.spline import UniformSpline


@dataclass(frozen=True, eq=False)
class Course:
    """The coordinates of the last moments, as far back as the window reaches. `since` (s): when the track began."""

    since: float
    until: float
    """s: the last instant whose views are known."""
    seen: float
    """s: the last instant at which the person was tracked, and not coasting."""
    spline: UniformSpline
    controls: np.ndarray
    """(M, D) in `frame`."""
    frame: Frame
    near: np.ndarray
    """(3,) the root's angles, of which those that are read are continuations."""

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (D,) and their rates at a time, in the ground frame."""
        q, qd = self.spline.read(self.controls, t)
        q, qd, _ = self.frame.leave(q, qd, np.zeros_like(q), self.near)
        return q, qd
