"""Sessions of one person become trials of one rig."""

from pathlib import Path

import pytest
from simulated import rig, walk, write_session

from streamfit.cli.calibrate import calibrate_sessions
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton
from streamfit.recording.playback import open_recording
from streamfit.recording.trials import load_trial


def test_a_session_is_a_trial_with_its_own_cameras(tmp_path: Path, skeleton: Skeleton, keypoints: KeypointSet) -> None:
    motion = walk(skeleton, keypoints, 0.1)
    recording = open_recording(write_session(tmp_path / "b.mcap", rig(), keypoints, motion), skeleton)
    trial = load_trial(recording, skeleton)
    assert (trial.name, trial.rig) == ("b", recording.rig)
    assert [t for t, _ in trial.instants] == motion.t.tolist()
    for t, views in trial.instants:
        assert sorted((view.camera, view.t) for view in views) == [(c, t) for c in range(5)]


def test_keypoint_sets_that_differ(tmp_path: Path, skeleton: Skeleton, keypoints: KeypointSet) -> None:
    few = KeypointSet.load("coco17")
    paths = [
        write_session(tmp_path / f"{name}.mcap", rig(), points, walk(skeleton, points, 0.1))
        for name, points in (("a", keypoints), ("b", few))
    ]
    with pytest.raises(InputError, match="its keypoint set coco17 is not that of") as error:
        calibrate_sessions(paths, tmp_path / "subject.toml")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "subject.toml").exists()
