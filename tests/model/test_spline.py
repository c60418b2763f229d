import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from streamfit.model.spline import SUPPORT, UniformSpline, basis


def test_equals_scipy_with_derivatives():
    rng = np.random.default_rng(0)
    spline = UniformSpline(start=3.0, spacing=0.04, intervals=6)
    controls = rng.normal(size=(spline.controls, 5))
    knots = 3.0 + 0.04 * np.arange(-3, 10)
    reference = BSpline(knots, controls, 3)
    t = np.linspace(3.0, spline.end - 1e-9, 57)
    for derivative in range(3):
        expected = reference(t, nu=derivative)
        np.testing.assert_allclose(spline.weights(t, derivative) @ controls, expected, rtol=1e-9, atol=1e-9)


def test_weights_are_a_partition_of_unity_also_a_little_outside():
    spline = UniformSpline(0.0, 0.05, 4)
    t = np.array([-0.01, 0.0, 0.07, 0.2, 0.21])
    np.testing.assert_allclose(spline.weights(t).sum(-1), 1.0)
    np.testing.assert_allclose(spline.weights(t, 1).sum(-1), 0.0, atol=1e-9)


def test_a_straight_line_is_reproduced():
    spline = UniformSpline(1.0, 0.04, 8)
    places = spline.start + (np.arange(spline.controls) - 1.0) * spline.spacing
    t = np.linspace(1.0, spline.end, 30)
    np.testing.assert_allclose(spline.weights(t) @ (2.0 * places), 2.0 * t)
    np.testing.assert_allclose(spline.weights(t, 1) @ (2.0 * places), 2.0)


@pytest.mark.parametrize("shift", [1, 3])
def test_shifting_keeps_the_curve(shift):
    spline = UniformSpline(0.0, 0.04, 8)
    controls = np.random.default_rng(1).normal(size=spline.controls)
    later = spline.shifted(shift)
    t = np.linspace(later.start, spline.end - 1e-9, 11)
    continued = np.concatenate([controls[shift:], np.zeros(shift)])
    np.testing.assert_allclose(later.weights(t) @ continued, spline.weights(t) @ controls)


@pytest.mark.parametrize("derivative", range(4))
def test_basis_goes_on_beyond_its_interval(derivative):
    """The weights are the one cubic that SciPy's B-spline has in the interval, wherever it is asked."""
    rng = np.random.default_rng(2)
    controls = rng.normal(size=SUPPORT)
    piece = BSpline(np.arange(-3.0, 5.0), controls, 3, extrapolate=True)
    place = np.array([[-0.4, 0.0], [0.3, 1.0], [0.99, 1.7]])
    assert basis(place).shape == (3, 2, SUPPORT)
    np.testing.assert_allclose(basis(place, derivative) @ controls, piece(place, nu=derivative), atol=1e-12)


def test_basis_is_the_same_for_numpy_and_jax():
    place = np.array([-0.2, 0.0, 0.4, 1.1])
    for derivative in range(3):
        np.testing.assert_allclose(basis(jnp.asarray(place), derivative), basis(place, derivative), rtol=1e-14)


def test_local_weights_are_the_basis_in_seconds():
    spline = UniformSpline(2.0, 0.05, 4)
    t = np.array([2.0, 2.06, 2.19])
    place = (t - 2.0) / 0.05 - spline.interval(t)
    assert spline.interval(t).tolist() == [0, 1, 3]
    np.testing.assert_allclose(spline.local_weights(t, 1), basis(place, 1) / 0.05)


def test_times_outside_take_the_first_or_the_last_interval():
    spline = UniformSpline(2.0, 0.05, 4)
    assert (spline.controls, spline.end) == (7, pytest.approx(2.2))
    assert spline.interval(np.array([1.0, 1.99, 2.2, 9.0])).tolist() == [0, 0, 3, 3]


def test_reads_one_time_as_by_weights_also_outside():
    rng = np.random.default_rng(1)
    spline = UniformSpline(start=3.0, spacing=0.04, intervals=6)
    controls = rng.normal(size=(spline.controls, 5))
    for t in (2.99, 3.0, 3.1234, spline.end, spline.end + 0.01):
        value, rate = spline.read(controls, t)
        np.testing.assert_allclose(value, spline.weights(t) @ controls, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(rate, spline.weights(t, 1) @ controls, rtol=1e-9, atol=1e-8)
