"""A clock that jumps: as many instants as were sent, at times that increase, and a line that says it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sent_session import BOTH, message, session
from simulated import rig, walk, write_session

from streamfit.cli.fit import fit_session
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.forward_times import RESUME, WRAP, ForwardTimes, said_of
from streamfit.recording.playback import open_recording
from streamfit.recording.sampling import segments
from streamfit.recording.trials import load_trial


def played(path: Path, skeleton: Skeleton) -> tuple[np.ndarray, list[str]]:
    recording, times = open_recording(path, skeleton), ForwardTimes()
    live = recording.engine(skeleton, Subject.generic(skeleton, recording.keypoints))
    t = np.array([instant.t for instant in recording.played(live, times=times)])
    return t, said_of(times.jumps)


def recorded(path: Path, times: Sequence[float], apart: bool = False) -> Path:
    """A recording of these capture times, 40 ms after each other on its own clock."""
    views = [[one] for one in BOTH] if apart else [list(BOTH)]
    return session(path, *((message(t, *own), 0.04 * i) for i, t in enumerate(times) for own in views))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (3600.0, "the clock jumps ahead by 3600.040 s after t = 5.560 s (0.040 s passed): a new segment begins there"),
        (1.78e9, "the clock jumps ahead by 1780000000.040 s after t = 5.560 s"),
        (-0.4, "the clock is set back by 0.360 s after t = 5.560 s: what follows is taken 1.360 s later"),
        (-3600.0, "the clock is set back by 3599.960 s after t = 5.560 s"),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_clock_that_jumps_loses_no_instant(
    tmp_path: Path, skeleton: Skeleton, step: float, words: str, apart: bool
) -> None:
    sent = 4.0 + 0.04 * np.arange(80) + step * (np.arange(80) >= 40)
    t, said = played(recorded(tmp_path / "j.mcap", sent.tolist(), apart), skeleton)
    assert len(t) == 80
    assert (np.diff(t) > 0).all()
    assert [part.start for part in segments(t)] == [0, 40]
    np.testing.assert_allclose(t[:40], sent[:40])
    if step > 0:
        np.testing.assert_allclose(t[40:], sent[40:])
    else:
        np.testing.assert_allclose(t[40:], sent[39] + RESUME + 0.04 * np.arange(40))
    assert len(said) == 1
    assert said[0].startswith(words)


def test_a_counter_of_microseconds_that_begins_again_goes_on(tmp_path: Path, skeleton: Skeleton) -> None:
    meant = WRAP - 1.0 + 0.04 * np.arange(60)
    t, said = played(recorded(tmp_path / "w.mcap", np.mod(meant, WRAP).tolist()), skeleton)
    np.testing.assert_allclose(t, meant, atol=1e-6)
    assert len(segments(t)) == 1
    assert len(said) == 1
    assert said[0].startswith("the clock of 32 bits begins again after t = ")


def test_a_jump_just_before_the_end_loses_no_instant(tmp_path: Path, skeleton: Skeleton) -> None:
    sent = 0.04 * np.arange(30) + 3600.0 * (np.arange(30) >= 28)
    assert len(played(recorded(tmp_path / "e.mcap", sent.tolist()), skeleton)[0]) == 30


def test_a_single_wild_time_is_no_jump(tmp_path: Path, skeleton: Skeleton) -> None:
    sent = 0.04 * np.arange(30)
    sent[12] = 1.78e9
    t, said = played(recorded(tmp_path / "w.mcap", sent.tolist()), skeleton)
    np.testing.assert_allclose(t, np.delete(sent, 12))
    assert said == []


def test_a_recording_that_was_paused_says_for_how_long(tmp_path: Path, skeleton: Skeleton) -> None:
    payloads = [(message(t, *BOTH), t) for t in [*0.04 * np.arange(20), *(300.0 + 0.04 * np.arange(20))]]
    t, said = played(session(tmp_path / "p.mcap", *payloads), skeleton)
    assert len(t) == 40
    assert said == ["nothing was sent for 299.240 s after t = 0.760 s: a new segment begins there"]


def test_times_below_zero_are_times_and_those_that_are_none_are_counted(tmp_path: Path, skeleton: Skeleton) -> None:
    sent = [-1.0, -0.96, float("nan"), -0.92, float("inf"), -0.88]
    path = recorded(tmp_path / "n.mcap", sent)
    assert open_recording(path, skeleton).unreadable == {"bad_time": 2}
    assert played(path, skeleton)[0].tolist() == [-1.0, -0.96, -0.92, -0.88]


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1e3, "40 s apart by their times, which look like milliseconds; capture times must be in seconds"),
        (1e6, "40000 s apart by their times, which look like microseconds"),
        (1e9, "4e.07 s apart by their times, which look like nanoseconds"),
        (1e-6, "4e-08 s apart by their times; capture times"),
    ],
)
def test_times_in_other_units_are_refused(tmp_path: Path, skeleton: Skeleton, factor: float, words: str) -> None:
    path = recorded(tmp_path / "u.mcap", (factor * 0.04 * np.arange(30)).tolist())
    with pytest.raises(InputError, match=words):
        open_recording(path, skeleton)


def test_offsets_are_added_to_the_times_of_their_cameras(tmp_path: Path, skeleton: Skeleton) -> None:
    """cam_02 was started 0.4 s late and counts from its own first picture: its views find their instants again."""
    sent = 0.04 * np.arange(50)
    path = session(
        tmp_path / "o.mcap",
        *((message(t, BOTH[0]), t) for t in sent),
        *((message(t - 0.4, BOTH[1]), t) for t in sent[10:]),
    )
    recording = open_recording(path, skeleton, offsets=["cam_02=0.4"])
    live = recording.engine(skeleton, Subject.generic(skeleton, recording.keypoints))
    instants = list(recording.played(live))
    # that there is a second camera is known from its first view on
    assert [len(i.views) for i in instants] == [1] * 11 + [3] + [2] * 38
    np.testing.assert_allclose([i.t for i in instants], sent)
    for given, words in (
        (["cam_02"], "--offset cam_02: must be CAMERA=S"),
        (["cam_02=soon"], "--offset cam_02=soon: must be CAMERA=S"),
        (["cam_02=nan"], "--offset cam_02=nan: must be CAMERA=S"),
        (["cam_9=1"], "no camera 'cam_9'; there are cam_01, cam_02"),
        (["cam_02=1", "cam_02=2"], "cam_02 has an offset already, 1"),
    ):
        with pytest.raises(InputError, match=words):
            open_recording(path, skeleton, offsets=given)


def test_what_is_calibrated_on_is_never_long(tmp_path: Path, skeleton: Skeleton) -> None:
    sent = 0.04 * np.arange(60) + 1.78e9 * (np.arange(60) >= 20) - 3600.0 * (np.arange(60) >= 40)
    recording = open_recording(recorded(tmp_path / "l.mcap", sent.tolist()), skeleton)
    t = np.array([t for t, _ in load_trial(recording, skeleton).instants])
    assert len(t) == 60
    assert t[-1] - t[0] < 5.0
    assert [part.start for part in segments(t)] == [0, 20, 40]


@pytest.mark.slow
def test_a_clock_set_back_while_somebody_walks(tmp_path: Path, skeleton: Skeleton, keypoints: KeypointSet) -> None:
    """Every instant has its row, in the live fit too, and the person is followed on both sides."""
    motion = walk(skeleton, keypoints, 2.0)
    back = replace(motion, t=motion.t + 3.0 - 0.4 * (motion.t >= 1.0))
    path = write_session(tmp_path / "back.mcap", rig(), keypoints, back)
    report = fit_session(path, tmp_path, stature=1.8, exports=["csv"])
    assert report["instants"]["count"] == 100
    assert report["instants"]["tracking"] > 0.95
    assert [segment["instants"] for segment in report["times"]["segments"]] == [50, 50]
    for name, header in (("kinematics.mot", 7), ("smoothed.mot", 7), ("keypoints.trc", 6), ("kinematics.csv", 1)):
        assert len((tmp_path / name).read_text().splitlines()) == header + 100
    assert report["times"]["said"] == [
        "the clock is set back by 0.380 s after t = 3.980 s: what follows is taken 1.380 s later"
    ]


@pytest.mark.parametrize(("name", "starts"), [("none", [0]), ("hour", [0, 40]), ("epoch", [0, 40])])
def test_the_recordings_whose_clock_jumps(
    faults: Path, tmp_path: Path, skeleton: Skeleton, name: str, starts: list[int]
) -> None:
    report = fit_session(faults / "time-jump" / f"{name}.mcap", tmp_path)
    rows = (tmp_path / "kinematics.mot").read_text().splitlines()[7:]
    t = np.array([float(row.split("\t")[0]) for row in rows])
    assert len(t) == 80
    assert [part.start for part in segments(t)] == starts
    assert len(report["times"]["said"]) == len(starts) - 1
    assert report["instants"]["tracking"] > 0.95


@pytest.mark.slow
def test_the_whole_of_a_recording_from_1970_to_now(faults: Path, tmp_path: Path) -> None:
    report = fit_session(faults / "time-jump" / "epoch.mcap", tmp_path, lag=None)
    assert len((tmp_path / "kinematics.mot").read_text().splitlines()) == 7 + 80
    assert report["times"]["said"][0].startswith("the clock jumps ahead by 1780000000.040 s after t = 1.560 s")
