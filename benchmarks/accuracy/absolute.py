#!/usr/bin/env python
"""Absolute agreement with an optical reference: each person's mean difference, calibrated with and without standing."""

import json
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from streamfit.cli.calibrate import calibrate_sessions
from streamfit.demo.score import angles_at
from streamfit.errors import InputError
from streamfit.evaluation.live_fit import fit_recording
from streamfit.model import Skeleton
from streamfit.recording.playback import open_recording, subject_for
from streamfit.terminal import ProgressCallback, progress, run

WAYS = {"walk": ("walk",), "walk + standing": ("static", "walk")}
"""The recordings that a person is calibrated on."""
SCORED = "turn"


@click.command(epilog="\b\nExample:\n  benchmarks/accuracy/absolute.py cohort_p1 cohort_p2 cohort_p3 --keep subjects/")
@click.argument("people", metavar="PERSON...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the subjects."
)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def absolute(people: tuple[Path, ...], keep: Path, output: Path | None) -> None:
    """Calibrate each person on PERSON_walk.mcap, and on PERSON_static.mcap too; score PERSON_turn.mcap, live.

    The difference to PERSON_turn.truth.npz is the models' (which define zero otherwise) and the calibration's: what
    the models have in common does not show in the spread between people. Subjects that are kept are not calibrated
    again.
    """
    keep.mkdir(parents=True, exist_ok=True)
    figures: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    with progress() as show:
        for way in WAYS:
            figures[way] = {person.name: differences(person, way, keep, show) for person in people}
    console = Console(width=150)
    for way, rows in figures.items():
        console.print(table(way, rows))
    if output is not None:
        output.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def differences(person: Path, way: str, keep: Path, show: ProgressCallback) -> dict[str, tuple[float, float]]:
    """Mean difference and RMS error (deg) of each coordinate of the turn for which there is truth. InputError."""
    sessions = [person.with_name(f"{person.name}_{kind}.mcap") for kind in WAYS[way]]
    scored = person.with_name(f"{person.name}_{SCORED}.mcap")
    truth = scored.with_suffix(".truth.npz")
    if not truth.is_file():
        raise InputError(f"{scored}: there is no {truth.name} beside it to compare with")
    subject = keep / f"{person.name}_{'_'.join(WAYS[way])}.toml"
    if not subject.is_file():
        calibrate_sessions(sessions, subject, progress=show)
    skeleton = Skeleton.load()
    recording = open_recording(scored, skeleton)
    motion = fit_recording(recording, skeleton, subject_for(recording, skeleton, subject, None), 0.1, show).kinematics
    coordinates = list(skeleton.coordinates)
    inside, true = angles_at(motion.t, coordinates, truth)
    errors = {n: np.degrees(motion.q[inside, coordinates.index(n)]) - angle[inside] for n, angle in true.items()}
    return {name: (float(e.mean()), float(np.sqrt((e**2).mean()))) for name, e in errors.items()}


def table(way: str, rows: dict[str, dict[str, tuple[float, float]]]) -> Table:
    """Mean differences by person and coordinate, their spread, and how far each person is from the others' mean."""
    names = list(next(iter(rows.values())))
    means, raw = np.array([[row[name] for name in names] for row in rows.values()]).transpose(2, 0, 1)
    title = f"{way}: mean difference, deg"
    out = Table("person", *(n.replace("_angle", "") for n in names), "from the others", "raw RMSE", title=title)
    for i, (person, own) in enumerate(zip(rows, means, strict=True)):
        apart = np.abs(own - np.delete(means, i, 0).mean(0)).mean() if len(rows) > 1 else np.nan
        out.add_row(person, *(f"{x:+.1f}" for x in own), f"{apart:.1f}", f"{raw[i].mean():.1f}")
    spread = means.std(0)
    out.add_row("spread", *(f"{x:.1f}" for x in spread), f"{spread.mean():.2f}", f"{raw.mean():.1f}", style="bold")
    return out


if __name__ == "__main__":
    run(absolute)
