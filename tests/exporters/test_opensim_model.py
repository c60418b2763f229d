"""The OpenSim model, read as OpenSim defines it, has the keypoints where MuJoCo has them."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from streamfit.errors import InputError
from streamfit.exporters.opensim_model import to_osim
from streamfit.model import KeypointSet, Skeleton
from streamfit.sim.person import true_subject
from streamfit.sim.posing import PosedPoints

Transform = tuple[Rotation, np.ndarray]


def numbers(element: ET.Element, tag: str) -> np.ndarray:
    return np.array([float(word) for word in (element.findtext(tag) or "").split()])


def of_frame(frame: ET.Element) -> Transform:
    return Rotation.from_euler("XYZ", numbers(frame, "orientation")), numbers(frame, "translation")


def moved(spatial: ET.Element, q: dict[str, float]) -> Transform:
    """A CustomJoint's transform: three rotations, each about an axis of the frame turned so far, and a shift."""
    turn, shift = Rotation.identity(), np.zeros(3)
    for entry in spatial.iter("TransformAxis"):
        name = entry.findtext("coordinates")
        function = next(child for child in entry if child.get("name") == "function")
        if function.tag == "Constant":
            value = numbers(function, "value")[0]
        else:
            assert name is not None
            value = np.polyval(numbers(function, "coefficients"), q[name])
        if entry.get("name", "").startswith("rotation"):
            turn = turn * Rotation.from_rotvec(value * numbers(entry, "axis"))
        else:
            shift = shift + value * numbers(entry, "axis")
    return turn, shift


def markers(xml: str, q: dict[str, float]) -> dict[str, np.ndarray]:
    top = ET.fromstring(xml.partition("?>")[2])
    bodies: dict[str, Transform] = {"/ground": (Rotation.identity(), np.zeros(3))}
    for joint in top.iter("CustomJoint"):
        frames = {frame.get("name"): frame for frame in joint.iter("PhysicalOffsetFrame")}
        before, after = frames["in_parent"], frames["in_child"]
        spatial = joint.find("SpatialTransform")
        assert spatial is not None
        turn, place = bodies[before.findtext("socket_parent") or ""]
        for one_turn, one_shift in (of_frame(before), moved(spatial, q)):
            turn, place = turn * one_turn, place + turn.apply(one_shift)
        child_turn, child_shift = of_frame(after)
        turn = turn * child_turn.inv()
        bodies[after.findtext("socket_parent") or ""] = (turn, place - turn.apply(child_shift))
    return {
        marker.get("name", ""): bodies[owner][1] + bodies[owner][0].apply(numbers(marker, "location"))
        for marker in top.iter("Marker")
        for owner in [marker.findtext("socket_parent_frame") or ""]
    }


def test_its_markers_are_our_keypoints_in_any_pose(skeleton: Skeleton) -> None:
    keypoints = KeypointSet.load("movi87")
    subject = true_subject(skeleton, keypoints)
    places = subject.places(skeleton, keypoints)
    xml = to_osim(skeleton, subject.scale, keypoints, places)
    poses = np.random.default_rng(3).uniform(
        np.maximum(skeleton.lower, -2.0), np.minimum(skeleton.upper, 2.0), (5, len(skeleton.coordinates))
    )
    ours = PosedPoints(skeleton, subject.scale, keypoints.bodies, places).positions(poses)
    for q, points in zip(poses, ours, strict=True):
        theirs = markers(xml, dict(zip(skeleton.coordinates, q, strict=True)))
        assert np.allclose([theirs[name] for name in keypoints.names], points, atol=1e-9)


def test_its_coordinates_have_our_names_and_limits(skeleton: Skeleton) -> None:
    keypoints = KeypointSet.load("coco17")
    top = ET.fromstring(to_osim(skeleton, {}, keypoints, keypoints.positions).partition("?>")[2])
    found = {c.get("name"): c for c in top.iter("Coordinate")}
    assert list(found) == list(skeleton.coordinates)
    knee = skeleton.coordinates.index("knee_angle_r")
    assert numbers(found["knee_angle_r"], "range") == pytest.approx([skeleton.lower[knee], skeleton.upper[knee]])
    assert found["pelvis_tx"].findtext("clamped") == "false"


def test_every_joint_has_three_independent_axes_of_each_kind(skeleton: Skeleton) -> None:
    keypoints = KeypointSet.load("coco17")
    top = ET.fromstring(to_osim(skeleton, {}, keypoints, keypoints.positions).partition("?>")[2])
    for spatial in top.iter("SpatialTransform"):
        axes = np.array([numbers(entry, "axis") for entry in spatial.iter("TransformAxis")]).reshape(2, 3, 3)
        assert (np.abs(np.linalg.det(axes)) > 0.5).all()


def test_a_hinge_before_a_slide_is_refused(tmp_path, skeleton: Skeleton) -> None:
    root = "".join(f'<joint name="t{a}" type="slide" axis="{a}"/>' for a in ("1 0 0", "0 1 0", "0 0 1"))
    root += "".join(f'<joint name="r{a}" axis="{a}"/>' for a in ("0 0 1", "1 0 0", "0 1 0"))
    mass = '<geom size=".1"/>'
    inner = f'<body name="b"><joint name="h" axis="1 0 0"/><joint name="s" type="slide" axis="1 0 0"/>{mass}</body>'
    groups = '<custom><tuple name="scale:all"><element objtype="body" objname="a"/></tuple>'
    groups += '<tuple name="scale:b"><element objtype="body" objname="b"/></tuple></custom>'
    path = tmp_path / "odd.xml"
    path.write_text(f'<mujoco><worldbody><body name="a">{root}{mass}{inner}</body></worldbody>{groups}</mujoco>')
    keypoints = KeypointSet("one", ("p",), ("b",), np.zeros((1, 3)), np.ones(1))
    with pytest.raises(InputError, match="body 'b': OpenSim has no joint"):
        to_osim(Skeleton.load(path), {}, keypoints, np.zeros((1, 3)))
