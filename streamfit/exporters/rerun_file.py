"""Rerun recordings (.rrd): skeleton, cameras and what they saw, angles and events along one time axis."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamfit.extras import needed
from streamfit.model.camera import Camera, Rig

TIME = "capture_time"
COLOURS = {"right": (220, 90, 60), "left": (30, 120, 200), "middle": (110, 110, 110)}
SHOWN = ("hip_flexion", "knee_angle", "ankle_angle")
"""Angles that the viewer shows at first, right and left."""
BONE, POINT = 0.008, 0.01
"""Radii, m."""
SEEN = 3.0
"""Radius of what a camera saw, in points of the screen."""
IMAGE = 0.3
"""m from a camera to the picture drawn before it."""
RIM = 0.1
"""Cosine of the angle off a camera's axis from which on a picture without distortion shows nothing."""
INTERVAL = 1.96
"""Standard deviations on either side that 95 % lie in."""


def write_rrd(
    path: Path,
    rig: Rig,
    t: np.ndarray,
    bones: np.ndarray,
    sides: Sequence[str],
    points: np.ndarray,
    names: Sequence[str],
    angles: Mapping[str, tuple[np.ndarray, np.ndarray]],
    seen: Sequence[Sequence[tuple[float, np.ndarray]]],
    events: Sequence[Mapping[str, Any]],
) -> None:
    """Write T instants for Rerun's viewer. Raises InputError where rerun-sdk is missing.

    `bones` (T, S, 2, 3), each of a side ("right", "left", "middle"), and `points` (T, K, 3) m, y up; an instant with
    NaN is a gap. `angles` are values and standard deviations (T,) by name; `seen` are, for each camera, capture times
    and keypoints (K, 2) px, NaN where there is none: they are shown without the lens' distortion, which Rerun does not
    know. All times are capture times in s.
    """
    rr, layout = needed("rerun", "rrd"), needed("rerun.blueprint", "rrd")
    path.write_bytes(b"")  # where it cannot be written, this fails as other files do
    stream = rr.RecordingStream("streamfit")
    stream.save(path, layout.Blueprint(_views(layout, angles), collapse_panels=True))

    def send(entity: str, times: Sequence[float] | np.ndarray, columns: Any, looks: Any) -> None:
        stream.send_columns(entity, indexes=[rr.TimeColumn(TIME, duration=times)], columns=columns)
        stream.log(entity, looks, static=True)

    stream.log("/", rr.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)
    there = np.isfinite(points).all((1, 2)) & np.isfinite(bones).all((1, 2, 3))
    send(
        "skeleton",
        t,
        rr.LineStrips3D.columns(strips=bones[there].reshape(-1, 2, 3)).partition(there * len(sides)),
        rr.LineStrips3D.from_fields(colors=[COLOURS[side] for side in sides], radii=BONE),
    )
    send(
        "keypoints",
        t,
        rr.Points3D.columns(positions=points[there].reshape(-1, 3)).partition(there * len(names)),
        rr.Points3D.from_fields(labels=list(names), show_labels=False, radii=POINT),
    )
    for name, (value, sd) in angles.items():
        band = np.stack([value, value - INTERVAL * sd, value + INTERVAL * sd], 1)
        columns = rr.Scalars.columns(scalars=band.ravel()).partition(np.full(len(t), 3))
        send(f"angles/{name}", t, columns, rr.SeriesLines(names=[name, "lower 95 %", "upper 95 %"], widths=[2, 1, 1]))
    for camera, views in zip(rig.cameras, seen, strict=True):
        entity = f"cameras/{camera.name}"
        _log_camera(rr, stream, entity, camera, rig.to_ground)
        if views:
            found = [_undistorted(camera, xy[np.isfinite(xy).all(1)]) for _, xy in views]
            columns = rr.Points2D.columns(positions=np.concatenate(found)).partition([len(xy) for xy in found])
            looks = rr.Points2D.from_fields(radii=rr.Radius.ui_points(SEEN))
            send(f"{entity}/seen", [time for time, _ in views], columns, looks)
    for event in events:
        stream.set_time(TIME, duration=event["t"])
        stream.log("events", rr.TextLog(f"{event['side']} {event['event'].replace('_', ' ')}"))
    stream.flush()
    stream.disconnect()


def _views(layout: Any, angles: Mapping[str, Any]) -> Any:
    """The skeleton in its room beside the legs' angles."""
    shown = [name for start in SHOWN for name in angles if name.startswith(start)]
    plots = [layout.TimeSeriesView(name=name, origin=f"angles/{name}") for name in shown]
    return layout.Horizontal(
        layout.Spatial3DView(name="room", origin="/"),
        layout.Vertical(layout.Grid(*plots, grid_columns=2), layout.TextLogView(name="events", origin="events")),
    )


def _log_camera(rr: Any, stream: Any, entity: str, camera: Camera, to_ground: np.ndarray) -> None:
    from_camera = to_ground @ cv2.Rodrigues(camera.rotation)[0].T
    place = rr.Transform3D(mat3x3=from_camera, translation=to_ground @ camera.centre)
    width, height = camera.size
    lens = rr.Pinhole(image_from_camera=camera.matrix, width=width, height=height, image_plane_distance=IMAGE)
    stream.log(entity, place, lens, static=True)


def _undistorted(camera: Camera, xy: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) as a lens without distortion has them; those of a fisheye's rim, which none has, are left out."""
    rays = camera.rays(xy)
    rays = rays[rays[:, 2] > RIM]
    return (rays / rays[:, 2:] @ camera.matrix.T)[:, :2]
