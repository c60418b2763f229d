"""Folders of detections and a calibration as one person's recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamfit.errors import InputError
from streamfit.importers.calibrations.read import Calibration
from streamfit.importers.calibrations.units import NAMED
from streamfit.importers.detections.one_person import AGREEING, PERSON, OnePerson, People, check_agreement, one_person
from streamfit.importers.detections.openpose import Frames, read_frames
from streamfit.importers.detections.pairing import pair
from streamfit.importers.detections.people import PeopleFinder
from streamfit.importers.detections.picture_names import Meaning, read_clock
from streamfit.importers.detections.pixels import pixels
from streamfit.importers.detections.timeline import Instant, Picture, instants
from streamfit.model.camera import Rig

LATEST = 1e10
"""s: no time of a recording is beyond (public contract: as nanoseconds it fits 64 bits)."""

ProgressCallback = Callable[[str, float], None]


@dataclass(frozen=True)
class Reading:
    """How folders are read, where they do not say: see the command's help."""

    rate: float | None = None
    folders: Mapping[str, str] = field(default_factory=dict)
    """Camera of each folder, by name."""
    offsets: Mapping[str, float] = field(default_factory=dict)
    """s that are added to the times of a camera's pictures."""
    names: Meaning = "auto"
    shares: bool = False
    """Whether coordinates are shares of the picture."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One person's views (K, 3) by camera and picture's number, the instants of the pictures, and what to say of it."""

    instants: list[Instant]
    views: Mapping[tuple[str, float], np.ndarray]
    rate: float
    """Pictures of a camera per second; 0 of a single one."""
    keypoints: int
    """Of a person; 0 where nobody was seen."""
    notes: tuple[str, ...]


def read_recording(
    source: Path, folders: Sequence[Path], calibration: Calibration, reading: Reading, show: ProgressCallback
) -> Recording:
    """What the folders hold, one for each camera. Raises InputError."""
    cameras = cameras_of(folders, calibration.rig, reading.folders)
    for camera in reading.offsets.keys() - cameras.keys():
        raise InputError(f"--offset {camera}: no such camera is imported; there are {', '.join(cameras)}")
    frames: dict[str, Frames] = {}
    for camera, folder in cameras.items():
        show("reading", len(frames) / len(cameras))
        frames[camera] = read_frames(folder)
    together, rate, said = _timeline(source, frames, reading)
    lenses = {camera.name: camera for camera in calibration.rig.cameras}
    people = {
        camera: pixels(seen.people, lenses[camera], reading.shares, str(cameras[camera]))
        for camera, seen in frames.items()
    }
    found = _one_person(source, people, together, calibration, show)
    others = sum(seen.names.others for seen in frames.values())
    notes = [", ".join(f"{folder.name} is {camera}" for camera, folder in cameras.items()), *said]
    notes += [f"{others} files whose names end with no number are left out"] if others else []
    counts = {seen.keypoints for seen in frames.values() if seen.keypoints is not None}
    if len(counts) > 1:
        raise InputError(f"{source}: {' and '.join(map(str, sorted(counts)))} keypoints a person in different folders")
    return Recording(together, found.views, rate, next(iter(counts), 0), (*notes, *found.notes))


def cameras_of(folders: Sequence[Path], rig: Rig, named: Mapping[str, str]) -> dict[str, Path]:
    """The folder of each camera, as it is said, else by their names. Raises InputError where these do not tell."""
    places = {path.name: path for path in folders}
    for folder, camera in named.items():
        if folder not in places:
            raise InputError(f"no folder {folder!r} of detections; there are {', '.join(places)}")
        if camera not in rig.names:
            raise InputError(f"camera {camera!r} is not in the calibration; it has {', '.join(rig.names)}")
    if len(set(named.values())) < len(named):
        raise InputError(f"--map names a camera for two folders: {', '.join(f'{f}={c}' for f, c in named.items())}")
    if named:
        return {named[path.name]: path for path in folders if path.name in named}
    return {camera: places[folder] for camera, folder in pair(list(places), rig.names).items()}


def _timeline(source: Path, frames: Mapping[str, Frames], reading: Reading) -> tuple[list[Instant], float, list[str]]:
    """All pictures as instants, their rate, and what to say of their times. Raises InputError."""
    clock = read_clock([seen.names for seen in frames.values()], reading.rate, reading.names, source)
    times = {
        camera: clock.times(list(seen.people)) + reading.offsets.get(camera, 0.0) for camera, seen in frames.items()
    }
    first = min(0.0, *(float(own.min()) for own in times.values()))
    pictures = [
        Picture(camera, float(t - first), number)  # the times of a recording are not negative
        for camera, seen in frames.items()
        for t, number in zip(times[camera], seen.people, strict=True)
    ]
    if not max(picture.t for picture in pictures) < LATEST:
        raise InputError(f"{source}: times beyond {LATEST:g} s; say what the numbers in names are with --names")
    steps = np.concatenate([np.diff(np.sort(own)) for own in times.values()])
    steps = steps[steps > 0.0]  # names in ns may be nearer to each other than such numbers are
    usual = np.median(steps) if len(steps) else 0.0
    rate = 1.0 / float(steps[steps < 1.5 * usual].mean()) if usual else 0.0  # without pictures that are missing
    said = [clock.meaning] if clock.meaning else []
    if clock.meaning and reading.rate and abs(rate / reading.rate - 1.0) > 0.1:
        said.append(f"that is {rate:.4g} Hz, not the {reading.rate:g} that are stated")
    said += [f"{shift:+g} s added to the times of {camera}" for camera, shift in reading.offsets.items()]
    return instants(pictures), rate, said


def _one_person(
    source: Path, people: People, together: Sequence[Instant], calibration: Calibration, show: ProgressCallback
) -> OnePerson:
    finder = PeopleFinder(calibration.rig)
    found = one_person(people, together, finder, str(source), lambda done: show("people", done))
    agreeing, extent = check_agreement(people, together, finder)
    if extent is not None and not PERSON[0] <= extent <= PERSON[1] and not calibration.units_known:
        fitting = [name for name, unit in NAMED.items() if PERSON[0] <= unit * extent / calibration.unit <= PERSON[1]]
        raise InputError(
            f"{source}: the person is {extent:.3g} m across in this calibration: it is in another unit; say which with "
            f"--units {' or '.join(fitting) or '(the metres of one)'}"
        )
    if agreeing >= AGREEING:
        return found
    words = (
        f"warning: the cameras agree about the person in only {100 * agreeing:.0f} % of the instants looked at: "
        "folders of other cameras (--map), clocks apart (--offset), or cameras that have moved since the calibration"
    )
    return OnePerson(found.views, (*found.notes, words))
