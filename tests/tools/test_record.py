"""Record is a tee: the daemon gets every byte, and the file holds what came and what was answered."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
import zmq
from talking_daemon import CAMERAS, KEYPOINTS, TOOLS, Run, TalkingDaemon, keypoints

from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.recording.mcap_file import read_session

RIG = """[cam_01]
name = "cam_01"
size = [1280, 720]
matrix = [[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0, 0.0]
rotation = [1.57, 0.0, 0.0]
translation = [0.0, 0.0, 3.0]
"""
END = msgpack.packb({"v": 1, "type": "end", "session": "s1"})


@pytest.fixture
def listen() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def detector(listen: str) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(listen)
        yield push


def start(daemon: TalkingDaemon, output: Path, listen: str, *more: str) -> subprocess.Popen[str]:
    arguments = ["-o", str(output), "--listen", listen, "--ingest", daemon.ingest]
    arguments += ["--publish", daemon.publish, "--control", daemon.control, *more]
    process = subprocess.Popen(
        [sys.executable, str(TOOLS / "record.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "send keypoints to" in process.stderr.readline()
    return process


def test_a_session_from_its_first_message_to_its_end(
    daemon: TalkingDaemon, detector: zmq.Socket[bytes], listen: str, tmp_path: Path
) -> None:
    process = start(daemon, tmp_path / "r.mcap", listen)
    sent = [keypoints(i / 100) for i in range(40)]
    for i, payload in enumerate(sent):
        detector.send(payload)
        if i % 10 == 0:
            detector.send(keypoints(i / 100, session="other"))
    detector.send(END)
    output, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    assert "recorded" in output
    assert len(daemon.received) == 45
    assert [p for p in daemon.payloads if b"other" not in p] == [*sent, END]

    recorded = read_session(tmp_path / "r.mcap")
    assert (recorded.cameras_toml, recorded.keypoints_toml) == (CAMERAS, KEYPOINTS)
    assert recorded.complete
    arrived = list(recorded.messages({"keypoints"}))
    assert [m.payload for m in arrived] == sent
    assert [m.publish_time for m in arrived] == [int(i / 100 * 1e9) for i in range(40)]
    assert abs(arrived[0].log_time / 1e9 - time.time()) < 60
    answers = [msgpack.unpackb(m.payload) for m in recorded.messages({"kinematics"})]
    assert [a["t"] for a in answers] == [i / 100 for i in range(40)]
    assert {m.topic for m in recorded.messages()} == {"keypoints", "kinematics/s1/0", "model/s1/0", "status"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_file(
    daemon: TalkingDaemon, detector: zmq.Socket[bytes], listen: str, tmp_path: Path, number: int
) -> None:
    process = start(daemon, tmp_path / "r.mcap", listen, "--session", "s1")
    detector.send(keypoints(0.0, session="other"))
    detector.send(keypoints(0.0))
    while not (tmp_path / "r.mcap").exists():
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
    recorded = read_session(tmp_path / "r.mcap")
    assert recorded.complete
    assert [m.payload for m in recorded.messages({"keypoints"})] == [keypoints(0.0)]


def test_a_calibration_that_is_given(
    daemon: TalkingDaemon, detector: zmq.Socket[bytes], listen: str, tmp_path: Path
) -> None:
    daemon.telling = False
    (tmp_path / "cameras.toml").write_text(RIG)
    given = ["--cameras", str(tmp_path / "cameras.toml"), "--keypoints", "coco17"]
    process = start(daemon, tmp_path / "r.mcap", listen, *given)
    detector.send(keypoints(0.0))
    detector.send(END)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    recorded = read_session(tmp_path / "r.mcap")
    assert Rig.from_toml(recorded.cameras_toml).names == ("cam_01",)
    assert KeypointSet.from_toml(recorded.keypoints_toml).name == "coco17"
    assert len(list(recorded.messages({"keypoints"}))) == 1


def test_a_daemon_that_tells_no_calibration(
    daemon: TalkingDaemon, detector: zmq.Socket[bytes], listen: str, tmp_path: Path
) -> None:
    daemon.telling = False
    process = start(daemon, tmp_path / "r.mcap", listen)
    detector.send(keypoints(0.0))
    detector.send(END)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "told no calibration of session s1; give --cameras and --keypoints" in error
    assert len(error.splitlines()) == 1


def test_nothing_came(daemon: TalkingDaemon, listen: str, tmp_path: Path) -> None:
    process = start(daemon, tmp_path / "r.mcap", listen)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 2
    assert error.splitlines() == [f"record: no keypoints came to {listen}: point the detectors there"]
    assert not (tmp_path / "r.mcap").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "there.mcap"], "exists already"),
        (["-o", "no/folder/r.mcap"], "cannot write into no/folder"),
        (["-o", "r.mcap", "--listen", "tcp://0.0.0.0:5580"], "not on this machine"),
        ([], "Missing option '-o'"),
        (["-o", "r.mcap", "--cameras", "c.toml"], "go together"),
        (["-o", "r.mcap", "--cameras", "c.toml", "--keypoints", "coco17"], "c.toml: no such file"),
        (["-o", "r.mcap", "--publish", "ipc:///tmp/streamfit-none"], "no daemon publishes there"),
    ],
)
def test_bad_input_is_one_line(tool: Run, tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "there.mcap").touch()
    result = tool("record.py", *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
