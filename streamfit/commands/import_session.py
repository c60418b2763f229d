"""`streamfit import`: recordings, calibrations and marker sets of other software in our own formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamfit.cameras import Rig
from streamfit.errors import InputError
from streamfit.imports.calibrations import Units, read_calibration
from streamfit.imports.marker_sets import read_markers
from streamfit.imports.openpose import Frames, read_frames
from streamfit.imports.pose2sim import find_parts
from streamfit.session.mcap_file import SessionWriter
from streamfit.skeleton import KeypointSet, Skeleton
from streamfit.view.terminal import Show
from streamfit.wire.messages import is_name
from streamfit.wire.packing import VERSION, encode


@dataclass(frozen=True)
class ImportOptions:
    """What a source does not say, or says otherwise: see the command's help."""

    calibration: tuple[Path, ...] = ()
    keypoints: str | None = None
    rate: float | None = None
    folders: dict[str, str] | None = None
    """Camera of each folder, by name."""
    units: Units = "auto"
    up: str | None = None


def import_source(source: Path, output: Path, options: ImportOptions, show: Show) -> str:
    """Import what `source` is to what `output` is; what was done, in words. Raises InputError.

    A folder of detections becomes a session, a calibration `cameras.toml`, a marker set a keypoint set.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    if source.is_dir():
        return _session(source, output, options, show)
    if output.suffix != ".toml":
        raise InputError(f"{source} is no folder of detections; of a file only a .toml can be made, not {output.name}")
    if source.suffix in (".osim", ".trc"):
        return _marker_set(source, output)
    rig = read_calibration([source, *options.calibration], options.units, options.up)
    _write(output, rig.to_toml())
    return f"{output}: {_described(rig)}"


def _marker_set(source: Path, output: Path) -> str:
    markers = read_markers(source, Skeleton.load())
    _write(output, markers.keypoints.to_toml())
    lines = [f"{output}: {len(markers.keypoints.names)} keypoints"]
    lines += [f"left out: {name}: {why}" for name, why in markers.left_out.items()]
    return "\n".join(lines)


def _session(source: Path, output: Path, options: ImportOptions, show: Show) -> str:
    parts = find_parts(source)
    calibration = options.calibration or tuple(parts.calibration)
    if not calibration:
        raise InputError(f"{source}: no calibration in it or above; name one with --calibration FILE")
    rig = read_calibration(calibration, options.units, options.up)
    cameras = _cameras_of(parts.folders, rig, options.folders or {})
    rate = options.rate or parts.rate
    if rate is None:
        raise InputError(f"{source}: at which rate it was filmed is not known; say --fps 60")
    frames: dict[str, Frames] = {}
    for camera, folder in cameras.items():
        show("reading", len(frames) / len(cameras))
        frames[camera] = read_frames(folder)
    keypoints = _keypoint_set(source, options.keypoints or parts.keypoints, frames)
    numbers = sorted({number for seen in frames.values() for number in seen.people})
    name = output.stem if is_name(output.stem) else "imported"
    try:
        with SessionWriter(output, rig.to_toml(), keypoints.to_toml()) as writer:
            for done, number in enumerate(range(numbers[0], numbers[-1] + 1)):
                t = done / rate
                payload = encode(
                    {"v": VERSION, "type": "keypoints", "session": name, "t": t, "frame": number}
                    | {"views": _views(frames, number)}
                )
                writer.write("keypoints", payload, round(t * 1e9), round(t * 1e9))
                show("writing", done / len(numbers))
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror or error}") from None
    several = sum(len(people) > 1 for seen in frames.values() for people in seen.people.values())
    lines = [f"{output}: {numbers[-1] - numbers[0] + 1} instants at {rate:g} Hz, {keypoints.name}, {_described(rig)}"]
    if several:
        lines.append(f"in {several} pictures are several people: the one seen with most confidence was taken")
    return "\n".join(lines)


def _views(frames: dict[str, Frames], number: int) -> list[dict[str, object]]:
    seen = {camera: of.clearest(number) for camera, of in frames.items()}
    return [{"camera": camera, "xyc": np.float32(xyc)} for camera, xyc in seen.items() if xyc is not None]


def _cameras_of(folders: Sequence[Path], rig: Rig, named: dict[str, str]) -> dict[str, Path]:
    """The folder of each camera: as it is said, else that whose name holds the camera's, else in order."""
    for folder, camera in named.items():
        if folder not in [path.name for path in folders]:
            raise InputError(f"no folder {folder!r} of detections; there are {', '.join(p.name for p in folders)}")
        if camera not in rig.names:
            raise InputError(f"camera {camera!r} is not in the calibration; it has {', '.join(rig.names)}")
    if named:
        return {named[path.name]: path for path in folders if path.name in named}
    plain = {camera: _plain(camera) for camera in rig.names}
    by_name = {c: [p for p in folders if plain[c] in _plain(p.name)] for c in rig.names}
    if all(len(paths) == 1 for paths in by_name.values()):
        return {camera: paths[0] for camera, paths in by_name.items()}
    if len(folders) != len(rig.names):
        raise InputError(
            f"{len(folders)} folders of detections ({', '.join(p.name for p in folders)}) for {len(rig.names)} cameras "
            f"({', '.join(rig.names)}): say which is which with --map FOLDER=CAMERA"
        )
    return dict(zip(rig.names, folders, strict=True))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _keypoint_set(source: Path, name: str | None, frames: dict[str, Frames]) -> KeypointSet:
    count = next((seen.keypoints for seen in frames.values() if seen.keypoints is not None), None)
    if count is None:
        raise InputError(f"{source}: nobody was seen in any picture")
    if name is None:
        raise InputError(
            f"{source}: which {count} keypoints these are is not known; say --keypoints body25b, or a file"
        )
    keypoints = KeypointSet.load(name)
    if len(keypoints.names) != count:
        raise InputError(f"{source}: {count} keypoints a person, but {keypoints.name} has {len(keypoints.names)}")
    return keypoints


def _described(rig: Rig) -> str:
    centres = np.array([camera.centre for camera in rig.cameras])
    spread = float(np.linalg.norm(centres[:, None] - centres, axis=-1).max())
    return f"{len(rig.names)} cameras ({', '.join(rig.names)}) up to {spread:.1f} m apart, {rig.up} up"


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path} exists already: name another file, or move it away") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
