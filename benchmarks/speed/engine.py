#!/usr/bin/env python
"""The live engine measured: instants by stage and shape, the daemon through its sockets, OpenSim beside it.

Timings are of this machine at this time; what is compared with `baseline.json` are ratios within the one run. That
file is the `--json` of a run of `--gate`.
"""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from streamfit.jax_runtime import single_threaded

single_threaded()

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.accuracy.recordings import measure_accuracy, print_accuracy  # noqa: E402 - JAX only now
from benchmarks.accuracy.robust import measure_losses, print_losses  # noqa: E402
from benchmarks.lib.daemon_runs import Played, play_all, recorded, start_times  # noqa: E402
from benchmarks.lib.stream import Shape  # noqa: E402
from benchmarks.speed.gate import cost_ratios, worsened  # noqa: E402
from benchmarks.speed.growth import AXES, figures, measure_axis  # noqa: E402
from benchmarks.speed.peer import PYTHON, measure_peer  # noqa: E402
from benchmarks.speed.shapes import compare, measure  # noqa: E402
from benchmarks.speed.stages import STAGES  # noqa: E402
from benchmarks.speed.tables import daemon_table, growth_table, other_table, peer_table, stage_table  # noqa: E402
from streamfit.errors import InputError  # noqa: E402
from streamfit.terminal import progress, run  # noqa: E402

BASELINE = Path(__file__).with_name("baseline.json")
SECTIONS = ("stages", "growth", "daemon", "start", "peer")
ROUNDS, GATE_ROUNDS = 16, 10
"""Turns of each shape; each is 25 instants."""
SECONDS, GATE_SECONDS = 10.0, 4.0
"""s of the walk that the daemon gets."""


@click.command(
    epilog="""\b
Examples:
  benchmarks/speed/engine.py --json engine.json                     some 8 minutes
  benchmarks/speed/engine.py --only stages --only peer
  benchmarks/speed/engine.py --gate                                 about a minute: 1 where a ratio has worsened
  benchmarks/speed/engine.py --only start
  benchmarks/speed/engine.py walk2.mcap walk3.mcap --subject anna.toml
OpenSim takes part where benchmarks/speed/opensim_env.sh has installed it.
"""
)
@click.argument("recordings", metavar="[SESSION.mcap...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), help="The calibrated person of the recordings.")
@click.option("--only", multiple=True, type=click.Choice(SECTIONS), help="Measure only this; repeatable.")
@click.option("--gate", is_flag=True, help="Measure only what is compared with the baseline, and compare.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def engine(
    recordings: tuple[Path, ...],
    subject: Path | None,
    only: tuple[str, ...],
    gate: bool,
    output: Path | None,
) -> int:
    """Measure the live engine on a simulated walk and, where recordings with truth are given, its accuracy on them."""
    if bool(recordings) != (subject is not None):
        raise InputError("accuracy needs both: recordings, and --subject, their person")
    console = Console(width=180)
    report = {"machine": _machine()}
    report |= _gated(console) if gate else _measured(console, only or SECTIONS)
    if subject is not None:
        report |= _on_recordings(recordings, subject)
    if output is not None:
        output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if not gate:
        return 0
    lines = worsened(report["ratios"], json.loads(BASELINE.read_text(encoding="utf-8"))["ratios"])
    for line in lines:
        click.echo(f"worse: {line}", err=True)
    return 1 if lines else 0


def _gated(console: Console) -> dict[str, Any]:
    """Only what the gate compares."""
    costs = compare([Shape(), Shape(cameras=2), Shape(cameras=16)], GATE_ROUNDS)
    with recorded(GATE_SECONDS) as (path, instants):
        runs = play_all(path, instants, real_time=False)
    console.print(daemon_table(runs))
    ratios = cost_ratios(costs) | _faults(runs)
    console.print(other_table({}, ratios))
    return {"ratios": ratios}


def _measured(console: Console, sections: tuple[str, ...]) -> dict[str, Any]:
    """The sections asked for, printed as they come, as what is written to the file."""
    report: dict[str, Any] = {}
    start: dict[str, float] = {}
    if "stages" in sections:
        usual = measure([Shape()], ROUNDS)[0]
        console.print(stage_table(usual))
        report["stages"] = {
            name: {"p50": usual.ms(name), "p90": usual.ms(name, 90)} for name in (*STAGES, "cpu", "total")
        }
    if "growth" in sections:
        grown = {axis: measure_axis(axis, ROUNDS // 2) for axis in AXES}
        report["growth"] = {
            axis: {name: figures(cost) for name, cost in costs.items()} for axis, costs in grown.items()
        }
        console.print(growth_table(report["growth"]))
    with recorded(SECONDS) as (path, instants):
        if "daemon" in sections:
            runs = play_all(path, instants)
            console.print(daemon_table(runs))
            report["daemon"] = {name: asdict(played) for name, played in runs.items()}
        if "start" in sections:
            start = report["start"] = start_times(path)
    if "peer" in sections and not PYTHON.is_file():
        console.print(f"OpenSim is left out: benchmarks/speed/opensim_env.sh makes {PYTHON.parent.parent.name}")
    elif "peer" in sections:
        peer = measure_peer(ROUNDS)
        console.print(peer_table(peer))
        report["peer"] = asdict(peer)
    if start:
        console.print(other_table(start, {}))
    return report


def _on_recordings(recordings: tuple[Path, ...], subject: Path) -> dict[str, Any]:
    with progress() as show:
        accuracy = measure_accuracy(recordings, subject, 0.1, show)
        losses = measure_losses(recordings, subject, show)
    print_accuracy(accuracy)
    print_losses(losses)
    return {"accuracy": accuracy.as_dict(), "robust": [asdict(loss) for loss in losses]}


def _faults(runs: Mapping[str, Played]) -> dict[str, float]:
    """What must not be at full speed, where nothing is skipped for want of time."""
    full = runs["full speed"]
    return {"lost": full.sent - full.answered, "gaps": full.gaps, "compilations": full.compilations}


def _machine() -> dict[str, Any]:
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()}


if __name__ == "__main__":
    run(engine)
