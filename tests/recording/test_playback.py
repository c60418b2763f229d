"""A session file gives the instants of one person as the live engine makes them."""

from pathlib import Path

import numpy as np
import pytest
from sent_session import BOTH, message, session
from simulated import rig, walk, write_session

from streamfit.engine.frame_assembler import Instant
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.playback import Recording, open_recording


def instants(recording: Recording, skeleton: Skeleton) -> list[Instant]:
    return list(recording.played(recording.engine(skeleton, Subject.generic(skeleton, recording.keypoints))))


def test_every_instant_of_a_recording(tmp_path: Path, skeleton: Skeleton, keypoints: KeypointSet) -> None:
    motion = walk(skeleton, keypoints, 1.0)
    recording = open_recording(write_session(tmp_path / "w.mcap", rig(), keypoints, motion), skeleton)
    assert (recording.name, recording.person, recording.views) == ("w", "0", {"0": 250})
    played = instants(recording, skeleton)
    np.testing.assert_array_equal([i.t for i in played], motion.t)
    assert {len(i.views) for i in played} == {5}


def test_only_some_cameras(tmp_path: Path, skeleton: Skeleton, keypoints: KeypointSet) -> None:
    path = write_session(tmp_path / "w.mcap", rig(), keypoints, walk(skeleton, keypoints, 0.2))
    recording = open_recording(path, skeleton, ["cam_04", "cam_02"])
    assert recording.rig.names == ("cam_02", "cam_04")
    assert {tuple(sorted(v.camera for v in i.views)) for i in instants(recording, skeleton)} == {(0, 1)}
    with pytest.raises(InputError, match="camera 'cam_99' is not in the calibration"):
        open_recording(path, skeleton, ["cam_99"])


def test_an_instant_of_a_file_waits_for_views_that_came_late(tmp_path: Path, skeleton: Skeleton) -> None:
    """Longer than the daemon would have: 20 ms after its first view. Not for ever: one that comes later is late."""
    steady = [(message(i / 50, *BOTH), i / 50) for i in range(10)]
    late = [
        (message(0.20, BOTH[0]), 0.20),
        (message(0.22, *BOTH), 0.225),
        (message(0.20, BOTH[1]), 0.50),
        (message(0.24, BOTH[0]), 0.51),
        (message(0.26, *BOTH), 1.60),
        (message(0.24, BOTH[1]), 1.70),
        (message(0.28, *BOTH), 1.71),
    ]
    recording = open_recording(session(tmp_path / "l.mcap", *steady, *late), skeleton)
    played = instants(recording, skeleton)
    assert [round(i.t, 2) for i in played] == [round(i / 50, 2) for i in range(15)]
    assert [len(i.views) for i in played[10:]] == [2, 2, 1, 2, 3]


def test_the_person_is_the_first_or_the_one_seen_most_or_the_one_asked_for(tmp_path: Path, skeleton: Skeleton) -> None:
    anna, ben = ("cam_01", "anna"), ("cam_02", "ben")
    path = session(tmp_path / "p.mcap", (message(0.0, anna, ben), 0.0), (message(0.02, ben), 0.02))
    assert open_recording(path, skeleton).person == "ben"
    recording = open_recording(path, skeleton, person="anna")
    assert recording.views == {"anna": 1, "ben": 2}
    assert [len(i.views) for i in instants(recording, skeleton)] == [1, 0]
    with pytest.raises(InputError, match="person 'eve' is not in it; it has anna, ben"):
        open_recording(path, skeleton, person="eve")
    zero = session(tmp_path / "z.mcap", (message(0.0, anna, ben, ("cam_01", "0")), 0.0))
    assert open_recording(zero, skeleton).person == "0"


@pytest.mark.parametrize(
    ("payloads", "words"),
    [
        ([], "holds no keypoints message"),
        ([b"\xc1"], "holds no keypoints message"),
        ([message(0.0, *BOTH, count=26)], "cam_01 sent 26 keypoints, but coco17 has 17"),
        ([message(0.0, ("cam_09", "0"))], "camera 'cam_09' is not used or not in the calibration"),
    ],
)
def test_nothing_to_use(tmp_path: Path, skeleton: Skeleton, payloads: list[bytes], words: str) -> None:
    path = session(tmp_path / "n.mcap", *((p, 0.0) for p in payloads))
    with pytest.raises(InputError, match=words) as error:
        open_recording(path, skeleton)
    assert "\n" not in str(error.value)


def test_messages_that_are_none_are_counted(tmp_path: Path, skeleton: Skeleton) -> None:
    path = session(tmp_path / "c.mcap", (message(0.0, *BOTH), 0.0), (b"\xc1", 0.01), (b"\xc1", 0.02))
    recording = open_recording(path, skeleton)
    assert recording.unreadable == {"not_msgpack": 2}
    assert len(instants(recording, skeleton)) == 1
