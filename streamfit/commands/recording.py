"""A session file as the commands see it: its calibration, and the instants of one person."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from streamfit.cameras import Rig
from streamfit.daemon.instants import Instant
from streamfit.daemon.live import IngestSettings, LiveSession
from streamfit.errors import InputError
from streamfit.session.mcap_file import SessionFile, read_session
from streamfit.skeleton import KeypointSet, Skeleton
from streamfit.subject import Subject
from streamfit.view.terminal import Show
from streamfit.wire.messages import KeypointsMessage, Rejected, ViewMessage, decode_ingest

DEFAULT_PERSON = "0"
PATIENCE = 1.0
"""s that an instant may wait for its views: nobody waits for an answer from a file."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A session file of which one person and some cameras are used.

    `views` counts each person's usable views, `unreadable` the messages that are none, by reason; `start` s, capture
    time of the first message.
    """

    name: str
    file: SessionFile
    rig: Rig
    keypoints: KeypointSet
    person: str
    views: dict[str, int]
    unreadable: dict[str, int]
    messages: int
    start: float

    def played(self, live: LiveSession, show: Show = lambda what, share: None) -> Iterator[Instant]:
        """The instants that the live engine makes of it, each message arriving when it was recorded to."""
        for done, (message, arrival) in enumerate(_messages(self.file, Counter()), start=1):
            yield from _timed_out(live, arrival)
            live.feed(self._used(message), arrival)
            yield from live.due(arrival)
            show(f"playing {self.name}", done / self.messages)
        yield from live.flush()

    def live(self, skeleton: Skeleton, subject: Subject, lag: float = 0.1) -> LiveSession:
        """A live engine for this person, as the daemon makes one."""
        return LiveSession(self.name, skeleton, self.rig, self.keypoints, subject, IngestSettings(wait=PATIENCE), lag)

    def _used(self, message: KeypointsMessage) -> KeypointsMessage:
        views = [v for v in message.views if v.person == self.person and v.camera in self.rig.names]
        return replace(message, views=tuple(views), rejected=())


def open_recording(
    path: Path, skeleton: Skeleton, cameras: Sequence[str] | None = None, person: str | None = None
) -> Recording:
    """Open a session file for one person: the one asked for, "0", or the one with most views. InputError."""
    file = read_session(path)
    rig = Rig.from_toml(file.cameras_toml, f"{path}: cameras.toml")
    if cameras is not None:
        rig = rig.select(list(cameras))
    keypoints = KeypointSet.from_toml(file.keypoints_toml, f"{path}: keypoints.toml")
    keypoints.body_indices(skeleton.bodies)
    unreadable: Counter[str] = Counter()
    usable: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    messages, start = 0, 0.0
    for message, _ in _messages(file, unreadable):
        start = start if messages else message.t
        messages += 1
        for view in message.views:
            reason = _refusal(view, rig, keypoints)
            refused[reason] += 1
            usable[view.person] += not reason
    if not +usable:
        refused.pop("", None)
        why = refused.most_common(1)[0][0] if refused else "it holds no keypoints message"
        raise InputError(f"{path}: no view can be used: {why}")
    chosen = person or (DEFAULT_PERSON if usable[DEFAULT_PERSON] else usable.most_common(1)[0][0])
    if not usable[chosen]:
        raise InputError(f"{path}: person {chosen!r} is not in it; it has {', '.join(sorted(+usable))}")
    return Recording(path.stem, file, rig, keypoints, chosen, dict(+usable), dict(unreadable), messages, start)


def _messages(file: SessionFile, unreadable: Counter[str]) -> Iterator[tuple[KeypointsMessage, float]]:
    """The keypoints messages and their arrivals (s)."""
    for _, payload, log_time, _ in file.messages({"keypoints"}):
        try:
            message = decode_ingest(payload)
        except Rejected as error:
            unreadable[error.reason] += 1
            continue
        if isinstance(message, KeypointsMessage):
            yield message, log_time / 1e9


def _timed_out(live: LiveSession, now: float) -> Iterator[Instant]:
    """The instants that the daemon would have answered before `now`, each at its own deadline."""
    while (deadline := live.next_deadline()) is not None and deadline <= now:
        yield from live.due(deadline)


def _refusal(view: ViewMessage, rig: Rig, keypoints: KeypointSet) -> str:
    """Why a view cannot be used; empty where it can."""
    if view.camera not in rig.names:
        return f"camera {view.camera!r} is not used or not in the calibration ({', '.join(rig.names)})"
    if len(view.xyc) != len(keypoints.names):
        return f"{view.camera} sent {len(view.xyc)} keypoints, but {keypoints.name} has {len(keypoints.names)}"
    return ""
