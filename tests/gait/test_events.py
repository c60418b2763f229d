"""Foot events of people whose feet are known."""

import numpy as np
import pytest
from puppet import Manner, Stance, Walk, gait, matched, paces, seen, walk, watch

from streamfit.gait import FootEvent
from streamfit.model.root import turn_root

SHUFFLE = Manner(clearance=0.012, swinging=0.05, landing=0.0, leaving=np.radians(8))
TOES = Manner(0.04, landing=np.radians(20), standing=np.radians(25), leaving=np.radians(50), hips=0.86)
RUN = Manner(0.15, landing=np.radians(-8), leaving=np.radians(50), hips=0.78)
MARCH = Manner(0.15, swinging=0.1, landing=np.radians(15), leaving=np.radians(20))
FLAT = Manner(0.04, swinging=0.1, landing=0.0, leaving=np.radians(10))


@pytest.fixture(scope="module")
def straight(skeleton) -> Walk:
    """Standing, ten steps and standing again."""
    return walk(skeleton, paces(10))


@pytest.mark.parametrize("rate", [25, 60, 100, 240])
def test_every_step_of_a_walk_is_found_from_start_to_stop(straight, skeleton, rate):
    found = watch(straight, skeleton, rate)
    errors, missed, false = matched(straight, found)
    assert not missed
    assert not false
    assert np.abs(errors).max() < 0.025


def test_events_come_in_time_and_in_order(straight, skeleton):
    found = watch(straight, skeleton)
    delays = np.array([when - event.t for when, event in found.events])
    assert delays.min() > 0.0
    assert np.median(delays) < 0.12
    assert delays.max() < 0.2
    for side in ("right", "left"):
        kinds = [event.kind for _, event in found.events if event.side == side]
        assert kinds == ["foot_off", "foot_strike"] * 5


def test_their_standard_deviation_is_honest(straight, skeleton):
    events = [event for _, event in watch(straight, skeleton, noise=0.006).events]
    true = {(e.side, e.kind, round(e.t, 1)): e.t for e in straight.events}
    z = [(e.t - min(true.values(), key=lambda t: abs(t - e.t))) / e.sd_t for e in events]
    assert np.mean(np.abs(z) < 1.96) >= 0.85
    assert 0.005 < np.median([e.sd_t for e in events]) < 0.03


@pytest.mark.parametrize(
    ("stances", "manner", "within"),
    [
        pytest.param(paces(10, step=1.0, length=0.4), Manner(), 0.05, id="slow"),
        pytest.param(paces(12, step=0.6, length=0.3, width=0.16), SHUFFLE, 0.15, id="shuffling"),
        pytest.param(paces(10, step=0.5, length=0.5), TOES, 0.04, id="on tiptoe"),
        pytest.param(paces(12, step=0.36, length=1.0, duty=0.36), RUN, 0.05, id="running"),
        pytest.param(paces(10, length=0.0), MARCH, 0.06, id="marching on the spot"),
        pytest.param(paces(16, length=0.55, heading=lambda k: 0.44 * k), Manner(), 0.04, id="in a circle"),
        pytest.param(paces(10, width=0.3, length=0.1, heading=lambda k: 0.6 * k), FLAT, 0.15, id="turning round"),
        pytest.param(paces(10, length=-0.4), Manner(landing=0.3, leaving=0.1), 0.1, id="backwards"),
        pytest.param(paces(8, step=0.7, length=0.3, rise=-0.17), FLAT, 0.08, id="downstairs"),
    ],
)
@pytest.mark.slow
def test_every_step_is_found_however_one_walks(skeleton, stances, manner, within):
    one = walk(skeleton, stances, manner)
    errors, missed, false = matched(one, watch(one, skeleton))
    assert not missed
    assert not false
    assert np.abs(errors).max() < within


def test_running_has_both_feet_in_the_air(skeleton):
    one = walk(skeleton, paces(12, step=0.36, length=1.0, duty=0.36), RUN)
    flying = 0
    air = {"right": False, "left": False}
    for event in sorted((e for _, e in watch(one, skeleton).events), key=lambda e: e.t):
        air[event.side] = event.kind == "foot_off"
        flying += all(air.values())
    assert flying >= 10


@pytest.mark.parametrize("noise", [0.002, 0.004, 0.006])
def test_who_stands_still_has_no_events(skeleton, noise):
    stances = [Stance("right", -np.inf, np.inf, 0.0, 0.1), Stance("left", -np.inf, np.inf, 0.0, -0.1)]
    standing = walk(skeleton, stances)
    longer = Walk(np.repeat(standing.q, 3, axis=0))
    assert watch(longer, skeleton, noise=noise).events == []


def test_the_floor_may_be_anywhere_and_aslant(straight, skeleton):
    c, s = np.cos(0.07), np.sin(0.07)
    slope = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    q, near = straight.q.copy(), np.zeros(3)
    for row in q:
        row[:6], _ = turn_root(row[:6], slope, near)
        near = row[3:6]
    q[:, 1] += 1.3
    tilted = Walk(q, straight.events)
    errors, missed, false = matched(tilted, watch(tilted, skeleton))
    assert not missed
    assert not false
    assert np.abs(errors).max() < 0.03


@pytest.mark.parametrize("rate", [30, 100])
def test_a_treadmill_is_recognised(straight, skeleton, rate):
    inside = straight.cut(2.3, 6.4)
    moving = inside.on_a_belt(0.65 / 0.55)
    found, still = watch(moving, skeleton, rate), watch(inside, skeleton, rate)
    errors, missed, false = matched(moving, found)
    assert [e for e in missed if 0.5 < e.t < 3.9] == []
    assert not false
    assert np.abs(errors).max() < 0.04
    there, here = ([e.t for _, e in f.events] for f in (found, still))
    np.testing.assert_allclose(there, here, atol=0.01)


@pytest.mark.slow
def test_without_keypoints_on_the_feet_times_are_known_worse(skeleton):
    """Then the fitted foot is rigid to the shank: so is this one."""
    one = walk(skeleton, paces(10))
    q = one.q.copy()
    for name in ("ankle_angle", "subtalar_angle"):
        for side in "rl":
            q[:, skeleton.coordinates.index(f"{name}_{side}")] = 0.0
    rigid = Walk(q, one.events)
    found = watch(rigid, skeleton, keypoints="coco17")
    errors, missed, false = matched(rigid, found)
    assert not missed
    assert not false
    assert np.median(np.abs(errors)) < 0.1
    sd = np.median([event.sd_t for _, event in found.events])
    assert sd > 1.5 * np.median([event.sd_t for _, event in watch(one, skeleton).events])


def test_a_lost_track_begins_again(straight, skeleton):
    errors, missed, false = matched(straight, watch(straight, skeleton, lost=(3.0, 3.6)))
    assert not false
    assert np.abs(errors).max() < 0.03
    assert missed
    assert all(2.9 < event.t < 4.3 for event in missed)


def test_nothing_is_said_of_a_while_in_which_nobody_was_seen(straight, skeleton):
    gone = (3.0, 3.6)
    found = watch(straight, skeleton, blind=gone)
    _, missed, false = matched(straight, found)
    assert not false
    assert missed
    assert all(2.9 < event.t < 4.3 for event in missed)
    assert not [event for _, event in found.events if gone[0] + 0.02 < event.t < gone[1]]
    for _, step in found.steps:
        assert not step.t - (step.stride_time or step.step_time) < gone[0] < gone[1] < step.t


@pytest.mark.parametrize("speed", [2.0, 3.5])
@pytest.mark.parametrize("treadmill", [False, True])
@pytest.mark.slow
def test_who_runs_flies_between_steps(speed, treadmill, skeleton):
    """Contact times and steps of runners at these speeds: 0.29 and 0.22 s, and 0.37 and 0.35 s."""
    step, contact = {2.0: (0.37, 0.29), 3.5: (0.35, 0.22)}[speed]
    manner = Manner(clearance=0.2, swinging=1.0, landing=0.0, leaving=np.radians(50), hips=0.78)
    stances = paces(14, step=step, length=speed * step, width=0.04, duty=contact / (2 * step))
    run = walk(skeleton, stances, manner).cut(1.0 + 2 * step, 1.0 + 12 * step)
    if treadmill:
        run = run.on_a_belt(speed)
    found = watch(run, skeleton)
    _, missed, false = matched(run, found)
    assert [event for event in missed if event.t > 2 * step] == []
    assert not false
    steps = [s for _, s in found.steps if s.double_support_time is not None]
    assert len(steps) >= 4
    assert max(s.double_support_time for s in steps) < 0.03


def test_the_same_walk_gives_the_same_events(straight, skeleton):
    one, other = watch(straight, skeleton), watch(straight, skeleton)
    assert [(w, e.t, e.sd_t) for w, e in one.events] == [(w, e.t, e.sd_t) for w, e in other.events]


def test_a_strike_is_where_the_heel_is_and_an_off_where_the_toe_is(straight, skeleton):
    stances = sorted(paces(10), key=lambda s: s.on)
    for _, event in watch(straight, skeleton, noise=0.0).events:
        if event.kind == "foot_strike":
            stance = min((s for s in stances if s.side == event.side), key=lambda s: abs(s.on - event.t))
            np.testing.assert_allclose(event.position[[0, 2]], [stance.x - 0.02, stance.z], atol=0.04)
        else:
            stance = min((s for s in stances if s.side == event.side), key=lambda s: abs(s.off - event.t))
            np.testing.assert_allclose(event.position[[0, 2]], [stance.x + 0.22, stance.z], atol=0.12)
        assert abs(event.position[1]) < 0.12


def test_contacts_are_known_without_lag(straight, skeleton):
    course, analysis = seen(straight), gait(skeleton)
    wrong = total = 0
    for t in np.arange(0.0, straight.t[-1], 0.01):
        analysis.update(t, course)
        contacts = analysis.contacts(*course.at(t))
        for side, p in zip(("right", "left"), contacts, strict=True):
            past = [e for e in straight.events if e.side == side and e.t <= t]
            total += 1
            wrong += (p > 0.5) != (not past or past[-1].kind == "foot_strike")
            assert 0.0 <= p <= 1.0
    assert wrong / total < 0.06


def test_nobody_is_on_the_ground_while_lost(skeleton):
    analysis = gait(skeleton)
    assert np.isnan(analysis.contacts(skeleton.neutral, skeleton.neutral)).all()
    assert analysis.update(1.0, None) == []
    assert np.isnan(analysis.contacts(skeleton.neutral, skeleton.neutral)).all()


def test_what_is_kept_does_not_grow(skeleton):
    one = walk(skeleton, paces(6))
    course, analysis = seen(one), gait(skeleton)
    sizes = []
    for lap in range(3):
        # the same walk again and again, each time as a new track
        again = type(course)(since=lap * 100.0, spline=course.spline)
        for t in np.arange(0.0, one.t[-1], 0.01):
            out = analysis.update(lap * 100.0 + t, _Later(again, lap * 100.0))
            assert all(isinstance(x, FootEvent) or x.t > 0 for x in out)
        sizes.append(_size(analysis))
    # later times are rounded otherwise, and with them which of the latest numbers are the largest
    np.testing.assert_allclose(sizes, sizes[0], rtol=0.0, atol=8)


class _Later:
    """A course that is seen later."""

    def __init__(self, course, by):
        self.since, self.seen, self._course, self._by = course.since, np.inf, course, by

    def at(self, t):
        return self._course.at(t - self._by)


def _size(thing, depth=6):
    """How many numbers and objects something holds."""
    if depth == 0 or isinstance(thing, np.ndarray | str | float | int | type(None)):
        return 1
    if isinstance(thing, dict):
        return sum(_size(x, depth - 1) for x in thing.values())
    if hasattr(thing, "__dict__"):
        return 1 + sum(_size(x, depth - 1) for k, x in vars(thing).items() if k != "_feet" and k != "_course")
    try:
        return sum(_size(x, depth - 1) for x in thing)
    except TypeError:
        return 1
