#!/usr/bin/env python
"""Joint angles against an optical reference: live, smoothed and offline, raw and with the mean removed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from streamfit.demo.score import LEGS, angles_at
from streamfit.errors import InputError
from streamfit.evaluation.live_fit import Motion, fit_recording
from streamfit.evaluation.offline_fit import fit_whole
from streamfit.model import Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.recording.playback import open_recording, subject_for
from streamfit.terminal import ProgressCallback, progress, run

LEVELS = np.arange(0.05, 1.0, 0.05)
"""Confidence levels at which the calibration error of the standard deviations is taken."""


@dataclass(frozen=True)
class Angle:
    """One coordinate of one recording by one method, degrees.

    `within` (L,): share within each of LEVELS, and 95 %; `sd` is the mean standard deviation.
    """

    session: str
    method: str
    coordinate: str
    bias: float
    raw: float
    centred: float
    within: tuple[float, ...] | None
    sd: float | None


@dataclass(frozen=True)
class Figures:
    """All angles; by recording how far the live fits are from the offline one (deg), and refined cameras."""

    angles: list[Angle] = field(default_factory=list)
    apart: dict[str, dict[str, float]] = field(default_factory=dict)
    cameras: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As they are written to a file."""
        return {"angles": [vars(a) for a in self.angles], "to_offline_deg": self.apart, "cameras": self.cameras}


@click.command(epilog="\b\nExample:\n  benchmarks/accuracy/recordings.py walk2.mcap walk3.mcap --subject subject.toml")
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), required=True, help="The calibrated person of all of them.")
@click.option("--lag", default=0.1, show_default=True, help="Of the smoothed topic, s.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def accuracy(recordings: tuple[Path, ...], subject: Path, lag: float, output: Path | None) -> None:
    """Errors of every coordinate for which NAME.truth.npz beside a recording knows the angle.

    Also: how far the live fit is from the offline fit, how often the truth lies in the live fit's intervals, and, where
    the subject's calibration has refined the cameras, how far those are from the true ones.
    """
    with progress() as show:
        figures = measure_accuracy(recordings, subject, lag, show)
    print_accuracy(figures)
    if output is not None:
        output.write_text(json.dumps(figures.as_dict(), indent=1), encoding="utf-8")


def measure_accuracy(recordings: Sequence[Path], subject: Path, lag: float, show: ProgressCallback) -> Figures:
    """Every recording fitted live and offline. InputError where one has no truth."""
    skeleton = Skeleton.load()
    figures = Figures()
    for path in recordings:
        truth = path.with_suffix(".truth.npz")
        if not truth.is_file():
            raise InputError(f"{path}: there is no {truth.name} beside it to compare with")
        recording = open_recording(path, skeleton)
        person = subject_for(recording, skeleton, subject, None)
        live = fit_recording(recording, skeleton, person, lag, show)
        offline = fit_whole(recording, skeleton, person, show)
        assert live.smoothed is not None
        methods = {"live": live.kinematics, "smoothed": live.smoothed, "offline": offline.kinematics}
        for name, motion in methods.items():
            figures.angles.extend(_angles(path.stem, name, motion, skeleton, truth))
        figures.apart[path.stem] = {
            name: _apart(methods[name], offline.kinematics, skeleton) for name in ("live", "smoothed")
        }
        if (moved := _rig(person, recording.rig, truth)) is not None:
            figures.cameras[path.stem] = moved
    return figures


def _angles(session: str, method: str, motion: Motion, skeleton: Skeleton, truth: Path) -> list[Angle]:
    coordinates = list(skeleton.coordinates)
    inside, true = angles_at(motion.t, coordinates, truth)
    out = []
    for name, angle in true.items():
        column = coordinates.index(name)
        error = np.degrees(motion.q[inside, column]) - angle[inside]
        sd = np.degrees(motion.sd[inside, column])
        centred = error - error.mean()
        within = mean_sd = None
        if np.isfinite(sd).any():
            mean_sd = float(np.nanmean(sd))
            within = tuple(float((np.abs(centred) <= z * sd).mean()) for z in _half_width([*LEVELS, 0.95]))
        rms = [float(np.sqrt((e**2).mean())) for e in (error, centred)]
        out.append(Angle(session, method, name, float(error.mean()), *rms, within, mean_sd))
    return out


def _half_width(levels: Sequence[float]) -> np.ndarray:
    """Of the central interval of each level, in standard deviations of a normal distribution."""
    return np.asarray(norm.ppf(0.5 + 0.5 * np.asarray(levels)))


def _apart(motion: Motion, reference: Motion, skeleton: Skeleton) -> float:
    """Mean over the rotations of the RMS difference (deg) from 0.15 s on."""
    rotations = np.flatnonzero(np.array(skeleton.units) == "rad")
    inside = (motion.t >= reference.t[0] + 0.15) & (motion.t <= reference.t[-1])
    differences = [motion.q[inside, d] - np.interp(motion.t[inside], reference.t, reference.q[:, d]) for d in rotations]
    return float(np.degrees(np.mean([np.sqrt((x**2).mean()) for x in differences])))


def _rig(subject: Subject, calibrated: Rig, truth: Path) -> dict[str, float] | None:
    """Median error of the refined cameras relative to the first one: deg, and mm after one common scale factor."""
    refined, _ = subject.rig_for(calibrated)
    if refined is calibrated:
        return None
    with np.load(truth) as file:
        true = Rig.from_toml(str(file["cameras"]), f"{truth}: cameras")

    def relative(rig: Rig) -> tuple[np.ndarray, np.ndarray]:
        turns = np.array([cv2.Rodrigues(camera.rotation)[0] for camera in rig.cameras])
        return turns @ turns[0].T, np.array([turns[0] @ (c.centre - rig.cameras[0].centre) for c in rig.cameras])

    out = {}
    target = relative(true)
    for name, rig in (("before", calibrated), ("after", refined)):
        turn, centre = relative(rig)
        size = float((centre * target[1]).sum() / (centre**2).sum())
        turned = [np.linalg.norm(cv2.Rodrigues(a @ b.T)[0]) for a, b in zip(turn, target[0], strict=True)]
        shifted = np.linalg.norm(size * centre - target[1], axis=1)
        out |= {f"{name}_deg": float(np.degrees(np.median(turned[1:]))), f"{name}_size": size}
        out |= {f"{name}_mm": float(1000 * np.median(shifted[1:]))}
    return out


def print_accuracy(figures: Figures) -> None:
    """Tables by recording and by coordinate, and how often the truth lies in the intervals."""
    angles, apart, cameras = figures.angles, figures.apart, figures.cameras
    console = Console(width=150)
    sessions, methods = list(dict.fromkeys(a.session for a in angles)), ("live", "smoothed", "offline")

    def mean(key: str, **only: object) -> float:
        legs = only.pop("legs", False)
        chosen = [a for a in angles if all(getattr(a, k) == v for k, v in only.items())]
        chosen = [a for a in chosen if not legs or a.coordinate in LEGS]
        return float(np.mean([getattr(a, key) for a in chosen])) if chosen else float("nan")

    table = Table("session", *methods, "live to offline", "smoothed to offline", title="legs / all, deg, mean removed")
    for session in [*sessions, "mean"]:
        own = sessions if session == "mean" else [session]
        cells = [
            " / ".join(
                f"{np.nanmean([mean('centred', session=s, method=m, legs=legs) for s in own]):.2f}"
                for legs in (True, False)
            )
            for m in methods
        ]
        gaps = [f"{np.mean([apart[s][m] for s in own]):.2f}" for m in ("live", "smoothed")]
        table.add_row(session, *cells, *gaps)
    console.print(table)

    table = Table(title="by coordinate, mean over the recordings, deg; live")
    for heading in ("coordinate", "bias", "largest bias", "raw", "mean removed", "smoothed", "offline", "in 95 %"):
        table.add_column(heading, justify="right")
    for name in dict.fromkeys(a.coordinate for a in angles):
        own_live = [a for a in angles if a.coordinate == name and a.method == "live"]
        bias = [a.bias for a in own_live]
        covered = [a.within[-1] for a in own_live if a.within is not None]
        table.add_row(
            name,
            f"{np.mean(bias):+.1f}",
            f"{max(bias, key=abs):+.1f}",
            f"{mean('raw', coordinate=name, method='live'):.2f}",
            *(f"{mean('centred', coordinate=name, method=m):.2f}" for m in methods),
            f"{np.mean(covered):.0%}" if covered else "-",
        )
    console.print(table)
    for method in ("live", "smoothed"):
        certain = [a for a in angles if a.method == method and a.within is not None]
        for what, chosen in (("all", certain), ("legs", [a for a in certain if a.coordinate in LEGS])):
            if chosen:
                console.print(f"{method}, {what}: {_intervals(chosen)}")
    for session, moved in cameras.items():
        console.print(
            f"{session}: cameras relative to the first, median: "
            f"{moved['before_deg']:.2f} deg, {moved['before_mm']:.1f} mm as calibrated; "
            f"{moved['after_deg']:.3f} deg, {moved['after_mm']:.1f} mm as refined (size {moved['after_size']:.4f})"
        )


def _intervals(angles: list[Angle]) -> str:
    """How often the truth lies in the intervals, which coordinate's hold least, and how wide they are."""
    rows, sd = np.array([a.within for a in angles]), float(np.mean([a.sd for a in angles if a.sd is not None]))
    names = np.array([a.coordinate for a in angles])
    each = {str(name): float(rows[names == name, -1].mean()) for name in names}
    least = min(each, key=lambda name: each[name])
    pooled, apart = (np.abs(x - LEVELS).mean() for x in (rows[:, :-1].mean(0), rows[:, :-1]))
    return (
        f"95 % intervals cover {rows[:, -1].mean():.1%}, least {least} {each[least]:.0%}; mean sd "
        f"{sd:.2f} deg; expected calibration error {pooled:.3f} pooled, {apart:.3f} mean "
        f"over coordinates and recordings"
    )


if __name__ == "__main__":
    run(accuracy)
