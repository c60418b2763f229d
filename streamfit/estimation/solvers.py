"""The live solvers there are, by their names in the configuration."""

from typing import Any, Literal

from streamfit.estimation.baselines.instant import InstantSolver
from streamfit.estimation.live.tracker import WindowSolver
from streamfit.estimation.live_solver import LiveSolver, SolverFactory
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig

SolverName = Literal["window", "instant"]


def window_solver(skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, lag: float) -> LiveSolver[Any]:
    """The fixed-lag smoother."""
    return WindowSolver(skeleton, rig, keypoints, lag)


SOLVERS: dict[SolverName, SolverFactory] = {"window": window_solver, "instant": InstantSolver}
