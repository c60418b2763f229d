"""The times of pictures are those that were written into the container."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfit.recording.video_times import PictureTimes
from streamfit.recording.videos import Video

TICK = Fraction(1, 90_000)
SIZE = (64, 48)


def write_video(path: Path, times: np.ndarray, start: float = 0.0, between: int = 0) -> Path:
    """Pictures, each a little lighter than the one before, at times (s) after `start`, with `between` B-frames."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        options = {"crf": "1", "x264-params": f"bframes={between}:keyint=12:log-level=none"}
        stream = container.add_stream("libx264", rate=30, options=options)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        stream.codec_context.time_base = TICK
        for number, t in enumerate(times):
            level = np.full((SIZE[1], SIZE[0], 3), 20 + 2 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(level, format="bgr24")
            frame.pts, frame.time_base = round((t + start) / TICK), TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def varying() -> np.ndarray:
    """Times as a telephone has them: 30 a second, or 15, or a pause."""
    steps = np.random.default_rng(0).choice([1 / 30, 2 / 30, 5 / 30, 0.5], 100, p=[0.7, 0.2, 0.07, 0.03])
    return np.concatenate([[0.0], np.cumsum(steps)])


@pytest.mark.parametrize(("name", "start", "between"), [("a.mp4", 0.0, 3), ("b.mkv", 3.2, 3), ("c.ts", 0.0, 2)])
def test_each_picture_has_its_own_time(
    tmp_path: Path, varying: np.ndarray, name: str, start: float, between: int
) -> None:
    video = Video(write_video(tmp_path / name, varying, start, between), 25.0, len(varying))
    times, levels = zip(*((t, frame.mean()) for t, _, frame in video.frames()), strict=True)
    np.testing.assert_allclose(times, varying, atol=6e-4)  # Matroska counts milliseconds
    assert (np.diff(levels) > 0.0).all()
    for number in (0, 7, 40, 99, 100):
        picture = video.frame(float(varying[number]) + 0.004)
        assert picture is not None
        assert np.argmin(np.abs(np.array(levels) - picture.mean())) == number
    assert video.frame(-0.5) is None
    assert video.frame(float(varying[-1]) + 0.5) is None


def test_a_file_without_times_has_its_nominal_rate(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.h264", np.arange(20) / 30)
    capture = cv2.VideoCapture(str(source), cv2.CAP_FFMPEG)
    times, rate, found = PictureTimes(capture), capture.get(cv2.CAP_PROP_FPS), []
    while capture.grab():
        found.append(times.read())
    np.testing.assert_allclose(found, np.arange(20) / rate, atol=1e-6)
