"""From videos to angles in one command, with a stand-in for MediaPipe that finds a walking person."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfit.model import KeypointSet, Skeleton
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest
from streamfit.recording.mcap_file import read_session
from streamfit.sim.motions import walk
from streamfit.sim.person import motion, true_subject
from streamfit.sim.room import project, room

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "film.py"
RATE, FRAMES, FIRST = 25.0, 30, 3
CAMERAS = ("cam_01", "cam_03", "cam_05")

STAND_IN = """
import json, os
from types import SimpleNamespace
WHERE = json.load(open(os.environ["MARKS"]))
class Pose:
    def __init__(self, model_complexity): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def process(self, picture):
        '''What is written down for the camera that the red, and the frame that the blue of the picture tells of.'''
        camera, frame = (round(float(picture[..., c].mean()) / 8) for c in (0, 2))
        if not camera:
            return SimpleNamespace(pose_landmarks=None)
        marks = WHERE[camera - 1][frame]
        return SimpleNamespace(pose_landmarks=SimpleNamespace(
            landmark=[SimpleNamespace(x=x, y=y, z=0.0, visibility=0.9) for x, y in marks]))
solutions = SimpleNamespace(pose=SimpleNamespace(Pose=Pose))
"""


@dataclass(frozen=True)
class Filmed:
    """Three videos of a walk, an eighth as large as what was calibrated, and what the stand-in is to find there."""

    folder: Path
    videos: tuple[str, ...]
    pixels: np.ndarray
    """(C, T, K, 2)"""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(TOOL), "--python", sys.executable, "cameras.toml", *arguments]
        environment = {"PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}", "MARKS": str(self.folder / "marks.json")}
        return subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, cwd=self.folder, timeout=300
        )


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory, skeleton: Skeleton) -> Filmed:
    folder, keypoints = tmp_path_factory.mktemp("film"), KeypointSet.load("mediapipe33")
    person, rig = true_subject(skeleton, keypoints), room().select(list(CAMERAS))
    truth = motion(walk(skeleton, person.scale, 2.0)[0], skeleton, keypoints, person)
    rows = np.searchsorted(truth.t, truth.t[0] + np.arange(FRAMES) / RATE - 1e-6)
    pixels = np.stack([project(camera, truth.keypoints[rows].reshape(-1, 3)) for camera in rig.cameras])
    pixels = pixels.reshape(len(CAMERAS), FRAMES, -1, 2)
    size = np.array(rig.cameras[0].size)
    (folder / "mediapipe.py").write_text(STAND_IN)
    (folder / "marks.json").write_text(json.dumps(((pixels + 0.5) / size).tolist()))
    (folder / "cameras.toml").write_text(rig.to_toml())
    videos = []
    for number, name in enumerate(CAMERAS, start=1):
        writer = cv2.VideoWriter(str(folder / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (256, 192))
        for frame in range(FRAMES):
            colour = (8 * frame, 0, 8 * number) if frame >= FIRST else (0, 0, 0)
            writer.write(np.full((192, 256, 3), colour, np.uint8))
        writer.release()
        videos.append(f"{name}={name}.avi")
    return Filmed(folder, tuple(videos), pixels)


def test_videos_become_angles_and_films(filmed: Filmed, skeleton: Skeleton) -> None:
    done = filmed.run(*filmed.videos, "-o", "out", "--stature", "1.77")
    assert done.returncode == 0, done.stderr
    out = filmed.folder / "out"
    assert {path.name for path in out.iterdir()} >= {"kinematics.mot", "keypoints.trc", "model.osim"}
    messages = [decode_ingest(payload) for _, payload, _, _ in read_session(out / "film.mcap").messages({"keypoints"})]
    assert all(isinstance(message, KeypointsMessage) for message in messages)
    assert [m.t for m in messages] == pytest.approx([0.0, *np.arange(FIRST, FRAMES) / RATE])
    assert not messages[0].views
    for message in messages[1:]:
        assert sorted(view.camera for view in message.views) == list(CAMERAS)
        for view in message.views:
            true = filmed.pixels[CAMERAS.index(view.camera), round(message.t * RATE)]
            inside = np.isfinite(true).all(1)
            np.testing.assert_allclose(view.xyc[inside, :2], true[inside], atol=0.01)
            assert not view.xyc[~inside].any()
    report = json.loads((out / "fit.json").read_text())
    assert report["instants"]["tracking"] > 0.9
    for name in CAMERAS:
        assert cv2.VideoCapture(str(out / f"{name}.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["cam_01=cam_01.avi", "-o", "new"], "one video is not enough: a pose needs two cameras"),
        (
            ["cam_01=cam_01.avi", "cam_03=cam_03.avi", "-o", "new", "--python", "none"],
            "tools/mediapipe_env.sh makes it",
        ),
        (["cam_09=cam_01.avi", "-o", "new"], "no camera 'cam_09'; there are cam_01, cam_03, cam_05"),
        (["cam_01=cam_01.avi", "cam_03=cam_03.avi", "-o", "."], "exists already: name another folder"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(filmed: Filmed, arguments: list[str], hint: str) -> None:
    done = filmed.run(*arguments)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert hint in done.stderr
    assert not (filmed.folder / "new").exists()
