"""Recordings as a worse day would have made them: what `robust.py` fits."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import KeypointSet, Skeleton
from streamfit.protocol.codec import VERSION, encode
from streamfit.protocol.ingest import KeypointsMessage, Rejected, ViewMessage, decode_ingest
from streamfit.recording.mcap_file import SessionFile, SessionWriter

Change = Callable[[int, float, ViewMessage], np.ndarray]
"""The keypoints (K, 3) of a view instead of its own, by the number of its message (from 0) and its time, s."""


def disturbed(file: SessionFile, output: Path, change: Change) -> None:
    """Write the recording with the keypoints of every view changed; arrivals stay."""
    number = 0
    with SessionWriter(output, file.cameras_toml, file.keypoints_toml, file.subject_toml) as writer:
        for topic, payload, log_time, publish_time in file.messages({"keypoints"}):
            try:
                message = decode_ingest(payload)
            except Rejected:
                continue
            if isinstance(message, KeypointsMessage):
                changed = _changed(message, number, change)
                writer.write(topic, encode(changed), log_time, publish_time)
                number += 1


def exchanged_sides(camera: str, every: int, skeleton: Skeleton, keypoints: KeypointSet) -> Change:
    """Left and right of one camera exchanged in every so many messages."""
    twin = mirrored(keypoints)
    if (twin == np.arange(len(twin))).all():
        raise InputError(f"keypoint set {keypoints.name}: no keypoint has a mirror image")
    return lambda number, t, view: view.xyc[twin] if view.camera == camera and number % every == 0 else view.xyc


def missing_points(share: float, seed: int) -> Change:
    """That share of all points missing, at random."""
    draw = np.random.default_rng(seed)
    return lambda number, t, view: np.where(draw.uniform(size=(len(view.xyc), 1)) < share, 0.0, view.xyc)


def camera_off(camera: str, pixels: float) -> Change:
    """One camera's points that many pixels to the right of where they are."""

    def change(number: int, t: float, view: ViewMessage) -> np.ndarray:
        seen = view.xyc[:, 2:] > 0.0
        return view.xyc + np.array([pixels, 0.0, 0.0]) * seen if view.camera == camera else view.xyc

    return change


def nobody_seen(start: float, end: float) -> Change:
    """All points missing in all views of that time, s."""
    return lambda number, t, view: np.zeros_like(view.xyc) if start <= t < end else view.xyc


def spread(names: Sequence[str], count: int) -> list[str]:
    """That many of the cameras, evenly out of their order."""
    return [names[i * len(names) // count] for i in range(count)]


def _changed(message: KeypointsMessage, number: int, change: Change) -> dict[str, object]:
    views = []
    for view in message.views:
        seen = change(number, message.t if view.t is None else view.t, view)
        own = {} if view.t is None else {"t": view.t}
        views.append({"camera": view.camera, "person": view.person, "xyc": seen} | own)
    return {"v": VERSION, "type": "keypoints", "session": message.session, "t": message.t, "views": views}
