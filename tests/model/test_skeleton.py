import mujoco
import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.model import Kinematics, Skeleton
from streamfit.model.host_kinematics import HostKinematics

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


def joint_centres(skeleton, scale):
    """Where each body is at zero, m."""
    data = mujoco.MjData(skeleton.scaled(scale))
    data.qpos[:] = skeleton.joint_positions(np.zeros(len(skeleton.coordinates)), scale)
    mujoco.mj_kinematics(skeleton.scaled(scale), data)
    return {body: data.body(body).xpos.copy() for body in skeleton.bodies}


@pytest.mark.parametrize(
    ("group", "limb", "first"),
    [("hip_width", ("femur", "tibia", "talus", "calcn", "toes"), "femur"), ("shoulder_width", ("humerus",), "humerus")],
)
def test_a_width_scales_only_where_the_limbs_are_along_it(skeleton, group, limb, first):
    """The limbs move out with their joints, as they are; nothing else moves, and nothing of them grows."""
    before, after = joint_centres(skeleton, {}), joint_centres(skeleton, {group: 1.5})
    side = abs(before[f"{first}_r"][2])
    arm = ("humerus", "ulna", "radius", "hand")
    moves = arm if first == "humerus" else limb
    for body in skeleton.bodies:
        name, _, which = body.rpartition("_")
        out = {"r": 0.5, "l": -0.5}[which] * side if name in moves else 0.0
        np.testing.assert_allclose(after[body] - before[body], [0.0, 0.0, out], atol=1e-12, err_msg=body)


def test_a_width_comes_in_place_of_its_trunks_factor_along_that_axis(skeleton):
    before, after = joint_centres(skeleton, {}), joint_centres(skeleton, {"pelvis": 1.2})
    np.testing.assert_allclose(after["femur_r"], before["femur_r"] * [1.2, 1.2, 1.0], atol=1e-12)
    np.testing.assert_allclose(after["torso"], before["torso"] * 1.2, atol=1e-12)


def test_says_which_group_scales_what(skeleton):
    assert len(skeleton.groups) == 15
    body = skeleton.bodies.index

    def of(groups):
        return tuple(skeleton.groups[g] for g in np.atleast_1d(groups))

    assert of(skeleton.size_group[body("femur_l")]) == ("thigh_l",)
    assert of(skeleton.centre_group[body("femur_l")]) == ("pelvis", "pelvis", "hip_width")
    assert of(skeleton.centre_group[body("humerus_r")]) == ("torso", "torso", "shoulder_width")
    assert of(skeleton.centre_group[body("tibia_r")]) == ("thigh_r",) * 3
    assert of(skeleton.centre_group[body("pelvis")]) == ("pelvis",) * 3


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


ROOT = """<joint name="tx" type="slide" axis="1 0 0"/><joint name="ty" type="slide" axis="0 1 0"/>
<joint name="tz" type="slide" axis="0 0 1"/><joint name="a" axis="0 0 1"/><joint name="b" axis="1 0 0"/>
<joint name="c" axis="0 1 0"/><geom size=".1"/>"""
POLE = f"""<mujoco><worldbody><body name="base">
{ROOT}
<body name="tip" pos="0 1 0" euler="10 20 30">
<joint name="bend" pos="0 .1 0" axis="0 0 1"/>
<geom size=".1" name="ball"/></body></body></worldbody>
<custom><tuple name="scale:all"><element objtype="body" objname="base"/>
<element objtype="body" objname="tip"/></tuple></custom></mujoco>"""


def test_any_model_with_scale_groups_will_do(tmp_path):
    path = tmp_path / "pole.xml"
    path.write_text(POLE)
    pole = Skeleton.load(path)
    assert pole.coordinates == ("tx", "ty", "tz", "a", "b", "c", "bend")
    assert pole.groups == ("all",)
    assert pole.size_group.tolist() == [0, 0]
    assert pole.centre_group.tolist() == [[0, 0, 0]] * 2


TIP = '<element objtype="body" objname="tip"/>'


def test_a_model_says_which_of_its_joints_are_calm(tmp_path, skeleton):
    path = tmp_path / "pole.xml"
    path.write_text(POLE)
    assert np.isinf(Skeleton.load(path).calm).all()
    path.write_text(POLE.replace("<custom>", CALM.format('objtype="joint" objname="bend" prm="1.5"')))
    assert Skeleton.load(path).calm.tolist() == [np.inf] * 6 + [1.5]

    calm = {name for name, sd in zip(skeleton.coordinates, skeleton.calm, strict=True) if sd < np.inf}
    assert {"hip_rotation_l", "subtalar_angle_r", "pro_sup_l", "lumbar_bending"} < calm
    assert not calm & {"pelvis_rotation", "hip_flexion_r", "knee_angle_l", "ankle_angle_r", "arm_rot_l"}
    assert {name[:-1] + "l" for name in calm if name.endswith("_r")} < calm


CALM = '<custom><tuple name="calm"><element {}/></tuple>'


@pytest.mark.parametrize("element", ['objtype="body" objname="tip" prm="2"', 'objtype="joint" objname="bend"'])
def test_bad_calm_joints_are_one_line(tmp_path, element):
    path = tmp_path / "pole.xml"
    path.write_text(POLE.replace("<custom>", CALM.format(element)))
    with pytest.raises(InputError, match="tuple 'calm' may hold joints with prm above 0") as error:
        Skeleton.load(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("element", "hint"),
    [
        ("", r"body 'tip' is in no scale group.*'scale:GROUP'"),
        ('<element objtype="geom" objname="ball"/>', r"tuple 'scale:all' may hold bodies, and joints with prm"),
        (TIP + '<element objtype="joint" objname="bend"/>', r"tuple 'scale:all' may hold .* prm 1, 2 or 3"),
        (TIP + '<element objtype="joint" objname="bend" prm="4"/>', r"tuple 'scale:all' may hold .* prm 1, 2 or 3"),
    ],
)
def test_a_bad_scale_group_is_one_line(tmp_path, element, hint):
    path = tmp_path / "pole.xml"
    path.write_text(POLE.replace(TIP, element))
    with pytest.raises(InputError, match=hint) as error:
        Skeleton.load(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("was", "becomes", "hint"),
    [
        ('name="tz" type="slide"', 'name="tz"', "three slide joints, then three hinge"),
        ('name="a" axis="0 0 1"', 'name="a" axis="0 1 0"', "turn about z, x, y"),
        ('<joint name="bend" pos="0 .1 0" axis="0 0 1"/>', '<joint name="bend" type="ball"/>', "slide and hinge"),
        ("<custom>", '<equality><joint joint1="bend" joint2="c"/></equality><custom>', "'bend' follows 'c'"),
        (
            "<custom>",
            '<equality><joint joint1="b" joint2="c"/></equality><custom>',
            "'b' follows 'c'; the root must be",
        ),
        ('name="b" axis', 'name="b" pos="0 .1 0" axis', "joints of the root must be at its origin"),
        ('name="bend" pos', 'name="bend" ref="20" pos', "joint 'bend' has a ref"),
        (
            "</worldbody>",
            '<body name="box"><geom size=".1"/></body></worldbody>',
            "body 'box' does not hang on the root",
        ),
        ('name="tip"', 'name="calcn_r"', r"the feet are on the \+y side of the root, not below it"),
        (TIP, TIP + TIP, "body 'tip' is twice in scale groups"),
        (ROOT, '<freejoint/><geom size=".1"/>', "write a free root as three slides"),
    ],
)
def test_a_model_of_another_kind_is_one_line(tmp_path, was, becomes, hint):
    path = tmp_path / "pole.xml"
    assert was in POLE
    text = POLE.replace(was, becomes)
    path.write_text(text.replace('objname="tip"', 'objname="calcn_r"') if becomes == 'name="calcn_r"' else text)
    with pytest.raises(InputError, match=hint) as error:
        Skeleton.load(path)
    assert "\n" not in str(error.value)


def test_a_root_that_is_drawn_turned_is_put_upright(tmp_path):
    """As models with z up have it: all else is as MuJoCo has it, but for that turn."""
    path = tmp_path / "pole.xml"
    path.write_text(POLE.replace('<body name="base">', '<body name="base" pos=".1 .2 .9" euler="90 0 0">'))
    pole, drawn = Skeleton.load(path), mujoco.MjModel.from_xml_path(str(path))
    q = np.array([0.3, -0.2, 0.1, 0.4, -0.5, 0.6, 0.7])
    given, ours = mujoco.MjData(drawn), mujoco.MjData(pole.model)
    given.qpos[:] = ours.qpos[:] = q
    mujoco.mj_kinematics(drawn, given)
    mujoco.mj_kinematics(pole.model, ours)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(given.xpos[1:], ours.xpos[1:] @ turn.T + [0.1, 0.2, 0.9], atol=1e-12)
    kinematics = Kinematics(pole, np.array([0, 1]))
    pose = kinematics.pose(q, np.ones(1))
    np.testing.assert_allclose(pose.position, ours.xpos[1:], atol=1e-12)
    np.testing.assert_allclose(pose.rotation, ours.xmat[1:].reshape(-1, 3, 3), atol=1e-12)
    host = HostKinematics(pole, {"all": 1.0})
    host.pose(q)
    np.testing.assert_allclose(host.position, ours.xpos[1:], atol=1e-12)


def test_a_constraint_that_is_switched_off_binds_nothing(tmp_path):
    path = tmp_path / "pole.xml"
    also = '<joint name="also" axis="1 0 0"/>'
    two = POLE.replace('<geom size=".1" name', also + '<geom size=".1" name')
    constraint = '<equality><joint joint1="also" joint2="bend" active="{}"/></equality><custom>'
    for active, count in (("false", 8), ("true", 7)):
        path.write_text(two.replace("<custom>", constraint.format(active)))
        assert len(Skeleton.load(path).coordinates) == count


def test_a_humanoid_whose_root_is_turned_stands_in_the_ground_frame(faults):
    (path,) = (faults / "mjcf-rotated-root").glob("*.xml")
    body = Skeleton.load(path)
    data = mujoco.MjData(body.model)
    mujoco.mj_kinematics(body.model, data)
    assert data.body("pelvis").xpos.tolist() == [0.0, 0.0, 0.0]
    assert data.body("calcn_r").xpos[1] < -0.7
    assert data.body("torso").xpos[1] > 0.05
