"""Cameras that were started by hand: the person tells by how much their clocks differ."""

from pathlib import Path

import numpy as np
import pytest
from simulated import NOISE, project, rig, walk

from streamfit.errors import InputError
from streamfit.estimation.estimate import View
from streamfit.estimation.init.clock_search import clocks_of
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import RefinedRig, Subject
from streamfit.protocol.codec import encode
from streamfit.recording.clock_offsets import said_of_clocks
from streamfit.recording.mcap_file import SessionWriter
from streamfit.recording.playback import open_recording
from streamfit.recording.trials import load_trial, load_trials

CAMERAS = rig()


@pytest.fixture(scope="module")
def seen(skeleton: Skeleton, keypoints: KeypointSet) -> list[View]:
    """Three seconds of a walk, which is not periodic in them, in five cameras."""
    motion, rng = walk(skeleton, keypoints, 3.0), np.random.default_rng(4)
    points = motion.points + np.array([0.5, 0.2, 0.0]) * motion.t[:, None, None]
    out = []
    for index, camera in enumerate(CAMERAS.cameras):
        pixels = project(camera, points) + NOISE * rng.standard_normal((*points.shape[:2], 2))
        xyc = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.9)], -1)
        out += [View(index, t, own) for t, own in zip(motion.t.tolist(), xyc, strict=True)]
    return out


def shifted(views: list[View], seconds: dict[int, float]) -> list[View]:
    return [View(v.camera, v.t + seconds.get(v.camera, 0.0), v.xyc) for v in views]


@pytest.mark.parametrize("seconds", [{0: -0.05}, {1: 1.7, 3: -0.613}, {0: 2.1, 1: 0.35, 2: 1.2, 3: 0.05}], ids=str)
def test_clocks_that_differ_are_found(seen: list[View], seconds: dict[int, float]) -> None:
    """To 5 ms; where no two agree the first keeps its times."""
    clocks = clocks_of(CAMERAS, shifted(seen, seconds))
    first = seconds[0] if len(seconds) > 2 else 0.0
    for index, name in enumerate(CAMERAS.names):
        true = first - seconds.get(index, 0.0)
        assert clocks[name].said == ("off" if true else "together")
        assert clocks[name].seconds == pytest.approx(true, abs=0.005)


def test_cameras_that_go_together_are_said_to(seen: list[View]) -> None:
    clocks = clocks_of(CAMERAS, seen)
    assert {clock.said for clock in clocks.values()} == {"together"}
    assert said_of_clocks(clocks, "w.mcap") == []


def test_somebody_who_stands_still_tells_nothing(seen: list[View]) -> None:
    rng = np.random.default_rng(1)
    first = {v.camera: v.xyc for v in reversed(seen)}
    jitter = NOISE * np.array([1.0, 1.0, 0.0])
    still = [View(v.camera, v.t, first[v.camera] + jitter * rng.standard_normal(v.xyc.shape)) for v in seen]
    assert {clock.said for clock in clocks_of(CAMERAS, shifted(still, {2: 0.7})).values()} == {"unknown"}


def test_somebody_who_repeats_a_movement_exactly_does_not_tell_which(
    skeleton: Skeleton, keypoints: KeypointSet
) -> None:
    """Two shifts a period apart explain the views alike: that is said, not chosen."""
    motion = walk(skeleton, keypoints, 5.0)
    views = [
        View(index, t, np.column_stack([project(camera, points), np.full(len(points), 0.9)]))
        for index, camera in enumerate(CAMERAS.cameras)
        for t, points in zip(motion.t.tolist(), motion.points, strict=True)
    ]
    clocks = clocks_of(CAMERAS, shifted(views, {2: 0.5}))
    assert clocks["cam_03"].said == "unclear"
    assert {clocks[name].said for name in CAMERAS.names if name != "cam_03"} == {"together"}


@pytest.fixture
def late(tmp_path: Path, seen: list[View], keypoints: KeypointSet) -> Path:
    """A recording in which cam_03's pictures are 0.4 s late by their times."""
    path = tmp_path / "late.mcap"
    with SessionWriter(path, CAMERAS.to_toml(), keypoints.to_toml()) as writer:
        for v in sorted(shifted(seen, {2: 0.4}), key=lambda v: v.t):
            view = {"camera": CAMERAS.names[v.camera], "xyc": v.xyc}
            message = {"v": 1, "type": "keypoints", "session": "late", "t": v.t, "views": [view]}
            writer.write("keypoints", encode(message), int(v.t * 1e9), int(v.t * 1e9))
    return path


def test_they_are_said_or_put_right(late: Path, skeleton: Skeleton) -> None:
    recording = open_recording(late, skeleton)
    (said,) = load_trials([recording], skeleton, False, lambda what, share: None)[0].said
    assert said.startswith("late.mcap: cam_03's pictures are 0.40 s late by their times: use --offset cam_03=-0.")
    assert said.endswith(" or --bundle-adjust")
    (one,) = load_trials([recording], skeleton, True, lambda what, share: None)
    assert one.found == {"cam_03": pytest.approx(-0.4, abs=0.005)}
    assert "put right" in one.said[0]
    whole = [views for _, views in one.trial.instants if len(views) == 5]
    assert len(whole) > 120
    given = open_recording(late, skeleton, offsets=["cam_03=-0.4"])
    assert load_trials([given], skeleton, False, lambda what, share: None)[0].said == ()


def test_what_cannot_be_told_is_refused_where_cameras_are_refined(
    late: Path, skeleton: Skeleton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfit.estimation.init.clock_search.KNOWN", -1.0)
    with pytest.raises(InputError, match=r"late\.mcap: cam_03 was not started with the other cameras"):
        load_trials([open_recording(late, skeleton)], skeleton, True, lambda what, share: None)


def test_a_subject_whose_cameras_were_started_apart_brings_their_clocks(late: Path, skeleton: Skeleton) -> None:
    recording = open_recording(late, skeleton)
    generic = Subject.generic(skeleton, recording.keypoints)
    clock = np.array([0.002, 0.0, -0.401, 0.0, 0.0])
    subject = Subject(**(vars(generic) | {"refined": (RefinedRig(("late",), recording.rig, recording.rig, clock),)}))
    live = recording.engine(skeleton, subject)
    instants = list(recording.played(live))
    assert len([i for i in instants if len(i.views) == 5]) > 120
    apart = [abs(v.t - i.t) for i in instants for v in i.views]
    assert np.quantile(apart, 0.9) < 0.01
    seconds, rest = subject.started_apart(recording.rig)
    np.testing.assert_allclose(seconds, [0, 0, -0.401, 0, 0])
    np.testing.assert_allclose(rest.rig_for(recording.rig)[1], [0.002, 0, 0, 0, 0])


@pytest.mark.slow
def test_the_recording_whose_camera_was_started_late(faults: Path, skeleton: Skeleton) -> None:
    trial = load_trial(open_recording(faults / "hand-started" / "cam_03_0.4s_late.mcap", skeleton), skeleton)
    clocks = clocks_of(trial.rig, [view for _, views in trial.instants for view in views])
    assert {name: clock.said for name, clock in clocks.items()} == {
        "cam_01": "together",
        "cam_03": "off",
        "cam_05": "together",
    }
    assert clocks["cam_03"].seconds == pytest.approx(-0.4, abs=0.01)


@pytest.mark.parametrize("name", ["adult_a_walking2_drift", "real_c_webcams"])
@pytest.mark.slow
def test_sound_recordings_are_not_blamed(recordings: Path, skeleton: Skeleton, name: str) -> None:
    trial = load_trial(open_recording(recordings / f"{name}.mcap", skeleton), skeleton)
    clocks = clocks_of(trial.rig, [view for _, views in trial.instants for view in views])
    assert said_of_clocks(clocks, name) == []
