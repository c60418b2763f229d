"""A scaled skeleton and its keypoints as an OpenSim model (`.osim`), for kinematics.

MuJoCo applies a body's joints one after the other; an OpenSim `CustomJoint` turns about up to three axes and shifts
along up to three of its parent's. They are the same where slides come before hinges and the hinges share one anchor.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import mujoco
import numpy as np
from scipy.linalg import null_space
from scipy.spatial.transform import Rotation

from streamfit.errors import InputError
from streamfit.model.keypoint_set import KeypointSet
from streamfit.model.skeleton import Skeleton

VERSION = "40000"
"""Of the document: OpenSim 4.0 and later read it."""
FREE = 100.0
"""m or rad: range of a coordinate without limits."""
MASS, INERTIA = 1.0, 0.01
"""kg and kg m^2 of every body: OpenSim wants some. Kinematics do not depend on them; dynamics would be wrong."""


def to_osim(skeleton: Skeleton, scale: Mapping[str, float], keypoints: KeypointSet, places: np.ndarray) -> str:
    """The model as XML: bodies, joints and coordinates of the scaled skeleton, `places` (K, 3; m, in the scaled bodies'
    frames) as markers.

    Coordinates have the skeleton's names, signs, units and limits. InputError where OpenSim has no such joint.
    """
    model = skeleton.scaled(scale)
    document = ET.Element("OpenSimDocument", Version=VERSION)
    top = ET.SubElement(document, "Model", name=skeleton.name)
    bodies, joints, markers = (_objects(top, kind) for kind in ("BodySet", "JointSet", "MarkerSet"))
    for b in range(1, model.nbody):
        body = ET.SubElement(bodies, "Body", name=model.body(b).name)
        _text(body, mass=MASS, mass_center=np.zeros(3), inertia=np.repeat([INERTIA, 0.0], 3))
        _joint(joints, skeleton, model, b)
    for name, owner, place in zip(keypoints.names, keypoints.bodies, places, strict=True):
        marker = ET.SubElement(markers, "Marker", name="_".join(name.split()))
        _text(marker, socket_parent_frame=f"/bodyset/{owner}", location=place, fixed="true")
    ET.indent(document)
    return ET.tostring(document, encoding="unicode", xml_declaration=True)


def _joint(joints: ET.Element, skeleton: Skeleton, model: mujoco.MjModel, b: int) -> None:
    """The joint that moves body `b` of the scaled model in its parent."""
    own = list(range(model.body_jntadr[b], model.body_jntadr[b] + model.body_jntnum[b]))
    slide = [model.jnt_type[j] == int(mujoco.mjtJoint.mjJNT_SLIDE) for j in own]
    slides = [j for j, slides in zip(own, slide, strict=True) if slides]
    hinges = own[len(slides) :]
    anchor = model.jnt_pos[hinges[0]] if hinges else np.zeros(3)
    name, parent = model.body(b).name, model.body(model.body_parentid[b]).name
    if slide != sorted(slide, reverse=True) or max(len(slides), len(hinges)) > 3:
        raise InputError(f"body {name!r}: OpenSim has no joint of more than three slides, then three hinges")
    if not all(np.allclose(model.jnt_pos[j], anchor) for j in hinges):
        raise InputError(f"body {name!r}: OpenSim has no joint whose hinges are at different places")
    turn = Rotation.from_quat(model.body_quat[b], scalar_first=True)
    joint = ET.SubElement(joints, "CustomJoint", name=name)
    _text(joint, socket_parent_frame="in_parent", socket_child_frame="in_child")
    coordinates, frames = ET.SubElement(joint, "coordinates"), ET.SubElement(joint, "frames")
    for j in own:
        if skeleton.joints[j] in skeleton.coordinates:
            _coordinate(coordinates, model, j)
    outward = model.body_pos[b] + turn.apply(anchor)
    _frame(frames, "in_parent", f"/bodyset/{parent}" if model.body_parentid[b] else "/ground", outward, turn)
    _frame(frames, "in_child", f"/bodyset/{name}", anchor, Rotation.identity())
    transform = ET.SubElement(joint, "SpatialTransform")
    for kind, moving in (("rotation", hinges), ("translation", slides)):
        axes = model.jnt_axis[moving].reshape(-1, 3)
        idle = null_space(axes).T if len(axes) else np.eye(3)
        for number, axis in enumerate([*axes, *idle], start=1):
            entry = ET.SubElement(transform, "TransformAxis", name=f"{kind}{number}")
            _function(entry, skeleton, model, moving[number - 1] if number <= len(moving) else None)
            _text(entry, axis=axis)


def _coordinate(coordinates: ET.Element, model: mujoco.MjModel, j: int) -> None:
    limits = model.jnt_range[j] if model.jnt_limited[j] else np.array([-FREE, FREE])
    coordinate = ET.SubElement(coordinates, "Coordinate", name=model.joint(j).name)
    _text(coordinate, default_value=0.0, range=limits, clamped="true" if model.jnt_limited[j] else "false")


def _frame(frames: ET.Element, name: str, parent: str, place: np.ndarray, turn: Rotation) -> None:
    frame = ET.SubElement(frames, "PhysicalOffsetFrame", name=name)
    _text(frame, socket_parent=parent, translation=place, orientation=turn.as_euler("XYZ"))


def _function(entry: ET.Element, skeleton: Skeleton, model: mujoco.MjModel, j: int | None) -> None:
    """What a TransformAxis moves by: a coordinate, a polynomial of one (as MuJoCo scales it), or nothing."""
    coupled = {int(model.eq_obj1id[e]): e for e in range(model.neq)}
    if j is None:
        _text(ET.SubElement(entry, "Constant", name="function"), value=0.0)
    elif skeleton.joints[j] in skeleton.coordinates:
        _text(entry, coordinates=skeleton.joints[j])
        _text(ET.SubElement(entry, "LinearFunction", name="function"), coefficients=np.array([1.0, 0.0]))
    else:
        e = coupled[j]
        _text(entry, coordinates=skeleton.joints[model.eq_obj2id[e]])
        highest_first = model.eq_data[e, 4::-1]
        _text(ET.SubElement(entry, "PolynomialFunction", name="function"), coefficients=highest_first)


def _objects(top: ET.Element, kind: str) -> ET.Element:
    return ET.SubElement(ET.SubElement(top, kind, name=kind.lower()), "objects")


def _text(parent: ET.Element, **values: str | float | np.ndarray) -> None:
    for key, value in values.items():
        text = value if isinstance(value, str) else " ".join(repr(float(x)) for x in np.atleast_1d(value))
        ET.SubElement(parent, key).text = text
