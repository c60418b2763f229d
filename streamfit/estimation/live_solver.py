"""What a live solver must do: the engine fits each person through this, and through nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from streamfit.estimation.estimate import Estimate, Load, Sighting
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.model.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class ClockEvidence:
    """What an instant at `t` (s) tells of the cameras' clocks.

    Information (C,) in 1/s^2 and information vector (C,) in 1/s about what is still to be added to each camera's times.
    """

    t: float
    information: np.ndarray
    eta: np.ndarray


class LiveState(Protocol):
    """What a solver knows of one person: a value, which no later call changes."""

    @property
    def subject(self) -> Subject:
        """The body that is fitted; another one where the solver has found how large the person is."""

    @property
    def too_late(self) -> int:
        """Views so far that came after their time had left the window."""

    @property
    def exchanged(self) -> np.ndarray:
        """Fraction of each camera's views (C,) of the last seconds that had left and right exchanged."""

    def course(self) -> Trajectory | None:
        """The person's movement as it was found last; None while the person is lost."""

    def predict(self, t: float) -> np.ndarray | None:
        """Where the keypoints will be at the time t, (K, 3) m in the world frame; None while the person is lost."""


S = TypeVar("S")


class LiveSolver(Protocol[S]):
    """Fits one person after the other, live: states in, states out.

    A solver keeps nothing of a person to itself. Whoever holds a state may go on from it again, and gets the same
    answers bit for bit; a call that raises has changed nothing. One thread calls it.
    """

    def warm_up(self) -> None:
        """Compile everything (seconds, or less from the compilation cache)."""

    def begin(self, subject: Subject) -> S:
        """The state of a person of whom nothing was seen yet."""

    def measure(
        self, state: S, instants: Sequence[Sighting], clocks: np.ndarray, load: Load = Load.NORMAL
    ) -> tuple[S, list[Estimate]]:
        """Answer instants, without lag: one estimate each.

        Times must increase. The views are all that have not been passed before; those of later times than their
        instant's wait for it. `clocks` (C,) s are added to the cameras' times. Raises ValueError where time goes back,
        FloatingPointError where the fit is not finite.
        """

    def settle(self, state: S) -> tuple[S, list[Estimate], list[ClockEvidence]]:
        """Do what need not be done before the answer: the estimates of the instants that have become one lag old.

        Comes after each `measure` and before the next.
        """

    def finish(self, state: S) -> tuple[S, list[Estimate]]:
        """The smoothed estimates that are still to come; the track ends."""

    def set_subject(self, state: S, subject: Subject) -> S:
        """Take another body from the next instant on."""


class SolverFactory(Protocol):
    """What makes the solver of a session; it can be sent to another process."""

    def __call__(self, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, lag: float) -> LiveSolver[Any]:
        """A solver whose smoothed estimates come `lag` s after their instants."""
