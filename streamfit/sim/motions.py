"""What the simulated person does: a walk through the room, and exercises to calibrate with."""

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from streamfit.model import Skeleton
from streamfit.sim.feet import BODIES, contacts, sole_places
from streamfit.sim.gait import standing, walking
from streamfit.sim.planting import plant
from streamfit.sim.posing import PosedPoints
from streamfit.sim.steps import Event, Plan, plan_standing, plan_walk, smoothstep

RATE = 100.0
"""Poses per second."""
_SWAY, _SWAY_PHASE = 0.018, 0.3
"""m that the hips sway over the standing leg, and the phase of its largest value."""
_DIP = 0.012
"""m that the hips are lower on average in walking than in standing."""


def walk(skeleton: Skeleton, scale: Mapping[str, float], seconds: float) -> tuple[np.ndarray, tuple[Event, ...]]:
    """Coordinates (T, D) of a walk that starts from standing, and its foot strikes and offs."""
    plan = plan_walk(np.arange(0.0, seconds, 1.0 / RATE))
    still, moving = standing(len(plan.phase)), walking(plan.phase)
    angles = {
        name: (1.0 - plan.pace) * still.get(name, 0.0) + plan.pace * moving.get(name, 0.0)
        for name in {**still, **moving}
    }
    reference = _carried(angles, plan, skeleton, scale)
    return plant(reference, contacts(plan, skeleton, scale), skeleton, scale, RATE), plan.events


def exercises(skeleton: Skeleton, scale: Mapping[str, float], seconds: float) -> np.ndarray:
    """Coordinates (T, D) of movements in place that bend every joint: squats, arms, trunk and head."""
    t = np.arange(0.0, seconds, 1.0 / RATE)
    begin = smoothstep((t - _BEGIN) / 0.8)
    plan = plan_standing(len(t))
    angles = standing(len(t))
    waves = {name: d * (0.5 - 0.5 * _wave(t, hertz, 0.25)) for name, (d, hertz) in _BENDS.items()}
    waves |= {name: d * _wave(t, hertz, shift) for name, (d, hertz, shift) in _SWINGS.items()}
    for name, degrees in waves.items():
        for coordinate in (name,) if name in skeleton.coordinates else (f"{name}_r", f"{name}_l"):
            angles[coordinate] = angles.get(coordinate, 0.0) + begin * np.radians(degrees)
    reference = _carried(angles, plan, skeleton, scale)
    feet = contacts(plan, skeleton, scale)
    soles = PosedPoints(skeleton, scale, BODIES, sole_places(scale)).positions(reference)
    reference[:, :3] += (feet.target - soles).mean(1)
    return plant(reference, feet, skeleton, scale, RATE)


_BENDS = {
    "hip_flexion": (65.0, 0.5),
    "knee_angle": (80.0, 0.5),
    "ankle_angle": (20.0, 0.5),
    "pelvis_tilt": (-15.0, 0.5),
    "lumbar_extension": (-15.0, 0.5),
    "arm_flex": (75.0, 0.4),
    "arm_add": (-60.0, 0.3),
    "elbow_flex": (95.0, 0.6),
}
"""Exercises one way and back: degrees, and times a second; a name without side is for both."""
_SWINGS = {
    "pelvis_rotation": (12.0, 0.35, 0.0),
    "lumbar_bending": (18.0, 0.3, 0.1),
    "lumbar_rotation": (25.0, 0.35, 0.0),
    "neck_flexion": (20.0, 0.4, 0.2),
    "neck_bending": (12.0, 0.3, 0.0),
    "neck_rotation": (40.0, 0.25, 0.0),
    "arm_rot": (30.0, 0.45, 0.3),
    "pro_sup": (45.0, 0.35, 0.2),
    "wrist_flex": (25.0, 0.5, 0.1),
    "wrist_dev": (10.0, 0.4, 0.0),
}
"""Exercises both ways: degrees, times a second, and where in the wave they begin."""
_BEGIN = 0.5
"""s"""


def _wave(t: np.ndarray, hertz: float, shift: float) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * (hertz * (t - _BEGIN) + shift)))


def _carried(angles: dict[str, np.ndarray], plan: Plan, skeleton: Skeleton, scale: Mapping[str, float]) -> np.ndarray:
    """Coordinates (T, D) of joint angles with the pelvis turned and carried along the plan's way."""
    count = len(plan.phase)
    own = np.stack([angles.get(name, np.zeros(count)) for name in skeleton.coordinates[3:6]], 1)
    turned = Rotation.from_euler("y", plan.heading[:, None]) * Rotation.from_euler("ZXY", own)
    hips = scale["pelvis"] * np.mean([skeleton.model.body(f"femur_{side}").pos for side in "rl"], 0)
    leg = np.mean(
        [
            scale[f"{group}_{side}"] * abs(skeleton.model.body(f"{child}_{side}").pos[1])
            for side in "rl"
            for group, child in (("thigh", "tibia"), ("shank", "talus"), ("foot", "calcn"))
        ]
    )
    sway = _SWAY * plan.pace * np.cos(2 * np.pi * (plan.phase - _SWAY_PHASE))
    place = np.stack(
        [
            plan.hips[:, 0] + sway * np.sin(plan.heading),
            3 * leg - _DIP * plan.pace,
            plan.hips[:, 1] + sway * np.cos(plan.heading),
        ],
        1,
    )
    q = np.stack([angles.get(name, np.zeros(count)) for name in skeleton.coordinates], 1)
    q[:, :3] = place - turned.apply(hips)
    q[:, 3:6] = np.unwrap(turned.as_euler("ZXY"), axis=0)
    return q
