"""The live solvers there are, by their names in the configuration."""

from typing import Literal

from streamfit.estimation.baselines.instant import InstantSolver
from streamfit.estimation.live.tracker import WindowSolver
from streamfit.estimation.live_solver import SolverFactory

SolverName = Literal["window", "instant"]
SOLVERS: dict[SolverName, SolverFactory] = {"window": WindowSolver, "instant": InstantSolver}
