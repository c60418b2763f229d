"""The videos that a recording was made from, as far as they are given: frames by time."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from streamfit.errors import InputError
from streamfit.model.camera import Rig
from streamfit.recording.video_times import PictureTimes

BEFORE = 5.0
"""s before a picture from which the video is read: where one winds to is not exact."""
_SAME_SHAPE = 0.02
"""By how much the aspect of a video may differ from that of its camera's calibration."""


@dataclass(frozen=True)
class Video:
    """One camera's video file; its first frame was taken at the start of the recording."""

    path: Path
    rate: float
    count: int
    """Of its frames, as its header has it."""

    def frames(self) -> Iterator[tuple[float, float, np.ndarray]]:
        """All frames (h, w, 3; BGR), each with its time from the start (s) and the share (0..1) done with it."""
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        times, done = PictureTimes(capture), 0
        try:
            while True:
                found, frame = capture.read()
                if not found:
                    return
                done += 1
                yield times.read(), min(1.0, done / self.count), frame
        finally:
            capture.release()

    def frame(self, seconds: float) -> np.ndarray | None:
        """The frame (h, w, 3; RGB) nearest to that time from the start; None beyond the ends."""
        if seconds < -0.5 / self.rate:
            return None
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        try:
            if seconds > 2 * BEFORE and not self._wound_to(capture, seconds - BEFORE):
                capture.open(str(self.path), cv2.CAP_FFMPEG)
            return _nearest(capture, seconds, self.rate)
        finally:
            capture.release()

    @staticmethod
    def _wound_to(capture: cv2.VideoCapture, seconds: float) -> bool:
        """Whether a picture not later than that was found without reading all before it."""
        capture.set(cv2.CAP_PROP_POS_MSEC, 1000.0 * seconds)
        return capture.grab() and 0.0 < capture.get(cv2.CAP_PROP_POS_MSEC) <= 1000.0 * seconds


def open_videos(given: Sequence[str], rig: Rig) -> dict[str, Video]:
    """Videos by camera from `CAMERA=FILE` texts. InputError for what is no camera, no video or of another shape."""
    # what is wrong with a file is said once, by us
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    videos: dict[str, Video] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not file:
            raise InputError(f"--video {text}: must be CAMERA=FILE, such as {rig.names[0]}=video.mp4")
        if name not in rig.names:
            raise InputError(f"--video {text}: no camera {name!r}; there are {', '.join(rig.names)}")
        if name in videos:
            raise InputError(f"--video {text}: {name} has a video already, {videos[name].path}")
        videos[name] = _open(Path(file), rig.cameras[rig.names.index(name)].size)
    return videos


def _open(path: Path, size: tuple[int, int]) -> Video:
    if not path.is_file():
        raise InputError(f"--video {path}: no such file")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    first = _nearest(capture, 0.0, 1.0)
    capture.release()
    if first is None or not 0.0 < rate < 10_000.0:
        raise InputError(f"--video {path}: no video that OpenCV can read; convert it, to H.264 in .mp4 for instance")
    height, width = first.shape[:2]
    if abs(width * size[1] / (height * size[0]) - 1.0) > _SAME_SHAPE:
        raise InputError(
            f"--video {path}: its frames are {width} x {height}, but its camera was calibrated at "
            f"{size[0]} x {size[1]}; give the video of that camera as it was recorded"
        )
    return Video(path, float(rate), max(1, int(count)))


def _nearest(capture: cv2.VideoCapture, seconds: float, rate: float) -> np.ndarray | None:
    """The picture (h, w, 3; RGB) nearest to a time from here on; None where the video ends before it."""
    times, best, nearest = PictureTimes(capture), None, np.inf
    while nearest > 0.0:
        found = capture.grab()
        t = times.read() if found else np.inf
        if not found or abs(t - seconds) >= nearest:
            break
        best, nearest = capture.retrieve()[1], abs(t - seconds)
        last = t
    if best is None or (not found and seconds > last + 0.5 / rate):
        return None
    return cv2.cvtColor(best, cv2.COLOR_BGR2RGB)
