#!/usr/bin/env python
"""Finds a person in videos or cameras with MediaPipe and sends the keypoints to a daemon, a process per camera.

To be run by the interpreter that tools/mediapipe_env.sh makes: `.venv-mediapipe/bin/python tools/detect_mediapipe.py`.
"""

import multiprocessing
import sys
import threading
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import cv2
import numpy as np

from streamfit.client.adapters import from_mediapipe
from streamfit.client.detector import INGEST, Detector
from streamfit.errors import InputError
from streamfit.files import numbers, parse_toml, read_text
from streamfit.recording.video_times import PictureTimes
from streamfit.terminal import named_source

START = 120.0
"""s that the slowest of the processes may take to load its model."""
SETTLE = 0.5
"""s for the connections to stand before the first picture."""


@click.command(
    epilog="""\b
Examples:
  tools/detect_mediapipe.py cam_01=/dev/video0 cam_02=/dev/video2 --session room
  tools/detect_mediapipe.py cam_01=one.mp4 cam_02=two.mp4 --session walk --speed 0.25 --end
"""
)
@click.argument("sources", metavar="CAMERA=VIDEO...", nargs=-1, required=True)
@click.option(
    "--cameras",
    metavar="cameras.toml",
    type=click.Path(path_type=Path),
    help="Send pixels of the size calibrated there.  [default: of the pictures]",
)
@click.option("--session", default="room", show_default=True)
@click.option("--ingest", default=INGEST, show_default=True, help="Where the daemon takes keypoints.")
@click.option(
    "--keys", metavar="CLIENT.key_secret", type=click.Path(path_type=Path), help="For one that asks for keys."
)
@click.option(
    "--speed", default=1.0, show_default=True, help="Of files: 0.25 plays four times slower, 0 as fast as it goes."
)
@click.option(
    "--model", type=click.IntRange(0, 2), default=1, show_default=True, help="0: light; 2 must be downloaded."
)
@click.option("--end", is_flag=True, help="Say at the end that no more will come: the session closes.")
def detect(
    sources: tuple[str, ...],
    cameras: Path | None,
    session: str,
    ingest: str,
    keys: Path | None,
    speed: float,
    model: int,
    end: bool,
) -> None:
    """Feed a daemon whose keypoints are `mediapipe33` from files (by the times they hold) or cameras (as they come)."""
    try:
        videos = dict(_named(source) for source in sources)
        sizes = {} if cameras is None else _sizes(cameras, list(videos))
        barrier = multiprocessing.Barrier(len(videos) + 1)
        workers = [
            multiprocessing.Process(
                target=_watch, args=(name, video, sizes.get(name), session, ingest, keys, speed, model, barrier)
            )
            for name, video in videos.items()
        ]
        for worker in workers:
            worker.start()
        barrier.wait(START)
        for worker in workers:
            worker.join()
        if end:
            with Detector(session, ingest, keys) as detector:
                time.sleep(SETTLE)
                detector.end()
    except InputError as error:
        print(f"detect_mediapipe: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, threading.BrokenBarrierError):
        for worker in workers:
            worker.join()
    failed = [worker for worker in workers if worker.exitcode]
    sys.exit(1 if failed else 0)


def _named(source: str) -> tuple[str, str]:
    name, video = named_source(source)
    if not video.isdigit() and not Path(video).exists():
        raise InputError(f"{video}: no such video or camera")
    return name, video


def _sizes(calibration: Path, names: list[str]) -> dict[str, tuple[int, int]]:
    """Width and height of the cameras as they were calibrated. InputError."""
    tables = [x for x in parse_toml(read_text(calibration), str(calibration)).values() if isinstance(x, dict)]
    sizes = {
        x["name"]: (int(w), int(h)) for x in tables if "name" in x for w, h in [numbers(x, "size", (2,), x["name"])]
    }
    for name in names:
        if name not in sizes:
            raise InputError(f"no camera {name!r} in {calibration}; there are {', '.join(sizes)}")
    return sizes


def _watch(
    camera: str,
    video: str,
    size: tuple[int, int] | None,
    session: str,
    ingest: str,
    keys: Path | None,
    speed: float,
    model: int,
    barrier: Barrier,
) -> None:
    """One camera, until its video ends. Where it cannot begin, none does."""
    try:
        _detect(camera, video, size, session, ingest, keys, speed, model, barrier)
    except threading.BrokenBarrierError:
        sys.exit(1)
    except BaseException:
        barrier.abort()
        raise


def _detect(
    camera: str,
    video: str,
    size: tuple[int, int] | None,
    session: str,
    ingest: str,
    keys: Path | None,
    speed: float,
    model: int,
    barrier: Barrier,
) -> None:
    import mediapipe

    is_file = Path(video).is_file()
    capture = cv2.VideoCapture(int(video) if video.isdigit() else video)
    if not capture.isOpened():
        print(f"detect_mediapipe: {video}: OpenCV cannot open it", file=sys.stderr)
        sys.exit(1)
    with (
        mediapipe.solutions.pose.Pose(model_complexity=model) as pose,
        Detector(session, ingest, keys) as detector,
    ):
        taken, picture = capture.read()
        if taken:  # what MediaPipe loads for the first person that it finds takes as long as ten pictures
            pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if is_file:
            capture.open(video)  # from the start again; not every file can be wound back
        barrier.wait(START)
        time.sleep(SETTLE)
        began, frame, times = time.monotonic(), 0, PictureTimes(capture)
        while True:
            taken, picture = capture.read()
            if not taken:
                break
            t = times.read() if is_file else time.time()
            if is_file and speed > 0.0:
                time.sleep(max(0.0, began + t / speed - time.monotonic()))
            found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
            marks = None if found is None else np.array([(m.x, m.y, m.z, m.visibility) for m in found.landmark])
            width, height = size or picture.shape[1::-1]
            xyc = from_mediapipe(marks, width, height)
            if xyc is not None:
                detector.send(t, {camera: xyc}, frame=frame)
            frame += 1
        spent = time.monotonic() - began
        print(
            f"{camera}: {frame} pictures in {spent:.1f} s, {detector.sent} sent, {detector.dropped} dropped", flush=True
        )


if __name__ == "__main__":
    detect()
