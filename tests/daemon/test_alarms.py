"""Each alarm comes when something is wrong, says what to check, and goes; where nothing is wrong there is none."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from daemon_process import CONFIGS
from fake_solver import FakeSolver
from standing import standing_views
from watched_session import WatchedSession, recorded

from streamfit.daemon.monitoring.checks import LATENCY, WINDOW, Condition
from streamfit.estimation.live.clock_sync import ClockReading, Clocks
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage

RATE, SLOW_RATE = 50.0, 20.0  # Hz
RIG = Rig.load(CONFIGS / "cameras.toml")
COCO = KeypointSet.load("coco17")


class Room:
    """The example's four cameras, each with a detector of its own; `every` camera sends each so many instants."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.watched = WatchedSession(skeleton, RIG, COCO, FakeSolver)
        self.every = dict.fromkeys(RIG.names, 1)
        self.ahead = dict.fromkeys(RIG.names, 0.0)
        self.keypoints = 17
        self._standing = {view["camera"]: view["xyc"] for view in standing_views(RIG, COCO)}
        self._frames = count()

    def finds(self, **found: Any) -> None:
        """Let the fits say so from now on."""
        self.watched.pretended = found

    def run(self, seconds: float) -> dict[str, str]:
        """Go on for so long; the alarms at the end."""
        for _ in range(round(seconds * RATE)):
            frame = next(self._frames)
            for camera, every in self.every.items():
                if every and frame % every == 0:
                    t = frame / RATE + self.ahead[camera]
                    wrong = np.ones((self.keypoints, 3))
                    xyc = self._standing[camera] if self.keypoints == len(COCO.names) else wrong
                    view = ViewMessage(camera, None, "0", xyc)
                    self.watched.take(KeypointsMessage("s", t, None, (view,)), frame / RATE)
            self.watched.pass_to(frame / RATE)
        return self.watched.told


@pytest.fixture
def room(skeleton: Skeleton) -> Room:
    room = Room(skeleton)
    assert room.run(4.0) == {}
    return room


def applying(offset: float) -> ClockReading:
    """Clocks of which the third camera's is corrected by so much, s."""
    clocks = Clocks(4)
    clocks.applied[2] = offset
    return clocks.reading()


def heals(room: Room, seconds: float = 3.0) -> None:
    """All is well again, and soon nothing is said any more."""
    room.every = dict.fromkeys(RIG.names, 1)
    room.ahead = dict.fromkeys(RIG.names, 0.0)
    room.keypoints = 17
    assert room.run(seconds) == {}
    assert room.run(WINDOW) == {}


def test_a_camera_that_falls_silent(room: Room) -> None:
    room.every["cam_03"] = 0
    assert room.run(0.7) == {}
    told = room.run(0.8)
    assert told["silent cam_03"].startswith("cam_03: silent for 1 s: check the camera")
    assert "silent for 4 s" in room.run(2.5)["silent cam_03"]
    assert list(room.watched.told) == ["silent cam_03"]
    heals(room)


def test_a_camera_that_never_sends(skeleton: Skeleton) -> None:
    room = Room(skeleton)
    room.every["cam_02"] = 0
    assert room.run(2.5) == {}
    assert room.run(1.0) == {
        "never cam_02": "cam_02: has sent nothing yet: check that it runs and sends under this name"
    }
    heals(room)


def test_a_camera_that_is_slow(room: Room) -> None:
    room.every["cam_01"] = 3
    told = room.run(5.0)
    assert told == {"slow cam_01": told["slow cam_01"]}
    assert told["slow cam_01"].startswith("cam_01: 17 views/s against 50 of the others")
    room.every["cam_01"] = 2  # half of them is no longer slow, but may be so again
    assert list(room.run(3.0)) == ["slow cam_01"]
    heals(room, 5.0)


def test_a_camera_whose_clock_is_set(room: Room) -> None:
    room.ahead["cam_04"] = -2.5
    told = room.run(2.0)
    assert list(told) == ["astray cam_04"]
    assert told["astray cam_04"].startswith("cam_04: its capture times are 2.5 s behind the others'")
    heals(room)


def test_a_clock_that_is_a_little_off(room: Room) -> None:
    room.finds(clocks=applying(0.034))
    assert room.run(3.0)["clock cam_03"].startswith("cam_03: its clock is 34 ms behind the others'")
    room.finds(clocks=applying(0.015))  # below the limit, but not clearly
    assert list(room.run(3.0)) == ["clock cam_03"]
    room.finds()
    heals(room)


def test_only_one_camera_left_and_none(room: Room) -> None:
    for camera in ("cam_01", "cam_02", "cam_03"):
        room.every[camera] = 0
    told = room.run(3.0)
    assert told["few"].startswith("only cam_04 sends")
    room.every["cam_04"] = 0
    told = room.run(4.0)
    assert list(told) == ["silence"]
    assert told["silence"].startswith("nothing received for 4 s")
    heals(room)


def test_views_that_cannot_be_used(room: Room) -> None:
    room.keypoints = 26
    told = room.run(4.0)
    assert told["wrong_keypoints"].endswith("wrong_keypoints: cam_04: 26 keypoints, but coco17 has 17")
    assert told["unused"].startswith("no view used for 4 s")
    heals(room, WINDOW + 1.5)


def test_instants_skipped_and_fits_that_fail(room: Room) -> None:
    room.watched.session.backlog.skipped += 7
    room.finds(failures=2)
    told = room.run(0.5)
    assert told["skipped"].startswith("7 instants skipped in the last 5 s")
    assert told["failures"].startswith("2 fits failed")
    heals(room, WINDOW + 1.5)


def test_a_person_lost(room: Room) -> None:
    room.finds(states={"1": "lost"})
    told = room.run(4.5)
    assert told == {"lost 1": "person 1 lost for 4 s: out of sight of two cameras?"}
    room.finds()
    heals(room)


def test_answers_that_take_long(room: Room) -> None:
    session = room.watched.session
    session.latencies.extend([2 * LATENCY] * 100)
    session.turns.append((room.watched.now + 10.0, 1))
    assert room.run(2.0)["latency"].startswith("answers take 100 ms, of 50 that they may")
    session.latencies.extend([0.8 * LATENCY] * 200)  # not clearly below
    assert list(room.run(2.0)) == ["latency"]
    session.latencies.extend([0.1 * LATENCY] * 200)
    heals(room)


def test_words_that_last() -> None:
    assert Condition("k", "lost", "why?", camera="cam_01", since=1.0).text(3.2) == "cam_01: lost for 4 s: why?"


# With the real fit


@pytest.mark.slow
def test_a_camera_that_was_moved(skeleton: Skeleton) -> None:
    watched = WatchedSession(skeleton, RIG, COCO)
    views = standing_views(RIG, COCO)
    for frame in range(round(10.5 * SLOW_RATE)):
        t = frame / SLOW_RATE
        moved = 25.0 if 3.0 < t < 7.0 else 0.0
        seen = tuple(
            ViewMessage(v["camera"], None, "0", v["xyc"] + [moved * (v["camera"] == "cam_03"), 0, 0]) for v in views
        )
        watched.take(KeypointsMessage("s", t, None, seen), t)
    assert list(watched.came) == ["moved cam_03"]
    assert 6.0 <= watched.came["moved cam_03"] <= 7.0
    assert watched.told == {}


@pytest.mark.parametrize("name", ["real_b_dance", "adult_a_walking2"])
@pytest.mark.slow
def test_a_recording_in_which_all_is_well(skeleton: Skeleton, recordings: Path, name: str) -> None:
    rig, keypoints, messages = recorded(recordings / f"{name}.mcap")
    watched = WatchedSession(skeleton, rig, keypoints)
    first = None
    for arrival, message in messages():
        first = arrival if first is None else first
        if arrival - first > 4.5:
            break
        watched.take(message, arrival - first)
    assert watched.now > 1.0
    assert watched.came == {}
