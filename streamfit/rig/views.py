"""Where cameras saw the board, picture by picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int

from streamfit.errors import InputError
from streamfit.recording.video_times import PictureTimes
from streamfit.rig.board import Board
from streamfit.terminal import ProgressCallback

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class View:
    """The board in one picture: which corners, and where they are, px."""

    ids: Int[np.ndarray, " n"]
    pixels: Float[np.ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class Watched:
    """What one camera saw: the size of its pictures, how many there were, and its views of the board by moment."""

    name: str
    size: tuple[int, int]
    looked: int
    views: dict[int, View]


def watch(
    name: str, source: str, board: Board, every: float, offset: float, live: float, show: ProgressCallback
) -> Watched:
    """Look for the board in a video, a folder of pictures or a camera. InputError where there is nothing to see.

    Videos are looked at `every` s; moments are counted in that, from a time that is `offset` s later in this camera's
    than in the others'. Pictures of a folder are moments in order of their names. A camera is watched for `live` s.
    """
    path = Path(source)
    if path.is_dir():
        frames = _pictures(path)
    elif source.isdigit() or source.startswith("/dev/"):
        frames = _camera(source, every, live)
    elif path.is_file():
        frames = _video(path, every, offset)
    else:
        raise InputError(f"{name}={source}: no such video, folder or camera")
    size, looked, views = None, 0, {}
    for moment, share, picture in frames:
        if size not in (None, picture.shape[1::-1]):
            raise InputError(f"{name}={source}: its pictures are of different sizes")
        size, looked = picture.shape[1::-1], looked + 1
        ids, pixels = board.find(picture)
        if len(ids):
            views[moment] = View(ids, pixels)
        show(f"looking for the board in {name}", share)
    if size is None:
        raise InputError(f"{name}={source}: there is no picture in it that OpenCV can read")
    return Watched(name, (int(size[0]), int(size[1])), looked, views)


def _pictures(folder: Path) -> Iterator[tuple[int, float, np.ndarray]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    for moment, path in enumerate(paths):
        picture = cv2.imread(str(path))
        if picture is None:
            raise InputError(f"{path}: OpenCV cannot read it")
        yield moment, (moment + 1) / len(paths), picture


def _video(path: Path, every: float, offset: float) -> Iterator[tuple[int, float, np.ndarray]]:
    capture = cv2.VideoCapture(str(path))
    try:
        rate, count = capture.get(cv2.CAP_PROP_FPS) or 30.0, max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 1.0)
        last, frame, times = None, 0, PictureTimes(capture)
        while capture.grab():
            t = times.read() - offset
            moment = round(t / every)
            # the picture nearest to the moment: its like in the other videos is the same
            if moment != last and abs(t - moment * every) <= 0.5 / rate + 1e-9:
                last = moment
                found, picture = capture.retrieve()
                if found:
                    yield moment, min(1.0, frame / count), picture
            frame += 1
    finally:
        capture.release()


def _camera(source: str, every: float, seconds: float) -> Iterator[tuple[int, float, np.ndarray]]:
    capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
    try:
        ticks, last = cv2.getTickCount(), None
        while (now := (cv2.getTickCount() - ticks) / cv2.getTickFrequency()) < seconds:
            found, picture = capture.read()
            if not found:
                return
            if (moment := round(now / every)) != last:
                last = moment
                yield moment, now / seconds, picture
    finally:
        capture.release()
