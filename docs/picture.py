#!/usr/bin/env python
"""Draw the README's picture: the fitted skeleton over a rendered frame of the demo's walk, beside its angles.

The frame is ray-traced through the camera's own lens, distortion included, from the simulated truth. The skeleton and
the angles are what the live engine made of the noisy detections.
"""

from pathlib import Path
from typing import NamedTuple

import click
import cv2
import mujoco
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from streamfit.demo.recording import demo_files
from streamfit.evaluation.plots.style import GREY, INK, SIDES, YELLOW, new_figure, styled
from streamfit.exporters.stick_figure import StickFigure, in_pixels
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Camera
from streamfit.model.host_kinematics import HostKinematics
from streamfit.model.subject import Subject
from streamfit.recording.playback import open_recording
from streamfit.sim.person import true_subject
from streamfit.terminal import run

ANGLES = ("hip_flexion", "knee_angle", "ankle_angle")
SECONDS = 4.0
"""Of the walk that the traces show."""
MARGIN = 0.22
"""Of the person's height, left free around them."""
WIDTH = 900
"""px of the rendered frame."""
SUN = np.array([-0.55, -0.75, -0.5])
"""Towards the sun, in the camera's axes (right, down, ahead): behind whoever looks, on the left."""
SKIN, SHIRT, TROUSERS, SHOES = (218, 172, 142), (126, 150, 168), (88, 96, 112), (70, 66, 64)
CLOTHES = {"torso": SHIRT, "humerus": SHIRT, "pelvis": TROUSERS, "femur": TROUSERS, "tibia": TROUSERS}
CLOTHES |= {"talus": SHOES, "calcn": SHOES, "toes": SHOES}


class Solids(NamedTuple):
    """Ellipsoids and capsules of a posed body: centres (G, 3) m and axes (G, 3, 3), world; sizes (G, 3), colours."""

    centre: np.ndarray
    axes: np.ndarray
    size: np.ndarray
    is_capsule: np.ndarray
    colour: np.ndarray


class Fit(NamedTuple):
    """What the live engine made of the walk: times (T,), `q` and `sd` (T, D), and the detections (K, 3) of one view."""

    t: np.ndarray
    q: np.ndarray
    sd: np.ndarray
    detected: np.ndarray


@click.command(epilog="\b\nExample:\n  docs/picture.py -o docs/demo.png")
@click.option("-o", "output", metavar="PICTURE.png", required=True, type=click.Path(path_type=Path))
@click.option("--camera", default=1, show_default=True, help="Which view, counted from 0.")
@click.option("--at", default=4.37, show_default=True, help="s, the instant that is shown.")
def picture(output: Path, camera: int, at: float) -> None:
    """Fit the demo's walk as the daemon does, and draw it."""
    files, skeleton = demo_files(click.echo), Skeleton.load()
    recording = open_recording(files.session, skeleton)
    subject = Subject.from_toml(recording.file.subject_toml or "", skeleton, recording.keypoints)
    view = recording.rig.cameras[camera]
    fit = _fitted(recording, skeleton, subject, camera, at)
    shown = int(np.argmin(np.abs(fit.t - at)))
    with np.load(files.truth) as truth:
        true_t, true_degrees, names = truth["angle_t"], truth["angles"], [str(name) for name in truth["angle_names"]]
        markers = truth["markers"][int(np.argmin(np.abs(true_t - fit.t[shown])))]
    true_q = fit.q[shown].copy()
    for name, value in zip(names, true_degrees[int(np.argmin(np.abs(true_t - fit.t[shown])))], strict=True):
        true_q[skeleton.coordinates.index(name)] = np.radians(value)
    solids = _solids(skeleton, recording.keypoints, true_q, markers)
    figure_of = StickFigure(skeleton, recording.keypoints, subject)
    bones = in_pixels(recording.rig.select([view.name]), figure_of.bones(fit.q[shown][None]))[0]
    left, top, side = _part(bones, view.size)
    frame = _render(view, solids, left, top, side)

    draw = styled(_draw)
    traces = {name: (true_t, true_degrees[:, names.index(name)]) for name in names}
    draw(output, frame, (left, top, side), bones, figure_of.sides, fit, shown, skeleton, traces, view.name)


def _fitted(recording, skeleton: Skeleton, subject: Subject, camera: int, at: float) -> Fit:
    engine = recording.engine(skeleton, subject)
    engine.prepare()
    t, q, sd, detected, nearest = [], [], [], np.zeros((0, 3)), np.inf
    for instant in recording.played(engine):
        payloads = [a.payload for ready in engine.solve([instant]) for a in ready if a.kind == "kinematics"]
        t.append(instant.t)
        q.append(payloads[-1]["q"])
        sd.append(payloads[-1]["sd"])
        if abs(instant.t - at) < nearest:
            nearest = abs(instant.t - at)
            detected = np.concatenate([seen.xyc for seen in instant.views if seen.camera == camera])
    return Fit(np.array(t), np.array(q), np.array(sd), detected)


def _solids(skeleton: Skeleton, keypoints: KeypointSet, q: np.ndarray, markers: np.ndarray) -> Solids:
    """The true body in its true pose: the pelvis' place, which the truth file lacks, from its markers (K, 3)."""
    person = true_subject(skeleton, keypoints)
    host = HostKinematics(skeleton, person.scale)
    bodies = keypoints.body_indices(skeleton.bodies)
    host.pose(q)
    places = host.position[bodies] + np.einsum("nij,nj->ni", host.rotation[bodies], person.places(skeleton, keypoints))
    shift = (_ground(markers) - places).mean(0)
    model, out = host.model, []
    for body, name in enumerate(skeleton.bodies):
        colour = CLOTHES.get(name.rpartition("_")[0] or name, SKIN)
        for g in range(model.body_geomadr[body + 1], model.body_geomadr[body + 1] + model.body_geomnum[body + 1]):
            turn = np.zeros(9)
            mujoco.mju_quat2Mat(turn, model.geom_quat[g])
            centre = host.position[body] + shift + host.rotation[body] @ model.geom_pos[g]
            kind = model.geom_type[g]
            size = np.where(kind == mujoco.mjtGeom.mjGEOM_SPHERE, model.geom_size[g, 0], model.geom_size[g])
            out.append(
                (centre, host.rotation[body] @ turn.reshape(3, 3), size, kind == mujoco.mjtGeom.mjGEOM_CAPSULE, colour)
            )
    centre, axes, size, is_capsule, colour = (np.array(part) for part in zip(*out, strict=True))
    to_world = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    return Solids(centre @ to_world.T, to_world @ axes, size, is_capsule, colour / 255.0)


def _ground(world: np.ndarray) -> np.ndarray:
    """World (z up) to OpenSim's ground frame (y up)."""
    return np.stack([world[..., 0], world[..., 2], -world[..., 1]], -1).astype(float)


def _part(bones: np.ndarray, size: tuple[int, int]) -> tuple[float, float, float]:
    """Left, top and side of the square of the image that is shown: where the person is."""
    points = bones.reshape(-1, 2)
    low, high = np.nanmin(points, 0), np.nanmax(points, 0)
    side = float(min((high - low).max() * (1.0 + MARGIN), *size))
    left, top = np.clip((low + high) / 2 - side / 2, 0.0, np.array(size) - side)
    return float(left), float(top), side


def _render(view: Camera, solids: Solids, left: float, top: float, side: float) -> np.ndarray:
    """The part of the frame, (WIDTH, WIDTH, 3) RGB: the person on a chequered floor before a wall, in sunlight."""
    fine = 2 * WIDTH
    at = (np.arange(fine) + 0.5) / fine * side
    x, y = np.meshgrid(left + at, top + at)
    flat = cv2.undistortPoints(np.stack([x.ravel(), y.ravel()], 1)[:, None], view.matrix, view.distortions)[:, 0]
    turn = cv2.Rodrigues(view.rotation)[0]
    rays = np.column_stack([flat, np.ones(len(flat))]) @ turn
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    sun = SUN @ turn / np.linalg.norm(SUN)
    eye = -turn.T @ view.translation
    colour = _room(eye, rays, solids, sun)
    depth = np.full(len(rays), np.inf)
    for centre, axes, size, is_capsule, paint in zip(*solids, strict=True):
        near = np.flatnonzero(_close(eye, rays, centre, size, is_capsule))
        away, normal = _hit(eye, rays[near], centre, axes, size, bool(is_capsule))
        closer = away < depth[near]
        index = near[closer]
        depth[index] = away[closer]
        light = 0.5 + 0.1 * normal[closer, 2] + 0.55 * np.clip(normal[closer] @ sun, 0.0, 1.0)
        colour[index] = np.clip(paint * light[:, None], 0.0, 1.0)
    image = cv2.resize(colour.reshape(fine, fine, 3), (WIDTH, WIDTH), interpolation=cv2.INTER_AREA)
    return np.round(255 * image).astype(np.uint8)


def _room(eye: np.ndarray, rays: np.ndarray, solids: Solids, sun: np.ndarray) -> np.ndarray:
    """Colours (N, 3) of the floor, with the person's shadow, and of what is beyond it."""
    away = np.where(rays[:, 2] < -1e-6, -eye[2] / np.minimum(rays[:, 2], -1e-6), np.inf)
    far = np.where(np.isfinite(away), away, 1e3)
    place = eye + far[:, None] * rays
    tiles = (np.floor(place[:, 0] / 0.5) + np.floor(place[:, 1] / 0.5)) % 2
    floor = np.where(tiles[:, None] > 0, (0.80, 0.79, 0.77), (0.72, 0.71, 0.69))
    around = np.flatnonzero(np.linalg.norm(place[:, :2] - solids.centre[:, :2].mean(0), axis=1) < 3.5)
    shadow = np.zeros(len(rays), bool)
    for centre, axes, size, is_capsule in zip(*solids[:4], strict=True):
        hit, _ = _hit(place[around], np.broadcast_to(sun, (len(around), 3)), centre, axes, size, bool(is_capsule))
        shadow[around] |= np.isfinite(hit)
    floor = floor * np.where(shadow, 0.62, 1.0)[:, None]
    haze = np.clip((far - 6.0) / 12.0, 0.0, 1.0)[:, None]
    return floor * (1.0 - haze) + haze * np.array([0.90, 0.91, 0.92])


def _close(eye: np.ndarray, rays: np.ndarray, centre: np.ndarray, size: np.ndarray, is_capsule: bool) -> np.ndarray:
    """Which rays (N, 3) pass through the ball around a solid."""
    radius = size[0] + size[1] if is_capsule else size.max()
    along = (centre - eye) @ rays.T
    return ((centre - eye) ** 2).sum() - along**2 < radius**2


def _hit(
    start: np.ndarray, rays: np.ndarray, centre: np.ndarray, axes: np.ndarray, size: np.ndarray, is_capsule: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Distance (N,) along each ray to a solid, infinite where it misses, and the normals (N, 3) there."""
    o = np.broadcast_to((start - centre) @ axes, rays.shape)
    d = rays @ axes
    if not is_capsule:
        away = _ball(o / size, d / size)
        normal = (o + np.where(np.isfinite(away), away, 0.0)[:, None] * d) / size**2
    else:
        radius, half = size[0], size[1]
        across = np.array([1.0, 1.0, 0.0])
        away = _ball(o * across / radius, d * across / radius)
        z = o[:, 2] + np.where(np.isfinite(away), away, 0.0) * d[:, 2]
        away = np.where(np.abs(z) <= half, away, np.inf)
        for end in (-half, half):
            cap = _ball((o - (0, 0, end)) / radius, d / radius)
            beyond = (o[:, 2] + np.where(np.isfinite(cap), cap, 0.0) * d[:, 2]) * np.sign(end) >= half
            away = np.minimum(away, np.where(beyond, cap, np.inf))
        place = o + np.where(np.isfinite(away), away, 0.0)[:, None] * d
        normal = place - np.array([0, 0, 1.0]) * np.clip(place[:, 2:], -half, half)
    normal = normal @ axes.T
    return away, normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)


def _ball(o: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Distance (N,) along rays to the unit ball; infinite for none ahead."""
    a, b, c = (d * d).sum(1), (o * d).sum(1), (o * o).sum(1) - 1.0
    inside = b * b - a * c
    away = (-b - np.sqrt(np.maximum(inside, 0.0))) / np.maximum(a, 1e-12)
    return np.where((inside > 0.0) & (away > 1e-6), away, np.inf)


def _draw(output, frame, part, bones, sides_of, fit: Fit, shown: int, skeleton: Skeleton, traces, camera: str) -> None:
    """The frame with the skeleton, and three panels of angles, into a PNG."""
    figure = new_figure(12.6, 5.9)
    image, *panels = figure.subplot_mosaic([["view", name] for name in ANGLES], width_ratios=[1.0, 1.08]).values()
    left, top, side = part
    image.imshow(frame, extent=(left, left + side, top + side, top), interpolation="antialiased")
    for colours, width in (("white", 5.0), ([SIDES[name] for name in sides_of], 2.6)):
        image.add_collection(LineCollection(list(bones), colors=colours, linewidths=width, capstyle="round"))
    seen = fit.detected[fit.detected[:, 2] >= 0.5]
    image.plot(seen[:, 0], seen[:, 1], "o", color=YELLOW, markeredgecolor=INK, markeredgewidth=0.6, markersize=3.6)
    image.set(xlim=(left, left + side), ylim=(top + side, top), xticks=[], yticks=[])
    image.spines[:].set_visible(False)
    image.set_title(f"live fit over one of eight views ({camera})", loc="left", fontweight="normal")
    start = fit.t[shown] - 0.75 * SECONDS
    for axes, name in zip(panels, ANGLES, strict=True):
        _trace(axes, name, fit, start, skeleton, traces)
        axes.axvline(fit.t[shown] - start, color=GREY, linewidth=1.0, zorder=0.5)
        axes.set(xlim=(0.0, SECONDS), ylabel="deg")
        axes.set_title(name.replace("_", " "), loc="left", fontweight="normal")
        if axes is not panels[-1]:
            axes.tick_params(labelbottom=False)
    panels[-1].set_xlabel("time (s)")
    handles = [
        Line2D([], [], color=SIDES["right"], label="right"),
        Line2D([], [], color=SIDES["left"], label="left"),
        Line2D([], [], color=INK, linestyle=":", linewidth=1.2, label="simulated truth"),
        Line2D([], [], color=GREY, linewidth=1.0, label="this frame"),
    ]
    dot = {"marker": "o", "markeredgecolor": INK, "markersize": 4, "linestyle": ""}
    image.legend(handles=[Line2D([], [], color=YELLOW, label="detected", **dot)], loc="upper left", fontsize=9)
    panels[0].legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, handlelength=1.5, fontsize=9
    )
    figure.savefig(output, dpi=110)


def _trace(axes: Axes, name: str, fit: Fit, start: float, skeleton: Skeleton, traces) -> None:
    inside = (fit.t >= start) & (fit.t <= start + SECONDS)
    for side, colour in (("r", SIDES["right"]), ("l", SIDES["left"])):
        place = skeleton.coordinates.index(f"{name}_{side}")
        t, value, sd = fit.t[inside] - start, np.degrees(fit.q[inside, place]), np.degrees(fit.sd[inside, place])
        axes.fill_between(t, value - 1.96 * sd, value + 1.96 * sd, color=colour, alpha=0.2, linewidth=0)
        axes.plot(t, value, color=colour)
        true_t, true = traces[f"{name}_{side}"]
        axes.plot(true_t - start, true, ":", color=INK, linewidth=1.2)


if __name__ == "__main__":
    run(picture)
