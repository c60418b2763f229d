"""Checks of a session, in words that say what to do. Pure: `now` is always passed in."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

import numpy as np

from streamfit.daemon.monitoring.examination import UNEXPLAINED
from streamfit.daemon.monitoring.pace import Pace
from streamfit.daemon.sessions.session import Session
from streamfit.engine.snapshot import EngineSnapshot
from streamfit.estimation.quality.check_inputs import Cause
from streamfit.model.camera import Rig

WINDOW = 5.0
"""s over which counts are compared."""
NOTHING = 3.0
"""s without a usable view after which somebody should know."""
BEGUN = 0.5
"""s, on top of the half second in which a camera counts as sending."""
SLOW, CLOCK, MOVED, LATENCY = 0.5, 0.02, 3.0, 0.05
"""Share of the others' rate; s off the median clock; times the others' residual; s, median of the latest answers."""
MOVED_PX = 4.0
"""px (2048 wide) that a residual must be above the others' too."""
RESIDUALS = 60
"""In WINDOW, from which on a camera's residual is judged: fewer, as of free-running cameras, tell of single moments."""
EASE = 0.7
"""An alarm that is told stays until its figure is below this share of its limit."""
EXCHANGED = 0.5
"""Share of a camera's recent views with left and right exchanged."""
LATEST = 200
"""Answers whose median latency counts."""
SEVERAL = 3
"""Messages in WINDOW with people whom nobody tells apart."""
UNUSABLE = ("unknown_camera", "wrong_keypoints", "too_many_persons")
"""Reasons for which whole views are dropped until somebody changes something."""


@dataclass(frozen=True)
class Condition:
    """Something that somebody should look after once it has lasted for `after` s.

    `key` is the same as long as it is the same trouble; `camera` is the camera's name where it is one camera's. With
    `lasting` the words are followed by how long it has been so already beyond `since` s.
    """

    key: str
    what: str
    check: str
    after: float = 0.0
    camera: str | None = None
    since: float | None = None

    def text(self, lasted: float) -> str:
        """One line; `lasted` s so far."""
        who = f"{self.camera}: " if self.camera else ""
        long = "" if self.since is None else f" for {self.since + lasted:.0f} s"
        return f"{who}{self.what}{long}: {self.check}"


@dataclass
class Growth:
    """How much counters have grown lately."""

    pace: Pace = field(default_factory=Pace)
    _history: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def of(self, name: str, value: int, now: float) -> int:
        """Growth of a counter over the last WINDOW s; a counter that is new has grown from 0."""
        seen = self._history.setdefault(name, deque([(now - WINDOW, 0)]))
        if value < seen[-1][1]:  # another of that name
            seen.clear()
            seen.append((now - WINDOW, 0))
        while len(seen) > 1 and seen[1][0] <= now - WINDOW:
            seen.popleft()
        seen.append((now, value))
        return value - seen[0][1]


def session_conditions(
    session: Session, told: Collection[str], growth: Growth, now: float, causes: Sequence[Cause] = ()
) -> Iterator[Condition]:
    """What is wrong with `session`; `told` are the keys of the alarms that there are already. Times s, monotonic.

    `causes` are what its examination has found: what comes of them is not told beside them.
    """
    snapshot = session.engine.snapshot(now)
    named = list(_causes(session, snapshot, growth, now, causes))
    yield from named
    yield from _incoming(session, snapshot, growth, now, bool(named))
    sending = [i for i, camera in enumerate(snapshot.cameras) if camera.active]
    if sending:
        yield from _missing_cameras(snapshot, sending, now)
        yield from _rates(snapshot, sending, told)
    if sending and not named:
        yield from _clocks(snapshot, sending, told)
        yield from _residuals(session.engine.rig, snapshot, sending, told, growth, now)
        yield from _exchanged(snapshot, sending)
        yield from _lost(snapshot, sending)
    yield from _answers(session, snapshot, told, growth, now)
    yield from _recording(session, growth, now)


def _causes(
    session: Session, snapshot: EngineSnapshot, growth: Growth, now: float, found: Sequence[Cause]
) -> Iterator[Condition]:
    """Why what comes in cannot be fitted as it is; at most one."""
    if (unit := growth.pace.unit(session.last_message, session.last_t)) is not None:
        what = f"capture times are in {unit}, not in seconds"
        yield Condition("time unit", what, "divide `t` before it is sent")
    elif growth.of("several", snapshot.several, now) >= SEVERAL:
        what = "several people are seen, and nobody says who is who"
        check = "send each person's name as `person`, the same in all cameras, or one person only"
        yield Condition("several", what, check)
    else:
        for cause in found[:1]:
            key = f"input {cause.key}" + (f" {cause.camera}" if cause.camera else "")
            yield Condition(key, cause.what, cause.check, camera=cause.camera)


def _lost(snapshot: EngineSnapshot, sending: list[int]) -> Iterator[Condition]:
    for person, state in snapshot.fit.states.items():
        if state == "lost":
            what, check = f"person {person} lost", "out of sight of two cameras?"
            if snapshot.fit.explained.get(person, np.nan) < UNEXPLAINED and len(sending) > 1:
                check = "the body does not fit what the cameras see: check the subject or the stature, the keypoint set"
                check += " and cameras.toml"
            yield Condition(f"lost {person}", what, check, 2.0, since=0.0)


def _incoming(
    session: Session, snapshot: EngineSnapshot, growth: Growth, now: float, explained: bool
) -> Iterator[Condition]:
    counts = {reason: growth.of(f"rejected {reason}", count, now) for reason, count in snapshot.rejected.items()}
    for reason in UNUSABLE:
        if counts.get(reason) and not (explained and reason == "too_many_persons"):
            what = f"{counts[reason]} views not used in the last {WINDOW:.0f} s"
            yield Condition(reason, what, f"{reason}: {snapshot.details[reason]}")
    if session.suspect:
        what = "most of what its sender sends cannot be read"
        yield Condition("suspect", what, "it is fitted after all others: check the program that sends it", 1.0)
    used = max([session.opened, *(camera.last_arrival for camera in snapshot.cameras)])
    if now - session.last_message > NOTHING:
        since = now - session.last_message
        yield Condition("silence", f"nothing received for {since:.0f} s", "check the detectors and their network")
    elif now - used > NOTHING and any(counts.values()) and not explained:
        most = max(counts, key=lambda reason: counts[reason])
        since = now - used
        yield Condition("unused", f"no view used for {since:.0f} s", f"{most}: {snapshot.details[most]}")


def _missing_cameras(snapshot: EngineSnapshot, sending: list[int], now: float) -> Iterator[Condition]:
    cameras = snapshot.cameras
    for i, camera in enumerate(cameras):
        name = camera.name
        if i in sending:
            continue
        if camera.astray is not None and now - camera.astray[0] < BEGUN:
            off = camera.astray[1]
            what = f"its capture times are {abs(off):.1f} s {'behind' if off < 0 else 'ahead of'} the others'"
            yield Condition(f"astray {name}", what, "check the clock of its machine (NTP or PTP)", BEGUN, name)
        elif camera.last_arrival == float("-inf"):
            check = "check that it runs and sends under this name"
            yield Condition(f"never {name}", "has sent nothing yet", check, NOTHING, name)
        else:
            silent = now - camera.last_arrival
            check = "check the camera, its detector and its network"
            yield Condition(f"silent {name}", f"silent for {silent:.0f} s", check, BEGUN, name)
    if len(sending) == 1 and len(cameras) > 1:
        what = f"only {cameras[sending[0]].name} sends"
        yield Condition("few", what, "a person is followed by two cameras or more", 1.0)


def _rates(snapshot: EngineSnapshot, sending: list[int], told: Collection[str]) -> Iterator[Condition]:
    rates = {i: snapshot.cameras[i].rate for i in sending}
    for i in sending if len(sending) > 1 else ():
        name = snapshot.cameras[i].name
        others = median(rate for other, rate in rates.items() if other != i)
        key = f"slow {name}"
        if rates[i] < others * (SLOW / EASE if key in told else SLOW):
            what = f"{rates[i]:.0f} views/s against {others:.0f} of the others"
            yield Condition(key, what, "check its exposure time, the load of its detector, and its network", 2.0, name)


def _clocks(snapshot: EngineSnapshot, sending: list[int], told: Collection[str]) -> Iterator[Condition]:
    clocks = snapshot.fit.clocks
    for i in sending:
        name = snapshot.cameras[i].name
        key, offset = f"clock {name}", float(clocks.applied[i])  # nothing where it may as well be right
        if abs(offset) > _limit(CLOCK, key, told):
            what = f"its clock is {1000 * abs(offset):.0f} ms {'behind' if offset > 0 else 'ahead of'} the others'"
            yield Condition(key, what, "the fit corrects it; check NTP or PTP, or its trigger", 2.0, name)


def _residuals(
    rig: Rig, snapshot: EngineSnapshot, sending: list[int], told: Collection[str], growth: Growth, now: float
) -> Iterator[Condition]:
    width = np.array([camera.size[0] for camera in rig.cameras]) / 2048
    rms = snapshot.fit.rms_px / width
    counts = snapshot.fit.residuals
    new = {i: growth.of(f"residuals {name}", int(counts[i]), now) for i, name in enumerate(rig.names)}
    seen = [i for i in sending if new[i] >= RESIDUALS]
    for i in seen if len(seen) > 2 else ():
        name = rig.names[i]
        key, others = f"moved {name}", median(float(rms[j]) for j in seen if j != i)
        if rms[i] > max(_limit(MOVED, key, told) * others, others + _limit(MOVED_PX, key, told)):
            what = f"{rms[i] * width[i]:.0f} px off against {others * width[i]:.0f} px of the others"
            yield Condition(key, what, "was it moved, or its lens or resolution changed? calibrate it anew", 3.0, name)


def _exchanged(snapshot: EngineSnapshot, sending: list[int]) -> Iterator[Condition]:
    for i in sending:
        name, fraction = snapshot.cameras[i].name, float(snapshot.fit.exchanged[i])
        if fraction > EXCHANGED:
            what = f"left and right are exchanged in {10 * fraction:.0f} of 10 views"
            check = "check its detector, or whether its image is mirrored"
            yield Condition(f"exchanged {name}", what, check, camera=name)


def _answers(
    session: Session, snapshot: EngineSnapshot, told: Collection[str], growth: Growth, now: float
) -> Iterator[Condition]:
    if skipped := growth.of("skipped", session.backlog.skipped, now):
        what = f"{skipped} instants skipped in the last {WINDOW:.0f} s"
        yield Condition("skipped", what, "too much for this machine: free it, or send fewer views or a lower rate")
    if failed := growth.of("failures", snapshot.fit.failures + session.lost, now):
        yield Condition("failures", f"{failed} fits failed in the last {WINDOW:.0f} s", "see the daemon's log")
    latest = list(islice(reversed(session.latencies), LATEST))
    if latest and session.turns and now - session.turns[-1][0] < 1.0:
        latency = median(latest)
        if latency > _limit(LATENCY, "latency", told):
            what = f"answers take {1000 * latency:.0f} ms, of {1000 * LATENCY:.0f} that they may"
            yield Condition("latency", what, "check what else runs on this machine", 1.0)


def _recording(session: Session, growth: Growth, now: float) -> Iterator[Condition]:
    if session.recording is None:
        return
    said = session.recording.status()
    if said["error"]:
        yield Condition("recording", "the recording has failed", said["error"])
    elif dropped := growth.of("dropped", said["dropped"], now):
        what = f"{dropped} messages not recorded in the last {WINDOW:.0f} s"
        yield Condition("recording", what, f"the disk of {said['file']} is too slow or full")


def _limit(limit: float, key: str, told: Collection[str]) -> float:
    return limit * EASE if key in told else limit
