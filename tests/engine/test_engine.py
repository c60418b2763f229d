import gc
import weakref
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from fake_tracker import FAIL, NOT_FINITE, FakeTracker

from streamfit.engine.active_persons import FORGET, MAX_PERSONS
from streamfit.engine.answers import Answer
from streamfit.engine.engine import IngestSettings, LiveSession
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, Rejected, ViewMessage

CONFIGS = Path(__file__).parents[2] / "configs"
SKELETON = Skeleton.load()
RIG = Rig.load(CONFIGS / "cameras.toml")
KEYPOINTS = KeypointSet.load("coco17")
SUBJECT = Subject.generic(SKELETON, KEYPOINTS)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(clock: Clock) -> LiveSession:
    ingest = IngestSettings("triggered", 0.02)
    return LiveSession("s", SKELETON, RIG, KEYPOINTS, SUBJECT, ingest, 0.1, FakeTracker, clock)


def view(camera: str = "cam_01", person: str = "0", order: float = 1.0, count: int = 17, bad: int = 0) -> ViewMessage:
    return ViewMessage(camera, None, person, np.full((count, 3), [order, 2.0, 1.0]), bad)


def answers(live: LiveSession, t: float, views: list[ViewMessage], *rejected: Rejected) -> list[Answer]:
    """Of one message that is captured and arrives at `t`, given all the time it may wait."""
    live.feed(KeypointsMessage("s", t, None, tuple(views), rejected), t)
    return [answer for instant in live.due(t + 0.02) for ready in live.solve(instant) for answer in ready]


def topics(done: list[Answer]) -> list[str]:
    return [topic for topic, _ in done]


def test_an_instant_is_answered_on_every_topic(live: LiveSession, clock: Clock) -> None:
    clock.now = 1.5
    done = answers(live, 1.0, [view("cam_01"), view("cam_02")])
    assert topics(done) == ["model/s/0", "kinematics/s/0", "bodies/s/0"]
    model, kinematics, bodies = (payload for _, payload in done)
    assert model["coordinates"] == list(SKELETON.coordinates)
    assert model["units"] == list(SKELETON.units)
    assert model["bodies"] == list(SKELETON.bodies)
    assert model["keypoints"] == list(KEYPOINTS.names)
    assert model["cameras"] == ["cam_01", "cam_02", "cam_03", "cam_04"]
    assert model["scale"] == dict.fromkeys(SKELETON.groups, 1.0)
    assert model["skeleton"] == "rajagopal"
    assert model["software"].startswith("streamfit ")
    assert set(kinematics) == {
        "v", "type", "session", "person", "t", "q", "qd", "sd", "latency", "rms_px", "views", "state",
        "contact_left", "contact_right",
    }  # fmt: skip
    assert kinematics["t"] == 1.0
    assert kinematics["views"] == 2
    assert kinematics["latency"] == 0.5
    assert set(bodies) == {"v", "type", "session", "person", "t", "position", "quaternion", "keypoints"}
    done = answers(live, 1.01, [view()])
    assert topics(done) == ["kinematics/s/0", "bodies/s/0", "smoothed/s/0"]
    smoothed = done[-1][1]
    assert set(smoothed) == set(kinematics) | {"lag"}
    assert (smoothed["t"], smoothed["lag"]) == (1.0, 0.1)
    assert smoothed["latency"] == 0.5  # from the last view of its own instant
    assert topics(chain.from_iterable(live.finish())) == ["smoothed/s/0"]


def test_every_person_is_answered_at_every_instant(live: LiveSession) -> None:
    answers(live, 0.0, [view(person="a"), view(person="b")])
    done = answers(live, 0.01, [view(person="b")])
    states = {payload["person"]: payload["state"] for topic, payload in done if topic.startswith("kin")}
    assert states == {"a": "coasting", "b": "tracking"}


def test_each_person_has_only_their_own_views(live: LiveSession) -> None:
    done = answers(live, 0.0, [view("cam_01", "a"), view("cam_02", "a"), view("cam_01", "b")])
    views = {payload["person"]: payload["views"] for topic, payload in done if topic.startswith("kin")}
    assert views == {"a": 2, "b": 1}


def test_what_the_session_cannot_use_is_dropped_alone(live: LiveSession) -> None:
    views = [view("nowhere"), view(count=16), view("cam_02", bad=3), view("cam_03")]
    done = answers(live, 0.0, views, Rejected("bad_view", "no map"))
    assert done[1][1]["views"] == 2
    assert live.rejected == {"unknown_camera": 1, "wrong_keypoints": 1, "bad_point": 3, "bad_view": 1}
    assert live.details["wrong_keypoints"] == "cam_01: 16 keypoints, but coco17 has 17"
    assert "'nowhere'" in live.details["unknown_camera"]
    assert all(len(detail.splitlines()) == 1 for detail in live.details.values())


def test_a_message_of_which_nothing_can_be_used_is_no_instant(live: LiveSession) -> None:
    answers(live, 0.0, [view()])
    assert not answers(live, 0.01, [view("nowhere")])
    assert not answers(live, 0.02, [], Rejected("bad_view", "no map"))
    assert topics(answers(live, 0.03, [])) == ["kinematics/s/0", "bodies/s/0", "smoothed/s/0"]


@pytest.mark.parametrize("order", [FAIL, NOT_FINITE])
def test_a_fit_that_fails_starts_afresh_and_harms_nobody_else(live: LiveSession, order: float) -> None:
    for i in range(5):
        answers(live, 0.01 * i, [view(person="a"), view(person="b")])
    done = answers(live, 0.05, [view(person="a", order=order), view(person="b")])
    assert topics(done) == ["kinematics/s/b", "bodies/s/b", "smoothed/s/b"]
    assert live.fits.failures == 1
    done = answers(live, 0.06, [view(person="a"), view(person="b")])
    instants = {p["person"]: p["q"][0] for topic, p in done if topic.startswith("kin")}
    assert instants == {"a": 1, "b": 7}


def test_the_number_of_persons_is_bounded_and_places_become_free(live: LiveSession) -> None:
    crowd = [f"p{i}" for i in range(MAX_PERSONS + 3)]
    done = answers(live, 0.0, [view(person=person) for person in crowd])
    assert len([t for t in topics(done) if t.startswith("kin")]) == MAX_PERSONS
    assert live.rejected == {"too_many_persons": 3}
    t = 0.0
    while t < FORGET + 0.5:
        t += 0.25
        done = answers(live, t, [view(person="p1")])
    assert topics(done) == ["kinematics/s/p1", "bodies/s/p1", "smoothed/s/p1"]
    assert live.fits.states == {"p1": "tracking"}
    assert "kinematics/s/new" in topics(answers(live, t + 0.01, [view(person="new")]))


def test_the_only_person_stays_however_long_they_are_away(live: LiveSession) -> None:
    answers(live, 0.0, [view()])
    for i in range(1, 100):
        assert topics(answers(live, 0.5 * i, []))[0] == "kinematics/s/0"


def test_a_clock_that_is_set_back_starts_the_fits_afresh(live: LiveSession) -> None:
    for i in range(20):
        answers(live, 100.0 + 0.01 * i, [view()])
    done = []
    for i in range(20):
        live.feed(KeypointsMessage("s", 0.01 * i, None, (view(),)), 100.2 + 0.01 * i)
        done += [a for instant in live.due(100.3 + 0.01 * i) for ready in live.solve(instant) for a in ready]
    assert done[0][0] == "smoothed/s/0"  # what was owed of the old times
    assert done[0][1]["t"] == pytest.approx(100.19)
    kinematics = [payload for topic, payload in done if topic.startswith("kin")]
    assert [payload["t"] for payload in kinematics] == [0.01 * i for i in range(20)]
    assert kinematics[-1]["q"][0] == 20
    assert not live.rejected
    assert live.fits.failures == 0


def test_a_session_that_has_ended_leaves_nothing_to_the_garbage_collector() -> None:
    def a_life() -> "weakref.ref[LiveSession]":
        ingest = IngestSettings("triggered", 0.02)
        live = LiveSession("s", SKELETON, RIG, KEYPOINTS, SUBJECT, ingest, 0.1, FakeTracker)
        answers(live, 1.0, [view("cam_01"), view("cam_02")])
        assert list(live.finish())
        return weakref.ref(live)

    gc.disable()  # a full collection beside a live session would keep its answers waiting
    try:
        assert a_life()() is None
    finally:
        gc.enable()


def test_sessions_share_nothing(live: LiveSession) -> None:
    other = LiveSession("t", SKELETON, RIG, KEYPOINTS, SUBJECT, IngestSettings(), 0.1, FakeTracker)
    answers(live, 0.0, [view("nowhere"), view(order=FAIL)])
    assert not other.rejected
    assert other.fits.failures == 0


def test_a_gait_that_fails_is_its_persons_alone(live: LiveSession, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(live, 0.0, [view(person="p1"), view(person="p2")])
    failing = live.fits._gaits["p1"]
    monkeypatch.setattr(failing, "contacts", lambda *_: 1 / 0)
    done = answers(live, 0.01, [view(person="p1"), view(person="p2")])
    assert [topic for topic in topics(done) if topic.startswith("kin")] == ["kinematics/s/p2"]
    assert live.fits.failures == 1
    assert "kinematics/s/p1" in topics(answers(live, 0.02, [view(person="p1"), view(person="p2")]))


def test_an_instant_that_can_not_be_answered_takes_no_other_with_it(live: LiveSession) -> None:
    for i, x in enumerate([1.0, FAIL, 1.0, 1.0]):
        live.feed(KeypointsMessage("s", i / 100, None, (view(order=x),), ()), i / 100)
    together = live.due(10.0)
    assert len(together) == 4
    done = [answer for ready in live.solve(*together) for answer in ready]
    assert [p["t"] for topic, p in done if topic.startswith("kin")] == [0.0, 0.02, 0.03]
    assert live.fits.failures == 1


def test_what_fails_only_together_is_answered_one_by_one_and_counted(
    live: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = FakeTracker.answer
    monkeypatch.setattr(FakeTracker, "answer", lambda self, i, load=None: alone(self, i) if len(i) == 1 else 1 / 0)
    for i in range(3):
        live.feed(KeypointsMessage("s", i / 100, None, (view(),), ()), i / 100)
    done = [answer for ready in live.solve(*live.due(10.0)) for answer in ready]
    assert [p["t"] for topic, p in done if topic.startswith("kin")] == [0.0, 0.01, 0.02]
    assert live.fits.failures == 1
