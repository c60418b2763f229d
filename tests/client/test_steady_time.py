"""Stamps increase and are right, whatever is done to the clock of the cameras."""

import numpy as np
import pytest

from streamfit.client.steady_time import SteadyTime

LATENCY = 0.02


@pytest.mark.parametrize("step", [-0.4, -3600.0, -(2**32) * 1e-6, 3600.0, 1.78e9])
def test_stamps_go_on_where_the_clock_is_set(step: float) -> None:
    rng = np.random.default_rng(2)
    true = 5000.0 + np.arange(200) / 50
    sent = true - 300.0 + step * (np.arange(200) >= 100)
    come = true + LATENCY + rng.uniform(0.0, 0.005, 200)
    steady, stamps, forward = SteadyTime(), [], []
    for t, now in zip(sent, come, strict=True):
        steady.instant(t, now)
        stamps.append(steady.stamp(t, now))
        forward.append(steady.forward(t))
    assert (np.diff(stamps) > 0).all()
    assert np.abs(np.array(stamps) - true - LATENCY).max() < 0.0051
    assert (np.diff(forward) > 0).all()
    np.testing.assert_array_equal(forward[:100], sent[:100])
    if step < 0:
        np.testing.assert_allclose(np.diff(forward)[99:], 0.02, atol=0.006)
    else:
        np.testing.assert_array_equal(forward, sent)
    # a foot event of before, which is known only now
    assert abs(steady.stamp(sent[95], come[-1]) - true[95] - LATENCY) < 0.0051 or step == -0.4


def test_an_event_before_any_instant_is_of_now() -> None:
    steady = SteadyTime()
    assert (steady.stamp(3.0, 70.0), steady.forward(3.0)) == (70.0, 3.0)


def test_one_slow_message_moves_no_stamp() -> None:
    steady = SteadyTime()
    for t, now in ((0.0, 10.0), (0.02, 10.02), (0.04, 10.5), (0.06, 10.5)):
        steady.instant(t, now)
    assert steady.stamp(0.06, 10.5) == pytest.approx(10.06)
