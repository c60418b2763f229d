"""A session that is calibrated while it runs."""

import os
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from daemon_process import CONFIGS, Client, DaemonProcess, assert_went_on, wait_until

from streamfit.daemon.sessions.progress import Progress
from streamfit.daemon.sessions.recalibration import Job, Recalibration
from streamfit.engine.frame_assembler import Instant
from streamfit.engine.history import MAX_BYTES, MAX_SECONDS, History
from streamfit.estimation.estimate import View
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.sim.detector import detect
from streamfit.sim.motions import RATE, exercises
from streamfit.sim.person import motion, true_subject

SECONDS, EVERY = 6.0, 3


@pytest.fixture(autouse=True)
def nothing_under_way(real_daemon: DaemonProcess) -> None:
    """The daemon is others' too, and calibrates one session at a time."""
    with Client(real_daemon.endpoints) as client:
        client.keypoints("idle", 0.0, [])
        wait_until(lambda: "idle" in client.status()["sessions"], "a session that has seen nobody")

        def refused() -> bool:
            return client.ask("calibrate", session="idle", seconds=1.0)["error"]["code"] == "refused"

        wait_until(refused, "the end of another calibration", 300.0)
        assert client.ask("close", session="idle")["ok"]


@pytest.mark.alone
def test_scale_and_offsets_are_swapped_in_without_losing_an_instant(
    real_daemon: DaemonProcess, skeleton: Skeleton
) -> None:
    rig, keypoints = Rig.load(CONFIGS / "cameras.toml"), KeypointSet.load("coco17")
    person = true_subject(skeleton, keypoints)
    moved = motion(exercises(skeleton, person.scale, SECONDS), skeleton, keypoints, person)
    seen = detect(moved, rig, skeleton, keypoints, person, 1)[::EVERY].astype(np.float32)
    there_and_back = np.concatenate([seen, seen[::-1]])
    sent: list[float] = []
    with Client(real_daemon.endpoints, ("status", "kinematics/changed/", "model/changed/")) as client:

        def send() -> None:
            t = len(sent) * EVERY / RATE
            views = there_and_back[len(sent) % len(there_and_back)]
            named = [{"camera": c, "xyc": xyc} for c, xyc in zip(rig.names, views, strict=True)]
            client.keypoints("changed", t, named)
            sent.append(t)
            time.sleep(EVERY / RATE)

        for _ in seen:
            send()
        generic = client.wait_for("model/changed/0")["scale"]
        compiled = real_daemon.metric("streamfit_compilations_after_ready_total")
        reply = client.ask("calibrate", session="changed", seconds=5.0)
        assert reply["ok"], reply
        assert 4.5 < reply["result"]["seconds"] <= 5.0
        assert client.ask("calibrate", session="changed", seconds=5.0)["error"]["code"] == "busy"
        progress = client.status()["sessions"]["changed"]["calibration"]
        while progress["state"] == "running":
            send()
            progress = client.ask("status")["result"]["sessions"]["changed"]["calibration"]
        assert progress["state"] == "done", progress
        for _ in range(20):
            send()
        client.wait_for("kinematics/changed/0", t=sent[-1])
        status = client.status()["sessions"]["changed"]
        answers, models = client.payloads("kinematics/changed/0"), client.payloads("model/changed/0")
        assert_went_on(sent, answers, status["skipped"])
        assert status["failures"] == 0
        fitted = models[-1]["scale"]
        errors = [abs(s[g] - person.scale[g]) for s in (generic, fitted) for g in ("thigh_r", "thigh_l", "shank_l")]
        assert np.mean(errors[3:]) < 0.5 * np.mean(errors[:3])
        before, after = (np.median([a["rms_px"] for a in part]) for part in (answers[: len(seen)], answers[-15:]))
        assert after < before
        text = client.ask("sessions")["result"]["sessions"]["changed"]["subject"]
        assert 'verdict = "' in text
        assert real_daemon.metric("streamfit_compilations_after_ready_total") == compiled
        assert client.ask("close", session="changed")["ok"]


def test_a_calibration_that_cannot_be_is_refused_or_fails_in_words(real_daemon: DaemonProcess) -> None:
    nobody = np.zeros((17, 3), np.float32)
    with Client(real_daemon.endpoints) as client:
        client.keypoints("empty", 0.0, [])
        wait_until(lambda: "empty" in client.status()["sessions"], "the session")
        error = client.ask("calibrate", session="empty", seconds=5.0)["error"]
        assert error["code"] == "refused"
        assert "seen nobody" in error["message"]
        for i in range(1, 10):
            client.keypoints("empty", i / 50, [{"camera": c, "xyc": nobody} for c in ("cam_01", "cam_02")])
        client.wait_for("kinematics/empty/0", t=9 / 50)
        assert client.ask("calibrate", session="empty", seconds=5.0)["ok"]
        while (progress := client.status()["sessions"]["empty"]["calibration"])["state"] == "running":
            pass
        assert progress["state"] == "failed"
        assert progress["message"].startswith("calibration: ")
        assert client.ask("close", session="empty")["ok"]


def instant(t: float, *persons: str, points: int = 17) -> Instant:
    views = [View(c, t, np.zeros((points, 3), np.float32), p, t) for c in range(2) for p in persons]
    return Instant(t, tuple(views), t)


class Deadly:
    """Ends the process that it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


@pytest.mark.parametrize(
    ("trial", "said", "logged"),
    [(Deadly(), "has died; is there enough memory?", ""), (None, "see the daemon's log", "has no attribute")],
)
async def test_a_process_that_dies_or_has_a_defect_says_so(
    trial: Any, said: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def call(function: Callable[[], None]) -> None:
        function()

    progress = Progress("running", "0", 1.0)
    job = Job(None, None, None, trial)  # type: ignore[arg-type]
    await Recalibration(call)._run(SimpleNamespace(name="hurt"), progress, job)  # type: ignore[arg-type]
    assert progress.state == "failed"
    assert said in progress.message
    assert logged in caplog.text


def test_what_is_remembered_is_of_the_last_minute_and_of_the_person_most_seen() -> None:
    history = History()
    assert history.lately(10.0) == ("", [])
    for i in range(1000):
        history.add(instant(i / 10, "a", *["b"] * (i % 2)))
    person, instants = history.lately(5.0)
    assert person == "a"
    assert [t for t, _ in instants] == [i / 10 for i in range(949, 1000)]
    assert all(len(views) == 2 for _, views in instants)
    assert instants[0][0] == 94.9
    assert len(history.lately(1e9)[1]) == pytest.approx(10 * MAX_SECONDS, abs=1)
    history.add(instant(3.0, "b"))
    assert [t for t, _ in history.lately(1e9)[1]] == [3.0]


def test_what_is_remembered_is_bounded_in_size() -> None:
    history, points = History(), MAX_BYTES // 1000
    for i in range(100):
        history.add(instant(i / 10, "a", points=points))
    assert 24 * points * len(history.lately(1e9)[1]) <= MAX_BYTES
