"""The simulated person walks as people do: feet that stay put, joints within limits, normative curves."""

import itertools

import numpy as np
import pytest

from streamfit.sim.feet import BODIES, sole_places
from streamfit.sim.gait import FOOT_OFF, standing, walking
from streamfit.sim.motions import RATE, exercises
from streamfit.sim.posing import PosedPoints

HEEL, BALL, TOE = 0, 1, 3
STEADY = 2.5


@pytest.fixture(scope="module")
def soles(skeleton, subject, walked):
    """Sole points (T, 2 sides, 4, 3) in the ground frame; the right foot first."""
    points = PosedPoints(skeleton, subject.scale, BODIES, sole_places(subject.scale)).positions(walked.q)
    return points.reshape(len(points), 2, 4, 3)


def times(walked, side, event):
    return [t for t, s, e in walked.events if s == side and e == event]


@pytest.mark.parametrize(("index", "side"), [(0, "right"), (1, "left")])
def test_a_standing_foot_does_not_slide(walked, soles, index, side):
    cycle = np.median(np.diff(times(walked, side, "foot_strike")))
    for strike in times(walked, side, "foot_strike"):
        for point, start, end in ((HEEL, 0.03, 0.33), (BALL, 0.12, 0.48), (TOE, 0.14, 0.55)):
            during = (walked.t > strike + start * cycle) & (walked.t < strike + end * cycle)
            if during.sum() > 5:
                assert np.ptp(soles[during, index, point][:, [0, 2]], axis=0).max() < 0.005


def test_feet_are_never_under_the_floor_and_clear_it_in_swing(walked, soles):
    assert soles[..., 1].min() > -0.005
    for index, side in enumerate(("right", "left")):
        offs, strikes = times(walked, side, "foot_off"), times(walked, side, "foot_strike")
        for off in offs:
            landing = [strike for strike in strikes if strike > off]
            if landing:
                middle = (walked.t > off + 0.3 * (landing[0] - off)) & (walked.t < off + 0.7 * (landing[0] - off))
                assert soles[middle, index, :, 1].min() > 0.008


def test_one_foot_at_least_is_on_the_ground(soles):
    assert soles[..., 1].min((1, 2)).max() < 0.005


def test_joints_stay_within_their_limits_and_move_smoothly(skeleton, walked):
    assert (walked.q >= skeleton.lower).all()
    assert (walked.q <= skeleton.upper).all()
    turning = [i for i, unit in enumerate(skeleton.units) if unit == "rad"]
    assert np.abs(np.diff(walked.q[:, turning], 2, axis=0)).max() * RATE**2 < 250.0


def test_it_starts_from_standing_and_walks_at_a_usual_pace(walked):
    assert np.abs(walked.q[:40] - walked.q[0]).max() < 0.02
    way = np.linalg.norm(np.diff(walked.q[:, [0, 2]], axis=0), axis=1) * RATE
    steady = way[walked.t[1:] > STEADY]
    assert 1.05 < steady.mean() < 1.25
    assert steady.min() > 0.85
    assert steady.max() < 1.45
    strikes = [t for t, _, event in walked.events if event == "foot_strike" and t > STEADY]
    assert 60 / np.mean(np.diff(strikes)) == pytest.approx(109, abs=2)


def test_it_turns_round_without_a_jump_and_stays_in_the_room(skeleton, walked):
    rotation = walked.q[:, skeleton.coordinates.index("pelvis_rotation")]
    assert np.degrees(rotation[-50:]).mean() == pytest.approx(180, abs=6)
    assert np.degrees(np.abs(np.diff(rotation))).max() < 2
    assert np.abs(walked.keypoints[..., :2]).max() < 3.0
    assert walked.keypoints[..., 2].min() > -0.01


def test_joint_angles_are_near_the_normative_ones(skeleton, walked):
    """On the straight way out, at the same phase of the cycle."""
    strikes = times(walked, "right", "foot_strike")
    start, end = strikes[1], strikes[2]
    during = (walked.t >= start) & (walked.t < end)
    expected = walking((walked.t[during] - start) / (end - start))
    for name, tolerance in (("hip_flexion", 6), ("knee_angle", 6), ("ankle_angle", 10), ("hip_adduction", 4)):
        for side in "rl":
            angle = walked.q[during, skeleton.coordinates.index(f"{name}_{side}")]
            assert np.degrees(np.abs(angle - expected[f"{name}_{side}"])).mean() < tolerance


def test_the_left_side_is_half_a_cycle_behind_the_right():
    now, later = walking(np.array([0.2, 0.45])), walking(np.array([0.7, 0.95]))
    for name in ("hip_flexion", "knee_angle", "ankle_angle", "arm_flex", "elbow_flex"):
        np.testing.assert_allclose(now[f"{name}_r"], later[f"{name}_l"], atol=1e-9)
    np.testing.assert_allclose(now["pelvis_rotation"], -later["pelvis_rotation"], atol=np.radians(0.6))
    np.testing.assert_allclose(now["pelvis_list"], -later["pelvis_list"], atol=np.radians(0.6))
    still = standing(1)
    assert all(still[name] == still[f"{name[:-1]}l"] for name in still if name.endswith("_r"))


def test_events_alternate_and_stance_lasts_as_in_normal_gait(walked):
    strikes = [(t, side) for t, side, event in walked.events if event == "foot_strike"]
    assert all(a[1] != b[1] for a, b in itertools.pairwise(strikes))
    right, offs = times(walked, "right", "foot_strike"), times(walked, "right", "foot_off")
    for start, end in itertools.pairwise(right):
        off = next(t for t in offs if t > start)
        assert (off - start) / (end - start) == pytest.approx(FOOT_OFF, abs=0.02)


def test_exercises_bend_every_joint_with_both_feet_on_the_ground(skeleton, subject):
    q = exercises(skeleton, subject.scale, 6.0)
    soles = PosedPoints(skeleton, subject.scale, BODIES, sole_places(subject.scale)).positions(q)
    assert np.ptp(soles, axis=0).max() < 0.005
    assert ((q >= skeleton.lower) & (q <= skeleton.upper)).all()
    travel = dict(zip(skeleton.coordinates, np.degrees(np.ptp(q, axis=0)), strict=True))
    for name in ("hip_flexion_r", "knee_angle_l", "arm_flex_r", "arm_add_l", "elbow_flex_r", "lumbar_rotation"):
        assert travel[name] > 30
