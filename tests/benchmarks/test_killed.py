"""What is said of a recording that was cut off."""

from pathlib import Path

import pytest

from benchmarks.chaos.killed import Life, judge
from streamfit.recording.mcap_file import SessionWriter


def test_what_a_kill_has_cost_is_counted_from_the_last_view(tmp_path: Path) -> None:
    path = tmp_path / "cut.mcap"
    writer = SessionWriter(path, "cameras", "keypoints")
    for i in range(10):
        writer.write("keypoints", b"", i * 10**8, 0)
    writer.flush()
    writer.write("keypoints", b"", 10**9, 0)
    file = judge(path, 2 * 10**9)
    assert (file.messages, file.repaired) == (10, True)
    assert file.lost == pytest.approx(1.1)
    assert list(tmp_path.iterdir()) == [path]
    writer.close()


def test_tracking_counts_from_the_first_view() -> None:
    life = Life()
    for seq, (t, state) in enumerate([(5.0, "lost"), (5.5, "lost"), (6.0, "tracking"), (6.5, "tracking")]):
        life.hear("kinematics/s/0", {"type": "kinematics", "seq": seq, "t": t, "latency": 0.25, "state": state})
    assert life.tracking == 1.25
    assert (life.first, life.last) == ({"kinematics/s/0": 0}, {"kinematics/s/0": 3})
