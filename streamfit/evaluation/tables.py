"""The figures of an evaluation, as the map that is written to `evaluation.json` and shown in the report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit import __version__
from streamfit.estimation.batch.result import Movement
from streamfit.estimation.quality.metrics import CONFIDENT, Consistency
from streamfit.evaluation.fit_report import LIMITS
from streamfit.evaluation.gait import spatiotemporal
from streamfit.model import Skeleton
from streamfit.model.camera import REFERENCE_WIDTH
from streamfit.model.subject import Subject
from streamfit.recording.playback import Recording
from streamfit.recording.view_table import Sightings

CURVE = np.arange(0.0, 41.0)
"""px at 2048 wide, of GC over x."""


@dataclass(frozen=True, eq=False)
class Tracked(Movement):
    """A movement that the live engine published."""

    sd: np.ndarray
    """(T, D) posterior standard deviation, rad or m; NaN where there is no fit."""
    events: Sequence[dict[str, Any]]
    steps: Sequence[dict[str, Any]]
    """Of the gait, as published."""


@dataclass(frozen=True, eq=False)
class Method:
    """What is compared: a name, its agreement with the views, and the movement where it gives one."""

    name: str
    consistency: Consistency
    movement: Movement | None


def evaluation(
    recording: Recording,
    subject: Subject,
    source: str,
    t: np.ndarray,
    seen: Sightings,
    methods: Sequence[Method],
    skeleton: Skeleton,
) -> dict[str, Any]:
    """All tables, of instants at `t` (T,) s. Shares are 0 to 1, errors in native px; what is not known is None."""
    cameras, keypoints = recording.rig.names, recording.keypoints.names
    confident = seen.seen[..., 2] >= CONFIDENT
    report = {
        "name": recording.name,
        "session": str(recording.file.path),
        "complete": recording.file.complete,
        "software": f"streamfit {__version__}",
        "person": recording.person,
        "views": recording.views,
        "cameras": list(cameras),
        "keypoints": {"set": recording.keypoints.name, "names": list(keypoints)},
        "subject": {
            "source": source,
            "skeleton": subject.skeleton,
            "scale": subject.scale,
            "fit": subject.fit,
            "refined_cameras": subject.rig_for(recording.rig)[0] is not recording.rig,
        },
        "recording": _recording(recording, t, seen),
        "reference_width": REFERENCE_WIDTH,
        "confident": CONFIDENT,
        "limits": list(LIMITS),
        "detections": {
            "cameras": dict(zip(cameras, confident.sum((0, 2)).tolist(), strict=True)),
            "keypoints": dict(zip(keypoints, confident.sum((0, 1)).tolist(), strict=True)),
        },
        "methods": {method.name: _agreement(method, cameras, keypoints) for method in methods},
        "angles": {m.name: _angles(m.movement, skeleton) for m in methods if m.movement is not None},
        "gait": spatiotemporal(next((m.movement.steps for m in methods if isinstance(m.movement, Tracked)), ())),
        "curve_px": CURVE.tolist(),
    }
    report["summary"] = _sentence(report)
    return _without_nan(report)


def quartiles(errors: np.ndarray, axis: int) -> np.ndarray:
    """Quartiles (3, ...) along an axis where NaN does not count; a miss is infinite, and nothing is NaN."""
    ordered = np.sort(errors, axis=axis)  # NaN last
    count = (~np.isnan(errors)).sum(axis=axis, keepdims=True)
    at = np.maximum(np.rint(np.array([0.25, 0.5, 0.75])[:, *(None,) * errors.ndim] * (count - 1)), 0).astype(int)
    return np.stack([np.take_along_axis(ordered, index, axis).squeeze(axis) for index in at])


def camera_and_keypoint(consistency: Consistency) -> np.ndarray:
    """Median error (C, K), native px; NaN where there is nothing to compare."""
    return quartiles(consistency.error, axis=0)[1]


def _agreement(method: Method, cameras: Sequence[str], keypoints: Sequence[str]) -> dict[str, Any]:
    consistency = method.consistency
    moved = None if method.movement is None else np.isfinite(method.movement.q).all(axis=1)
    return {
        **{f"GC_{limit}": consistency.share_within(limit) for limit in LIMITS},
        "median_px": consistency.median(),
        "points": int((~np.isnan(consistency.error)).sum()),
        "fitted": None if moved is None or len(moved) == 0 else float(moved.mean()),
        "cameras": dict(zip(cameras, consistency.median_by(1).tolist(), strict=True)),
        "keypoints": dict(zip(keypoints, consistency.median_by(2).tolist(), strict=True)),
        "cameras_keypoints": {
            camera: dict(zip(keypoints, row, strict=True))
            for camera, row in zip(cameras, camera_and_keypoint(consistency).tolist(), strict=True)
        },
        "curve": [consistency.share_within(limit) for limit in CURVE],
    }


def _recording(recording: Recording, t: np.ndarray, seen: Sightings) -> dict[str, Any]:
    present = np.any(seen.seen[..., 2] > 0, axis=2)
    return {
        "instants": len(t),
        "seconds": float(t[-1] - t[0]),
        "rate_hz": _rate(t),
        "cameras": {
            camera.name: {
                "size": list(camera.size),
                "views": int(present[:, c].sum()),
                "rate_hz": _rate(seen.t[present[:, c], c]),
            }
            for c, camera in enumerate(recording.rig.cameras)
        },
    }


def _rate(t: np.ndarray) -> float | None:
    """Mean rate of times (N,), Hz."""
    span = float(np.ptp(t)) if len(t) > 1 else 0.0
    return (len(t) - 1) / span if span > 0 else None


def _angles(movement: Movement, skeleton: Skeleton) -> dict[str, dict[str, Any]]:
    """Each coordinate over the instants with a fit, degrees or m."""
    known = np.isfinite(movement.q).all(axis=1)
    sd = movement.sd[known] if isinstance(movement, Tracked) else None
    out: dict[str, dict[str, Any]] = {}
    for column, (name, unit) in enumerate(zip(skeleton.coordinates, skeleton.units, strict=True)):
        factor = math.degrees(1.0) if unit == "rad" else 1.0
        value = factor * movement.q[known, column]
        some = len(value) > 0
        out[name] = {
            "unit": "deg" if unit == "rad" else unit,
            "mean": float(value.mean()) if some else None,
            "sd": float(value.std()) if some else None,
            "min": float(value.min()) if some else None,
            "max": float(value.max()) if some else None,
            "range": float(np.ptp(value)) if some else None,
            "posterior_sd": factor * float(np.median(sd[:, column])) if some and sd is not None else None,
        }
    return out


def _sentence(report: dict[str, Any]) -> str:
    """What the report comes to."""
    total = sum(report["detections"]["cameras"].values())
    if not total:
        return "No camera has a confident detection, so there is nothing to compare with."
    parts = []
    for name, method in report["methods"].items():
        median = method["median_px"]
        error = f"median error {median:.1f} px" if math.isfinite(median) else "no point for most of them"
        parts.append(f"{name} {method['GC_10']:.0%} ({error})")
    return (
        f"Of {total} confident detections by {len(report['cameras'])} camera"
        f"{'s' if len(report['cameras']) > 1 else ''}, these lie within 10 px of the fitted point "
        f"(of an image {REFERENCE_WIDTH} wide): {', '.join(parts)}."
    )


def _without_nan(value: Any) -> Any:
    """The same map with None in place of what is not finite."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
