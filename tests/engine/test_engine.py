import gc
import weakref
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_solver import FAIL, NOT_FINITE, FakeSolver
from standing import standing_views

from streamfit.engine.active_persons import FORGET, MAX_PERSONS
from streamfit.engine.answers import Answer
from streamfit.engine.association import Predict, Prediction
from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.frame_assembler import Instant
from streamfit.engine.person_pipeline import FAILURES_IN_A_ROW
from streamfit.engine.setup import Setup
from streamfit.estimation.estimate import View
from streamfit.gait import Contacts, Gait
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, Rejected, ViewMessage

CONFIGS = Path(__file__).parents[2] / "configs"
SKELETON = Skeleton.load()
RIG = Rig.load(CONFIGS / "cameras.toml")
KEYPOINTS = KeypointSet.load("coco17")
SETUP = Setup(SKELETON, RIG, KEYPOINTS, Subject.generic(SKELETON, KEYPOINTS))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock) -> Engine:
    ingest = IngestSettings("triggered", 0.02)
    return Engine("s", SETUP, ingest, solver=FakeSolver, clock=clock)


def view(camera: str = "cam_01", person: str = "0", order: float = 1.0, count: int = 17, bad: int = 0) -> ViewMessage:
    return ViewMessage(camera, None, person, np.full((count, 3), [order, 2.0, 1.0]), bad)


def answers(engine: Engine, t: float, views: list[ViewMessage], *rejected: Rejected) -> list[Answer]:
    """Of one message that is captured and arrives at `t`, given all the time it may wait."""
    due = engine.take(KeypointsMessage("s", t, None, tuple(views), rejected), t).instants
    due += engine.due(t + 0.02).instants
    return [answer for instant in due for ready in engine.solve([instant]) for answer in ready]


def topics(done: list[Answer]) -> list[str]:
    return [answer.topic for answer in done]


def test_an_instant_is_answered_on_every_topic(engine: Engine, clock: Clock) -> None:
    clock.now = 1.5
    done = answers(engine, 1.0, [view("cam_01"), view("cam_02")])
    assert topics(done) == ["model/s/0", "kinematics/s/0", "bodies/s/0"]
    model, kinematics, bodies = (answer.message(clock()) for answer in done)
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
    done = answers(engine, 1.01, [view()])
    assert topics(done) == ["kinematics/s/0", "bodies/s/0", "smoothed/s/0"]
    smoothed = done[-1].message(clock())
    assert set(smoothed) == set(kinematics) | {"lag"}
    assert (smoothed["t"], smoothed["lag"]) == (1.0, 0.1)
    assert smoothed["latency"] == 0.5  # from the last view of its own instant
    assert topics(chain.from_iterable(engine.finish())) == ["smoothed/s/0"]


def test_every_person_is_answered_at_every_instant(engine: Engine) -> None:
    answers(engine, 0.0, [view(person="a"), view(person="b")])
    done = answers(engine, 0.01, [view(person="b")])
    states = {a.person: a.payload["state"] for a in done if a.kind == "kinematics"}
    assert states == {"a": "coasting", "b": "tracking"}


def test_each_person_has_only_their_own_views(engine: Engine) -> None:
    done = answers(engine, 0.0, [view("cam_01", "a"), view("cam_02", "a"), view("cam_01", "b")])
    views = {a.person: a.payload["views"] for a in done if a.kind == "kinematics"}
    assert views == {"a": 2, "b": 1}


def test_what_the_session_cannot_use_is_dropped_alone(engine: Engine) -> None:
    views = [view("nowhere"), view(count=16), view("cam_02", bad=3), view("cam_03")]
    done = answers(engine, 0.0, views, Rejected("bad_view", "no map"))
    assert done[1].payload["views"] == 2
    assert engine.snapshot().rejected == {"unknown_camera": 1, "wrong_keypoints": 1, "bad_point": 3, "bad_view": 1}
    assert engine.snapshot().details["wrong_keypoints"] == "cam_01: 16 keypoints, but coco17 has 17"
    assert "'nowhere'" in engine.snapshot().details["unknown_camera"]
    assert all(len(detail.splitlines()) == 1 for detail in engine.snapshot().details.values())


def test_a_message_of_which_nothing_can_be_used_is_no_instant(engine: Engine) -> None:
    answers(engine, 0.0, [view()])
    assert not answers(engine, 0.01, [view("nowhere")])
    assert not answers(engine, 0.02, [], Rejected("bad_view", "no map"))
    assert topics(answers(engine, 0.03, [])) == ["kinematics/s/0", "bodies/s/0", "smoothed/s/0"]


@pytest.mark.parametrize("order", [FAIL, NOT_FINITE])
def test_views_that_cannot_be_fitted_are_left_out_and_the_track_goes_on(engine: Engine, order: float) -> None:
    for i in range(5):
        answers(engine, 0.01 * i, [view(person="a"), view(person="b")])
    done = answers(engine, 0.05, [view(person="a", order=order), view(person="b")])
    states = {a.person: a.payload["state"] for a in done if a.kind == "kinematics"}
    assert states == {"a": "coasting", "b": "tracking"}
    assert engine.snapshot().fit.failures == 1
    done = answers(engine, 0.06, [view(person="a"), view(person="b")])
    instants = {a.person: a.payload["q"][0] for a in done if a.kind == "kinematics"}
    assert instants == {"a": 7, "b": 7}


def test_who_cannot_be_fitted_again_and_again_is_begun_anew(engine: Engine) -> None:
    for i in range(5):
        answers(engine, 0.01 * i, [view(person="a"), view(person="b")])
    for i in range(5, 5 + FAILURES_IN_A_ROW):
        answers(engine, 0.01 * i, [view(person="a", order=FAIL), view(person="b")])
    assert engine.snapshot().fit.failures == FAILURES_IN_A_ROW
    done = answers(engine, 0.1, [view(person="a"), view(person="b")])
    instants = {a.person: a.payload["q"][0] for a in done if a.kind == "kinematics"}
    assert instants == {"a": 2, "b": 6 + FAILURES_IN_A_ROW}


def test_the_number_of_persons_is_bounded_and_places_become_free(engine: Engine) -> None:
    crowd = [f"p{i}" for i in range(MAX_PERSONS + 3)]
    done = answers(engine, 0.0, [view(person=person) for person in crowd])
    assert len([t for t in topics(done) if t.startswith("kin")]) == MAX_PERSONS
    assert engine.snapshot().rejected == {"too_many_persons": 3}
    t = 0.0
    while t < FORGET + 0.5:
        t += 0.25
        done = answers(engine, t, [view(person="p1")])
    assert topics(done) == ["kinematics/s/p1", "bodies/s/p1", "smoothed/s/p1"]
    assert engine.snapshot().fit.states == {"p1": "tracking"}
    assert "kinematics/s/new" in topics(answers(engine, t + 0.01, [view(person="new")]))


def test_the_only_person_stays_however_long_they_are_away(engine: Engine) -> None:
    answers(engine, 0.0, [view()])
    for i in range(1, 100):
        assert topics(answers(engine, 0.5 * i, []))[0] == "kinematics/s/0"


def test_a_clock_that_is_set_back_starts_the_fits_afresh(engine: Engine) -> None:
    for i in range(20):
        answers(engine, 100.0 + 0.01 * i, [view()])
    done = []
    for i in range(20):
        due = engine.take(KeypointsMessage("s", 0.01 * i, None, (view(),)), 100.2 + 0.01 * i).instants
        due += engine.due(100.3 + 0.01 * i).instants
        done += [a for instant in due for ready in engine.solve([instant]) for a in ready]
    assert done[0].topic == "smoothed/s/0"  # what was owed of the old times
    assert done[0].t == pytest.approx(100.19)
    kinematics = [answer.payload for answer in done if answer.kind == "kinematics"]
    assert [payload["t"] for payload in kinematics] == [0.01 * i for i in range(20)]
    assert kinematics[-1]["q"][0] == 20
    assert not engine.snapshot().rejected
    assert engine.snapshot().fit.failures == 0


def test_a_session_that_has_ended_leaves_nothing_to_the_garbage_collector() -> None:
    def a_life() -> "weakref.ref[Engine]":
        ingest = IngestSettings("triggered", 0.02)
        engine = Engine("s", SETUP, ingest, solver=FakeSolver)
        answers(engine, 1.0, [view("cam_01"), view("cam_02")])
        assert list(engine.finish())
        return weakref.ref(engine)

    gc.disable()  # a full collection beside a live session would keep its answers waiting
    try:
        assert a_life()() is None
    finally:
        gc.enable()


def test_sessions_share_nothing(engine: Engine) -> None:
    other = Engine("t", SETUP, solver=FakeSolver)
    answers(engine, 0.0, [view("nowhere"), view(order=FAIL)])
    assert not other.snapshot().rejected
    assert other.snapshot().fit.failures == 0


def test_a_gait_that_fails_takes_nothing_else_with_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(engine, 0.0, [view(person="p1"), view(person="p2")])
    contacts, calls = Gait.contacts, []

    def fails_once(self: Gait, *arguments: Any) -> Contacts:
        calls.append(arguments)
        return 1 / 0 if len(calls) == 1 else contacts(self, *arguments)

    monkeypatch.setattr(Gait, "contacts", fails_once)
    done = answers(engine, 0.01, [view(person="p1"), view(person="p2")])
    assert [a.payload["q"][0] for a in done if a.kind == "kinematics"] == [2, 2]
    assert engine.snapshot().fit.failures == 1


def taken(engine: Engine, orders: list[float]) -> list[Instant]:
    """The instants of messages 10 ms apart, all of which wait."""
    waiting = []
    for i, x in enumerate(orders):
        waiting += engine.take(KeypointsMessage("s", i / 100, None, (view(order=x),), ()), i / 100).instants
    return waiting + engine.due(10.0).instants


def test_an_instant_that_can_not_be_answered_takes_no_other_with_it(engine: Engine) -> None:
    together = taken(engine, [1.0, FAIL, 1.0, 1.0])
    assert len(together) == 4
    done = [answer for ready in engine.solve(together) for answer in ready if answer.kind == "kinematics"]
    assert [(a.t, a.payload["state"]) for a in done] == [
        (0.0, "tracking"),
        (0.01, "coasting"),
        (0.02, "tracking"),
        (0.03, "tracking"),
    ]
    assert engine.snapshot().fit.failures == 1


def test_what_fails_only_together_is_answered_one_by_one_and_counted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = FakeSolver.measure
    monkeypatch.setattr(FakeSolver, "measure", lambda self, s, i, *a: alone(self, s, i, *a) if len(i) == 1 else 1 / 0)
    done = [answer for ready in engine.solve(taken(engine, [1.0, 1.0, 1.0])) for answer in ready]
    assert [answer.t for answer in done if answer.kind == "kinematics"] == [0.0, 0.01, 0.02]
    assert engine.snapshot().fit.failures == 1


def test_a_snapshot_is_of_its_turn_and_stays_as_it_is(engine: Engine) -> None:
    answers(engine, 0.0, [view(), view("nowhere")])
    before = engine.snapshot()
    answers(engine, 0.01, [view("cam_02", "new"), view("nowhere")])
    assert dict(before.fit.states) == {"0": "tracking"}
    assert before.rejected == {"unknown_camera": 1}
    after = engine.snapshot()
    assert dict(after.fit.states) == {"0": "coasting", "new": "tracking"}
    assert after.rejected == {"unknown_camera": 2}
    with pytest.raises(FrozenInstanceError):
        before.fit.failures = 3  # type: ignore[misc]


def test_the_association_says_whose_views_are_whose(clock: Clock) -> None:
    """It sees the views of an instant as they came, and where each person who is followed will be."""
    seen: list[tuple[float, list[str], dict[str, Prediction]]] = []

    class EveryoneIsAnna:
        def assign(self, t: float, views: Sequence[View], predict: Predict) -> tuple[View, ...]:
            seen.append((t, [one.person for one in views], dict(predict(t))))
            return tuple(replace(one, person="anna") for one in views)

    views = [ViewMessage(v["camera"], None, "0", np.array(v["xyc"])) for v in standing_views(RIG, KEYPOINTS)]

    engine = Engine("s", SETUP, IngestSettings("triggered", 0.02), association=EveryoneIsAnna(), clock=clock)
    for i in range(12):
        done = answers(engine, i / 30, views)
        assert {answer.person for answer in done} == {"anna"}
    (_, persons, first), (t, _, last) = seen[0], seen[-1]
    assert persons == ["0"] * len(views)
    assert not first
    assert list(last) == ["anna"]
    assert last["anna"].seen == pytest.approx(t - 1 / 30)
    bodies = next(answer.payload for answer in done if answer.kind == "bodies")
    np.testing.assert_allclose(last["anna"].keypoints, bodies["keypoints"], atol=0.03)
