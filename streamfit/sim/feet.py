"""The soles of the feet, and where each of their points is on the ground while a foot stands."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streamfit.model import Skeleton
from streamfit.sim.gait import FOOT_OFF
from streamfit.sim.steps import STANDING, Plan, Stance, smoothstep

# Points of the right sole: body, place (m, unscaled body's frame), and the phases after the foot strike at
# which they begin and cease to carry weight: the heel first, then the ball of the foot, the big toe last.
_SOLE = (
    ("calcn", (-0.010, -0.010, -0.004), -0.01, 0.36),
    ("calcn", (0.175, -0.010, -0.030), 0.08, 0.53),
    ("calcn", (0.145, -0.010, 0.048), 0.08, 0.50),
    ("toes", (0.048, -0.008, -0.022), 0.10, 0.59),
)
_FADE = 0.04
"""Phases over which weight comes and goes."""
SIDES = ("right", "left")
BODIES = tuple(f"{body}_{side[0]}" for side in SIDES for body, *_ in _SOLE)
"""The body of each sole point (8,), the right foot's first."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """Where the 8 sole points should be: `target` (T, 8, 3) m in the ground frame, `weight` (T, 8) 0 to 1."""

    target: np.ndarray
    weight: np.ndarray


def sole_places(scale: Mapping[str, float]) -> np.ndarray:
    """The sole points (8, 3) in their scaled bodies' frames, m."""
    places = np.array([place for _, place, _, _ in _SOLE])
    return np.concatenate([scale["foot_r"] * places, scale["foot_l"] * places * (1, 1, -1)])


def contacts(plan: Plan, skeleton: Skeleton, scale: Mapping[str, float]) -> Contacts:
    """The footprints of a plan as targets for the sole points."""
    count = len(plan.phase)
    target, weight = np.zeros((count, 2 * len(_SOLE), 3)), np.zeros((count, 2 * len(_SOLE)))
    for stance in plan.stances:
        first = len(_SOLE) * SIDES.index(stance.side)
        prints = _footprint(stance, skeleton, scale)
        for i, (_, _, on, off) in enumerate(_SOLE):
            after, before = plan.phase - stance.strike, stance.off - plan.phase
            # The foot that starts rolls off within the little that is left of its stance.
            last = (FOOT_OFF - off) * min(1.0, (stance.off - STANDING) / FOOT_OFF)
            load = smoothstep((after - on) / _FADE + 0.5) * smoothstep((before - last) / _FADE + 0.5)
            here = load > weight[:, first + i]
            target[here, first + i] = prints[i]
            weight[here, first + i] = load[here]
    return Contacts(target, weight)


def _footprint(stance: Stance, skeleton: Skeleton, scale: Mapping[str, float]) -> np.ndarray:
    """The sole points (4, 3) of a foot that stands flat."""
    side = stance.side[0]
    factor, mirror = scale[f"foot_{side}"], np.array([1.0, 1.0, 1.0 if side == "r" else -1.0])
    calcn, toes = (skeleton.model.body(f"{name}_{side}").pos for name in ("calcn", "toes"))
    flat = np.array([mirror * place + (calcn + toes if body == "toes" else calcn) for body, place, _, _ in _SOLE])
    flat *= factor
    flat[:, 1] -= flat[:3, 1].mean()
    c, s = np.cos(stance.heading), np.sin(stance.heading)
    turned = flat @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    return turned + np.array([stance.ankle[0], 0.0, stance.ankle[1]])
