"""The prior of movement against what it says it is: white noise on pose, velocity and acceleration."""

import numpy as np

from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.settings import FitSettings


def surprise(prior: MotionPrior, controls: np.ndarray) -> np.ndarray:
    """What one more control point costs (D,), twice the negative log-density; `controls` (4,) are those of each."""
    return np.einsum("a,abd,b->d", controls, prior.pattern, controls)


def test_steady_movement_costs_by_how_calm_a_joint_is(skeleton):
    settings = FitSettings(pose=np.inf)
    prior, h = MotionPrior.of(skeleton, settings), settings.spacing
    speed = 3.0  # rad/s
    cost = surprise(prior, speed * h * np.arange(4)) / h
    named = dict(zip(skeleton.coordinates, cost, strict=True))
    assert np.isclose(named["knee_angle_r"], (speed / settings.angle_velocity) ** 2)
    assert np.isclose(named["hip_rotation_r"], (speed / 2.0) ** 2)
    assert np.isclose(named["pelvis_rotation"], (speed / settings.angle_velocity) ** 2)
    assert np.isclose(named["pelvis_tx"], (speed / settings.root_velocity) ** 2)


def test_a_turn_costs_by_its_acceleration_and_rest_nothing(skeleton):
    settings = FitSettings(pose=np.inf)
    prior, h = MotionPrior.of(skeleton, settings), settings.spacing
    assert np.allclose(surprise(prior, np.ones(4)), 0.0, atol=1e-9)
    acceleration = 50.0  # rad/s^2; at rest between the last two control points
    bent = acceleration * h**2 * np.array([0.0, 1.0, 0.0, 0.0])
    expected = h * (acceleration / settings.angle_acceleration) ** 2
    assert np.isclose(surprise(prior, bent)[skeleton.coordinates.index("knee_angle_r")], expected)
