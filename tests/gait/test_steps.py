"""Steps of people whose feet are known."""

import numpy as np
import pytest
from puppet import Walk, paces, walk, watch

from streamfit.gait import FootEvent, Step
from streamfit.gait.spatiotemporal import Steps


@pytest.fixture(scope="module")
def straight(skeleton) -> Walk:
    return walk(skeleton, paces(10))


def within(steps: list[Step], name: str, value: float, by: float) -> None:
    values = [getattr(step, name) for step in steps]
    assert None not in values
    np.testing.assert_allclose(values, value, atol=by, err_msg=name)


def test_steps_have_the_lengths_and_times_that_were_walked(straight, skeleton):
    found = watch(straight, skeleton)
    steps = [step for _, step in found.steps]
    assert [step.side for step in steps] == ["left", "right"] * 4 + ["left"]
    steady = [step for step in steps if 3.0 < step.t < 6.0]
    assert len(steady) >= 5
    within(steady, "step_length", 0.65, 0.012)
    within(steady, "stride_length", 1.30, 0.012)
    within(steady, "step_width", 0.12, 0.012)
    within(steady, "step_time", 0.55, 0.02)
    within(steady, "stride_time", 1.10, 0.02)
    within(steady, "stance_time", 0.62 * 1.1, 0.03)
    within(steady, "swing_time", 0.38 * 1.1, 0.03)
    within(steady, "double_support_time", 0.24 * 1.1, 0.05)
    within(steady, "cadence", 60 / 0.55, 4.0)
    within(steady, "speed", 0.65 / 0.55, 0.04)


def test_a_step_comes_soon_after_its_strike(straight, skeleton):
    for rate in (25, 100):
        delays = [when - step.t for when, step in watch(straight, skeleton, rate).steps]
        assert 0.2 < max(delays) <= 0.3


def test_what_is_not_known_yet_is_none(straight, skeleton):
    first = watch(straight, skeleton).steps[0][1]
    assert first.step_time == pytest.approx(0.55, abs=0.03)
    assert (first.stride_time, first.stride_length, first.step_length, first.speed) == (None,) * 4


def test_on_a_curve_lengths_are_along_each_strides_own_line(skeleton):
    turn, count = 0.35, 14
    stances = sorted(paces(count, length=0.5, heading=lambda k: turn * k), key=lambda s: s.on)
    landed = [s for s in stances if np.isfinite(s.on)]
    one = walk(skeleton, stances)
    steps = [step for _, step in watch(one, skeleton, noise=0.002).steps if step.stride_length is not None]
    assert len(steps) == count - 2
    for step in steps:
        k = int(np.argmin([abs(s.on - step.t) for s in landed]))
        heel = [_heel(s) for s in landed[k - 2 : k + 1]]
        way = heel[2] - heel[0]
        along = way / np.hypot(*way)
        between = heel[2] - heel[1]
        assert step.stride_length == pytest.approx(np.hypot(*way), abs=0.015)
        assert step.step_length == pytest.approx(between @ along, abs=0.015)
        assert step.step_width == pytest.approx(abs(between[0] * along[1] - between[1] * along[0]), abs=0.015)


def _heel(stance) -> np.ndarray:
    return np.array([stance.x, stance.z]) - 0.025 * np.array([np.cos(stance.heading), -np.sin(stance.heading)])


def test_on_a_treadmill_lengths_are_those_on_the_belt(straight, skeleton):
    speed = 0.65 / 0.55
    steps = [step for _, step in watch(straight.cut(2.3, 6.4).on_a_belt(speed), skeleton).steps]
    steady = [step for step in steps if step.stride_length is not None][:-1]
    assert len(steady) >= 3
    within(steady, "stride_length", 1.30, 0.03)
    within(steady, "step_length", 0.65, 0.03)
    within(steady, "step_width", 0.12, 0.02)
    within(steady, "speed", speed, 0.04)


def test_who_has_stood_still_between_has_taken_no_stride():
    steps = Steps(0.01)
    for t, side in ((1.0, "right"), (1.5, "left"), (9.0, "right"), (9.5, "left")):
        steps.event(FootEvent("foot_strike", side, t, 0.01, np.zeros(3)))
    done = list(steps.finish())
    assert [(step.t, step.step_time) for step in done] == [(1.5, 0.5), (9.5, 0.5)]
    assert done[1].stride_time is None


def test_a_hop_on_one_foot_closes_no_step():
    steps = Steps(0.01)
    for t, side in ((1.0, "left"), (1.5, "right"), (2.0, "right"), (2.5, "right")):
        steps.event(FootEvent("foot_strike", side, t, 0.01, np.zeros(3)))
    assert [step.t for step in steps.finish()] == [1.5]
