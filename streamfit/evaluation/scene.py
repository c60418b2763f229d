"""The data that the pictures of an evaluation are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from streamfit.estimation.batch.result import Movement
from streamfit.evaluation.tables import Method, Tracked
from streamfit.exporters.stick_figure import StickFigure
from streamfit.model import Skeleton
from streamfit.model.camera import Rig
from streamfit.recording.videos import Video
from streamfit.recording.view_table import Sightings


@dataclass(frozen=True, eq=False)
class Scene:
    """A recording with the methods that are compared on it.

    `calibrated` is the rig as the subject has it, `clock` (C,) s what that has added to the times of each camera's
    views in `seen`; `t0` s, the start of the recording.
    """

    calibrated: Rig
    clock: np.ndarray
    keypoints: Sequence[str]
    skeleton: Skeleton
    figure: StickFigure
    seen: Sightings
    methods: Sequence[Method]
    videos: dict[str, Video]
    t0: float

    @cached_property
    def method(self) -> Method:
        """The one whose points are drawn: the first that has fitted anything, else the first."""
        moves = [m for m in self.methods if m.movement is not None and np.isfinite(m.movement.q).all(axis=1).any()]
        return (moves or list(self.methods))[0]

    @cached_property
    def movement(self) -> Movement | None:
        """That method's; None where no pose of it is known."""
        movement = self.method.movement
        return movement if movement is not None and np.isfinite(movement.q).all(axis=1).any() else None

    @property
    def events(self) -> Sequence[dict[str, Any]]:
        """Of the gait, from the first method that knows of any."""
        known = [m.movement.events for m in self.methods if isinstance(m.movement, Tracked)]
        return next((events for events in known if events), ())

    @property
    def rig(self) -> Rig:
        """The cameras that the movement was fitted with."""
        return self.calibrated if self.movement is None else self.movement.rig
