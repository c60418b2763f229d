#!/usr/bin/env python
"""Feeds a daemon with what OpenPose, or what writes like it, puts into a folder per camera (--write_json)."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np

from streamfit.client.detector import INGEST, Detector
from streamfit.errors import InputError
from streamfit.extras import needed
from streamfit.importers.detections.openpose import FRAME, clearest, read_people
from streamfit.terminal import named_source, run

FILE = click.Path(path_type=Path)
STEP, GATHER = 2, 10
"""ms between two looks at what the kernel tells of the folders, and for which changes are gathered."""
ASTRAY = 2.0
"""s between a frame number's time and that of its file: the numbers have begun anew, or the rate is another."""
REMEMBERED = 1024
"""Files of which one knows that they have been sent."""
PATIENCE = 1.0
"""s after which a file that is still not whole is given up."""


@click.command(
    epilog="""\b
Examples:
  tools/follow_openpose.py cam_01=out/1 cam_02=out/2 --session room
  tools/follow_openpose.py cam_01=out/1 cam_02=out/2 --rate 30      cameras that are triggered together
Ctrl-C ends it, and the session.
"""
)
@click.argument("sources", metavar="CAMERA=FOLDER...", nargs=-1, required=True)
@click.option("--session", default="room", show_default=True)
@click.option("--ingest", default=INGEST, show_default=True, help="Where the daemon takes keypoints.")
@click.option("--keys", metavar="CLIENT.key_secret", type=FILE, help="For one that asks for keys.")
@click.option(
    "--rate",
    type=click.FloatRange(1.0, 1000.0),
    help="Pictures a second: capture times are then the frame numbers'.  [default: when a file was written]",
)
def follow(sources: tuple[str, ...], session: str, ingest: str, keys: Path | None, rate: float | None) -> None:
    """Send every new file to a daemon, the person that is seen with most confidence; what is there already is left."""
    folders = _folders(sources)
    with Detector(session, ingest, keys) as detector:
        follower = _Follower(folders, detector, rate)
        click.echo(f"following {len(folders)} folders", err=True)
        try:
            follower.run()
        finally:
            detector.end()
            click.echo(
                f"{detector.sent - 1} pictures sent, {detector.dropped} dropped, {follower.given_up} files given up",
                err=True,
            )


def _folders(sources: tuple[str, ...]) -> dict[Path, str]:
    folders: dict[Path, str] = {}
    for source in sources:
        camera, folder = named_source(source)
        path = Path(folder).resolve()
        if not path.is_dir():
            raise InputError(f"{folder}: no such folder; make it, or start OpenPose first")
        if path in folders:
            raise InputError(f"{folder}: given for {folders[path]} and for {camera}")
        folders[path] = camera
    return folders


class _Follower:
    """Reads files as they are written; one that is not whole yet is read again at its next change."""

    def __init__(self, folders: Mapping[Path, str], detector: Detector, rate: float | None) -> None:
        self.given_up = 0
        self._folders, self._detector, self._rate = folders, detector, rate
        self._start: float | None = None
        self._unread: dict[Path, float] = {}
        self._told: deque[tuple[Path, float]] = deque(maxlen=REMEMBERED)

    def run(self) -> None:
        """For ever. InputError where what watches folders is not installed."""
        watchfiles = needed("watchfiles", "openpose")
        stop = threading.Event()
        looks = watchfiles.watch(
            *self._folders, step=STEP, debounce=GATHER, recursive=False, stop_event=stop, rust_timeout=250,
            yield_on_timeout=True, raise_interrupt=True,
        )  # fmt: skip
        for changes in looks:
            new = {Path(path) for change, path in changes if change != watchfiles.Change.deleted and FRAME.search(path)}
            for path in sorted(new - self._unread.keys(), key=_number):
                self._unread[path] = time.monotonic()
            self._read_all()

    def _read_all(self) -> None:
        for path, since in list(self._unread.items()):
            try:
                people = read_people(path)
                written = path.stat().st_mtime
            except (InputError, OSError) as error:
                if time.monotonic() - since > PATIENCE:
                    del self._unread[path]
                    self.given_up += 1
                    click.echo(f"follow_openpose: given up: {error}", err=True)
                continue
            del self._unread[path]
            self._send(path, people, written)

    def _send(self, path: Path, people: np.ndarray, written: float) -> None:
        if (path, written) in self._told:
            return  # the kernel tells of a file when it is made and when it is written
        self._told.append((path, written))
        number, xyc, t = _number(path), clearest(people), written
        if self._rate is not None:
            if self._start is None or abs(self._start + number / self._rate - written) > ASTRAY:
                self._start = written - number / self._rate
            t = self._start + number / self._rate
        self._detector.send(t, {} if xyc is None else {self._folders[path.parent]: xyc}, frame=number)


def _number(path: Path) -> int:
    found = FRAME.search(path.name)
    assert found is not None
    return int(found.group(1))


if __name__ == "__main__":
    run(follow)
