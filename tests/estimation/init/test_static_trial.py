import numpy as np
import pytest

from streamfit.estimation.init.static_trial import movement_of, off_the_feet, pose_of

SPACING = 0.04
T = np.arange(0.0, 2.0, SPACING)


def poses(skeleton, **values) -> np.ndarray:
    """Poses (N, D) at T of coordinates by name (both sides where the name has none), the others zero."""
    q = np.zeros((len(T), len(skeleton.coordinates)))
    for name, value in values.items():
        for index, coordinate in enumerate(skeleton.coordinates):
            if coordinate in (name, f"{name}_r", f"{name}_l"):
                q[:, index] = value
    return q


def stands(skeleton, poses: np.ndarray) -> bool:
    return not (movement_of(skeleton, poses, SPACING) or off_the_feet(skeleton, pose_of(poses), {}))


def quiet(skeleton, **more) -> np.ndarray:
    """Somebody who sways by a centimetre, arms anywhere, turned anywhere."""
    sway = np.sin(2.0 * np.pi * 0.4 * T)
    still = {"pelvis_ty": 0.95, "pelvis_tx": 0.01 * sway, "ankle_angle": 0.02 * sway, "pelvis_rotation": 2.5}
    return poses(skeleton, **(still | {"arm_add": -0.3, "elbow_flex": 0.4} | more))


def test_quiet_standing_is_seen(skeleton):
    assert stands(skeleton, quiet(skeleton))


def test_an_uncalibrated_skeleton_may_lean_and_bend_a_little(skeleton):
    leaning = quiet(
        skeleton, pelvis_rotation=0.0, pelvis_tilt=0.3, hip_flexion=-0.3, knee_angle=0.3, lumbar_extension=-0.4
    )
    assert stands(skeleton, leaning)


@pytest.mark.parametrize("degrees", [10, 25, 40])
@pytest.mark.parametrize("ankle", [-0.8, 0.4], ids=["on the toes", "feet flat"])
def test_who_cannot_straighten_stands_too(skeleton, degrees, ankle):
    bent = np.radians(degrees)
    crouch = {
        "pelvis_rotation": 0.0,
        "pelvis_tilt": -0.17,
        "hip_flexion": bent,
        "knee_angle": bent,
        "ankle_angle": ankle * bent,
    }
    assert stands(skeleton, quiet(skeleton, **crouch))


def test_a_slip_of_one_instant_does_no_harm(skeleton):
    slip = quiet(skeleton)
    slip[20] += 1.0
    assert stands(skeleton, slip)


def test_arms_may_move(skeleton):
    assert stands(skeleton, quiet(skeleton, arm_flex=np.sin(3.0 * T), elbow_flex=1.0 + np.sin(2.0 * T)))


SWING = np.sin(2.0 * np.pi * 0.5 * T)


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param(
            {"pelvis_tx": 0.2 * T, "hip_flexion": 0.2 * SWING, "knee_angle": 0.2 + 0.2 * SWING}, id="slow walk"
        ),
        pytest.param({"pelvis_tx": 0.05 * T}, id="shuffling along"),
        pytest.param({"pelvis_ty": 0.9 + 0.05 * SWING}, id="going up and down"),
        pytest.param({"knee_angle_l": 0.2 + 0.2 * SWING}, id="one foot lifted"),
        pytest.param({"lumbar_extension": 0.3 * SWING}, id="nodding from the waist"),
        pytest.param({"hip_flexion": 1.5, "knee_angle": 1.5, "pelvis_ty": 0.5}, id="sitting"),
        pytest.param({"hip_flexion_r": 1.0, "knee_angle_r": 1.2}, id="on one leg"),
        pytest.param({"lumbar_extension": -1.0}, id="bent forward"),
        pytest.param({"pelvis_list": 1.5}, id="lying on the side"),
        pytest.param({"pelvis_tilt": -1.5}, id="lying on the front"),
    ],
)
def test_anything_else_is_not(skeleton, moves):
    assert not stands(skeleton, quiet(skeleton, **moves))


def test_a_moment_is_too_short(skeleton):
    assert not stands(skeleton, quiet(skeleton)[:12])
    assert stands(skeleton, quiet(skeleton)[:13])
    assert not stands(skeleton, quiet(skeleton)[:0])
