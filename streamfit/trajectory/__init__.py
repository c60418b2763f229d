"""Implicit trajectories: functions from time to the coordinates of a skeleton."""

from streamfit.trajectory.mlp import ImplicitMLP, Layer, Layers
from streamfit.trajectory.protocol import Trajectory
from streamfit.trajectory.spline import SUPPORT, UniformSpline, basis

__all__ = ["SUPPORT", "ImplicitMLP", "Layer", "Layers", "Trajectory", "UniformSpline", "basis"]
