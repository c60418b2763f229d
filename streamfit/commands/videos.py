"""The videos that a recording was made from, as far as they are given: frames by time."""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from streamfit.cameras import Rig
from streamfit.errors import InputError

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
        try:
            for index in itertools.count():
                found, frame = capture.read()
                if not found:
                    return
                yield index / self.rate, min(1.0, (index + 1) / self.count), frame
        finally:
            capture.release()

    def frame(self, seconds: float) -> np.ndarray | None:
        """The frame (h, w, 3; RGB) nearest to that time from the start; None beyond the ends."""
        return _read(cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG), round(seconds * self.rate))


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
    first = _read(capture, 0)
    if first is None or not 0.0 < rate < 10_000.0:
        raise InputError(f"--video {path}: no video that OpenCV can read; convert it, to H.264 in .mp4 for instance")
    height, width = first.shape[:2]
    if abs(width * size[1] / (height * size[0]) - 1.0) > _SAME_SHAPE:
        raise InputError(
            f"--video {path}: its frames are {width} x {height}, but its camera was calibrated at "
            f"{size[0]} x {size[1]}; give the video of that camera as it was recorded"
        )
    return Video(path, float(rate), max(1, int(count)))


def _read(capture: cv2.VideoCapture, index: int) -> np.ndarray | None:
    try:
        if index < 0 or not (index == 0 or capture.set(cv2.CAP_PROP_POS_FRAMES, index)):
            return None
        found, frame = capture.read()
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if found else None
    finally:
        capture.release()
