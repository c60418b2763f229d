"""Steps from any sequence of foot events are what people can do."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit.gait import FootEvent, Step
from streamfit.gait.spatiotemporal import LONGEST, POSSIBLE, STANDS, Steps

PERIOD = 0.01

moments = st.tuples(
    st.sampled_from(["foot_strike", "foot_off"]),
    st.sampled_from(["right", "left"]),
    st.floats(0.0, 3.0),
    st.floats(-30.0, 30.0),
)
"""What happens, to which foot, how long after what happened before (s), and where along a way (m)."""


def steps_of(sequence) -> list[Step]:
    steps, t, out = Steps(PERIOD), 0.0, []
    for kind, side, wait, place in sequence:
        t += wait
        steps.event(FootEvent(kind, side, t, 0.01, np.zeros(3)))
        for after in np.arange(STANDS[0], STANDS[1], PERIOD):
            steps.heel(side, t + after, np.array([place, 0.0, 0.1]))
        out += steps.due(t)
    return [*out, *steps.finish()]


@settings(max_examples=200, deadline=None)
@given(st.lists(moments, max_size=20))
def test_every_field_of_a_step_is_within_what_people_do(sequence):
    for step in steps_of(sequence):
        for name, (least, most) in POSSIBLE.items():
            value = getattr(step, name)
            assert value is None or least <= value <= most, (name, value)
        assert step.step_time is not None
        assert step.cadence * step.step_time == 60.0 or abs(step.cadence * step.step_time - 60.0) < 1e-9
        if step.stance_time is not None and step.swing_time is not None:
            assert abs(step.stance_time + step.swing_time - step.stride_time) < 1e-9
        if step.speed is not None:
            assert abs(step.speed - step.stride_length / step.stride_time) < 1e-9


def strikes(*times_and_places: tuple[float, str, float]) -> list[Step]:
    before, out = 0.0, []
    for t, side, place in times_and_places:
        out.append(("foot_strike", side, t - before, place))
        before = t
    return steps_of(out)


def test_two_feet_at_once_are_no_step():
    assert strikes((1.0, "right", 0.0), (1.0024, "left", 0.6)) == []


def test_a_leap_has_times_but_no_lengths():
    last = strikes((1.0, "right", 0.0), (1.5, "left", 0.6), (2.0, "right", 20.0))[-1]
    assert (last.step_time, last.stride_time) == (0.5, 1.0)
    assert (last.stride_length, last.step_length, last.step_width, last.speed) == (None,) * 4


def test_who_has_stood_between_two_strikes_has_taken_no_step():
    assert strikes((1.0, "right", 0.0), (1.5 + LONGEST, "left", 0.6)) == []


def test_a_sprinter_and_a_shuffler_are_possible():
    sprint = strikes((1.0, "right", 0.0), (1.21, "left", 2.6), (1.42, "right", 5.2))[-1]
    assert sprint.speed is not None
    assert sprint.speed > 12.0
    shuffle = strikes((1.0, "right", 0.0), (3.0, "left", 0.01), (4.9, "right", 0.02))[-1]
    assert shuffle.stride_length is not None
    assert shuffle.stride_length < 0.03


def test_who_runs_has_no_double_support():
    steps = Steps(PERIOD)
    for k in range(6):
        side, t = ("right", "left")[k % 2], 1.0 + 0.35 * k
        steps.event(FootEvent("foot_strike", side, t, 0.01, np.zeros(3)))
        steps.event(FootEvent("foot_off", side, t + 0.25, 0.01, np.zeros(3)))
    done = list(steps.finish())[-1]
    assert done.double_support_time == 0.0
    assert abs(done.stance_time - 0.25) < 1e-9
    assert abs(done.swing_time - 0.45) < 1e-9
