"""Normative joint angles of level walking, as curves over the gait cycle in the skeleton's coordinates."""

import tomllib
from importlib.resources import files

import numpy as np
from scipy.interpolate import CubicSpline

FOOT_OFF = 0.62
"""Phase of the cycle at which the foot leaves the ground."""
_SPINES = np.radians(5.2)
"""Anterior tilt of the plane of the iliac spines in the neutral pelvis: (.020, .014) and (-.155, .030) m."""


def _curve(degrees: list[float]) -> CubicSpline:
    return CubicSpline(np.linspace(0, 1, len(degrees) + 1), np.radians([*degrees, degrees[0]]), bc_type="periodic")


_TABLE = tomllib.loads((files("streamfit.sim") / "normative_gait.toml").read_text(encoding="utf-8"))
_LEG = {name: _curve(degrees) for name, degrees in _TABLE["leg"].items()}
_TILT, _OBLIQUITY, _ROTATION = (_curve(_TABLE[f"pelvic_{name}"]) for name in ("tilt", "obliquity", "rotation"))


def walking(phase: np.ndarray) -> dict[str, np.ndarray]:
    """Joint angles (rad) while walking, by coordinate, at phases (T,) of the right leg's cycle (1: a stride).

    The pelvis' three angles are relative to the direction of walking; the left side is half a cycle later.
    Arms: the shoulder swings from 24 degrees of extension at the foot strike of its side to 8 of flexion, the
    elbow bends by about 30 as it comes forward (Perry & Burnfield 2010). The trunk undoes the pelvis' motion
    so that the chest stays level, and turns the other way by some 3 degrees.
    """
    obliquity, rotation, tilt = _OBLIQUITY(phase % 1), _ROTATION(phase % 1), _SPINES - _TILT(phase % 1)
    angles = {
        "pelvis_tilt": tilt,
        "pelvis_list": -obliquity,
        "pelvis_rotation": rotation,
        "lumbar_extension": -0.8 * tilt - np.radians(2),
        "lumbar_bending": 0.9 * obliquity,
        "lumbar_rotation": -1.7 * rotation,
        "neck_flexion": np.full(len(phase), np.radians(2)),
        "neck_rotation": 0.7 * rotation,
    }
    for side, own in (("r", phase), ("l", phase + 0.5)):
        back = np.cos(2 * np.pi * own)
        angles |= {f"{name}_{side}": curve(own % 1) for name, curve in _LEG.items()}
        angles[f"hip_flexion_{side}"] -= _SPINES
        angles[f"arm_flex_{side}"] = np.radians(-8 - 16 * back)
        angles[f"arm_add_{side}"] = np.radians(-7 + 1.5 * back)
        angles[f"arm_rot_{side}"] = np.radians(8 - 4 * back)
        angles[f"elbow_flex_{side}"] = np.radians(28 - 14 * np.cos(2 * np.pi * (own - 0.04)))
        angles[f"pro_sup_{side}"] = np.radians(85 - 8 * back)
        angles[f"wrist_flex_{side}"] = np.radians(6 - 3 * back)
        angles[f"wrist_dev_{side}"] = np.radians(3 * back)
    return angles


_STANDING = {"pelvis_tilt": -4.0, "lumbar_extension": 2.0, "neck_flexion": 2.0}
_STANDING_LIMBS = {
    "hip_flexion": 5.0,
    "knee_angle": 4.0,
    "ankle_angle": 3.0,
    "arm_flex": -2.0,
    "arm_add": -7.0,
    "arm_rot": 8.0,
    "elbow_flex": 14.0,
    "pro_sup": 80.0,
    "wrist_flex": 5.0,
}


def standing(count: int) -> dict[str, np.ndarray]:
    """Joint angles (rad) of relaxed standing, by coordinate, `count` times."""
    limbs = {f"{name}_{side}": degrees for name, degrees in _STANDING_LIMBS.items() for side in "rl"}
    return {name: np.full(count, np.radians(degrees)) for name, degrees in (_STANDING | limbs).items()}
