"""The detector tool: its processes with a stand-in for MediaPipe, and the real one where it is installed."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq

from streamfit.protocol.ingest import EndMessage, decode_ingest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "detect_mediapipe.py"
REAL = ROOT / ".venv-mediapipe" / "bin" / "python"
RATE, FRAMES, WIDTH, HEIGHT = 25.0, 10, 64, 48

STAND_IN = """
from types import SimpleNamespace
class Pose:
    def __init__(self, model_complexity): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def process(self, picture):
        '''Somebody whose every joint is at half the brightness of the picture; nobody where it is dark.'''
        level = float(picture.mean()) / 255
        mark = SimpleNamespace(x=level / 2, y=0.5, z=0.0, visibility=0.9)
        found = SimpleNamespace(landmark=[mark] * 33) if level > 0.05 else None
        return SimpleNamespace(pose_landmarks=found)
solutions = SimpleNamespace(pose=SimpleNamespace(Pose=Pose))
"""


@pytest.fixture
def videos(tmp_path: Path) -> list[str]:
    """Two films that grow brighter, from black."""
    out = []
    for name in ("cam_01", "cam_02"):
        path = tmp_path / f"{name}.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (WIDTH, HEIGHT))
        for frame in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 25 * frame, np.uint8))
        writer.release()
        out.append(f"{name}={path}")
    return out


def found_in(folder: Path) -> str:
    """Where the stand-in is, and what is tested."""
    return f"{folder}{os.pathsep}{ROOT}"


def detected(arguments: list[str], python: str | Path, **environment: str):
    """What the tool sends, and how it ended."""
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.linger = 0
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        command = [str(python), str(TOOL), *arguments, "--ingest", f"tcp://127.0.0.1:{port}", "--end"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=120)
        messages = []
        while pull.poll(200):
            messages.append(decode_ingest(pull.recv()))
    return done, messages


def test_each_camera_is_watched_and_sent_with_its_own_times(tmp_path: Path, videos: list[str]) -> None:
    (tmp_path / "mediapipe.py").write_text(STAND_IN)
    done, messages = detected(
        [*videos, "--session", "film", "--speed", "0"], sys.executable, PYTHONPATH=found_in(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    messages.remove(EndMessage("film"))  # by a connection of its own: here it is read in no order
    for camera in ("cam_01", "cam_02"):
        mine = [m for m in messages if m.views[0].camera == camera]
        assert [m.frame for m in mine] == list(range(1, FRAMES))  # nobody in the first, dark picture
        np.testing.assert_allclose([m.t for m in mine], np.arange(1, FRAMES) / RATE)
        level = np.array([m.views[0].xyc[0, 0] for m in mine])
        np.testing.assert_allclose(level, WIDTH * 25 * np.arange(1, FRAMES) / 255 / 2 - 0.5, atol=0.5)
    assert "10 pictures" in done.stdout


@pytest.mark.slow
def test_pictures_that_are_not_evenly_spaced_have_the_times_of_their_container(tmp_path: Path, faults: Path) -> None:
    av = pytest.importorskip("av")
    video = faults / "vfr" / "vfr.mp4"
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        expected = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
    (tmp_path / "mediapipe.py").write_text(STAND_IN)
    done, messages = detected([f"cam_01={video}", "--speed", "0"], sys.executable, PYTHONPATH=found_in(tmp_path))
    assert done.returncode == 0, done.stderr
    sent = {m.frame: m.t for m in messages if not isinstance(m, EndMessage)}
    assert len(sent) > 50
    np.testing.assert_allclose(list(sent.values()), [expected[frame] for frame in sent], atol=1e-4)


def test_what_cannot_be_watched_is_one_line(tmp_path: Path, videos: list[str]) -> None:
    (tmp_path / "mediapipe.py").write_text(STAND_IN)
    for wrong, hint in (("nothing.mp4", "say which camera"), ("cam_01=nothing.mp4", "no such video")):
        done, messages = detected([wrong], sys.executable, PYTHONPATH=found_in(tmp_path))
        assert (done.returncode, messages) == (2, [])
        assert hint in done.stderr
        assert len(done.stderr.splitlines()) == 1
    (tmp_path / "text.mp4").write_text("no film")
    done, _ = detected([videos[0], f"cam_02={tmp_path / 'text.mp4'}"], sys.executable, PYTHONPATH=found_in(tmp_path))
    assert done.returncode == 1
    assert "OpenCV cannot open it" in done.stderr


@pytest.mark.skipif(not REAL.is_file(), reason="tools/mediapipe_env.sh has not been run")
def test_mediapipe_itself_sees_nobody_where_nobody_is(videos: list[str]) -> None:
    done, messages = detected([*videos, "--speed", "0"], REAL)
    assert done.returncode == 0, done.stderr
    assert messages == [EndMessage("room")]
    assert done.stdout.count("10 pictures") == 2
