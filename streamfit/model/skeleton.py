"""A skeleton read from MJCF: bodies, coordinates, limits and scale groups."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import mujoco
import numpy as np

from streamfit.errors import InputError
from streamfit.model.model_error import ModelError, read_model_error

ROOT_COORDINATES = 6
"""The first six coordinates move the root body: three translations, then three rotations."""
FEET = ("talus", "calcn", "toes", "foot")
"""What bodies are called whose place tells which way a model is drawn."""
UPRIGHT = 0.8
"""Cosine of the angle from below the root at which feet are, at least."""
_ROOT_AXES = np.eye(3)[[0, 1, 2, 2, 0, 1]]


@dataclass(frozen=True)
class Coupling:
    """A joint that follows a coordinate by a polynomial, lowest power first (metres or radians)."""

    joint: int
    master: int
    polynomial: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A kinematic tree with D coordinates, B bodies and G scale groups, in the y-up ground frame.

    `model` is the unscaled MuJoCo model. A coordinate is a joint that no equality constraint makes follow
    another; scale groups are the model's tuples named `scale:GROUP`, whose elements are bodies (what is drawn in
    their frames) and joints (where they are in the parent's frame: along one axis where `prm` is 1, 2 or 3; as the
    parent scales where no tuple says). Limits of the root are infinite. The model's tuple `calm` says how fast some
    joints move (`prm`, rad/s); `model_sd` and those named `excursion:NAME` how far the model errs.
    """

    name: str
    model: mujoco.MjModel
    bodies: tuple[str, ...]
    joints: tuple[str, ...]
    coordinates: tuple[str, ...]
    units: tuple[str, ...]
    groups: tuple[str, ...]
    size_group: np.ndarray
    """(B,) the group that scales what is drawn in each body's frame."""
    centre_group: np.ndarray
    """(B, 3) the group that scales where each body's joint is along each axis of its parent."""
    couplings: tuple[Coupling, ...]
    lower: np.ndarray
    upper: np.ndarray
    calm: np.ndarray
    """(D,) rad/s, the standard deviation of the velocity of joints that move slowly; infinite for the others."""
    model_error: ModelError
    """What the skeleton cannot say of a person."""

    @cached_property
    def digest(self) -> bytes:
        """Of the name and all that the MJCF file says: what is compiled for one skeleton serves its like."""
        contents = np.empty(mujoco.mj_sizeModel(self.model), np.uint8)
        mujoco.mj_saveModel(self.model, None, contents)
        return hashlib.sha256(self.name.encode() + contents.tobytes()).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def neutral(self) -> np.ndarray:
        """The anatomical position (D,): every coordinate zero."""
        return np.zeros(len(self.coordinates))

    @property
    def coordinate_joints(self) -> np.ndarray:
        """Index of each coordinate's joint (D,)."""
        return np.array([self.joints.index(c) for c in self.coordinates])

    @staticmethod
    def load(name: str | Path = "rajagopal") -> Skeleton:
        """The built-in skeleton of that name, or an MJCF file; `InputError` if it is none of them."""
        built_in = files("streamfit.model") / "skeletons" / f"{name}.xml"
        path = Path(str(built_in)) if built_in.is_file() else Path(name)
        if not path.is_file():
            raise InputError(f"skeleton {str(name)!r}: no built-in skeleton and no file of that name; use 'rajagopal'")
        try:
            model = mujoco.MjModel.from_xml_path(str(path))
        except (ValueError, mujoco.FatalError) as error:
            raise InputError(f"{path}: MuJoCo cannot load it: {' '.join(str(error).split())}") from None
        try:
            return _read(path.stem, model, str(path))
        except UnicodeDecodeError:
            raise InputError(f"{path}: a name in it is not UTF-8; name bodies and joints in plain letters") from None

    def joint_positions(self, q: np.ndarray, scale: Mapping[str, float] | None = None) -> np.ndarray:
        """MuJoCo's `qpos` (J,) of the coordinates (D,), coupled joints included, for a scaled model."""
        qpos = np.zeros(len(self.joints))
        qpos[self.coordinate_joints] = q
        size, _ = self._body_factors(scale or {})
        for c in self.couplings:
            value = np.polynomial.polynomial.polyval(qpos[c.master], c.polynomial)
            if self.model.jnt_type[c.joint] == int(mujoco.mjtJoint.mjJNT_SLIDE):
                value *= size[self.model.body_parentid[self.model.jnt_bodyid[c.joint]]]
            qpos[c.joint] = value
        return qpos

    def scaled(self, scale: Mapping[str, float]) -> mujoco.MjModel:
        """A copy of the MuJoCo model with the bodies of each group scaled (geometry too)."""
        model = copy.copy(self.model)
        size, centre = self._body_factors(scale)
        first = model.body_jntadr
        for b in range(1, model.nbody):
            anchor = model.jnt_pos[_anchor_joint(model, b)] if first[b] >= 0 else np.zeros(3)
            outward = model.body_pos[b] + _rotate(model.body_quat[b], anchor)
            model.body_pos[b] = centre[b] * outward - _rotate(model.body_quat[b], size[b] * anchor)
        model.jnt_pos[:] *= size[model.jnt_bodyid][:, None]
        model.geom_pos[:] *= size[model.geom_bodyid][:, None]
        model.geom_size[:] *= size[model.geom_bodyid][:, None]
        for e in range(model.neq):
            joint = model.eq_obj1id[e]
            if model.jnt_type[joint] == int(mujoco.mjtJoint.mjJNT_SLIDE):
                model.eq_data[e, :5] *= size[model.body_parentid[model.jnt_bodyid[joint]]]
        return model

    def _body_factors(self, scale: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Factors of size and, per axis, of centre for each MuJoCo body, the world first."""
        factors = np.array([scale.get(group, 1.0) for group in self.groups])
        size, centre = factors[self.size_group], factors[self.centre_group]
        return np.concatenate([np.ones(1), size]), np.concatenate([np.ones((1, 3)), centre])


def _anchor_joint(model: mujoco.MjModel, body: int) -> int:
    """The joint that marks a body's centre of rotation: its first hinge, else its first joint."""
    start, count = model.body_jntadr[body], model.body_jntnum[body]
    hinges = [j for j in range(start, start + count) if model.jnt_type[j] == int(mujoco.mjtJoint.mjJNT_HINGE)]
    return hinges[0] if hinges else start


def _rotate(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    rotated = np.zeros(3)
    mujoco.mju_rotVecQuat(rotated, np.asarray(vector, float), np.asarray(quaternion, float))
    return rotated


def _read(name: str, model: mujoco.MjModel, source: str) -> Skeleton:
    slide, hinge = int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_HINGE)
    if any(kind not in (slide, hinge) for kind in model.jnt_type):
        raise InputError(
            f"{source}: only slide and hinge joints are coordinates; write a free root as three slides and three hinges"
        )
    if list(model.jnt_type[:3]) != [slide] * 3 or list(model.jnt_type[3:6]) != [hinge] * 3:
        raise InputError(f"{source}: the root body must have three slide joints, then three hinge joints")
    if not np.allclose(model.jnt_axis[:6], _ROOT_AXES):
        raise InputError(f"{source}: the root must move along x, y, z and turn about z, x, y (tilt, list, rotation)")
    _check_root(model, source)
    # where the root is drawn in MuJoCo's world is no matter of the body: its coordinates alone place it in the ground
    model.body_pos[1], model.body_quat[1] = 0.0, (1.0, 0.0, 0.0, 0.0)
    _check_upright(model, source)
    joints = tuple(model.joint(j).name for j in range(model.njnt))
    couplings = tuple(
        Coupling(int(model.eq_obj1id[e]), int(model.eq_obj2id[e]), tuple(float(c) for c in model.eq_data[e, :5]))
        for e in range(model.neq)
        if model.eq_type[e] == int(mujoco.mjtEq.mjEQ_JOINT) and model.eq_obj2id[e] >= 0 and model.eq_active0[e]
    )
    for c in couplings:
        if model.jnt_bodyid[c.joint] != model.jnt_bodyid[c.master]:
            raise InputError(f"{source}: joint {joints[c.joint]!r} follows {joints[c.master]!r} of another body")
        if c.joint < ROOT_COORDINATES or c.master < ROOT_COORDINATES:
            raise InputError(f"{source}: joint {joints[c.joint]!r} follows {joints[c.master]!r}; the root must be free")
    dependent = {c.joint for c in couplings}
    free = [j for j in range(model.njnt) if j not in dependent]
    limited = model.jnt_limited[free].astype(bool)
    groups, size_group, centre_group = _scale_groups(model, source)
    return Skeleton(
        name=name,
        model=model,
        bodies=tuple(model.body(b).name for b in range(1, model.nbody)),
        joints=joints,
        coordinates=tuple(joints[j] for j in free),
        units=tuple("m" if model.jnt_type[j] == slide else "rad" for j in free),
        groups=groups,
        size_group=size_group,
        centre_group=centre_group,
        couplings=couplings,
        lower=np.where(limited, model.jnt_range[free, 0], -np.inf),
        upper=np.where(limited, model.jnt_range[free, 1], np.inf),
        calm=_calm(model, source)[free],
        model_error=read_model_error(model, free, source),
    )


def _check_root(model: mujoco.MjModel, source: str) -> None:
    """Refuse what the root's coordinates do not say."""
    root = ROOT_COORDINATES
    if (model.jnt_bodyid[:root] != 1).any() or model.body_parentid[1] != 0:
        raise InputError(f"{source}: the first body must be the root, with all of its six joints")
    if np.flatnonzero(model.body_parentid[1:] == 0).tolist() != [0]:
        other = model.body(1 + int(np.flatnonzero(model.body_parentid[1:] == 0)[1])).name
        raise InputError(
            f"{source}: body {other!r} does not hang on the root; leave it out, or hang it on another body"
        )
    if np.abs(model.jnt_pos[:root]).max() > 1e-9:
        raise InputError(f'{source}: the joints of the root must be at its origin; set their pos to "0 0 0"')
    if (moved := np.flatnonzero(np.abs(model.qpos0) > 1e-9)).size:
        name = model.joint(int(moved[0])).name
        raise InputError(
            f"{source}: joint {name!r} has a ref; every coordinate must be 0 as the body is drawn, set it to 0"
        )


def _check_upright(model: mujoco.MjModel, source: str) -> None:
    """Refuse a body with feet that is not drawn upright in a frame with y up."""
    feet = [b for b in range(1, model.nbody) if model.body(b).name.split("_")[0] in FEET]
    if not feet:
        return
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    way = data.xpos[feet].mean(0) - data.xpos[1]
    if -way[1] < UPRIGHT * np.linalg.norm(way):
        axis = int(np.argmax(np.abs(way)))
        where = ("-" if way[axis] < 0.0 else "+") + "xyz"[axis]
        raise InputError(
            f"{source}: with every coordinate 0 the feet are on the {where} side of the root, not below it (-y): draw "
            "the root's frame with x forward, y up and z to the right"
        )


def _calm(model: mujoco.MjModel, source: str) -> np.ndarray:
    """Standard deviations (J,) of the velocity of the joints in the tuple `calm`, infinite for the others."""
    out = np.full(model.njnt, np.inf)
    for t in range(model.ntuple):
        if model.tuple(t).name != "calm":
            continue
        for element in range(model.tuple_adr[t], model.tuple_adr[t] + model.tuple_size[t]):
            if model.tuple_objtype[element] != int(mujoco.mjtObj.mjOBJ_JOINT) or not model.tuple_objprm[element] > 0.0:
                raise InputError(f"{source}: tuple 'calm' may hold joints with prm above 0, their velocity in rad/s")
            out[model.tuple_objid[element]] = model.tuple_objprm[element]
    return out


def _scale_groups(model: mujoco.MjModel, source: str) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Names of the groups, and which of them scales each body's size (B,) and its joint's centre (B, 3)."""
    size, centre = np.full(model.nbody, -1), np.full((model.nbody, 3), -1)
    groups: list[str] = []
    for t in range(model.ntuple):
        label = model.tuple(t).name
        if not label.startswith("scale:"):
            continue
        start = model.tuple_adr[t]
        for element in range(start, start + model.tuple_size[t]):
            one, axis = int(model.tuple_objid[element]), int(model.tuple_objprm[element])
            if model.tuple_objtype[element] == int(mujoco.mjtObj.mjOBJ_BODY):
                if size[one] >= 0:
                    name = model.body(one).name
                    raise InputError(
                        f"{source}: body {name!r} is twice in scale groups, at last in {label!r}; keep one"
                    )
                size[one] = len(groups)
            elif model.tuple_objtype[element] == int(mujoco.mjtObj.mjOBJ_JOINT) and axis in (1, 2, 3):
                centre[model.jnt_bodyid[one], axis - 1] = len(groups)
            else:
                raise InputError(
                    f"{source}: tuple {label!r} may hold bodies, and joints with prm 1, 2 or 3 (x, y or z)"
                )
        groups.append(label.removeprefix("scale:"))
    for b in range(1, model.nbody):
        if size[b] < 0:
            raise InputError(
                f"{source}: body {model.body(b).name!r} is in no scale group; add it to a tuple named 'scale:GROUP'"
            )
        parent = model.body_parentid[b]
        centre[b] = np.where(centre[b] < 0, size[parent or b], centre[b])
    return tuple(groups), size[1:], centre[1:]
