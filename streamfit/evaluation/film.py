"""The fitted skeleton drawn over the cameras' videos."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from streamfit.errors import InputError
from streamfit.evaluation.live_fit import Fitted, Motion
from streamfit.evaluation.plots.style import SIDES
from streamfit.exporters.stick_figure import StickFigure, in_pixels
from streamfit.extras import needed
from streamfit.model import Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.recording.playback import Recording
from streamfit.recording.videos import Video
from streamfit.recording.view_table import points_at
from streamfit.terminal import ProgressCallback

LONGEST = 1280
"""px, of a film's longer edge: it is for looking at."""
QUALITY = {"crf": "23", "preset": "veryfast"}
"""Of H.264, which OpenCV's own build cannot write; its VP9 takes a second a frame."""
TICK = Fraction(1, 90_000)
"""s, of a film's times: frames need not be evenly spaced."""
CLOSE = 0.1
"""s to the nearest known pose beyond which nobody is drawn."""
SHOWN = ("hip_flexion", "knee_angle", "ankle_angle")
"""Coordinates of both sides whose degrees stand in a corner."""


def write_films(
    folder: Path,
    videos: Mapping[str, Video],
    recording: Recording,
    fitted: Fitted,
    skeleton: Skeleton,
    subject: Subject,
    show: ProgressCallback,
) -> list[Path]:
    """A film CAMERA.mp4 of each video, in which the best known pose is drawn as that camera's lens sees it. InputError.

    The first frame of a video is taken to be at the start of the recording.
    """
    motion, paths = fitted.smoothed or fitted.kinematics, []
    known = (motion.state != "lost") & np.isfinite(motion.q).all(axis=1)
    poses = Motion(motion.t[known], motion.q[known], motion.sd[known], motion.state[known])
    rig, clock = subject.rig_for(recording.rig)
    figure = StickFigure(skeleton, recording.keypoints, subject)
    for name, video in videos.items():
        path, index = folder / f"{name}.mp4", rig.names.index(name)
        start = recording.start + float(clock[index]) + recording.offsets.get(name, 0.0)
        painter = _Painter(rig.select([name]), figure, skeleton.coordinates, poses)
        with _film(path, video.rate) as add:
            for t, share, frame in video.frames():
                small = _shrunk(frame)
                painter.paint(small, start + t)
                add(small, t)
                show(f"drawing {path.name}", share)
        paths.append(path)
    return paths


def check_films(folder: Path, videos: Mapping[str, Video]) -> None:
    """InputError where films of these videos cannot be made, or would be written over them."""
    if videos:
        needed("av", "film")
    for name, video in videos.items():
        if (folder / f"{name}.mp4").resolve() == video.path.resolve():
            raise InputError(f"{video.path}: the film of {name} would be written over it; name another folder")


@contextmanager
def _film(path: Path, rate: float) -> Iterator[Callable[[np.ndarray, float], None]]:
    """Takes frames (h, w, 3; BGR) of one size, each with its time (s). InputError where they cannot be written."""
    av = needed("av", "film")
    try:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options=QUALITY)
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TICK

            def add(frame: np.ndarray, t: float) -> None:
                if not stream.codec_context.is_open:
                    stream.height, stream.width = frame.shape[:2]
                picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
                picture.pts, picture.time_base = round(t / TICK), TICK
                container.mux(stream.encode(picture))

            yield add
            container.mux(stream.encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


class _Painter:
    """Draws a person into one camera's frames."""

    def __init__(self, rig: Rig, figure: StickFigure, coordinates: Sequence[str], poses: Motion) -> None:
        self._rig, self._figure, self._poses = rig, figure, poses
        self._colours = [tuple(round(255 * x) for x in reversed(to_rgb(SIDES[side]))) for side in figure.sides]
        wanted = [(name, f"{name}_r", f"{name}_l") for name in SHOWN]
        self._shown = [
            (name.replace("_", " "), coordinates.index(right), coordinates.index(left))
            for name, right, left in wanted
            if right in coordinates and left in coordinates
        ]

    def paint(self, frame: np.ndarray, t: float) -> None:
        """What is known of the person at that time, into the frame."""
        times = self._poses.t
        if not len(times) or np.abs(times - t).min() > CLOSE:
            return
        q = points_at(times, self._poses.q[..., None], np.array([t]))[..., 0]
        bones = in_pixels(self._rig, self._figure.bones(q))[0] * (frame.shape[1] / self._rig.cameras[0].size[0])
        width = max(1, round(max(frame.shape[:2]) / 320))
        for outline, colours in ((2 * width + 1, [(255, 255, 255)] * len(bones)), (width + 1, self._colours)):
            for bone, colour in zip(bones, colours, strict=True):
                if np.isfinite(bone).all():
                    line = np.round(16.0 * bone).astype(np.int32)
                    cv2.polylines(frame, [line], False, colour, outline, cv2.LINE_AA, shift=4)
        self._write_angles(frame, np.degrees(q[0]))

    def _write_angles(self, frame: np.ndarray, degrees: np.ndarray) -> None:
        size = max(frame.shape[:2]) / 1400
        lines = [f"{name}  R {degrees[right]:4.0f}  L {degrees[left]:4.0f}" for name, right, left in self._shown]
        height, width = round(34 * size * (len(lines) + 0.4)), round(330 * size)
        frame[:height, :width] = (0.3 * frame[:height, :width] + 178.0).astype(np.uint8)
        for row, line in enumerate(lines, start=1):
            place = (round(14 * size), round(34 * size * row))
            cv2.putText(frame, line, place, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)


def _shrunk(frame: np.ndarray) -> np.ndarray:
    """No larger than LONGEST, and of even edges, as H.264 wants them."""
    share = min(1.0, LONGEST / max(frame.shape[:2]))
    height, width = (2 * max(1, round(share * x / 2)) for x in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
