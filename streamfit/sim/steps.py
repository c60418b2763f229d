"""The plan of a walk: when and where each foot is put down, along a path that turns round in a room."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from streamfit.sim.gait import FOOT_OFF

FIRST_MOVE, FIRST_STRIKE = 0.9, 1.5
FIRST_STEPS, STEP_TIME = (0.62, 0.58, 0.565), 0.55
"""s: when the first foot moves and lands, and what the steps after it take."""
SPEED, TURNING_SPEED = 1.18, 1.02
"""m/s"""
START, STRAIGHT, CURVE = (-2.3, 1.0), 3.3, 3.8
"""m: where the hips start (x, z), how far they go straight on, and the length of the half turn."""
STEP_WIDTH, TOE_OUT = 0.11, np.radians(5)
"""m between the ankles' lines, and rad."""
STANDING = 0.5
"""Phase of the walk before the first move: the right foot starts, half a stride before its first strike."""
MIDSTANCE = 0.24
"""Phase at which the hips pass over the ankle of the standing leg (from the normative joint angles)."""

Event = tuple[float, str, str]
"""Time (s), "left" or "right", "foot_strike" or "foot_off"."""
Way = Callable[[np.ndarray | float], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Stance:
    """One time that a foot is on the ground.

    `strike` and `off` are phases of the walk (`Plan.phase`; strike is -inf where the person starts on it).
    `ankle` (x, z) m and `heading` (rad, left positive) say where it stands in the y-up ground frame.
    """

    side: str
    strike: float
    off: float
    ankle: np.ndarray
    heading: float


@dataclass(frozen=True, eq=False)
class Plan:
    """A walk at times (T,).

    `phase` (T,): strides since the start, whole numbers at the right foot's strikes, halves at the left's.
    `pace` (T,): 0 standing to 1 walking. `hips` (T, 2): x and z of the middle of the hips, m; `heading` (T,).
    `events` are in order of time.
    """

    phase: np.ndarray
    pace: np.ndarray
    hips: np.ndarray
    heading: np.ndarray
    stances: tuple[Stance, ...]
    events: tuple[Event, ...]


def plan_walk(t: np.ndarray) -> Plan:
    """From standing a straight line, half a turn to the left and a straight line back; 109 steps a minute."""
    strikes = [FIRST_STRIKE]
    for extra in (*FIRST_STEPS, *[STEP_TIME] * int((t[-1] + 2.0) / STEP_TIME)):
        strikes.append(strikes[-1] + extra)
    phases = STANDING + 0.5 * np.arange(len(strikes) + 1)
    moments = np.array([FIRST_MOVE, *strikes])
    phase_at, time_at = PchipInterpolator(moments, phases), PchipInterpolator(phases, moments)
    way = _way(moments[-1])

    stances = []
    for side, first in (("right", 0.0), ("left", 0.5)):
        stances.append(_stance(side, -np.inf, first + FOOT_OFF, way, 0.0))
        for strike in np.arange(first + 1.0, phases[-1] - FOOT_OFF):
            stances.append(_stance(side, strike, strike + FOOT_OFF, way, float(time_at(strike + MIDSTANCE))))
    events = [
        (float(time_at(phase)), stance.side, kind)
        for stance in stances
        for phase, kind in ((stance.strike, "foot_strike"), (stance.off, "foot_off"))
        if np.isfinite(phase)
    ]
    hips, heading = way(t)
    return Plan(
        phase=np.where(t < FIRST_MOVE, STANDING, phase_at(np.maximum(t, FIRST_MOVE))),
        pace=smoothstep((t - FIRST_MOVE + 0.3) / (FIRST_STRIKE + 0.5 - FIRST_MOVE)),
        hips=hips,
        heading=heading,
        stances=tuple(stances),
        events=tuple(sorted(event for event in events if event[0] <= t[-1])),
    )


def plan_standing(count: int) -> Plan:
    """`count` times of standing at the world's origin, heading forward."""
    still = np.zeros(count)
    stances = tuple(_stance(side, -np.inf, np.inf, _at_origin, 0.0) for side in ("right", "left"))
    return Plan(np.full(count, STANDING), still, np.zeros((count, 2)), still, stances, ())


def _at_origin(t: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((*np.shape(t), 2)), np.zeros(np.shape(t))


def smoothstep(u: np.ndarray | float) -> np.ndarray:
    """0 below 0, 1 above 1, with level ends."""
    u = np.clip(u, 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))


def _way(end: float) -> Way:
    """Place (.., 2) and heading (..) of the hips by time: they set off smoothly and go slower in the turn."""
    step = 0.005
    times = np.arange(0.0, end + step, step)
    distance, heading = np.zeros(len(times)), np.zeros(len(times))
    for i, now in enumerate(times[:-1]):
        turn = smoothstep((distance[i] - STRAIGHT) / CURVE)
        pace = smoothstep((now - FIRST_MOVE + 0.25) / (FIRST_STRIKE + 0.35 - FIRST_MOVE))
        speed = pace * (SPEED - (SPEED - TURNING_SPEED) * 4.0 * turn * (1.0 - turn))
        distance[i + 1] = distance[i] + step * speed
        heading[i + 1] = np.pi * smoothstep((distance[i + 1] - STRAIGHT) / CURVE)
    direction = np.stack([np.cos(heading), -np.sin(heading)], 1)
    places = np.cumsum(np.diff(distance, prepend=0.0)[:, None] * direction, 0) + START
    return lambda t: (CubicSpline(times, places)(t), CubicSpline(times, heading)(t))


def _stance(side: str, strike: float, off: float, way: Way, t: float) -> Stance:
    place, heading = way(t)
    outward = 1.0 if side == "right" else -1.0
    to_the_right = np.array([np.sin(heading), np.cos(heading)])
    return Stance(
        side, strike, off, place + outward * STEP_WIDTH / 2 * to_the_right, float(heading - outward * TOE_OUT)
    )
