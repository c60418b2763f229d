"""`streamfit rig`: cameras.toml from views of a ChArUco board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from streamfit.errors import InputError
from streamfit.evaluation.plots.rig import Seen, coverage_figure, rig_figure
from streamfit.model.camera import Rig
from streamfit.rig.board import Board
from streamfit.rig.extrinsics import Placed, place_cameras
from streamfit.rig.intrinsics import Intrinsics, fit_intrinsics
from streamfit.rig.views import Watched, watch
from streamfit.rig.world import on_the_board
from streamfit.terminal import ProgressCallback, named_source

COVERAGE, VIEWS, ERROR = 0.5, 15, 1.0
"""Share of the picture, views, and px: what a camera should have at least, or at most."""
STILL = 0.02
"""m that the board may seem to move while it lies."""
DPI = 300
INCH = 0.0254


@dataclass(frozen=True, eq=False)
class RigOptions:
    """`every` s between two looks at a video; `offsets` s by camera; `floor`: when (s) the board lies on the floor,
    None: at the end; `on_floor`: whether it ever does; `live` s for which cameras are watched."""

    board: Board
    every: float = 0.2
    offsets: Mapping[str, float] | None = None
    floor: float | None = None
    on_floor: bool = True
    live: float = 60.0


def calibrate_rig(sources: Sequence[str], output: Path, options: RigOptions, show: ProgressCallback) -> str:
    """Calibrate the cameras of `CAMERA=SOURCE`; writes `output` and two pictures beside it. What was found, in words.

    Raises InputError, also where there is an `output` already.
    """
    if output.exists():
        raise InputError(f"{output} exists already: name another file, or move it away")
    named = [named_source(source) for source in sources]
    names = [name for name, _ in named]
    for name in (*names, *(options.offsets or {})):
        if names.count(name) != 1:
            raise InputError(f"camera {name!r} is named {names.count(name)} times; name each once, as {name}=VIDEO")
    if len(named) < 2:
        raise InputError("a rig has at least two cameras: name each with its video, as cam_01=one.mp4 cam_02=two.mp4")
    offsets = options.offsets or {}
    watched = [
        watch(name, source, options.board, options.every, offsets.get(name, 0.0), options.live, show)
        for name, source in named
    ]
    show("fitting the lenses", 0.0)
    lenses = [fit_intrinsics(camera, options.board) for camera in watched]
    show("placing the cameras", 0.5)
    placed = place_cameras(watched, lenses, options.board)
    moment = _floor_moment(placed, options)
    rig = on_the_board(watched, lenses, placed, moment)
    try:
        output.write_text(rig.to_toml(), encoding="utf-8")
        _draw(output, rig, watched, placed)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    return _in_words(output, rig, watched, lenses, placed, moment, options)


def print_board(board: Board, output: Path) -> str:
    """Write the board as a picture to print at its size. InputError."""
    picture = board.picture(DPI / INCH)
    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: the board is written as .png")
    if not cv2.imwrite(str(output), picture):
        raise InputError(f"{output}: cannot be written")
    width, height = board.columns * board.square, board.rows * board.square
    return (
        f"{output}: print it {1000 * width:.0f} x {1000 * height:.0f} mm large ({DPI} dpi), glue it onto something "
        f"flat and stiff, and measure: a square must be {1000 * board.square:g} mm"
    )


def _floor_moment(placed: Placed, options: RigOptions) -> int | None:
    if not options.on_floor:
        return None
    wanted = max(placed.boards) if options.floor is None else options.floor / options.every
    return min(placed.boards, key=lambda moment: abs(moment - wanted))


def _still(placed: Placed, moment: int) -> bool:
    """Whether the board was where it was a moment before or after."""
    here = placed.boards[moment]
    beside = [placed.boards[m] for m in (moment - 1, moment + 1) if m in placed.boards]
    return any(np.linalg.norm((here - other)[:3, 3]) < STILL for other in beside)


def _draw(output: Path, rig: Rig, watched: Sequence[Watched], placed: Placed) -> None:
    seen = []
    for camera, errors in zip(watched, placed.errors, strict=True):
        pixels = [camera.views[m].pixels for m in placed.boards if m in camera.views]
        seen.append(Seen(camera.name, camera.size, np.concatenate(pixels), errors))
    coverage_figure(seen).savefig(output.with_suffix(".coverage.png"))
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]) @ rig.to_ground  # z up
    centres = np.array([upright @ camera.centre for camera in rig.cameras])
    ahead = np.array([upright @ cv2.Rodrigues(camera.rotation)[0][2] for camera in rig.cameras])
    rig_figure(rig.names, centres, ahead).savefig(output.with_suffix(".rig.png"))


def _in_words(
    output: Path,
    rig: Rig,
    watched: Sequence[Watched],
    lenses: Sequence[Intrinsics],
    placed: Placed,
    moment: int | None,
    options: RigOptions,
) -> str:
    lines, troubles = [], []
    for camera, lens, errors in zip(watched, lenses, placed.errors, strict=True):
        rms = float(np.sqrt(np.mean(np.square(errors))))
        lines.append(
            f"{camera.name}: board in {len(camera.views)} of {camera.looked} pictures, over {lens.coverage:.0%} of the "
            f"picture; error {lens.rms:.2f} px of the lens, {rms:.2f} px in the rig"
        )
        if lens.coverage < COVERAGE:
            found = f"the board was in {lens.coverage:.0%} of the picture: wave it in its corners too"
            troubles.append(f"{camera.name}: {found}")
        if lens.views < VIEWS:
            troubles.append(f"{camera.name}: {lens.views} views are few: show the board longer, near and slanted")
        if lens.rms > ERROR:
            troubles.append(f"{camera.name}: the lens fits to {lens.rms:.1f} px: is the board flat, was it held still?")
        elif rms > 2.0 * ERROR:
            troubles.append(f"{camera.name}: off by {rms:.1f} px in the rig: do the videos begin together (--offset)?")
    centres = np.array([camera.centre for camera in rig.cameras])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1)
    nearest = apart[~np.eye(len(apart), dtype=bool)].min()
    lines.append(f"cameras {nearest:.2f} to {apart.max():.2f} m apart; {len(placed.boards)} moments seen by several")
    if moment is None:
        lines.append("the world is the first camera's: set `up` under [metadata] if it is not -y")
    else:
        if not _still(placed, moment):
            asked = "lay it on the floor for some seconds at the end, or say when with --floor"
            troubles.append(f"the board was not still at {moment * options.every:.1f} s: {asked}")
        lines.append(f"the floor is where the board lay at {moment * options.every:.1f} s; z up")
    verdict = "poor" if any("px" in trouble for trouble in troubles) else "usable" if troubles else "good"
    lines += [f"verdict: {verdict}", *troubles]
    lines.append(f"written to {output}, with pictures: {output.stem}.coverage.png, {output.stem}.rig.png")
    return "\n".join(lines)
