import mujoco
import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.skeleton import Skeleton

MIDLINE_ODD = {"pelvis_list", "pelvis_rotation", "pelvis_tz"} | {
    f"{part}_{move}" for part in ("lumbar", "neck") for move in ("bending", "rotation")
}


def test_has_the_coordinates_of_the_contract(skeleton):
    assert len(skeleton.coordinates) == 40
    assert len(skeleton.bodies) == 21
    assert skeleton.coordinates[:6] == (
        "pelvis_tx",
        "pelvis_ty",
        "pelvis_tz",
        "pelvis_tilt",
        "pelvis_list",
        "pelvis_rotation",
    )
    legs = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle", "mtp_angle")
    arms = ("arm_flex", "arm_add", "arm_rot", "elbow_flex", "pro_sup", "wrist_flex", "wrist_dev")
    for name in (*legs, *arms):
        assert {f"{name}_r", f"{name}_l"} <= set(skeleton.coordinates)
    assert [u == "m" for u in skeleton.units] == [True] * 3 + [False] * 37


def test_the_root_is_free_and_joints_are_limited(skeleton):
    assert np.isinf(skeleton.lower[:6]).all()
    assert np.isfinite(skeleton.lower[6:]).all()
    assert (skeleton.lower[6:] < skeleton.upper[6:]).all()


def test_feet_are_93_cm_below_the_pelvis_at_zero(skeleton):
    data = mujoco.MjData(skeleton.model)
    mujoco.mj_kinematics(skeleton.model, data)
    assert data.body("calcn_r").xpos[1] == pytest.approx(-0.93, abs=0.005)
    assert data.body("calcn_l").xpos[1] == pytest.approx(-0.93, abs=0.005)


def test_left_mirrors_right(skeleton):
    """The mirror image of a pose is the pose with sides exchanged and midline bends reversed."""
    rng = np.random.default_rng(1)
    q = rng.uniform(-0.4, 0.4, 40)
    names = list(skeleton.coordinates)
    mirrored = np.array(
        [
            q[names.index(n[:-1] + {"r": "l", "l": "r"}[n[-1]])]
            if n.endswith(("_r", "_l"))
            else (-q[i] if n in MIDLINE_ODD else q[i])
            for i, n in enumerate(names)
        ]
    )
    model, mirror = skeleton.model, np.array([1.0, 1.0, -1.0])
    one, other = mujoco.MjData(model), mujoco.MjData(model)
    one.qpos[:], other.qpos[:] = skeleton.joint_positions(q), skeleton.joint_positions(mirrored)
    mujoco.mj_kinematics(model, one)
    mujoco.mj_kinematics(model, other)
    for body in skeleton.bodies:
        swapped = body[:-1] + {"r": "l", "l": "r"}[body[-1]] if body.endswith(("_r", "_l")) else body
        np.testing.assert_allclose(one.body(body).xpos * mirror, other.body(swapped).xpos, atol=1e-12)


@pytest.mark.parametrize(
    ("coordinate", "point", "direction"),
    [
        ("hip_flexion_r", "tibia_r", [1, 0, 0]),
        ("hip_adduction_r", "tibia_r", [0, 0, -1]),
        ("hip_adduction_l", "tibia_l", [0, 0, 1]),
        ("knee_angle_r", "talus_r", [-1, 0, 0]),
        ("ankle_angle_l", "toes_l", [0, 1, 0]),
        ("arm_flex_r", "ulna_r", [1, 0, 0]),
        ("arm_add_r", "ulna_r", [0, 0, -1]),
        ("elbow_flex_l", "hand_l", [1, 0, 0]),
        ("lumbar_extension", "head", [-1, 0, 0]),
    ],
)
def test_signs_are_those_of_the_field(skeleton, coordinate, point, direction):
    """A small positive value moves the next body the way the coordinate's name says."""
    q = np.zeros(40)
    q[skeleton.coordinates.index(coordinate)] = 0.1
    still, moved = mujoco.MjData(skeleton.model), mujoco.MjData(skeleton.model)
    still.qpos[:], moved.qpos[:] = skeleton.joint_positions(np.zeros(40)), skeleton.joint_positions(q)
    mujoco.mj_kinematics(skeleton.model, still)
    mujoco.mj_kinematics(skeleton.model, moved)
    assert (moved.body(point).xpos - still.body(point).xpos) @ direction > 0.003


def test_scaling_a_thigh_moves_the_knee_and_leaves_the_pelvis(skeleton):
    model = skeleton.scaled({"thigh_r": 1.2})
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    thigh = data.body("tibia_r").xpos - data.body("femur_r").xpos
    other = data.body("tibia_l").xpos - data.body("femur_l").xpos
    assert np.linalg.norm(thigh) / np.linalg.norm(other) == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize("name", ["nosuch", "missing.xml"])
def test_a_skeleton_that_is_not_there_is_one_line(name):
    with pytest.raises(InputError, match="rajagopal") as error:
        Skeleton.load(name)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_model_is_one_line(tmp_path):
    path = tmp_path / "bad.xml"
    path.write_text("<mujoco><worldbody><body/></mujoco>")
    with pytest.raises(InputError, match=r"bad\.xml") as error:
        Skeleton.load(path)
    assert "\n" not in str(error.value)


def test_any_model_with_scale_groups_will_do(tmp_path):
    path = tmp_path / "pole.xml"
    path.write_text(
        """<mujoco><worldbody><body name="base">
        <joint name="tx" type="slide" axis="1 0 0"/><joint name="ty" type="slide" axis="0 1 0"/>
        <joint name="tz" type="slide" axis="0 0 1"/><joint name="a" axis="0 0 1"/><joint name="b" axis="1 0 0"/>
        <joint name="c" axis="0 1 0"/><geom size=".1"/>
        <body name="tip" pos="0 1 0" euler="10 20 30">
        <joint name="bend" pos="0 .1 0" axis="0 0 1"/>
        <geom size=".1"/></body></body></worldbody>
        <custom><tuple name="scale:all"><element objtype="body" objname="base"/>
        <element objtype="body" objname="tip"/></tuple></custom></mujoco>"""
    )
    pole = Skeleton.load(path)
    assert pole.coordinates == ("tx", "ty", "tz", "a", "b", "c", "bend")
    assert pole.groups == ("all",)
