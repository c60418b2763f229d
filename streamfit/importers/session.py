"""`streamfit import`: recordings, calibrations and marker sets of other software in our own formats."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamfit.errors import InputError
from streamfit.importers.calibrations.files import calibration_beside, calibration_in
from streamfit.importers.calibrations.read import read_calibration
from streamfit.importers.calibrations.units import spread_of
from streamfit.importers.detections.pose2sim import find_parts
from streamfit.importers.detections.recording import Reading, Recording, read_recording
from streamfit.importers.detections.timeline import Instant
from streamfit.importers.marker_sets import read_markers
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.protocol.codec import VERSION, encode
from streamfit.protocol.ingest import is_name
from streamfit.recording.mcap_file import SessionWriter
from streamfit.terminal import ProgressCallback


@dataclass(frozen=True)
class ImportOptions:
    """What a source does not say, or says otherwise: see the command's help."""

    calibration: tuple[Path, ...] = ()
    keypoints: str | None = None
    reading: Reading = field(default_factory=Reading)
    units: str = "auto"
    up: str | None = None
    size: tuple[int, int] | None = None
    """Of the pictures that were calibrated, px."""


def import_source(source: Path, output: Path, options: ImportOptions, show: ProgressCallback) -> str:
    """Import what `source` is to what `output` is; what was done, in words. Raises InputError.

    A folder of detections becomes a session, a calibration `cameras.toml`, a marker set a keypoint set.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    if source.is_dir() and output.suffix != ".toml":
        return _session(source, output, options, show)
    if output.suffix != ".toml":
        raise InputError(f"{source} is no folder of detections; of a file only a .toml can be made, not {output.name}")
    if source.suffix in (".osim", ".trc"):
        return _marker_set(source, output)
    files = [source] if source.is_file() else calibration_in(source) or calibration_beside(source)
    if not files:
        raise InputError(f"{source}: no calibration in it; name its files, one as SOURCE, the others as --calibration")
    calibration = read_calibration([*files, *options.calibration], options.units, options.up, options.size)
    _write(output, calibration.rig.to_toml())
    return "\n".join([f"{output}: {_described(calibration.rig)}", *calibration.notes])


def _marker_set(source: Path, output: Path) -> str:
    markers = read_markers(source, Skeleton.load())
    _write(output, markers.keypoints.to_toml())
    lines = [f"{output}: {len(markers.keypoints.names)} keypoints"]
    lines += [f"left out: {name}: {why}" for name, why in markers.left_out.items()]
    return "\n".join(lines)


def _session(source: Path, output: Path, options: ImportOptions, show: ProgressCallback) -> str:
    parts = find_parts(source)
    files = options.calibration or tuple(parts.calibration)
    if not files:
        raise InputError(f"{source}: no calibration in it or above; name one with --calibration FILE")
    calibration = read_calibration(files, options.units, options.up, options.size)
    reading = options.reading if options.reading.rate else replace(options.reading, rate=parts.rate)
    recording = read_recording(source, parts.folders, calibration, reading, show)
    keypoints = _keypoint_set(source, options.keypoints or parts.keypoints, recording.keypoints)
    _write_session(output, calibration.rig, keypoints, recording, reading.offsets, show)
    lines = [
        f"{output}: {len(recording.instants)} instants at {recording.rate:.4g} Hz, {keypoints.name}, "
        f"{_described(calibration.rig)}",
        f"read: {parts.note or source}; calibration: {', '.join(path.name for path in files)}",
    ]
    return "\n".join([*lines, *recording.notes, *calibration.notes])


def _write_session(
    output: Path,
    rig: Rig,
    keypoints: KeypointSet,
    recording: Recording,
    shifted: Collection[str],
    show: ProgressCallback,
) -> None:
    name = output.stem if is_name(output.stem) else "imported"
    try:
        with SessionWriter(output, rig.to_toml(), keypoints.to_toml()) as writer:
            for done, instant in enumerate(recording.instants):
                views = _views(instant, recording, shifted)
                fields = {"v": VERSION, "type": "keypoints", "session": name, "t": instant.t, "views": views}
                frame = instant.pictures[0].number
                if isinstance(frame, int) and frame < 2**63:
                    fields["frame"] = frame
                stamp = round(instant.t * 1e9)
                writer.write("keypoints", encode(fields), stamp, stamp)
                show("writing", done / len(recording.instants))
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror or error}") from None


def _views(instant: Instant, recording: Recording, shifted: Collection[str]) -> list[dict[str, object]]:
    """The views of an instant; with their own time where it is not the instant's, or was corrected."""
    views: list[dict[str, object]] = []
    for picture in instant.pictures:
        xyc = recording.views.get((picture.camera, picture.number))
        if xyc is not None:
            own = {"t": picture.t} if picture.camera in shifted or picture.t != instant.t else {}
            views.append({"camera": picture.camera, **own, "xyc": xyc.astype("float32")})
    return views


def _keypoint_set(source: Path, name: str | None, count: int) -> KeypointSet:
    if not count:
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
    fisheyes = sum(camera.fisheye for camera in rig.cameras)
    lenses = f", {fisheyes} with fisheye lenses" if fisheyes else ""
    apart = f"up to {spread_of(rig.cameras):.1f} m apart, " if len(rig.cameras) > 1 else ""
    plural = "s" if len(rig.cameras) > 1 else ""
    return f"{len(rig.names)} camera{plural} ({', '.join(rig.names)}) {apart}{rig.up} up{lenses}"


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path} exists already: name another file, or move it away") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
