"""Implicit trajectories: functions from time to the coordinates of a skeleton."""

from streamfit.trajectory.protocol import Trajectory
from streamfit.trajectory.spline import SUPPORT, UniformSpline

__all__ = ["SUPPORT", "Trajectory", "UniformSpline"]
