"""What can go wrong in a room, done to it: each fault heals again, and says what was lost and how soon all was well."""

import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import zmq

from benchmarks.chaos.detector_process import SESSION
from benchmarks.chaos.room_processes import PATIENCE, Answer, Room
from streamfit.errors import InputError
from streamfit.protocol.codec import VERSION, encode
from streamfit.recording.mcap_file import read_session

BACK = 0.5
"""s from a camera's first message until its views are used in the fit."""
TRACKING = 1.0
"""s from when views come and are taken until the person is tracked."""
TOLD = 3.0
"""s until an alarm tells of a fault."""
SHARE, STALL = 0.02, 0.3
"""Of the instants, and s of them, may be lost where the machine is the matter, not the daemon: a stall of its own."""
OVERTAKEN = 0.06
"""Where all views of an instant come after the next one was answered, it cannot be; as little may be lost of a step."""
GARBAGE = 3000
"""Messages of a burst."""


@dataclass
class Outcome:
    """What a fault did. `recovered` s, of at most `within`; `missed` names the figures that were not reached."""

    done: str
    gaps: int = 0
    lost: int = 0
    recovered: float | None = None
    within: float | None = None
    notes: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def expect(self, what: str, holds: bool) -> None:
        """Note a figure that must hold."""
        (self.notes if holds else self.missed).append(what)


class Spell:
    """The time of one fault, and what of its answers was lost."""

    def __init__(self, room: Room, outcome: Outcome) -> None:
        self._room, self.outcome = room, outcome
        self.full, self.latency = room.usual()
        self._before = _unanswered(room)
        self._begin = time.monotonic()
        self._idle = 0.0

    def idle(self, seconds: float) -> None:
        """Nothing could be answered for so long."""
        self._idle += seconds

    def recovered(self, since: float, within: float, wanted: Callable[[Answer], bool]) -> None:
        """Wait for the first answer after `since` that is as wanted."""
        answer = self._room.watcher.first(since, wanted)
        self.outcome.within = within
        self.outcome.recovered = None if answer is None else answer.received - since
        if answer is None or answer.received - since > within:
            self.outcome.missed.append(f"well again within {within:g} s")

    def end(self, share: float = SHARE) -> Outcome:
        """Count what was lost until now, of which that share of the instants may be."""
        time.sleep(0.3)
        end = time.monotonic()
        answers = self._room.watcher.between(self._begin, end)
        self.outcome.gaps = sum(b.seq - a.seq - 1 for a, b in pairwise(answers))
        sent = round((end - self._begin - self._idle) * self._room.rate)
        self.outcome.lost = max(0, sent - len(answers))
        self.outcome.notes += [f"{what} {count}" for what, count in (_unanswered(self._room) - self._before).items()]
        if self.outcome.gaps:
            self.outcome.missed.append("no gap in the sequence")
        if self.outcome.lost > 2 + STALL * self._room.rate + share * sent:  # one at either end may be under way
            self.outcome.missed.append(f"at most {share:.0%} of the instants lost")
        return self.outcome


def camera_killed(room: Room) -> Outcome:
    spell = Spell(room, Outcome("one detector killed, and started again"))
    camera = room.cameras[1]
    room.detectors[camera].kill()
    began = time.monotonic()
    told = room.watcher.alarm(f"{camera}: silent", patience=TOLD)
    spell.outcome.expect(f"told after {time.monotonic() - began:.1f} s", told)
    first = room.start_detector(camera).first()
    spell.recovered(first, BACK, lambda a: a.views >= spell.full)
    spell.outcome.expect("the alarm goes", room.watcher.alarm(camera, there=False))
    return spell.end()


def cameras_lost(room: Room) -> Outcome:
    spell = Spell(room, Outcome("half of the detectors killed at once, and started again"))
    half = room.cameras[::2]
    for camera in half:
        room.detectors[camera].process.kill()
    began = time.monotonic()
    time.sleep(2.0)
    states = {a.state for a in room.watcher.between(began + 0.1, time.monotonic())}
    spell.outcome.expect(f"meanwhile {'/'.join(sorted(states))}", "lost" not in states)
    first = max([room.start_detector(camera) for camera in half], key=lambda d: d.first()).first()
    spell.recovered(first, BACK, lambda a: a.views >= spell.full)
    return spell.end()


def all_killed(room: Room) -> Outcome:
    spell = Spell(room, Outcome("all detectors killed, and started again"))
    for camera in room.cameras:
        room.detectors[camera].process.kill()
    began = time.monotonic()
    told = room.watcher.alarm("nothing received", patience=3.0 + TOLD)
    spell.outcome.expect(f"told after {time.monotonic() - began:.1f} s", told)
    firsts = sorted(room.start_detector(camera).first() for camera in room.cameras)
    spell.idle(firsts[1] - began)
    spell.recovered(firsts[1], TRACKING, lambda a: a.state == "tracking")
    return spell.end()


def slow_network(room: Room) -> Outcome:
    spell = Spell(room, Outcome("one camera's messages 60 to 160 ms late, overtaking each other"))
    detector = room.detectors[room.cameras[0]]
    detector.tell(delay=0.06, jitter=0.1)
    time.sleep(3.0)
    detector.tell(delay=0.0, jitter=0.0)
    spell.recovered(time.monotonic() + 0.16, BACK, lambda a: a.views >= spell.full)
    return spell.end()


def slow_networks(room: Room) -> Outcome:
    spell = Spell(room, Outcome("all messages up to 100 ms late, overtaking each other"))
    for detector in room.detectors.values():
        detector.tell(jitter=0.1)
    time.sleep(3.0)
    for detector in room.detectors.values():
        detector.tell(jitter=0.0)
    spell.recovered(time.monotonic() + 0.1, BACK, lambda a: a.views >= spell.full)
    return spell.end(OVERTAKEN)


def consumer_stopped(room: Room, seconds: float = 5.0) -> Outcome:
    spell = Spell(room, Outcome(f"a consumer stopped for {seconds:g} s (SIGSTOP)"))
    pid = room.consumer.process.pid
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(seconds)
    answers = room.watcher.between(began, time.monotonic())
    os.kill(pid, signal.SIGCONT)
    continued, heard = time.monotonic(), len(room.consumer.heard)
    p99 = float(np.percentile([a.latency for a in answers], 99))
    words = f"the others' latency p99 {1000 * p99:.0f} ms, {1000 * spell.latency:.0f} before"
    spell.outcome.expect(words, p99 < 2.0 * spell.latency + 0.02)
    while len(room.consumer.heard) < heard + 2 and time.monotonic() < continued + PATIENCE:
        time.sleep(0.05)
    spell.outcome.expect("it hears again", len(room.consumer.heard) >= heard + 2)
    return spell.end()


def clock_stepped(room: Room, seconds: float = 2.5) -> Outcome:
    spell = Spell(room, Outcome("one sender's clock set 2.5 s ahead, and back"))
    camera = room.cameras[2]
    room.detectors[camera].tell(clock=2.5)
    began = time.monotonic()
    told = room.watcher.alarm(f"{camera}: its capture times", patience=TOLD)
    spell.outcome.expect(f"told after {time.monotonic() - began:.1f} s", told)
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    room.detectors[camera].tell(clock=0.0)
    spell.recovered(time.monotonic(), BACK, lambda a: a.views >= spell.full)
    return spell.end()


def clocks_stepped(room: Room) -> Outcome:
    spell = Spell(room, Outcome("all clocks set 100 s ahead, and back"))
    worst = 0.0
    for step in (100.0, 0.0):
        for detector in room.detectors.values():
            detector.tell(clock=step)
        at = time.monotonic()
        spell.recovered(
            at, TRACKING, lambda a, step=step: a.state == "tracking" and abs(a.t - step - a.received) < 10.0
        )
        worst = max(worst, spell.outcome.recovered or np.inf)
        time.sleep(1.5)
    spell.outcome.recovered = worst
    return spell.end(OVERTAKEN)


def garbage(room: Room) -> Outcome:
    spell = Spell(room, Outcome(f"{GARBAGE} messages of garbage at once"))
    draw = np.random.default_rng(1)
    view = {"camera": "cam_01", "xyc": np.full((3, 3), np.nan)}
    whole = encode({"v": VERSION, "type": "keypoints", "session": SESSION, "t": 0.0, "views": [view]})
    kinds = [draw.bytes(200), whole[:-20], encode({"v": VERSION, "type": "keypoints", "session": "a/b"}), whole, b""]
    before = _rejected(room)
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.set(zmq.LINGER, int(1000 * PATIENCE))
        push.connect(room.addresses.ingest)
        for i in range(GARBAGE):
            push.send(kinds[i % len(kinds)])
    spell.recovered(time.monotonic(), BACK, lambda a: a.views >= spell.full)
    counted = room.watcher.wait_for(lambda: True if _rejected(room) - before >= GARBAGE else None)
    spell.outcome.expect("all of it counted", bool(counted))
    return spell.end()


def disk_full(room: Room) -> Outcome:
    spell = Spell(room, Outcome("no room left for the recording"))
    pid = room.daemon.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    limit = max(path.stat().st_size for path in room.recordings.iterdir()) + 1
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, before[1]))
    began = time.monotonic()
    told = room.watcher.alarm("recording", patience=TOLD)
    spell.outcome.expect(f"told after {time.monotonic() - began:.1f} s", told)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    replies = [room.ask("record", session=SESSION, on=on)["ok"] for on in (False, True)]
    spell.outcome.expect("recording again", all(replies) and room.watcher.alarm("recording", there=False))
    return spell.end()


def daemon_killed(room: Room) -> Outcome:
    spell = Spell(room, Outcome("the daemon killed with kill -9, and started again"))
    last = room.watcher.answers[-1]
    room.daemon.kill()
    room.daemon.wait()
    killed = time.monotonic()
    room.start_daemon()
    ready = time.monotonic()
    spell.recovered(ready, TRACKING, lambda a: a.state == "tracking")
    spell.outcome.notes.append(f"ready after {ready - killed:.1f} s")
    after = room.watcher.first(killed + 0.1, lambda a: True)
    spell.outcome.expect("numbers go on above", after is not None and after.seq > last.seq)
    spell.outcome.expect(*_readable(room, last))
    spell.outcome.lost = round((ready - killed) * room.rate)
    return spell.outcome


def _rejected(room: Room) -> int:
    """How many messages and views the daemon has not used so far."""
    status = room.watcher.status
    counts = [status["rejected"], *(session["rejected"] for session in status["sessions"].values())]
    return sum(sum(count.values()) for count in counts)


def _unanswered(room: Room) -> Counter[str]:
    """What the status counts of instants given up and views not used or late."""
    found = Counter(skipped=0)
    for session in room.ask("status")["result"]["sessions"].values():
        found["skipped"] += session["skipped"]
        found.update(session["rejected"])
        found["late"] += sum(camera["late"] for camera in session["cameras"].values())
    return found


def _readable(room: Room, last: Answer) -> tuple[str, bool]:
    """Whether all recordings can be read, up to two seconds before the last answer."""
    until = 0
    for path in room.recordings.iterdir():
        try:
            times = [message.publish_time for message in read_session(path).messages({"kinematics"})]
        except InputError as error:
            return str(error), False
        until = max([until, *(t for t in times if t / 1e9 <= last.t)])
    missing = last.t - until / 1e9
    return f"recordings readable, the last {missing:.1f} s missing", missing < 2.0


ALL: tuple[Callable[[Room], Outcome], ...] = (
    camera_killed,
    cameras_lost,
    all_killed,
    slow_network,
    slow_networks,
    consumer_stopped,
    clock_stepped,
    clocks_stepped,
    garbage,
    disk_full,
    daemon_killed,
)
SHORT: tuple[Callable[[Room], Outcome], ...] = (
    camera_killed,
    lambda room: consumer_stopped(room, 1.5),
    lambda room: clock_stepped(room, 1.0),
    garbage,
    daemon_killed,
)
