"""Replay sends what was recorded, when it was, and waits for answers where asked to."""

from pathlib import Path

import numpy as np
import pytest
from talking_daemon import CAMERAS, KEYPOINTS, Run, TalkingDaemon, keypoints

from streamfit.recording.mcap_file import SessionWriter, read_session

pytestmark = pytest.mark.alone


def addresses(daemon: TalkingDaemon) -> list[str]:
    return ["--ingest", daemon.ingest, "--publish", daemon.publish]


def test_bytes_go_unchanged_in_real_time_and_the_session_ends(
    tool: Run, daemon: TalkingDaemon, recording: Path
) -> None:
    result = tool("replay.py", recording, *addresses(daemon))
    assert result.returncode == 0, result.stderr
    assert "sent 100 messages of session s1" in result.stdout
    recorded = [m.payload for m in read_session(recording).messages()]
    assert daemon.payloads[:-1] == recorded
    assert daemon.received[-1] == {"v": 1, "type": "end", "session": "s1"}
    # never before its time: the last instant is 0.99 s after the first
    assert daemon.arrivals[99] - daemon.arrivals[0] > 0.95


def test_speed(tool: Run, daemon: TalkingDaemon, recording: Path) -> None:
    assert tool("replay.py", recording, "--speed", "4", *addresses(daemon)).returncode == 0
    assert len(daemon.received) == 101
    assert daemon.arrivals[99] - daemon.arrivals[0] > 0.2


def test_as_fast_as_answered_keeps_at_most_32_instants_under_way(
    tool: Run, daemon: TalkingDaemon, recording: Path
) -> None:
    result = tool("replay.py", recording, "--speed", "0", "--loop", "3", *addresses(daemon))
    assert result.returncode == 0, result.stderr
    assert "300 instants answered" in result.stdout
    assert "given up" not in result.stdout
    assert len(daemon.received) == 301
    assert 16 < daemon.under_way <= 32


def test_unanswered_instants_are_given_up(tool: Run, daemon: TalkingDaemon, recording: Path) -> None:
    daemon.answering = False
    result = tool("replay.py", recording, "--speed", "0", *addresses(daemon))
    assert result.returncode == 0, result.stderr
    assert "100 given up" in result.stdout
    assert len(daemon.received) == 101


def test_a_loop_goes_on_in_time_with_the_same_step(tool: Run, daemon: TalkingDaemon, recording: Path) -> None:
    arguments = ["--loop", "3", "--speed", "0", "--session", "other"]
    assert tool("replay.py", recording, *arguments, *addresses(daemon)).returncode == 0
    t = [message["t"] for message in daemon.received[:-1]]
    np.testing.assert_allclose(np.diff(t), 0.01, atol=1e-9)
    assert {message["session"] for message in daemon.received} == {"other"}
    [first] = {str(message["views"]) for message in daemon.received[:-1]}
    assert "cam_02" in first


def test_cameras_that_run_free_are_counted_by_instant(tool: Run, daemon: TalkingDaemon, tmp_path: Path) -> None:
    """40 cameras, a message each: more messages than 32 belong to one instant, and still it goes on."""
    with SessionWriter(tmp_path / "free.mcap", CAMERAS, KEYPOINTS) as writer:
        for i in range(3):
            for camera in range(40):
                t = i / 60 + camera * 1e-4
                writer.write("keypoints", keypoints(t, (f"cam_{camera}",)), int(t * 1e9), int(t * 1e9))
    result = tool("replay.py", tmp_path / "free.mcap", "--speed", "0", "--loop", "2", *addresses(daemon))
    assert "given up" not in result.stdout
    one = [m["t"] for m in daemon.received[:-1] if m["views"][0]["camera"] == "cam_7"]
    np.testing.assert_allclose(np.diff(one), 1 / 60, atol=1e-9)


def test_what_is_no_message_is_sent_as_it_is(tool: Run, daemon: TalkingDaemon, tmp_path: Path) -> None:
    odd = b"\x83\xa1v\x01\xa4type\xa4junk\xa7session\xa1x"
    with SessionWriter(tmp_path / "odd.mcap", CAMERAS, KEYPOINTS) as writer:
        for i, payload in enumerate([keypoints(0.0), odd, keypoints(0.01)]):
            writer.write("keypoints", payload, i, i)
    result = tool("replay.py", tmp_path / "odd.mcap", "--session", "s9", *addresses(daemon))
    assert result.returncode == 0, result.stderr
    assert daemon.payloads[1] == odd
    assert [m["session"] for m in daemon.received] == ["s9", "x", "s9", "s9"]


def test_no_daemon_is_one_line(tool: Run, recording: Path) -> None:
    for speed in ("0", "1"):
        result = tool(
            "replay.py", recording, "--speed", speed,
            "--ingest", "ipc:///tmp/streamfit-none", "--publish", "ipc:///tmp/streamfit-none",
        )  # fmt: skip
        assert result.returncode == 2
        assert "streamfit serve" in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.mcap"], "cannot read none.mcap"),
        ([], "Missing argument"),
        (["s1.mcap", "--speed", "-1"], "--speed"),
        (["s1.mcap", "--ingest", "carrier-pigeon"], "carrier-pigeon: no address"),
        (["s1.mcap", "--keys", "none.key_secret"], "none.key_secret"),
        (["empty.mcap"], "holds no keypoints"),
    ],
)
def test_bad_input_is_one_line(tool: Run, recording: Path, arguments: list[str], words: str) -> None:
    SessionWriter(recording.with_name("empty.mcap"), CAMERAS, KEYPOINTS).close()
    result = tool("replay.py", *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_daemon_with_keys(tool: Run, guarded: TalkingDaemon, recording: Path) -> None:
    folder = recording.parent
    arguments = ["--speed", "0", *addresses(guarded), "--keys"]
    result = tool("replay.py", recording, *arguments, folder / "keys" / "known.key_secret")
    assert result.returncode == 0, result.stderr
    assert len(guarded.received) == 101
    stranger = tool("replay.py", recording, *arguments, folder / "other" / "stranger.key_secret")
    assert stranger.returncode == 2
    assert "no daemon publishes there" in stranger.stderr
    assert len(stranger.stderr.splitlines()) == 1
    assert len(guarded.received) == 101
