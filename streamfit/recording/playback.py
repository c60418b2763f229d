"""A session file as the commands see it: its calibration, and the instants of one person."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.frame_assembler import Instant
from streamfit.engine.setup import Setup
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, Rejected, ViewMessage, decode_ingest, has_several
from streamfit.recording.clock_offsets import parse_offsets
from streamfit.recording.forward_times import ForwardTimes
from streamfit.recording.mcap_file import SessionFile, read_session
from streamfit.terminal import ProgressCallback

DEFAULT_PERSON = "0"
LOOKED_AT = 2000
"""Capture times of each camera by which its rate is judged."""
FEWEST = 5
SLOWEST, FASTEST = 1.0, 1e-4
"""s between two pictures of a camera beyond which its times are not in seconds."""
UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
PATIENCE = 1.0
"""s that an instant may wait for its views: nobody waits for an answer from a file."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A session file of which one person and some cameras are used.

    `views` counts each person's usable views, `unreadable` the messages that are none, by reason; `start` s, capture
    time of the first message; `lags` s, how long after its capture time each camera's message comes, in the median.
    `offsets` are added to the capture times of those cameras, s. `several` counts the messages with people whom nobody
    tells apart.
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
    lags: Mapping[str, float] = field(default_factory=dict)
    offsets: Mapping[str, float] = field(default_factory=dict)
    several: int = 0

    def named(self, seconds: float) -> list[tuple[float, list[tuple[int, str, np.ndarray]]]]:
        """The first `seconds` as they are sent: by capture time, each camera's (its index) people by their names."""
        index, out = (
            {name: i for i, name in enumerate(self.rig.names)},
            dict[float, list[tuple[int, str, np.ndarray]]](),
        )
        for message, _ in _messages(self.file, Counter()):
            if message.t > self.start + seconds:
                break
            for view in message.views:
                if not _refusal(view, self.rig, self.keypoints):
                    at = round(message.t if view.t is None else view.t, 2)
                    out.setdefault(at, []).append((index[view.camera], view.person, view.xyc))
        return sorted(out.items(), key=lambda item: item[0])

    def played(
        self,
        engine: Engine,
        show: ProgressCallback = lambda what, share: None,
        times: ForwardTimes | None = None,
    ) -> Iterator[Instant]:
        """The instants that the live engine makes of it, each message arriving when it was recorded to.

        Their times increase: see `ForwardTimes`, which `times` is for those who want to know of jumps.
        """
        yield from map((times or ForwardTimes()).of, self._as_sent(engine, show))

    def _as_sent(self, engine: Engine, show: ProgressCallback) -> Iterator[Instant]:
        for done, (message, arrival) in enumerate(self._shifted(), start=1):
            yield from _timed_out(engine, arrival)
            yield from engine.take(self._used(message), arrival).instants
            show(f"playing {self.name}", min(1.0, done / self.messages))
        yield from engine.flush().instants

    def _shifted(self) -> Iterator[tuple[KeypointsMessage, float]]:
        """The messages and their arrivals, those of cameras with an offset apart and moved by it.

        They come as long after their capture times as the other cameras' do.
        """
        groups: dict[float, list[str]] = {}
        for name in self.rig.names:
            groups.setdefault(self.offsets.get(name, 0.0), []).append(name)
        if list(groups) == [0.0]:
            return _messages(self.file, Counter())
        lags = {s: float(np.median([self.lags.get(name, 0.0) for name in own])) - s for s, own in groups.items()}
        usual = lags.get(0.0, min(lags.values()))
        streams = [self._moved(names, s, usual - lags[s]) for s, names in groups.items()]
        return heapq.merge(*streams, key=lambda item: item[1])

    def _moved(self, names: Sequence[str], seconds: float, later: float) -> Iterator[tuple[KeypointsMessage, float]]:
        for message, arrival in _messages(self.file, Counter()):
            views = [v for v in message.views if v.camera in names]
            if views:
                moved = tuple(v if v.t is None else replace(v, t=v.t + seconds) for v in views)
                yield replace(message, t=message.t + seconds, views=moved), arrival + later

    def engine(self, skeleton: Skeleton, subject: Subject, lag: float = 0.1) -> Engine:
        """A live engine for this person, as the daemon makes one."""
        setup = Setup(skeleton, self.rig, self.keypoints, subject)
        return Engine(self.name, setup, IngestSettings(wait=PATIENCE), lag)

    def _used(self, message: KeypointsMessage) -> KeypointsMessage:
        views = [v for v in message.views if v.person == self.person and v.camera in self.rig.names]
        return replace(message, views=tuple(views), rejected=())


def open_recording(
    path: Path,
    skeleton: Skeleton,
    cameras: Sequence[str] | None = None,
    person: str | None = None,
    offsets: Sequence[str] = (),
) -> Recording:
    """Open a session file for one person: the one asked for, "0", or the one with most views. InputError.

    `offsets` are `CAMERA=S`: see `parse_offsets`.
    """
    file = read_session(path)
    rig = Rig.from_toml(file.cameras_toml, f"{path}: cameras.toml")
    if cameras is not None:
        rig = rig.select(list(cameras))
    shifts = parse_offsets(offsets, rig.names)
    keypoints = KeypointSet.from_toml(file.keypoints_toml, f"{path}: keypoints.toml")
    keypoints.body_indices(skeleton.bodies)
    unreadable: Counter[str] = Counter()
    usable: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    times: dict[str, list[float]] = {name: [] for name in rig.names}
    lags: dict[str, list[float]] = {name: [] for name in rig.names}
    messages, start, several = 0, 0.0, 0
    for message, arrival in _messages(file, unreadable):
        start = start if messages else message.t
        messages += 1
        several += has_several(message)
        for view in message.views:
            reason = _refusal(view, rig, keypoints)
            refused[reason] += 1
            usable[view.person] += not reason
            if not reason and len(own := times[view.camera]) < LOOKED_AT:
                own.append(message.t if view.t is None else view.t)
                lags[view.camera].append(arrival - own[-1])
    if not +usable:
        refused.pop("", None)
        why = refused.most_common(1)[0][0] if refused else "it holds no keypoints message"
        raise InputError(f"{path}: no view can be used: {why}")
    _check_rates(path, times)
    chosen = person or (DEFAULT_PERSON if usable[DEFAULT_PERSON] else usable.most_common(1)[0][0])
    if not usable[chosen]:
        raise InputError(f"{path}: person {chosen!r} is not in it; it has {', '.join(sorted(+usable))}")
    usual = {name: float(np.median(own)) for name, own in lags.items() if own}
    counts = dict(+usable), dict(unreadable), messages
    return Recording(path.stem, file, rig, keypoints, chosen, *counts, start, usual, shifts, several)


def subject_for(recording: Recording, skeleton: Skeleton, file: Path | None, stature: float | None) -> Subject:
    """The one given, else the session's own, else the generic one."""
    attached = recording.file.subject_toml
    if file is not None:
        return Subject.load(file, skeleton, recording.keypoints)
    if attached is not None and stature is None:
        source = f"{recording.file.path}: subject.toml"
        return Subject.from_toml(attached, skeleton, recording.keypoints, source)
    return Subject.generic(skeleton, recording.keypoints, stature)


def started_apart(recording: Recording, subject: Subject) -> tuple[Recording, Subject]:
    """The recording with the clocks that its subject's calibration has found far apart, and the subject without them.

    Offsets that were given hold instead.
    """
    seconds, own = subject.started_apart(recording.rig)
    found = {name: float(s) for name, s in zip(recording.rig.names, seconds, strict=True) if s}
    return replace(recording, offsets=found | dict(recording.offsets)), own


def _check_rates(path: Path, times: Mapping[str, list[float]]) -> None:
    """InputError where the capture times are not in seconds."""
    for name, own in times.items():
        steps = np.abs(np.diff(np.unique(own)))
        if len(steps) < FEWEST:
            continue
        step = float(np.median(steps))
        if not FASTEST <= step <= SLOWEST:
            likely = [f", which look like {unit}" for factor, unit in UNITS.items() if 1e-3 < step / factor < 0.2]
            raise InputError(
                f"{path}: the pictures of {name} are {step:g} s apart by their times{''.join(likely[:1])}; "
                "capture times must be in seconds: mend them where they are made"
            )


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


def _timed_out(engine: Engine, now: float) -> Iterator[Instant]:
    """The instants that the daemon would have answered before `now`, each at its own deadline."""
    while (deadline := engine.deadline()) is not None and deadline <= now:
        yield from engine.due(deadline).instants


def _refusal(view: ViewMessage, rig: Rig, keypoints: KeypointSet) -> str:
    """Why a view cannot be used; empty where it can."""
    if view.camera not in rig.names:
        return f"camera {view.camera!r} is not used or not in the calibration ({', '.join(rig.names)})"
    if len(view.xyc) != len(keypoints.names):
        return f"{view.camera} sent {len(view.xyc)} keypoints, but {keypoints.name} has {len(keypoints.names)}"
    return ""
