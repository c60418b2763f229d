"""The simulated walk's events and steps, as a session publishes them."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.setup import Setup
from streamfit.estimation.estimate import Estimate, Load, Sighting
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage
from streamfit.sim.motions import RATE
from streamfit.sim.room import room


class Knowing:
    """The state of a solver that knows the trajectory."""

    since, too_late, exchanged = 0.0, 0, np.zeros(1)
    subject: Any = None

    def __init__(self, q: np.ndarray) -> None:
        self.until = 0.0
        self._spline = CubicSpline(np.arange(len(q)) / RATE, q)

    @property
    def seen(self) -> float:
        return self.until

    def course(self) -> Any:
        return self

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        return self._spline(t), self._spline(t, 1)

    def predict(self, t: float) -> None:
        """Nobody asks."""


class KnowingSolver:
    """A solver whose only state knows."""

    def __init__(self, state: Knowing) -> None:
        self.state = state

    def begin(self, subject: Subject) -> Knowing:
        self.state.subject = subject
        return self.state

    def measure(
        self, state: Knowing, instants: Sequence[Sighting], clocks: np.ndarray, load: Load = Load.NORMAL
    ) -> tuple[Knowing, list[Estimate]]:
        state.until, _ = instants[-1]
        q, qd = state.at(state.until)
        none = np.zeros((0, 3))
        one = Estimate(state.until, q, qd, 0 * q, 1.0, np.ones(1), 1, "tracking", none, np.zeros((0, 4)), none, 1.0)
        return state, [one]

    def settle(self, state: Knowing) -> tuple[Knowing, list[Estimate], list[ClockEvidence]]:
        return state, [], []

    def finish(self, state: Knowing) -> tuple[Knowing, list[Estimate]]:
        return state, []


@pytest.fixture(scope="module")
def published(walked, skeleton: Skeleton, keypoints: KeypointSet, subject: Subject) -> dict[str, list[dict[str, Any]]]:
    """The payloads by kind of topic."""
    rig: Rig = room()
    setup = Setup(skeleton, rig, keypoints, subject)
    engine = Engine("s", setup, IngestSettings("triggered"), solver=lambda *_: KnowingSolver(Knowing(walked.q)))
    xyc = np.ones((len(keypoints.names), 3))
    out: dict[str, list[dict[str, Any]]] = {"gait": [], "steps": [], "kinematics": []}
    for i in range(len(walked.q)):
        t = i / RATE
        due = engine.take(KeypointsMessage("s", t, None, (ViewMessage(rig.names[0], None, "0", xyc, 0),)), t).instants
        for instant in due + engine.due(t + 0.5).instants:
            for answer in chain.from_iterable(engine.solve([instant])):
                assert (answer.session, answer.person) == ("s", "0")
                out.setdefault(answer.kind, []).append(answer.payload)
    return out


def test_every_foot_event_is_published_once(published, walked):
    events = published["gait"]
    assert set(events[0]) == {
        "v", "type", "session", "person", "event", "side", "t", "sd_t", "detected", "position"
    }  # fmt: skip
    found = [(e["side"], e["event"], e["t"]) for e in events]
    for t, side, kind in walked.events:
        if t < 9.8:
            near = [x for s, k, x in found if (s, k) == (side, kind) and abs(x - t) < 0.25]
            assert len(near) == 1, (t, side, kind)
            assert abs(near[0] - t) < 0.06
    assert len(found) <= len(walked.events)
    assert all(0.0 < e["detected"] - e["t"] < 0.2 for e in events)
    assert all(e["sd_t"] > 0.0 for e in events)


def test_places_are_in_the_world_of_the_cameras(published):
    """It is z up: feet are on the floor, in the room."""
    places = np.array([e["position"] for e in published["gait"]])
    assert np.abs(places[:, 2]).max() < 0.12
    assert np.ptp(places[:, 0]) > 2.0


def test_steps_are_those_of_the_plan(published):
    steps = published["steps"]
    assert set(steps[0]) == {
        "v", "type", "session", "person", "side", "t", "step_length", "stride_length", "step_width", "step_time",
        "stride_time", "stance_time", "swing_time", "double_support_time", "cadence", "speed",
    }  # fmt: skip
    straight = [s for s in steps if s["speed"] is not None and 2.9 < s["t"] < 4.0]
    assert len(straight) >= 2
    for step in straight:
        assert step["cadence"] == pytest.approx(109, abs=6)
        assert step["speed"] == pytest.approx(1.18, abs=0.05)
        assert step["step_length"] == pytest.approx(1.18 * 0.55, abs=0.04)
        assert step["step_width"] == pytest.approx(0.11, abs=0.03)


def test_contacts_come_with_every_instant(published, walked):
    down = {"right": True, "left": True}
    changes = list(walked.events)
    wrong = 0
    for payload in published["kinematics"]:
        while changes and changes[0][0] <= payload["t"]:
            _, side, kind = changes.pop(0)
            down[side] = kind == "foot_strike"
        wrong += sum((payload[f"contact_{side}"] > 0.5) != down[side] for side in down)
    assert wrong / (2 * len(published["kinematics"])) < 0.08
