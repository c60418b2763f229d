"""OpenPose's folders as they grow, written as slowly as it may be."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zmq

from streamfit.protocol.ingest import EndMessage, KeypointsMessage, decode_ingest

TOOL = Path(__file__).parents[2] / "tools" / "follow_openpose.py"
PATIENCE = 20_000  # ms


def content(level: float, people: int = 1) -> str:
    """Of a file in which person i has every point at (level, i) with confidence 0.5 + i / 10."""
    rows = [np.tile([level, i, 0.5 + i / 10], 25).tolist() for i in range(people)]
    return json.dumps({"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": row} for row in rows]})


def file(folder: Path, number: int) -> Path:
    return folder / f"video_{number:012d}_keypoints.json"


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    out = [tmp_path / "one", tmp_path / "two"]
    for folder in out:
        folder.mkdir()
    file(out[0], 0).write_text(content(99.0))  # of an earlier run
    return out


@contextmanager
def following(folders: list[Path], *arguments: str) -> Iterator[tuple[subprocess.Popen[str], zmq.Socket[bytes]]]:
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.set(zmq.LINGER, 0)
        address = f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}"
        sources = [f"cam_{n:02d}={folder}" for n, folder in enumerate(folders, start=1)]
        command = [sys.executable, str(TOOL), *sources, "--ingest", address, "--session", "op", *arguments]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            assert "following" in process.stderr.readline()
            time.sleep(1.0)  # until the kernel is asked to tell of the folders
            yield process, pull
        finally:
            process.kill()
            process.communicate()


def received(pull: zmq.Socket[bytes]) -> KeypointsMessage:
    assert pull.poll(PATIENCE), "nothing came"
    message = decode_ingest(pull.recv())
    assert isinstance(message, KeypointsMessage)
    return message


def test_files_are_sent_when_they_are_whole(folders: list[Path]) -> None:
    with following(folders) as (process, pull):
        text = content(10.0, people=2)
        with file(folders[0], 1).open("w") as half:
            half.write(text[:100])
            half.flush()
            assert not pull.poll(300)
            half.write(text[100:])
        first = received(pull)
        assert (first.session, first.frame) == ("op", 1)
        assert first.t == pytest.approx(time.time(), abs=5.0)
        (view,) = first.views
        assert view.camera == "cam_01"
        np.testing.assert_allclose(view.xyc, np.tile([10.0, 1.0, 0.6], (25, 1)))  # the clearer of the two

        file(folders[1], 1).write_text(content(20.0))
        assert received(pull).views[0].camera == "cam_02"
        file(folders[1], 2).write_text(content(0.0, people=0))
        assert not received(pull).views

        time.sleep(0.3)  # until what has arrived here is counted there
        process.send_signal(signal.SIGINT)
        assert isinstance(decode_ingest(pull.recv()), EndMessage)
        said = process.communicate(timeout=20)[1]
        assert "3 pictures sent, 0 dropped, 0 files given up" in said


def test_with_a_rate_the_times_are_those_of_the_frame_numbers(folders: list[Path]) -> None:
    with following(folders, "--rate", "50") as (_, pull):
        times = []
        for number in (4, 5, 9):
            file(folders[0], number).write_text(content(1.0))
            times.append(received(pull).t)
        assert times[1] - times[0] == pytest.approx(1 / 50, abs=1e-6)
        assert times[2] - times[0] == pytest.approx(5 / 50, abs=1e-6)
        file(folders[1], 9).write_text(content(1.0))
        assert received(pull).t == times[2]


def test_a_late_picture_and_numbers_that_begin_anew_are_sent_too(folders: list[Path]) -> None:
    with following(folders, "--rate", "50") as (_, pull):
        text = content(1.0)
        with file(folders[0], 200).open("w") as half:
            half.write(text[:50])
            half.flush()
            file(folders[0], 201).write_text(text)
            later = received(pull)
            assert later.frame == 201
            half.write(text[50:])
        late = received(pull)
        assert late.frame == 200
        assert late.t == pytest.approx(later.t - 1 / 50, abs=1e-6)
        file(folders[1], 0).write_text(text)
        anew = received(pull)
        assert anew.frame == 0
        assert anew.t == pytest.approx(time.time(), abs=1.0)


def test_a_file_that_is_never_whole_is_said_and_passed_over(folders: list[Path]) -> None:
    with following(folders) as (process, pull):
        file(folders[0], 1).write_text("{ not")
        file(folders[0], 2).write_text(content(3.0))
        assert received(pull).frame == 2
        assert process.stderr is not None
        assert "given up" in process.stderr.readline()


def test_what_cannot_be_followed_is_one_line(tmp_path: Path) -> None:
    for wrong, hint in (("folder", "say which camera"), ("cam_01=nowhere", "no such folder")):
        done = subprocess.run([sys.executable, str(TOOL), wrong], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2
        assert hint in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
