"""Films with the fitted skeleton, read back frame by frame."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from simulated import Walk, rig, walk, write_session

from streamfit.cli.fit import fit_session
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton

VIDEO_RATE = 25.0
SIZE = (641, 481)
"""Odd, which H.264 does not take, and nearly of the shape of the calibrated one."""
LASTS = 2.0
"""s, of the recording; the video goes on."""


def grey_video(path: Path, seconds: float) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), VIDEO_RATE, SIZE)
    for _ in range(round(seconds * VIDEO_RATE)):
        writer.write(np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def walked(skeleton: Skeleton, keypoints: KeypointSet) -> Walk:
    return walk(skeleton, keypoints, LASTS)


@pytest.fixture(scope="module")
def frames(walked: Walk, keypoints: KeypointSet, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """Of the film of cam_02."""
    folder = tmp_path_factory.mktemp("film")
    session = write_session(folder / "walk.mcap", rig(), keypoints, walked)
    video = grey_video(folder / "two.mp4", LASTS + 1.0)
    fit_session(session, folder / "out", stature=1.8, videos=[f"cam_02={video}"])
    assert [path.name for path in (folder / "out").glob("*.mp4")] == ["cam_02.mp4"]
    capture, out = cv2.VideoCapture(str(folder / "out" / "cam_02.mp4")), []
    assert capture.get(cv2.CAP_PROP_FPS) == VIDEO_RATE
    while (read := capture.read())[0]:
        out.append(read[1].astype(int))
    return out


def where(frame: np.ndarray, side: str) -> np.ndarray:
    """(N, 2) px of what is drawn in the colour of that side."""
    blue, _, red = np.moveaxis(frame, -1, 0)
    return np.argwhere((red - blue > 60) if side == "right" else (blue - red > 60))[:, ::-1]


def test_limbs_are_drawn_over_those_of_the_person(
    frames: list[np.ndarray], walked: Walk, keypoints: KeypointSet
) -> None:
    camera = rig().cameras[1]
    assert len(frames) == round((LASTS + 1.0) * VIDEO_RATE)
    for index in (10, 25, 40):
        points = walked.points[2 * index]
        pixels, _ = cv2.projectPoints(
            points, camera.rotation, camera.translation, camera.matrix, np.array(camera.distortions)
        )
        for side, other in (("right", "left"), ("left", "right")):
            knee = pixels[keypoints.names.index(f"{side}_knee"), 0] / 2
            near = {s: np.linalg.norm(where(frames[index], s) - knee, axis=1).min() for s in ("right", "left")}
            assert near[side] < 5
            assert near[other] > near[side]


def test_nobody_is_drawn_where_nothing_is_known(frames: list[np.ndarray]) -> None:
    after = frames[round((LASTS + 0.5) * VIDEO_RATE)]
    assert np.abs(after - 90).max() < 12


def test_a_video_is_not_written_over(tmp_path: Path, walked: Walk, keypoints: KeypointSet) -> None:
    session = write_session(tmp_path / "walk.mcap", rig(), keypoints, walked)
    video = grey_video(tmp_path / "cam_02.mp4", 0.2)
    before = video.read_bytes()
    with pytest.raises(InputError, match=r"cam_02\.mp4: the film of cam_02 would be written over it; name another"):
        fit_session(session, tmp_path, stature=1.8, videos=[f"cam_02={video}"])
    assert video.read_bytes() == before


def test_what_writes_films_is_asked_for(tmp_path: Path, walked: Walk, keypoints: KeypointSet, monkeypatch) -> None:
    session = write_session(tmp_path / "walk.mcap", rig(), keypoints, walked)
    video = grey_video(tmp_path / "two.mp4", 0.2)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"av is not installed; pip install 'streamfit\[film\]'"):
        fit_session(session, tmp_path / "out", stature=1.8, videos=[f"cam_02={video}"])
    assert not (tmp_path / "out").exists()
