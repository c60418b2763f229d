"""What detectors send: `keypoints` and `end`, decoded and checked as far as that goes without the session.

What cannot be used is dropped as small as possible: a point, a view or the message. Reasons of this file:
`too_large`, `not_msgpack`, `not_a_map`, `wrong_version`, `wrong_type`, `bad_session`, `bad_time`,
`bad_views`, `too_many_views` (the message); `bad_view`, `bad_time`, `bad_person`, `bad_array` (the view);
`bad_point`.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from streamfit.protocol.codec import Rejected, decode_array, decode_map, encode, sent_array

__all__ = [
    "EndMessage",
    "KeypointsMessage",
    "Rejected",
    "ViewMessage",
    "decode_array",
    "decode_ingest",
    "encode",
    "has_several",
    "is_name",
]

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
MAX_VIEWS = 256
MAX_KEYPOINTS = 1024
MAX_PIXEL = 1e6  # no camera is that large, and squares of it stay far from overflow
MAX_TIME = 1e10  # s; as nanoseconds it still fits the 64 bits of a recording


@dataclass(frozen=True, eq=False)
class ViewMessage:
    """One person as one camera saw them.

    `xyc` (K, 3): x px, y px, confidence; a missing or dropped point is all 0. `t` s, None: the message's. `detection`
    is its number in the camera's picture, where nobody knows who it is.
    """

    camera: str
    t: float | None
    person: str
    xyc: np.ndarray
    bad_points: int = 0
    detection: int | None = None


@dataclass(frozen=True, eq=False)
class KeypointsMessage:
    """Views of one instant; `rejected` are those of its views that could not be used."""

    session: str
    t: float
    frame: int | None
    views: tuple[ViewMessage, ...]
    rejected: tuple[Rejected, ...] = ()


def has_several(message: KeypointsMessage) -> bool:
    """Whether a camera sees several people in one picture whom nothing tells apart."""
    views = message.views
    if len({(view.camera, view.person, view.t) for view in views}) < len(views):
        return True
    return any(view.detection for view in views)  # they are counted from 0


@dataclass(frozen=True)
class EndMessage:
    """No more input for `session`."""

    session: str


def decode_ingest(payload: bytes | memoryview) -> KeypointsMessage | EndMessage:
    """The message in `payload`. Raises Rejected, whatever the bytes are."""
    fields = decode_map(payload)
    kind = fields.get("type")
    if kind not in ("keypoints", "end"):
        raise Rejected("wrong_type", '`type` must be "keypoints" or "end"')
    session = fields.get("session")
    if not is_name(session):
        raise Rejected("bad_session", "`session` must be 1 to 64 of A-Za-z0-9._-")
    if kind == "end":
        return EndMessage(session)
    return _keypoints(fields, session)


def is_name(value: Any) -> TypeGuard[str]:
    """Whether `value` can name a session or a person."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _keypoints(fields: dict[str, Any], session: str) -> KeypointsMessage:
    if not _is_time(fields.get("t")):
        raise Rejected("bad_time", "`t` must be a finite number of seconds, not of ms or ns", session)
    entries = fields.get("views")
    if not isinstance(entries, list):
        raise Rejected("bad_views", "`views` must be a list", session)
    if len(entries) > MAX_VIEWS:
        raise Rejected("too_many_views", f"{len(entries)} views in a message; at most {MAX_VIEWS}", session)
    frame = fields.get("frame")
    views, rejected = [], []
    for entry in entries:
        try:
            views.append(_view(entry))
        except Rejected as error:
            rejected.append(error.with_traceback(None))  # which would hold this frame, and that the list
    return KeypointsMessage(
        session,
        float(fields["t"]),
        frame if type(frame) is int else None,
        _without_bad_points(views),
        tuple(rejected),
    )


def _view(entry: Any) -> ViewMessage:
    if not isinstance(entry, dict) or not isinstance(entry.get("camera"), str):
        raise Rejected("bad_view", "a view must be a map with a `camera`")
    camera = entry["camera"]
    t = entry.get("t")
    if t is not None and not _is_time(t):
        raise Rejected("bad_time", f"`t` of camera {camera[:64]!r} must be a finite number of seconds")
    person = entry.get("person", "0")
    if not is_name(person):
        raise Rejected("bad_person", f"`person` of camera {camera[:64]!r} must be 1 to 64 of A-Za-z0-9._-")
    xyc = sent_array(entry.get("xyc"))
    if xyc.ndim != 2 or xyc.shape[1] != 3 or not 0 < xyc.shape[0] <= MAX_KEYPOINTS:
        raise Rejected("bad_array", f"`xyc` of camera {camera[:64]!r} must be K x 3")
    number = entry.get("detection")
    detection = number if type(number) is int and number >= 0 else None
    return ViewMessage(camera, None if t is None else float(t), person, xyc, detection=detection)


def _without_bad_points(views: list[ViewMessage]) -> tuple[ViewMessage, ...]:
    """The views, their points that are missing or cannot be used zero; the latter are counted.

    All together, since what NumPy takes for a few points it takes for all.
    """
    if not views:
        return ()
    with np.errstate(invalid="ignore"):  # a signalling NaN is none worse than another
        points = np.concatenate([view.xyc for view in views], dtype=np.float64)
    confidence = points[:, 2]
    usable = (confidence > 0.0) & (confidence <= 1.0) & (np.abs(points[:, :2]).max(axis=1) <= MAX_PIXEL)
    starts = np.cumsum([0, *(len(view.xyc) for view in views)]).tolist()
    bad = [0] * len(views)
    if not usable.all():
        bad = np.add.reduceat(~usable & (confidence != 0.0), starts[:-1], dtype=int).tolist()
        points[~usable] = 0.0
    return tuple(
        ViewMessage(view.camera, view.t, view.person, points[start:end], count, view.detection)
        for view, start, end, count in zip(views, starts, starts[1:], bad, strict=False)
    )


def _is_time(value: Any) -> bool:
    # `type`, not isinstance: True is an int
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= MAX_TIME
