#!/usr/bin/env python
"""Foot events and steps of the live engine against force plates and optical heels."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from streamfit.cli.calibrate import calibrate_sessions
from streamfit.errors import InputError
from streamfit.evaluation.live_fit import fit_recording
from streamfit.model import Skeleton
from streamfit.recording.playback import open_recording, subject_for
from streamfit.terminal import progress, run

KINDS = ("foot_strike", "foot_off")
TOGETHER = 0.25
"""s within which a detected and a true event may be one."""
START, END = 0.3, 0.2
"""s at the start and the end of a recording that are left out."""
STANDS = (0.05, 0.2)
"""s after its strike over which a heel's place is taken."""
STEADY = (0.2, 0.4)
"""s after its strike over which a foot moves with the belt."""
BELT = 0.15
"""m/s of the ground from which it is a treadmill."""
HEELS = {f"{side}{name}": side for side in "LR" for name in ("HEE", "HEEL", "CALC")}
LENGTHS = ("step_length", "stride_length", "step_width", "step_time", "stride_time")

Event = tuple[float, str, str]


@dataclass
class Kind:
    """One kind of event of one recording, or of several: errors, delays and standard deviations (s) of those found."""

    true: int = 0
    false: int = 0
    error: list[float] = field(default_factory=list)
    delay: list[float] = field(default_factory=list)
    sd: list[float] = field(default_factory=list)

    def add(self, other: "Kind") -> None:
        self.true, self.false = self.true + other.true, self.false + other.false
        for name in ("error", "delay", "sd"):
            getattr(self, name).extend(getattr(other, name))

    def figures(self) -> dict[str, float]:
        """ms, and shares."""
        if not self.error:
            return {"true": self.true, "found": 0, "false": self.false}
        error, delay, sd = (1000 * np.array(x) for x in (self.error, self.delay, self.sd))
        return {
            "true": self.true,
            "found": len(error),
            "false": self.false,
            "median": float(np.median(np.abs(error))),
            "p95": float(np.percentile(np.abs(error), 95)),
            "mean": float(error.mean()),
            "delay": float(np.median(delay)),
            "delay_p95": float(np.percentile(delay, 95)),
            "in_95": float((np.abs(error) < 1.96 * sd).mean()),
            "sd": float(np.median(sd)),
        }


@click.command(epilog="\b\nExample:\n  benchmarks/accuracy/gait.py recordings/adult_*.mcap --subjects subjects/")
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--subjects",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of NAME.toml; what is not there yet is calibrated on its own recording. A temporary one if not given.",
)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def gait(recordings: tuple[Path, ...], subjects: Path | None, output: Path | None) -> None:
    """Events of every recording that has NAME.truth.npz beside it, matched one to one within 0.25 s.

    An event in the first 0.3 or the last 0.2 s is left out. One that is detected between the first and the last true
    one of its side and kind and matches none is false; all are false in a recording without true events.
    """
    events: dict[str, dict[str, Kind]] = {}
    steps: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as temporary, progress() as show:
        folder = subjects or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        skeleton = Skeleton.load()
        for path in recordings:
            truth = path.with_suffix(".truth.npz")
            if not truth.is_file():
                raise InputError(f"{path}: there is no {truth.name} beside it to compare with")
            subject = folder / f"{path.stem}.toml"
            if not subject.is_file():
                calibrate_sessions([path], subject, progress=show)
            recording = open_recording(path, skeleton)
            person = subject_for(recording, skeleton, subject, None)
            fitted = fit_recording(recording, skeleton, person, 0.1, show)
            with np.load(truth) as file:
                true = sorted((float(t), str(side), str(kind)) for t, side, kind in file["events"])
                events[path.stem] = {kind: _matched(kind, true, fitted.events, file["t"]) for kind in KINDS}
                optical = _optical(true, file["t"], file["markers"], [str(name) for name in file["names"]])
            steps[path.stem] = _step_errors(optical, fitted.steps)
    _print(events, steps)
    if output is not None:
        figures = {name: {kind: found.figures() for kind, found in kinds.items()} for name, kinds in events.items()}
        output.write_text(json.dumps({"events": figures, "steps": steps}, indent=1), encoding="utf-8")


def _matched(kind: str, true: Sequence[Event], found: Sequence[dict[str, Any]], t: np.ndarray) -> Kind:
    out = Kind()
    first, last = t[0] + START, t[-1] - END
    for side in ("left", "right"):
        wanted = [e[0] for e in true if e[1:] == (side, kind)]
        own = [e for e in found if (e["side"], e["event"]) == (side, kind)]
        gaps = sorted((abs(e["t"] - w), i, j) for i, w in enumerate(wanted) for j, e in enumerate(own))
        pairs: dict[int, int] = {}
        for gap, i, j in gaps:
            if gap <= TOGETHER and i not in pairs and j not in pairs.values():
                pairs[i] = j
        counted = [i for i, w in enumerate(wanted) if first <= w <= last]
        out.true += len(counted)
        for i in counted:
            if i in pairs:
                event = own[pairs[i]]
                out.error.append(event["t"] - wanted[i])
                out.delay.append(event["detected"] - event["t"])
                out.sd.append(event["sd_t"])
        spare = [e["t"] for j, e in enumerate(own) if j not in pairs.values()]
        out.false += sum(1 for x in spare if (wanted and wanted[0] < x < wanted[-1]) or not true)
    return out


def _optical(true: Sequence[Event], t: np.ndarray, markers: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """Steps of the heel markers at the true strikes; on a treadmill in the frame of its belt."""
    plain = [name.upper().replace(".", "").replace("_", "") for name in names]
    heels = {HEELS[name]: markers[:, i, :2] for i, name in enumerate(plain) if name in HEELS}
    strikes = [(time, side) for time, side, kind in true if kind == "foot_strike"]

    def during(time: float, side: str, span: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        inside = (t >= time + span[0]) & (t <= time + span[1]) & np.isfinite(heels[side[0].upper()]).all(1)
        return t[inside], heels[side[0].upper()][inside]

    moving = [np.polyfit(*during(time, side, STEADY), 1)[0] for time, side in strikes if time + STEADY[1] < t[-1]]
    belt = np.median(moving, axis=0) if moving else np.zeros(2)
    belt = belt if np.hypot(*belt) > BELT else np.zeros(2)
    out = []
    for k, (time, side) in enumerate(strikes):
        before = [s for s in strikes[:k] if s[1] == side][-1:]
        other = [s for s in strikes[:k] if s[1] != side][-1:]
        if not other:
            continue
        step: dict[str, Any] = {"t": time, "side": side, "step_time": time - other[0][0]}
        if before and before[0][0] < other[0][0] and time + STANDS[1] < t[-1]:
            places = []
            for one in (before[0], other[0], (time, side)):
                when, where = during(*one, STANDS)
                places.append(np.median(where - when[:, None] * belt, axis=0))
            way, between = places[2] - places[0], places[2] - places[1]
            along = way / np.hypot(*way)
            step |= {
                "stride_time": time - before[0][0],
                "stride_length": float(np.hypot(*way)),
                "step_length": float(between @ along),
                "step_width": float(abs(between[0] * along[1] - between[1] * along[0])),
            }
        out.append(step)
    return out


def _step_errors(optical: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Errors of the steps that were found at the true strikes: m, s."""
    errors: dict[str, list[float]] = {name: [] for name in LENGTHS}
    for step in optical:
        same = [s for s in found if s["side"] == step["side"] and abs(s["t"] - step["t"]) <= TOGETHER]
        for name in LENGTHS:
            if same and name in step and same[0][name] is not None:
                errors[name].append(same[0][name] - step[name])
    return errors


def _print(events: dict[str, dict[str, Kind]], steps: dict[str, dict[str, list[float]]]) -> None:
    console = Console(width=150)
    for kind in KINDS:
        table = Table(title=f"{kind}: ms", title_justify="left")
        headings = ("recording", "true", "found", "false", "median", "95 %", "mean", "delay", "95 %", "in 95 %", "sd")
        for heading in headings:
            table.add_column(heading, justify="right")
        pooled = Kind()
        for name, kinds in events.items():
            pooled.add(kinds[kind])
            table.add_row(name, *_cells(kinds[kind].figures()))
        table.add_row("pooled", *_cells(pooled.figures()))
        medians = [1000 * np.median(np.abs(kinds[kind].error)) for kinds in events.values() if kinds[kind].error]
        table.add_row("median over recordings", "", "", "", f"{np.median(medians):.1f}" if medians else "-")
        console.print(table)
    table = Table("recording", *LENGTHS, title="steps, median absolute error (number): mm, ms", title_justify="left")
    whole = {name: [e for errors in steps.values() for e in errors[name]] for name in LENGTHS}
    for name, errors in [*steps.items(), ("pooled", whole)]:
        cells = [f"{1000 * np.median(np.abs(e)):.1f} ({len(e)})" if e else "-" for e in errors.values()]
        table.add_row(name, *cells)
    console.print(table)


def _cells(figures: dict[str, float]) -> list[str]:
    counts = [str(int(figures[name])) for name in ("true", "found", "false")]
    if "median" not in figures:
        return counts
    times = [f"{figures[name]:.1f}" for name in ("median", "p95")] + [f"{figures['mean']:+.1f}"]
    delays = [f"{figures[name]:.0f}" for name in ("delay", "delay_p95")]
    return [*counts, *times, *delays, f"{figures['in_95']:.0%}", f"{figures['sd']:.1f}"]


if __name__ == "__main__":
    run(gait)
