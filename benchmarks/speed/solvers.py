#!/usr/bin/env python
"""The live solvers on the same recordings: how long an answer takes, and how far its angles are from a reference."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from streamfit.demo.score import AngleErrors, angle_errors
from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.setup import Setup
from streamfit.estimation.solvers import SOLVERS, SolverName
from streamfit.model import Skeleton
from streamfit.recording.playback import Recording, open_recording, subject_for
from streamfit.terminal import run

WARM = 50
"""Instants that are not timed: what they need is compiled, and the clock of the processor rises."""


@dataclass(frozen=True)
class Run:
    """One solver on one recording: CPU time of an instant, ms (median, 99th percentile), and angle errors, degrees.

    `answer` is until the answer, `turn` with all that follows it; errors are `legs` and `all`, the mean removed.
    """

    session: str
    solver: str
    answer: tuple[float, float]
    turn: tuple[float, float]
    tracking: float
    live: tuple[float, float] | None
    smoothed: tuple[float, float] | None


@dataclass
class _Played:
    """What a solver does with a recording, as it goes."""

    engine: Engine
    answer: list[float] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)
    payloads: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def follow(self, recording: Recording) -> Iterator[None]:
        """Answer one instant after the other."""
        for instant in recording.played(self.engine):
            started = time.process_time()
            answered = started
            for ready in self.engine.solve([instant]):
                if any(one.kind == "kinematics" for one in ready):
                    answered = time.process_time()
                for one in ready:
                    self.payloads[one.kind].append(one.payload)
            self.turn.append(time.process_time() - started)
            self.answer.append(answered - started)
            yield


@click.command(epilog="\b\nExample:\n  benchmarks/speed/solvers.py walk.mcap --subject subject.toml")
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), help="The calibrated person of all of them.")
@click.option("--lag", default=0.1, show_default=True, help="s, of the smoothed answers.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def solvers(recordings: tuple[Path, ...], subject: Path | None, lag: float, output: Path | None) -> None:
    """Play recordings to every live solver, instant by instant in turn, so that a busy machine slows all alike.

    Angles are held against NAME.truth.npz, where that lies beside NAME.mcap.
    """
    runs = [one for path in recordings for one in compare(path, subject, lag)]
    Console(width=150).print(table(runs))
    if output is not None:
        output.write_text(json.dumps([asdict(r) for r in runs], indent=1), encoding="utf-8")


def compare(path: Path, subject_file: Path | None, lag: float) -> list[Run]:
    """One recording to every solver. Raises InputError."""
    skeleton = Skeleton.load()
    recording = open_recording(path, skeleton)
    setup = Setup(
        skeleton, recording.rig, recording.keypoints, subject_for(recording, skeleton, subject_file, stature=None)
    )
    played = {name: _Played(Engine(name, setup, IngestSettings(wait=1.0), lag, make)) for name, make in SOLVERS.items()}
    for one in played.values():
        one.engine.prepare()
    for _ in zip(*(one.follow(recording) for one in played.values()), strict=True):
        pass
    return [_figures(path, skeleton, name, one) for name, one in played.items()]


def table(runs: list[Run]) -> Table:
    """The runs, a row each."""
    out = Table(title="live solvers, in one process in turn")
    for heading in (
        "session", "solver", "answer p50 / p99 ms", "whole turn p50 / p99 ms", "tracking", "live legs / all deg",
        "smoothed legs / all deg",
    ):  # fmt: skip
        out.add_column(heading, justify="right")
    for r in runs:
        angles = ["-" if pair is None else f"{pair[0]:.2f} / {pair[1]:.2f}" for pair in (r.live, r.smoothed)]
        times = [f"{pair[0]:.2f} / {pair[1]:.2f}" for pair in (r.answer, r.turn)]
        out.add_row(r.session, r.solver, *times, f"{100 * r.tracking:.1f} %", *angles)
    return out


def _figures(path: Path, skeleton: Skeleton, name: SolverName, played: _Played) -> Run:
    for group in played.engine.finish():
        for one in group:
            played.payloads[one.kind].append(one.payload)
    times = [
        tuple(1e3 * float(np.percentile(seconds[WARM:] or seconds, p)) for p in (50, 99))
        for seconds in (played.answer, played.turn)
    ]
    states = [answer["state"] for answer in played.payloads["kinematics"]]
    errors = [
        _errors(skeleton, played.payloads[kind], path.with_suffix(".truth.npz")) for kind in ("kinematics", "smoothed")
    ]
    live, smoothed = (None if e is None else (e.legs_centred, e.all_centred) for e in errors)
    return Run(path.stem, name, times[0], times[1], float(np.mean([s == "tracking" for s in states])), live, smoothed)


def _errors(skeleton: Skeleton, answers: list[dict[str, Any]], truth: Path) -> AngleErrors | None:
    answers = [answer for answer in answers if answer["state"] != "lost"]
    if not truth.is_file() or not answers:
        return None
    t, q = (np.array([answer[key] for answer in answers], float) for key in ("t", "q"))
    radians = np.array(skeleton.units) == "rad"
    return angle_errors(t, np.where(radians, np.degrees(q), q), list(skeleton.coordinates), truth)


if __name__ == "__main__":
    run(solvers)
