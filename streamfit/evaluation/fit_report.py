"""What `streamfit fit` writes: OpenSim's files, tables, and `fit.json`."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from streamfit import __version__
from streamfit.errors import InputError
from streamfit.estimation.init.clock_search import clocks_of
from streamfit.estimation.quality.metrics import Consistency
from streamfit.evaluation.findings import as_maps, findings
from streamfit.evaluation.live_fit import Fitted
from streamfit.exporters.c3d import write_c3d
from streamfit.exporters.dataframe import columns, write_csv, write_parquet
from streamfit.exporters.opensim import write_mot, write_trc
from streamfit.exporters.opensim_model import to_osim
from streamfit.exporters.rerun_file import write_rrd
from streamfit.exporters.stick_figure import StickFigure
from streamfit.exporters.tables import write_gait_events, write_steps
from streamfit.extras import needed
from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.clock_offsets import said_of_clocks
from streamfit.recording.forward_times import said_of
from streamfit.recording.playback import Recording
from streamfit.recording.sampling import segments
from streamfit.recording.view_table import sightings

LIMITS = (5, 10, 20)
"""px at 2048 wide, of GC_x."""


def make_folder(directory: Path) -> None:
    """Make the folder that a fit is written to, where there is none. InputError if it cannot be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{directory}: cannot be made: {error.strerror}; name another folder") from None
    if not os.access(directory, os.W_OK):
        raise InputError(f"{directory}: cannot be written to; name another folder")


EXPORTS = {"c3d": "ezc3d", "csv": None, "parquet": "pyarrow", "rrd": "rerun"}
"""Formats beside those that are always written, and the module that each needs."""


def check_exports(exports: Sequence[str]) -> None:
    """InputError where one is not known, or what it needs is not installed."""
    for name in exports:
        if name not in EXPORTS:
            raise InputError(f"--export {name!r} is not one of {', '.join(EXPORTS)}")
        if (module := EXPORTS[name]) is not None:
            needed(module, name)


def write_fit(
    directory: Path,
    fitted: Fitted,
    recording: Recording,
    skeleton: Skeleton,
    subject: Subject,
    report: dict[str, Any],
    exports: Sequence[str] = (),
) -> None:
    """Write all files of a fit into a folder. InputError if it cannot."""
    rig, names, motion = recording.rig, recording.keypoints.names, fitted.kinematics
    upright = fitted.keypoints @ rig.to_ground.T
    coordinates, units = skeleton.coordinates, skeleton.units
    try:
        for name, one in (("kinematics.mot", motion), ("smoothed.mot", fitted.smoothed)):
            if one is None:
                (directory / name).unlink(missing_ok=True)
                continue
            write_mot(directory / name, one.t, one.q, coordinates, units)
        write_trc(directory / "keypoints.trc", motion.t, upright, names)
        report["opensim_model"] = _write_model(directory / "model.osim", recording, skeleton, subject)
        write_gait_events(directory / "gait_events.csv", fitted.events)
        write_steps(directory / "steps.csv", fitted.steps)
        if "c3d" in exports:
            seen = np.where((motion.state != "lost")[:, None, None], upright, np.nan)
            path = directory / "motion.c3d"
            write_c3d(path, motion.t, seen, names, motion.q, coordinates, units, fitted.events)
        table = columns(motion.t, motion.q, motion.sd, motion.state, coordinates, units)
        if "csv" in exports:
            write_csv(directory / "kinematics.csv", table)
        if "parquet" in exports:
            write_parquet(directory / "kinematics.parquet", table)
        if "rrd" in exports:
            _write_rerun(directory / "motion.rrd", fitted, recording, skeleton, subject)
        (directory / "fit.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"{error.filename or directory}: cannot be written: {error.strerror}") from None


def _write_model(path: Path, recording: Recording, skeleton: Skeleton, subject: Subject) -> str:
    """Write the scaled skeleton for OpenSim; its name, or why OpenSim has no such model."""
    places = subject.places(skeleton, recording.keypoints)
    try:
        model = to_osim(skeleton, subject.scale, recording.keypoints, places)
    except InputError as error:
        path.unlink(missing_ok=True)
        return f"none: {error}"
    path.write_text(model, encoding="utf-8")
    return path.name


def _write_rerun(path: Path, fitted: Fitted, recording: Recording, skeleton: Skeleton, subject: Subject) -> None:
    rig, clock = subject.rig_for(recording.rig)
    motion, figure = fitted.kinematics, StickFigure(skeleton, recording.keypoints, subject)
    there = (motion.state != "lost")[:, None]
    q = np.where(there, motion.q, np.nan)
    value, sd = (np.where(np.array(skeleton.units) == "rad", np.degrees(x), x) for x in (q, motion.sd))
    seen: list[list[tuple[float, np.ndarray]]] = [[] for _ in rig.cameras]
    for view in chain.from_iterable(fitted.views):
        xy = np.where(view.xyc[:, 2:] > 0.0, view.xyc[:, :2], np.nan)
        seen[view.camera].append((view.t + clock[view.camera], xy))
    write_rrd(
        path,
        rig,
        motion.t,
        figure.joints(q)[:, figure.segments],
        figure.sides,
        np.where(there[..., None], fitted.keypoints, np.nan) @ rig.to_ground.T,
        recording.keypoints.names,
        {name: (value[:, d], sd[:, d]) for d, name in enumerate(skeleton.coordinates)},
        seen,
        fitted.events,
    )


def fit_report(
    recording: Recording, fitted: Fitted, skeleton: Skeleton, subject: Subject, lag: float | None, named: str
) -> dict[str, Any]:
    """What the fit is worth, as the map of `fit.json`. GC_x is in px at 2048 wide, residuals in native px.

    The subject is in a file `named` so.
    """
    rig, clock = subject.rig_for(recording.rig)
    t, state = fitted.kinematics.t, fitted.kinematics.state
    followed = np.where((state != "lost")[:, None, None], fitted.keypoints, np.nan)
    views = [replace(view, t=view.t + clock[view.camera]) for views in fitted.views for view in views]
    rows = sightings(t, views, len(rig.cameras))
    fit = rows.consistency(rig, t, followed)
    triangulation = rows.consistency_of_triangulation(rig, subject.noise)
    tracked = np.where((state == "tracking")[:, None, None], fitted.keypoints, np.nan)
    measured = _finite(fit.share_within(LIMITS[-1]))
    found = findings(recording, fitted.views, skeleton, subject, named, tracked, measured)
    return {
        "session": str(recording.file.path),
        "complete": recording.file.complete,
        "software": f"streamfit {__version__}",
        "person": recording.person,
        "views": recording.views,
        "cameras": list(recording.rig.names),
        "keypoints": {"set": recording.keypoints.name, "names": list(recording.keypoints.names)},
        "subject": {"skeleton": subject.skeleton, "scale": subject.scale, "fit": subject.fit},
        "lag_s": lag,
        "instants": {
            "count": len(t),
            "first_s": float(t[0]),
            "last_s": float(t[-1]),
            **{name: float((state == name).mean()) for name in ("tracking", "coasting", "lost")},
        },
        "times": {
            "segments": [
                {"first_s": float(t[part][0]), "last_s": float(t[part][-1]), "instants": len(t[part])}
                for part in segments(t)
            ],
            "offsets_s": dict(recording.offsets),
            "said": said_of(fitted.jumps) + said_of_clocks(clocks_of(rig, views), recording.file.path.name),
        },
        "findings": as_maps(found),
        "timing": _timing(t, fitted.seconds),
        "geometric_consistency": {"fit": _shares(fit), "triangulation": _shares(triangulation)},
        "residuals": {
            "median_px": _finite(fit.median()),
            "cameras": _named(recording.rig.names, fit.median_by(1)),
            "keypoints": _named(recording.keypoints.names, fit.median_by(2)),
        },
        "rejected": recording.unreadable | fitted.rejected,
    }


def _timing(t: np.ndarray, seconds: np.ndarray) -> dict[str, float]:
    lasted = sum(float(t[part][-1] - t[part][0]) for part in segments(t))
    total = {"total_s": float(seconds.sum()), "times_real_time": lasted / float(seconds.sum())}
    if len(seconds) < len(t):
        return total
    milliseconds = 1000 * seconds
    return total | {
        "p50_ms": float(np.percentile(milliseconds, 50)),
        "p99_ms": float(np.percentile(milliseconds, 99)),
        "largest_ms": float(milliseconds.max()),
    }


def _shares(consistency: Consistency) -> dict[str, float | None]:
    return {f"GC_{limit}": _finite(consistency.share_within(limit)) for limit in LIMITS}


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in zip(names, values.tolist(), strict=True)}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
