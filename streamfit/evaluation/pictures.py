"""The pictures of an evaluation, each with how it is read."""

from collections.abc import Iterator

import cv2
import numpy as np

from streamfit.estimation.batch.result import Movement
from streamfit.evaluation.fit_report import LIMITS
from streamfit.evaluation.plots.angles import Angles, angles_over_strides, angles_over_time
from streamfit.evaluation.plots.consistency import consistency_figure
from streamfit.evaluation.plots.overlay import overlay_figure
from streamfit.evaluation.plots.residuals import OverTime, table_figure, time_figure
from streamfit.evaluation.plots.room import Room, room_figure
from streamfit.evaluation.plots.style import png
from streamfit.evaluation.report import Picture
from streamfit.evaluation.scene import Scene
from streamfit.evaluation.tables import CURVE, Tracked, camera_and_keypoint, quartiles
from streamfit.evaluation.views import chosen_rows, views_at
from streamfit.model.camera import Camera

POSES = 8
"""Shown in the room, evenly over the recording."""
PYRAMID = 0.12
"""Depth of a drawn camera, of its distance to the middle of all."""
SMALL_ROOM = 2.0
"""m, mean distance of the cameras from their middle below which a pyramid gets no smaller."""


def pictures(scene: Scene) -> Iterator[Picture]:
    """All that can be drawn, in the order of the report."""
    yield _consistency(scene)
    yield from _overlays(scene)
    if scene.movement is not None:
        yield _angles(scene, scene.movement)
        yield _room(scene, scene.movement)
    yield _over_time(scene)
    yield _table(scene)


def _consistency(scene: Scene) -> Picture:
    figure = consistency_figure(
        CURVE,
        {m.name: np.array([m.consistency.share_within(x) for x in CURVE]) for m in scene.methods},
        scene.rig.names,
        {m.name: m.consistency.median_by(1) for m in scene.methods},
        LIMITS,
    )
    caption = (
        "Left: the share of confident detections that lie within x pixels of the fitted point; the higher and the "
        "further left a curve rises, the better. Triangulation is free to put every point where the views agree best, "
        "the other methods are bound to one skeleton that moves smoothly, so they are expected below it; a large gap "
        "means a wrong body size or wrong offsets. Where all are low, detections or calibration are at fault. Right: "
        "the median error of each camera; one that stands apart is badly calibrated, not synchronised, or badly placed."
    )
    return Picture("consistency", "Geometric consistency over x", caption, png(figure))


def _overlays(scene: Scene) -> Iterator[Picture]:
    for name, row in chosen_rows(scene).items():
        t = float(np.median(scene.seen.t[row])) - scene.t0
        what = "with the most detections" if name == "fullest" else f"with a {name} error"
        figure = overlay_figure(list(views_at(scene, row)), f"{scene.method.name}, {t:.2f} s from the start")
        fitted = (
            "" if scene.movement is None else f" and what {scene.method.name} has fitted to it, as the lens sees it"
        )
        caption = (
            f"An instant {what}, {t:.2f} s from the start: what was detected{fitted}. A pink line joins a detection to "
            "its fitted point: the error. Each panel is cut to the person; the ticks are pixels of the whole image."
        )
        yield Picture(f"views_{name}", f"Over the views: an instant {what}", caption, png(figure))


def _angles(scene: Scene, movement: Movement) -> Picture:
    degrees = np.degrees(1.0) * movement.q
    sd = np.degrees(1.0) * movement.sd if isinstance(movement, Tracked) else None
    turning = [i for i, unit in enumerate(scene.skeleton.units) if unit == "rad"]
    names = [scene.skeleton.coordinates[i] for i in turning]
    angles = Angles(movement.t - scene.t0, names, degrees[:, turning], None if sd is None else sd[:, turning])
    strikes = {
        side: sorted(e["t"] - scene.t0 for e in scene.events if e["event"] == "foot_strike" and e["side"] == side)
        for side in ("right", "left")
    }
    if max(len(times) for times in strikes.values()) > 1:
        figure = angles_over_strides(angles, strikes)
        how = (
            "each thin line is one stride, the bold line their mean, the band one standard deviation between strides. "
            "Angles of the pelvis and the back are drawn over the strides of both feet."
        )
    else:
        figure = angles_over_time(angles)
        band = (
            "; the band is one posterior standard deviation, wide where no view shows the angle"
            if sd is not None
            else ""
        )
        how = f"over time, as there are no foot strikes to cut strides at{band}."
    caption = f"The angles of {scene.method.name}, right and left: {how}"
    return Picture("angles", "Joint angles", caption, png(figure))


def _room(scene: Scene, movement: Movement) -> Picture:
    figure = scene.figure
    known = np.flatnonzero(np.isfinite(movement.q).all(axis=1))
    rows = known[np.unique(np.linspace(0, len(known) - 1, POSES).astype(int))]
    joints = _z_up(figure.joints(movement.q[rows]))
    chosen = len(rows) // 2
    centres = np.array([camera.centre for camera in scene.rig.cameras])
    depth = PYRAMID * max(float(np.linalg.norm(centres - centres.mean(0), axis=1).mean()), SMALL_ROOM)
    pyramids = np.array([_pyramid(camera, depth) for camera in scene.rig.cameras])
    picture = room_figure(
        Room(
            bones=joints[:, figure.segments],
            sides=figure.sides,
            chosen=chosen,
            keypoints=_z_up(movement.keypoints[rows[chosen]] @ scene.rig.to_ground.T),
            cameras=scene.rig.names,
            pyramids=_z_up(pyramids @ scene.rig.to_ground.T),
            forward=_facing(joints[chosen], figure.across),
        )
    )
    caption = (
        f"{scene.method.name}: above the room with the cameras, each drawn as the pyramid of what it sees, and the "
        f"skeleton at up to {POSES} instants spread over the recording, the later the darker; below the skeleton at "
        "one of them with its keypoints. Drawn to scale and without perspective. Cameras all on one side, or at one "
        "height, leave depth uncertain."
    )
    return Picture("room", "In space", caption, png(picture))


def _over_time(scene: Scene) -> Picture:
    t = np.where((scene.seen.seen[..., 2] > 0).any(axis=2), scene.seen.t, np.median(scene.seen.t, axis=1)[:, None])
    order = np.argsort(t, axis=0, kind="stable")
    errors = {}
    for method in scene.methods:
        values = quartiles(method.consistency.error, axis=2)
        values = np.where(np.isfinite(values), values, np.nan)
        errors[method.name] = OverTime(
            np.take_along_axis(t, order, axis=0) - scene.t0, np.take_along_axis(values, order[None], axis=1)
        )
    caption = (
        "The median error over the confident keypoints of each view; the band is the middle half of them for "
        f"{next(iter(errors))}. A gap means that the view had none, or that nothing was fitted. An error of all "
        "cameras at once is the fit's; one of a single camera is that camera's or its detector's, a short "
        "burst in it often left taken for right."
    )
    return Picture("residuals", "Error over time", caption, png(time_figure(scene.rig.names, errors)))


def _table(scene: Scene) -> Picture:
    figure = table_figure(scene.rig.names, scene.keypoints, camera_and_keypoint(scene.method.consistency))
    caption = (
        f"The median error of {scene.method.name} per camera and keypoint. A dark row is a keypoint that sits at the "
        "wrong place on the skeleton or that the detector places badly; a dark column is a camera that is not where "
        "its calibration says. Empty: no confident detection."
    )
    return Picture("errors", "Error per camera and keypoint", caption, png(figure))


def _pyramid(camera: Camera, depth: float) -> np.ndarray:
    """The camera's centre and the corners of its image at a distance (m), (5, 3) in the world."""
    width, height = camera.size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    rays = depth * camera.rays(corners)
    inside = np.concatenate([np.zeros((1, 3)), rays])
    return (inside - camera.translation) @ cv2.Rodrigues(camera.rotation)[0]


def _facing(joints: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Where a person with joints (N, 3), z up, faces: a quarter turn from their left hip and shoulder to the right."""
    if not len(across):
        return np.array([1.0, 0.0, 0.0])
    x, y, _ = (joints[across[:, 0]] - joints[across[:, 1]]).sum(axis=0)
    return np.array([-y, x, 0.0])


def _z_up(points: np.ndarray) -> np.ndarray:
    """Points of the y-up ground frame, z up."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x, -z, y], axis=-1)
