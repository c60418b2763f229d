"""What a skeleton's file says of its own errors."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.model import Skeleton
from streamfit.model.model_error import FARTHEST, GROWTH

LIMB = """<mujoco><worldbody><body name="base">
<joint name="tx" type="slide" axis="1 0 0"/><joint name="ty" type="slide" axis="0 1 0"/>
<joint name="tz" type="slide" axis="0 0 1"/><joint name="a" axis="0 0 1"/><joint name="b" axis="1 0 0"/>
<joint name="c" axis="0 1 0"/><geom size=".1"/>
<body name="thigh"><joint name="flexion" axis="0 0 1"/><joint name="adduction" axis="1 0 0"/><geom size=".1"/>
<body name="shank"><joint name="knee" axis="0 0 1"/><geom size=".1"/></body></body></body></worldbody>
<custom><tuple name="scale:all"><element objtype="body" objname="base"/><element objtype="body" objname="thigh"/>
<element objtype="body" objname="shank"/></tuple>{}</custom></mujoco>"""
JOINT = '<element objtype="joint" objname="{}" prm="{}"/>'


@pytest.fixture
def loaded(tmp_path):
    def load(*tuples: str) -> Skeleton:
        path = tmp_path / "limb.xml"
        path.write_text(LIMB.format("".join(tuples)))
        return Skeleton.load(path)

    return load


def sd_at(skeleton: Skeleton, **excursion: float) -> dict[str, float]:
    """Standard deviations by coordinate where these are so far (rad) from their mean posture."""
    square = np.array([excursion.get(name, 0.0) ** 2 for name in skeleton.coordinates])
    return dict(zip(skeleton.coordinates, np.sqrt(skeleton.model_error.variance(square)), strict=True))


def test_a_file_that_says_nothing_has_errors_that_grow_with_its_own_joint(loaded):
    limb = loaded()
    assert set(sd_at(limb).values()) == {0.0}
    sd = sd_at(limb, flexion=0.3, adduction=0.4, a=3.0, c=20.0, tx=100.0)
    assert sd["flexion"] == sd["adduction"] == pytest.approx(GROWTH * 0.25)
    assert {sd[name] for name in ("tx", "ty", "tz", "a", "b", "c", "knee")} == {0.0}


def test_tuples_say_what_errs_and_which_coordinates_are_one_joint(loaded):
    constant = f'<tuple name="model_sd">{JOINT.format("knee", 0.02)}</tuple>'
    both = f'<tuple name="excursion:leg">{JOINT.format("flexion", 0)}{JOINT.format("knee", 0.5)}</tuple>'
    limb = loaded(constant, both)
    assert sd_at(limb)["knee"] == pytest.approx(0.02)
    sd = sd_at(limb, flexion=0.5, adduction=0.1)
    assert sd["knee"] == pytest.approx(np.hypot(0.02, 0.5 * 0.25))
    assert sd["flexion"] == 0.0
    assert sd["adduction"] == pytest.approx(GROWTH * (0.5**2 + 0.1**2))  # its body's hinges


def test_what_was_not_measured_is_not_extrapolated(loaded):
    limb = loaded()
    assert sd_at(limb, knee=3.0)["knee"] == sd_at(limb, knee=FARTHEST)["knee"] > sd_at(limb, knee=0.5)["knee"]


@pytest.mark.parametrize(
    ("tuples", "hint"),
    [
        (f'<tuple name="model_sd">{JOINT.format("knee", -0.1)}</tuple>', "tuple 'model_sd' may hold hinge joints"),
        (f'<tuple name="excursion:x">{JOINT.format("tx", 0.1)}</tuple>', "tuple 'excursion:x' may hold hinge joints"),
        ('<tuple name="excursion:x"><element objtype="body" objname="shank"/></tuple>', "may hold hinge joints"),
        (
            "".join(f'<tuple name="excursion:{n}">{JOINT.format("knee", 0.1)}</tuple>' for n in "xy"),
            "joint 'knee' is in two tuples named 'excursion:NAME'",
        ),
    ],
)
def test_bad_tuples_are_one_line(loaded, tuples, hint):
    with pytest.raises(InputError, match=hint) as error:
        loaded(tuples)
    assert "\n" not in str(error.value)


def test_the_built_in_skeleton_knows_where_it_errs(skeleton):
    """Alike on both sides; the foot's turning makes the ankle doubtful, a change of heading makes nothing so."""
    at_rest, turned = sd_at(skeleton), sd_at(skeleton, pelvis_rotation=3.0, pelvis_tx=5.0)
    assert at_rest == turned
    assert np.degrees(at_rest["hip_rotation_r"]) > np.degrees(at_rest["knee_angle_r"]) > 0.0
    inverted, bent = sd_at(skeleton, subtalar_angle_l=0.2), sd_at(skeleton, knee_angle_r=0.5)
    assert np.degrees(inverted["ankle_angle_l"]) > 2.0
    assert inverted["ankle_angle_r"] == at_rest["ankle_angle_r"]
    assert bent["knee_angle_r"] > at_rest["knee_angle_r"]
    error = skeleton.model_error
    by_name = dict(zip(skeleton.coordinates, zip(error.constant, error.growth, strict=True), strict=True))
    assert all(by_name[name[:-1] + "l"] == both for name, both in by_name.items() if name.endswith("_r"))
