#!/usr/bin/env python
"""What the live fit loses where cameras and detectors err, and how soon it has a person again who was out of sight."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.disturb import (
    Change,
    camera_off,
    disturbed,
    exchanged_sides,
    missing_points,
    nobody_seen,
    spread,
)
from streamfit.demo.score import LEGS, AngleErrors, angle_errors
from streamfit.errors import InputError
from streamfit.evaluation.live_fit import Motion, fit_recording
from streamfit.model import Skeleton
from streamfit.recording.playback import Recording, open_recording, subject_for
from streamfit.terminal import ProgressCallback, progress, run

EVERY, SHARE, OFF, FEW = 10, 0.3, 50.0, 3
"""Messages between two exchanges of sides; share of points missing; px that a camera is off; cameras that are left."""
LONG, SHORT = 3.0, 1.0
"""s that nobody is seen; the latter where a recording is shorter than twice the former."""
NEAR = 5.0
"""deg from the undisturbed fit within which the legs must all be for the person to be found again."""


@dataclass(frozen=True)
class Loss:
    """One recording, disturbed: errors (deg, mean removed) of the live fit, and how much more that is than undisturbed.

    `blind`: s in the middle of it without any view, which do not count for the errors; `again`: s from their end until
    the fit tracks and is near the undisturbed one, None where that never comes.
    """

    session: str
    disturbance: str
    legs: float
    all: float
    legs_more: float
    all_more: float
    blind: float = 0.0
    again: float | None = None


@click.command(epilog="\b\nExample:\n  benchmarks/accuracy/robust.py walk2.mcap walk3.mcap --subject subject.toml")
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), required=True, help="The calibrated person of all of them.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def robust(recordings: tuple[Path, ...], subject: Path, output: Path | None) -> None:
    """Angle errors with exchanged sides, missing points, a camera that is off, few cameras, and nobody in sight.

    Needs NAME.truth.npz beside each recording.
    """
    with progress() as show:
        losses = measure_losses(recordings, subject, show)
    print_losses(losses)
    if output is not None:
        output.write_text(json.dumps([asdict(loss) for loss in losses], indent=1), encoding="utf-8")


def measure_losses(recordings: Sequence[Path], subject: Path, show: ProgressCallback) -> list[Loss]:
    """Every recording under every disturbance. InputError where one has no truth."""
    skeleton = Skeleton.load()
    return [loss for path in recordings for loss in _losses(path, subject, skeleton, show)]


def print_losses(losses: Sequence[Loss]) -> None:
    """A row for each, and the mean over the recordings."""
    table = Table(title="live fit, legs / all, deg, mean removed")
    for heading in ("session", "disturbance", "error", "more than undisturbed", f"within {NEAR:g} deg again after"):
        table.add_column(heading, justify="left" if heading in ("session", "disturbance") else "right")
    for loss in losses:
        more = f"{loss.legs_more:+.2f} / {loss.all_more:+.2f}"
        table.add_row(loss.session, loss.disturbance, f"{loss.legs:.2f} / {loss.all:.2f}", more, _found([loss]))
    for disturbance in dict.fromkeys(loss.disturbance for loss in losses):
        own = [loss for loss in losses if loss.disturbance == disturbance]
        figures = np.mean([[o.legs, o.all, o.legs_more, o.all_more] for o in own], 0)
        means = ("{:.2f} / {:.2f}".format(*figures), "{2:+.2f} / {3:+.2f}".format(*figures))
        table.add_row("mean", disturbance, *means, _found(own))
    Console(width=150).print(table)


def _found(losses: Sequence[Loss]) -> str:
    """The longest of the times until the person was found again."""
    if not losses[0].blind:
        return "-"
    times = [loss.again for loss in losses]
    return "never" if None in times else f"{max(t for t in times if t is not None):.2f} s"


def _losses(path: Path, subject: Path, skeleton: Skeleton, show: ProgressCallback) -> list[Loss]:
    truth = path.with_suffix(".truth.npz")
    if not truth.is_file():
        raise InputError(f"{path}: there is no {truth.name} beside it to compare with")
    recording = open_recording(path, skeleton)
    plain = _fit(recording, skeleton, subject, show)
    start, end = _gap(plain.t)
    names, keypoints = recording.rig.names, recording.keypoints
    changes: dict[str, Change] = {
        f"sides of {names[0]} exchanged in every {EVERY}th frame": exchanged_sides(
            names[0], EVERY, skeleton, keypoints
        ),
        f"{SHARE:.0%} of the points missing": missing_points(SHARE, 0),
        f"{names[0]} off by {OFF:g} px": camera_off(names[0], OFF),
        f"nobody seen for {end - start:g} s": nobody_seen(start, end),
    }
    few = open_recording(path, skeleton, spread(names, FEW))
    fits = {f"only {FEW} of {len(names)} cameras": _fit(few, skeleton, subject, show)}
    with tempfile.TemporaryDirectory(prefix="streamfit-bench-") as folder:
        for number, (name, change) in enumerate(changes.items()):
            worse = Path(folder) / f"{number}.mcap"
            disturbed(recording.file, worse, change)
            fits[name] = _fit(open_recording(worse, skeleton), skeleton, subject, show)
    coordinates = list(skeleton.coordinates)
    before = _errors(plain, coordinates, truth, None)
    out = [Loss(path.stem, "none", before.legs_centred, before.all_centred, 0.0, 0.0)]
    for name, motion in fits.items():
        blind = (start, end) if name.startswith("nobody") else None
        error, before = (_errors(m, coordinates, truth, blind) for m in (motion, plain))
        more = (error.legs_centred - before.legs_centred, error.all_centred - before.all_centred)
        sight = (0.0, None) if blind is None else (end - start, _again(motion, plain, end, coordinates))
        out.append(Loss(path.stem, name, error.legs_centred, error.all_centred, *more, *sight))
    return out


def _fit(recording: Recording, skeleton: Skeleton, subject: Path, show: ProgressCallback) -> Motion:
    return fit_recording(recording, skeleton, subject_for(recording, skeleton, subject, None), 0.1, show).kinematics


def _gap(t: np.ndarray) -> tuple[float, float]:
    """When nobody is seen: in the middle of the recording."""
    length = LONG if t[-1] - t[0] >= 2 * LONG else SHORT
    start = (t[0] + t[-1] - length) / 2
    return start, start + length


def _errors(motion: Motion, coordinates: list[str], truth: Path, blind: tuple[float, float] | None) -> AngleErrors:
    seen = np.ones(len(motion.t), bool) if blind is None else (motion.t < blind[0]) | (motion.t >= blind[1])
    return angle_errors(motion.t[seen], np.degrees(motion.q[seen]), coordinates, truth)


def _again(motion: Motion, plain: Motion, end: float, coordinates: list[str]) -> float | None:
    legs = [coordinates.index(name) for name in LEGS]
    usual = np.column_stack([np.interp(motion.t, plain.t, plain.q[:, c]) for c in legs])
    near = np.degrees(np.abs(motion.q[:, legs] - usual)).max(1) <= NEAR
    found = near & (motion.state == "tracking") & (motion.t >= end)
    return float(motion.t[found][0] - end) if found.any() else None


if __name__ == "__main__":
    run(robust)
