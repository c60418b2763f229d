#!/usr/bin/env python
"""Draws what the live engine made of a recording: the skeleton over one view, and angles against time."""

from pathlib import Path

import click
import cv2
import numpy as np

from streamfit.demo.recording import demo_files
from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.playback import open_recording
from streamfit.terminal import run

WIDTH, HEIGHT, PANEL = 900, 675, 700
INK, GRID, RIGHT, LEFT, SEEN = (60, 60, 60), (225, 225, 225), (60, 90, 220), (200, 120, 30), (150, 150, 150)
ANGLES = ("hip_flexion", "knee_angle", "ankle_angle")


@click.command(epilog="\b\nExample:\n  docs/picture.py -o docs/demo.png             the demo's walk")
@click.argument("recording", metavar="[SESSION.mcap]", required=False, type=click.Path(path_type=Path))
@click.option("-o", "output", metavar="PICTURE.png", required=True, type=click.Path(path_type=Path))
@click.option("--every", default=0.8, show_default=True, help="s between two drawn skeletons.")
@click.option("--camera", default=0, show_default=True, help="Which view, counted from 0.")
def picture(recording: Path | None, output: Path, every: float, camera: int) -> None:
    """Fit a recording (default: the demo's walk) as the daemon does, and draw it."""
    skeleton = Skeleton.load()
    opened = open_recording(recording or demo_files(click.echo).session, skeleton)
    subject = Subject.generic(skeleton, opened.keypoints)
    if opened.file.subject_toml is not None:
        subject = Subject.from_toml(opened.file.subject_toml, skeleton, opened.keypoints)
    live = opened.live(skeleton, subject)
    live.prepare()
    view = opened.rig.cameras[camera]
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    scale = min(WIDTH / view.size[0], HEIGHT / view.size[1])
    times, angles, drawn = [], [], -np.inf
    for instant in opened.played(live):
        answers = [answer for turn in live.solve(instant) for answer in turn]
        payloads = {topic.partition("/")[0]: payload for topic, payload in answers}
        times.append(instant.t)
        angles.append(payloads["kinematics"]["q"])
        if instant.t - drawn < every:
            continue
        drawn = instant.t
        for seen in instant.views:
            if seen.camera == camera:
                for x, y, confidence in seen.xyc:
                    if confidence >= 0.5:
                        cv2.circle(image, _at(x * scale, y * scale), 2, SEEN, -1, cv2.LINE_AA)
        _draw_bones(image, skeleton, payloads["bodies"]["position"], view, scale)
    panel = _traces(np.array(times) - times[0], np.degrees(np.array(angles)), skeleton)
    cv2.imwrite(str(output), np.concatenate([image, panel], 1))


def _draw_bones(image: np.ndarray, skeleton: Skeleton, position: np.ndarray, view, scale: float) -> None:
    pixels = (
        cv2.projectPoints(position, view.rotation, view.translation, view.matrix, view.distortions)[0][:, 0] * scale
    )
    for body, parent in enumerate(skeleton.model.body_parentid[1:] - 1):
        if parent >= 0:
            name = skeleton.bodies[body]
            colour = RIGHT if name.endswith("_r") else LEFT if name.endswith("_l") else INK
            cv2.line(image, _at(*pixels[parent]), _at(*pixels[body]), colour, 2, cv2.LINE_AA)


def _traces(t: np.ndarray, degrees: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """One panel per angle, right and left."""
    panel = np.full((HEIGHT, PANEL, 3), 255, np.uint8)
    height = HEIGHT // len(ANGLES)
    for row, name in enumerate(ANGLES):
        both = [degrees[:, skeleton.coordinates.index(f"{name}_{side}")] for side in "rl"]
        low, high = np.floor(np.min(both) / 20) * 20, np.ceil(np.max(both) / 20) * 20
        top, bottom, left, right = row * height + 34, (row + 1) * height - 14, 60, PANEL - 20
        for level in np.arange(low, high + 1, 20):
            y = bottom - (level - low) / (high - low) * (bottom - top)
            cv2.line(panel, _at(left, y), _at(right, y), GRID, 1)
            cv2.putText(panel, f"{level:.0f}", _at(18, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, INK, 1, cv2.LINE_AA)
        for values, colour in zip(both, (RIGHT, LEFT), strict=True):
            x = left + (t - t[0]) / (t[-1] - t[0]) * (right - left)
            y = bottom - (values - low) / (high - low) * (bottom - top)
            line = np.round(np.stack([x, y], 1) * 16).astype(np.int32)
            cv2.polylines(panel, [line], False, colour, 2, cv2.LINE_AA, 4)
        title = f"{name.replace('_', ' ')} (deg)"
        cv2.putText(panel, title, _at(left, row * height + 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    cv2.putText(panel, "right", _at(PANEL - 140, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, RIGHT, 1, cv2.LINE_AA)
    cv2.putText(panel, "left", _at(PANEL - 80, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, LEFT, 1, cv2.LINE_AA)
    return panel


def _at(x: float, y: float) -> tuple[int, int]:
    return round(float(x)), round(float(y))


if __name__ == "__main__":
    run(picture)
