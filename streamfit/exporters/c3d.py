"""C3D, which motion analysis software exchanges: keypoints, joint coordinates and foot events in one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.extras import needed
from streamfit.recording.sampling import segments, step_of, uniform

MINUTE = 60.0
LABELS = {"foot_strike": "Foot Strike", "foot_off": "Foot Off"}


def write_c3d(
    path: Path,
    t: np.ndarray,
    points: np.ndarray,
    names: Sequence[str],
    q: np.ndarray,
    coordinates: Sequence[str],
    units: Sequence[str],
    events: Sequence[Mapping[str, Any]],
) -> None:
    """Write points (T, K, 3; m, y up; NaN is a gap) in mm, coordinates (T, D; rad or m) as analog channels in degrees
    and m, and events, uniform in time from 0. Raises InputError where ezc3d is missing.

    `MANUFACTURER:FIRST_TIME` holds the capture time of the first frame; times of events count from there. C3D knows no
    gaps in time: segments follow each other, and `SEGMENT_FRAMES` and `SEGMENT_TIMES` hold where each begins (frames
    from 1) and its capture time.
    """
    ezc3d = needed("ezc3d", "c3d")
    grid, flat = uniform(t, points.reshape(len(points), -1))
    _, values = uniform(t, np.where(np.asarray(units) == "rad", np.degrees(q), q))
    rate = 1.0 / step_of(grid) if len(grid) > 1 else 1.0
    begins = np.array([part.start for part in segments(grid)])
    places = 1000.0 * flat.reshape(len(grid), len(names), 3)
    missing = np.isnan(places).any(2)
    file = ezc3d.c3d()
    point, analog = file["parameters"]["POINT"], file["parameters"]["ANALOG"]
    point["RATE"]["value"], analog["RATE"]["value"] = [rate], [rate]
    point["UNITS"]["value"], point["LABELS"]["value"] = ["mm"], ["_".join(name.split()) for name in names]
    analog["LABELS"]["value"] = list(coordinates)
    analog["UNITS"]["value"] = ["deg" if unit == "rad" else unit for unit in units]
    file["data"]["points"] = np.concatenate([places.transpose(2, 1, 0), np.ones((1, len(names), len(grid)))])
    file["data"]["meta_points"]["residuals"] = np.where(missing, -1.0, 0.0).T[None]
    file["data"]["analogs"] = values.T[None]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    file.add_parameter("MANUFACTURER", "SOFTWARE", ["streamfit"])
    file.add_parameter("MANUFACTURER", "FIRST_TIME", [float(grid[0])])
    if len(begins) > 1:
        file.add_parameter("MANUFACTURER", "SEGMENT_FRAMES", [int(begin) + 1 for begin in begins])
        file.add_parameter("MANUFACTURER", "SEGMENT_TIMES", [float(x) for x in grid[begins]])
    at = np.array([event["t"] for event in events])
    own = begins[np.maximum(np.searchsorted(grid[begins], at, side="right") - 1, 0)]
    times = own / rate + at - grid[own]
    file.add_parameter("EVENT", "USED", [len(events)])
    if len(events):
        file.add_parameter("EVENT", "CONTEXTS", [event["side"].capitalize() for event in events])
        file.add_parameter("EVENT", "LABELS", [LABELS[event["event"]] for event in events])
        file.add_parameter("EVENT", "TIMES", np.array([times // MINUTE, times % MINUTE]))
    file.write(str(path))
