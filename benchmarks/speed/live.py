#!/usr/bin/env python
"""Replays recordings in real time into a real daemon, and measures what comes out of its sockets."""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.lib.served import Heard, play, serve
from streamfit.demo.score import AngleErrors, angle_errors, instants
from streamfit.recording.mcap_file import read_session
from streamfit.terminal import run

START = 0.5
"""s of the track that are also reported apart: there the first fit is made."""


@dataclass(frozen=True)
class Run:
    """What one recording gave; times in ms, memory in MB, angles in degrees (mean removed)."""

    session: str
    sent: int | None
    answered: int
    gaps: int
    states: dict[str, int]
    latency_p50: float
    latency_p99: float
    latency_p99_started: float
    client_p99: float
    ready_s: float
    compilations: int
    memory: float
    legs: float | None
    all: float | None


@click.command(epilog="\b\nExample:\n  benchmarks/speed/live.py walk.mcap --subject subject.toml --json live.json")
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), help="The calibrated person of all of them.")
@click.option("--speed", default=1.0, show_default=True, help="0: as fast as it is answered.")
@click.option("--loop", default=1, show_default=True, help="Times each recording is played.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def live(recordings: tuple[Path, ...], subject: Path | None, speed: float, loop: int, output: Path | None) -> None:
    """Latency, loss, memory and (where NAME.truth.npz lies beside it) angle errors of the daemon, live."""
    runs = [run_recording(path, subject, speed, loop) for path in recordings]
    Console(width=180).print(table(runs))
    if output is not None:
        output.write_text(json.dumps([asdict(r) for r in runs], indent=1), encoding="utf-8")


def run_recording(path: Path, subject: Path | None, speed: float, loop: int) -> Run:
    """Play one recording into a daemon of its own."""
    recording = read_session(path)
    if subject is not None:
        recording = replace(recording, subject_toml=subject.read_text(encoding="utf-8"))
    with serve(recording) as served:
        heard = play(served, path, speed, loop)
        compilations = served.compilations()
    sent = instants(recording)
    errors = _errors(heard, path.with_suffix(".truth.npz")) if loop == 1 else None
    return Run(
        session=path.stem,
        sent=None if sent is None else sent * loop,
        answered=len(heard.t),
        gaps=heard.gaps,
        states=heard.states,
        latency_p50=heard.latency_ms(50),
        latency_p99=heard.latency_ms(99),
        latency_p99_started=heard.latency_ms(99, START),
        client_p99=heard.client_ms(99) if speed == 1.0 else float("nan"),
        ready_s=served.ready_s,
        compilations=compilations,
        memory=float(heard.memory[:, 1].max()) / 1e6,
        legs=errors.legs_centred if errors else None,
        all=errors.all_centred if errors else None,
    )


def table(runs: list[Run]) -> Table:
    """The runs, a row each."""
    out = Table(title="live, through the sockets")
    for heading in (
        "session",
        "answered / sent",
        "seq gaps",
        "tracking",
        "latency p50 / p99 ms",
        f"p99 after {START:g} s",
        "client p99 ms",
        "ready s",
        "compiled after",
        "MB",
        "legs / all deg",
    ):
        out.add_column(heading, justify="right")
    for r in runs:
        out.add_row(
            r.session,
            f"{r.answered} / {'?' if r.sent is None else r.sent}",
            str(r.gaps),
            f"{100 * r.states.get('tracking', 0) / max(r.answered, 1):.1f} %",
            f"{r.latency_p50:.1f} / {r.latency_p99:.1f}",
            f"{r.latency_p99_started:.1f}",
            f"{r.client_p99:.1f}",
            f"{r.ready_s:.1f}",
            str(r.compilations),
            f"{r.memory:.0f}",
            "-" if r.legs is None else f"{r.legs:.2f} / {r.all:.2f}",
        )
    return out


def _errors(heard: Heard, truth: Path) -> AngleErrors | None:
    if not truth.is_file():
        return None
    radians = np.array(heard.units) == "rad"
    return angle_errors(heard.t, np.where(radians, np.degrees(heard.q), heard.q), list(heard.coordinates), truth)


if __name__ == "__main__":
    run(live)
