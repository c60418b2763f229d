"""The messages on the wire, key by key: what a daemon takes, publishes and replies; `docs/reference.md` is made of it.

Every message is a MessagePack map. An array is a nested list of numbers or `{"dtype": "<f4" | "<f8", "shape": [..],
"data": bin}` in C order; the daemon publishes the latter. Times are s, on the clock of the session's senders.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

Side = Literal["left", "right"]
Tracked = Literal["tracking", "coasting", "lost"]
Array = Any


class Sent(TypedDict):
    """In every message."""

    v: Annotated[int, "1, the version of the protocol"]
    type: str


class View(TypedDict):
    """A view of one person by one camera."""

    camera: Annotated[str, "a name of the calibration"]
    t: Annotated[NotRequired[float], "this camera's own capture time, where cameras are not triggered together"]
    person: Annotated[NotRequired[str], 'who it is; `"0"` where it is left out']
    xyc: Annotated[Array, "K x 3: x px, y px, confidence 0..1, in the order of the keypoint set; 0 for a missing point"]


class Keypoints(Sent):
    """Views of one instant: all, or those of one camera; in any order, late, twice or not at all."""

    session: Annotated[str, "1 to 64 of `A-Za-z0-9._-`; the first message opens it"]
    t: Annotated[float, "capture time"]
    frame: Annotated[NotRequired[int], "capture counter"]
    views: Annotated[list[View], "may be empty: nobody was seen"]


class End(Sent):
    """No more input: the window is finished, what is owed published, the recording closed."""

    session: str


class Published(Sent):
    """In every published message but `status`; its topic is `TYPE/SESSION/PERSON`."""

    session: str
    person: str
    seq: Annotated[
        NotRequired[int], "counts up by 1 per topic: a gap is a loss; goes on above all before after a restart"
    ]


class Model(Published):
    """What the vectors of a person's other messages mean: to each new subscriber, and when it changes."""

    coordinates: Annotated[list[str], "D names, the order of `q`, `qd`, `sd`"]
    units: Annotated[list[str], '`"rad"` or `"m"` of each coordinate']
    bodies: Annotated[list[str], "B names"]
    keypoints: Annotated[list[str], "K names"]
    cameras: Annotated[list[str], "names"]
    scale: Annotated[dict[str, float], "factor of each group of bodies"]
    skeleton: Annotated[str, "its name"]
    software: Annotated[str, "program and version"]


class Kinematics(Published):
    """The answer to an instant, without added delay."""

    t: Annotated[float, "the instant's, as it was sent"]
    q: Annotated[Array, "(D,) value, rad or m; while lost the last or the neutral pose"]
    qd: Annotated[Array, "(D,) rate, per s"]
    sd: Annotated[Array, "(D,) posterior standard deviation; NaN while lost"]
    latency: Annotated[
        NotRequired[float], "s, from the last view of the instant reaching the daemon to this being sent"
    ]
    rms_px: Annotated[float, "robust reprojection error, native pixels"]
    views: Annotated[int, "how many were used"]
    state: Annotated[Tracked, "coasting: too few views, going on as before"]
    contact_left: Annotated[
        NotRequired[float], "probability that the foot is on the ground; where the skeleton has feet"
    ]
    contact_right: Annotated[NotRequired[float], "as on the left"]


class Smoothed(Kinematics):
    """The same instant again, one lag later and surer."""

    lag: Annotated[float, "s"]


class Bodies(Published):
    """Where all is, with `kinematics`; world frame of the cameras."""

    t: float
    position: Annotated[Array, "B x 3, m"]
    quaternion: Annotated[Array, "B x 4, w first"]
    keypoints: Annotated[Array, "K x 3, m, where the fit has them"]


class Gait(Published):
    """A foot meets the ground or leaves it: the vertical force under it passes 20 N."""

    event: Literal["foot_strike", "foot_off"]
    side: Side
    t: Annotated[float, "when it happened"]
    sd_t: Annotated[float, "s, standard deviation of that"]
    detected: Annotated[float, "the largest capture time that had come when it was sent"]
    position: Annotated[Array, "(3,) m, world: the heel at a strike, the toe at a foot off"]


class Steps(Published):
    """What a foot strike closes; null where it is not known. Within 0.3 s of the strike."""

    side: Side
    t: Annotated[float, "of the strike"]
    step_length: Annotated[float | None, "m, from the other heel's place, along the stride"]
    stride_length: Annotated[float | None, "m, between this heel's two places"]
    step_width: Annotated[float | None, "m, from the other heel's place, across the stride"]
    step_time: Annotated[float, "s, from the other side's strike"]
    stride_time: Annotated[float | None, "s, from this side's strike before"]
    stance_time: Annotated[float | None, "s, from that strike to the foot off"]
    swing_time: Annotated[float | None, "s, from the foot off to the strike"]
    double_support_time: Annotated[float | None, "s, of both feet on the ground, in that stride"]
    cadence: Annotated[float, "steps/min"]
    speed: Annotated[float | None, "m/s"]


class CameraStatus(TypedDict):
    """One camera of a session."""

    rate: Annotated[float, "Hz, lately"]
    dropped: Annotated[int, "views that came and were not used"]
    late: Annotated[int, "views for an instant that had been answered; they joined the next"]
    rms_px: Annotated[float | None, "px, lately"]
    offset_t: Annotated[float | None, "s by which its clock is ahead of the median camera's; null until somebody moves"]
    offset_sd: Annotated[float, "s"]
    drift: Annotated[float | None, "s/s by which that grows"]
    exchanged: Annotated[float, "share of its latest views with left and right exchanged"]


class SessionStatus(TypedDict):
    """One session."""

    cameras: Annotated[dict[str, CameraStatus], "by name"]
    persons: Annotated[dict[str, str], "`state` of each person"]
    sync: Annotated[Literal["triggered", "free"], "how its cameras run"]
    fps: Annotated[float, "answers a second, lately"]
    answered: int
    skipped: Annotated[int, "instants that made way because more came than can be fitted; their views still helped"]
    failures: Annotated[int, "answers lost to a defect"]
    latency_p50: Annotated[float | None, "s"]
    latency_p99: Annotated[float | None, "s"]
    rejected: Annotated[dict[str, int], "what was dropped, by reason: see troubleshooting"]
    details: Annotated[dict[str, str], "the latest of each reason, in words"]
    calibration: Annotated[dict[str, Any] | None, "progress of `calibrate`"]
    recording: Annotated[dict[str, Any] | None, "file, bytes and errors"]


class Status(Sent):
    """Every second and on a change; topic `status`."""

    seq: NotRequired[int]
    state: Literal["starting", "ready", "stopping"]
    uptime: Annotated[float, "s"]
    compilations: Annotated[int, "since ready; 0 unless a session of another shape was opened"]
    rejected: Annotated[dict[str, int], "of messages that belong to no session"]
    details: dict[str, str]
    alarms: Annotated[list[str], "what is wrong, in words"]
    peers: Annotated[NotRequired[dict[str, Any]], "messages and rejections by sender"]
    refused: Annotated[NotRequired[int], "connections of keys that are not known"]
    consumers: Annotated[NotRequired[dict[str, Any]], "subscribers that do not keep up"]
    sessions: Annotated[dict[str, SessionStatus], "by name"]


LATER = ("seq", "latency")
"""Keys that are added when a message is sent: every one that arrives has them."""
INGEST = (Keypoints, View, End)
PUBLISHED = (Published, Model, Kinematics, Smoothed, Bodies, Gait, Steps, Status, SessionStatus, CameraStatus)
OPERATIONS = {
    "status": ("", "what the `status` topic says"),
    "sessions": ("", "`sessions`: of each its `cameras`, `keypoints` and `subject` as TOML"),
    "open": (
        "`session`; `cameras`, `keypoints`, `subject` as TOML where they are not the configured ones, `keypoints` also "
        "a built-in name",
        "`session`, once all it needs is compiled",
    ),
    "calibrate": (
        "`session`, `seconds`: fit scale and offsets to the last of the running session, and swap them in",
        "`session` and the `seconds` there are, when it has started; `status` shows progress, a new `model` the end",
    ),
    "record": ("`session`, `on`", "`session`, and `file` or null"),
    "reload": ("read the configuration again, for sessions opened from now on", ""),
    "close": ("`session`: finish and end it", "`session`, after its last answer"),
    "shutdown": ("", ""),
}
"""Of the control socket: what a request has beside `v`, `type` (its operation) and `id`; what its `result` holds."""
