"""The figures of a run of the demo: loss, latency, and the error against the simulated truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamfit.protocol.ingest import KeypointsMessage, Rejected, decode_ingest
from streamfit.recording.mcap_file import SessionFile

_LEGS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
LEGS = (
    "pelvis_tilt",
    "pelvis_list",
    "pelvis_rotation",
    *(f"{name}_{side}" for name in _LEGS for side in "rl"),
)
_LEFT_OUT = ("mtp", "wrist")
_SETTLING = 0.15
"""s after the start that do not count."""
_ONE_EVENT, _ENDING = 0.25, 0.3
"""s within which two events may be one, and s at the end that do not count."""
_TOGETHER = 1e-3
"""s within which views are one instant."""


@dataclass(frozen=True)
class AngleErrors:
    """Mean over coordinates of the RMSE (deg): as it is, and `centred`: the mean difference taken off."""

    legs: float
    legs_centred: float
    all: float
    all_centred: float


def angle_errors(t: np.ndarray, degrees: np.ndarray, coordinates: list[str], truth: Path) -> AngleErrors:
    """Errors of angles (T, D; deg) at times (T,) against a truth file.

    Legs: the pelvis' rotations, hip flexion, adduction, rotation, knee and ankle. All: every rotation with
    truth but those of toes and wrists. The first 0.15 s are left out.
    """
    inside, true = angles_at(t, coordinates, truth)
    errors = {name: degrees[inside, coordinates.index(name)] - angle[inside] for name, angle in true.items()}
    legs = [errors[name] for name in LEGS if name in errors]
    every = list(errors.values())
    return AngleErrors(_rmse(legs, False), _rmse(legs, True), _rmse(every, False), _rmse(every, True))


def angles_at(t: np.ndarray, coordinates: list[str], truth: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Which of the times (T,) count against a truth file, and at all of them its angles (T,), degrees, by name.

    The first 0.15 s are left out, and the rotations of toes and wrists.
    """
    with np.load(truth) as file:
        names, times, angles = [str(name) for name in file["angle_names"]], file["angle_t"], file["angles"]
    known = [i for i, name in enumerate(names) if name in coordinates and not name.startswith(_LEFT_OUT)]
    inside = (t >= times[0] + _SETTLING) & (t <= times[-1]) if len(times) else np.zeros(len(t), bool)
    return inside, {names[i]: np.interp(t, times, angles[:, i]) for i in known}


@dataclass(frozen=True)
class EventErrors:
    """Foot events against the truth: how many there are, were found and were false; median error and delay, s."""

    true: int
    found: int
    false: int
    strike: float
    off: float
    delay: float


def event_errors(events: np.ndarray, truth: Path) -> EventErrors:
    """Of events with the fields `t`, `side`, `event` and `detected`, matched one to one within 0.25 s.

    The last 0.3 s of the truth are left out: their events are detected after the end.
    """
    with np.load(truth) as file:
        true = [event for event in file["events"] if event["t"] < file["t"][-1] - _ENDING]
        last = file["t"][-1] - _ENDING
    left = list(events)
    errors: dict[str, list[float]] = {"foot_strike": [], "foot_off": []}
    delays = []
    for event in true:
        same = [e for e in left if (e["side"], e["event"]) == (event["side"], event["event"])]
        near = min(same, key=lambda e: abs(float(e["t"] - event["t"])), default=None)
        if near is not None and abs(near["t"] - event["t"]) <= _ONE_EVENT:
            left = [e for e in left if e is not near]
            errors[str(event["event"])].append(abs(float(near["t"] - event["t"])))
            delays.append(float(near["detected"] - near["t"]))
    strike, off, delay = (float(np.median(x)) if x else np.nan for x in (*errors.values(), delays))
    false = sum(1 for e in left if e["t"] < last)
    return EventErrors(len(true), len(delays), false, strike, off, delay)


def instants(recording: SessionFile) -> int | None:
    """How many instants a recording of cameras triggered together holds; None where they run free."""
    times: dict[str, list[float]] = {}
    for message in recording.messages({"keypoints"}):
        try:
            decoded = decode_ingest(message.payload)
        except Rejected:
            continue
        if isinstance(decoded, KeypointsMessage):
            for view in decoded.views:
                times.setdefault(view.camera, []).append(decoded.t if view.t is None else view.t)
    together = np.sort(np.concatenate([*times.values(), []]))
    count = int((np.diff(together, prepend=-np.inf) > _TOGETHER).sum())
    longest = max((len(set(own)) for own in times.values()), default=0)
    # Free cameras hardly ever meet: then there are about as many moments as views.
    return count if count < 1.5 * longest else None


def _rmse(errors: list[np.ndarray], centred: bool) -> float:
    means = [error.mean() if centred else 0.0 for error in errors]
    return float(np.mean([np.sqrt(np.mean((e - m) ** 2)) for e, m in zip(errors, means, strict=True)]))
