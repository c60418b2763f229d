#!/usr/bin/env python
"""From the videos of calibrated cameras to joint angles, in one command: detect, fit, draw.

MediaPipe, in the environment that tools/mediapipe_env.sh makes, finds the person; `streamfit fit` does the rest.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import zmq

from streamfit.jax_runtime import single_threaded

single_threaded()

from streamfit.cli.fit import fit_session, summary  # noqa: E402
from streamfit.errors import InputError  # noqa: E402
from streamfit.evaluation.film import check_films  # noqa: E402
from streamfit.evaluation.fit_report import make_folder  # noqa: E402
from streamfit.files import read_text  # noqa: E402
from streamfit.model import KeypointSet  # noqa: E402
from streamfit.model.camera import Rig  # noqa: E402 - JAX only now
from streamfit.protocol.codec import VERSION, encode  # noqa: E402
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest  # noqa: E402
from streamfit.recording.clock_offsets import parse_offsets  # noqa: E402
from streamfit.recording.mcap_file import SessionWriter  # noqa: E402
from streamfit.recording.videos import open_videos  # noqa: E402
from streamfit.terminal import ProgressCallback, progress, run  # noqa: E402

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-mediapipe" / "bin" / "python"
DETECT = ROOT / "tools" / "detect_mediapipe.py"
SESSION = "film"
FILE = click.Path(path_type=Path)
LATE = 500
"""ms for messages that are still under way when the detector has ended."""


@click.command(
    epilog="""\b
Example:
  tools/film.py cameras.toml cam_01=one.mp4 cam_02=two.mp4 cam_03=three.mp4 -o walk/ --stature 1.78
The first frames of all videos are taken to be of the same moment, but for --offset.
"""
)
@click.argument("calibration", metavar="cameras.toml", type=FILE)
@click.argument("sources", metavar="CAMERA=VIDEO...", nargs=-1, required=True)
@click.option("-o", "output", metavar="DIR", required=True, type=FILE, help="The folder to make.")
@click.option("--subject", metavar="subject.toml", type=FILE, help="The calibrated person, for `mediapipe33`.")
@click.option("--stature", metavar="M", type=click.FloatRange(0.4, 2.6), help="Else: of the generic skeleton, m.")
@click.option(
    "--offset", "offsets", metavar="CAMERA=S", multiple=True, help="s to add to the times of its video; repeatable."
)
@click.option("--offline", is_flag=True, help="Fit the whole trial at once instead of live.")
@click.option("--python", type=FILE, default=PYTHON, help="That has MediaPipe.  [default: what mediapipe_env.sh made]")
def film(
    calibration: Path,
    sources: tuple[str, ...],
    output: Path,
    subject: Path | None,
    stature: float | None,
    offsets: tuple[str, ...],
    offline: bool,
    python: Path,
) -> None:
    """Make of videos a session file, joint angles and all else that `fit` writes, and films with the skeleton drawn."""
    rig = Rig.from_toml(read_text(calibration), str(calibration))
    videos = open_videos(sources, rig)
    if len(videos) < 2:
        raise InputError("one video is not enough: a pose needs two cameras")
    if not python.is_file():
        raise InputError(f"{python}: no such interpreter; tools/mediapipe_env.sh makes it")
    if output.exists():
        raise InputError(f"{output} exists already: name another folder")
    rig = rig.select([name for name in rig.names if name in videos])
    parse_offsets(offsets, rig.names)
    session = output / f"{SESSION}.mcap"
    check_films(output, videos)
    with progress() as show:
        frames = sum(video.count for video in videos.values())
        views = _detected(python, calibration, sources, frames, show)
        make_folder(output)
        _record(session, rig, views)
        report = fit_session(
            session,
            output,
            subject,
            stature,
            lag=None if offline else 0.1,
            show=show,
            videos=sources,
            offsets=offsets,
        )
    click.echo(summary(report, output))


def _detected(
    python: Path, calibration: Path, sources: tuple[str, ...], frames: int, show: ProgressCallback
) -> dict[float, list[dict[str, Any]]]:
    """The views by capture time (s from the start), in the calibration's pixels. InputError where nothing is found."""
    views: dict[float, list[dict[str, Any]]] = defaultdict(list)
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.set(zmq.LINGER, 0)
        ingest = f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}"
        command = [
            python,
            DETECT,
            *sources,
            "--cameras",
            calibration,
            "--session",
            SESSION,
            "--ingest",
            ingest,
            "--speed",
            "0",
        ]
        with _process([str(part) for part in command]) as detector:
            done = 0
            while pull.poll(LATE) or detector.poll() is None:
                if not pull.poll(0):
                    continue
                message = decode_ingest(pull.recv())
                assert isinstance(message, KeypointsMessage)
                views[message.t] += [{"camera": view.camera, "xyc": view.xyc} for view in message.views]
                done += 1
                show("looking for the person", min(1.0, done / max(frames, 1)))
            said = detector.communicate()[0]
    dropped = sum(int(count) for count in re.findall(r"(\d+) dropped", said))
    if detector.returncode or dropped:
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(f"the detector failed ({dropped} pictures dropped): {last[:300]}")
    if not views:
        raise InputError("nobody was found in any of the videos")
    return views


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


def _record(path: Path, rig: Rig, views: dict[float, list[dict[str, Any]]]) -> None:
    """The session file; it begins with the videos, whoever is seen by then."""
    keypoints = KeypointSet.load("mediapipe33")
    with SessionWriter(path, rig.to_toml(), keypoints.to_toml()) as writer:
        for t, seen in sorted(({0.0: []} | views).items(), key=lambda item: item[0]):
            payload = encode({"v": VERSION, "type": "keypoints", "session": SESSION, "t": t, "views": seen})
            writer.write("keypoints", payload, round(t * 1e9), round(t * 1e9))


if __name__ == "__main__":
    run(film)
