#!/usr/bin/env python
"""Does to a running room what happens to real ones, and says what was lost and how soon all was well again."""

import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from streamfit.jax_runtime import single_threaded

single_threaded()

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.chaos.faults import ALL, SHORT, Outcome  # noqa: E402
from benchmarks.chaos.room_processes import room  # noqa: E402 - JAX only now
from benchmarks.lib.stream import Shape, simulate  # noqa: E402
from streamfit.model import Skeleton  # noqa: E402
from streamfit.terminal import progress, run  # noqa: E402

SECONDS = 5.0
"""Of the walk that the detectors send there and back."""


@click.command(
    epilog="""\b
Examples:
  benchmarks/chaos/room.py                            some two minutes
  benchmarks/chaos/room.py --cameras 4 --rate 30      for a slow machine
  benchmarks/chaos/room.py --short                    half a minute
"""
)
@click.option("--cameras", type=click.IntRange(min=4, max=16), default=8, show_default=True)
@click.option("--rate", type=click.FloatRange(min=10.0), default=60.0, show_default=True, help="Hz.")
@click.option("--short", is_flag=True, help="Only the main faults.")
@click.option("--times", type=click.IntRange(min=1), default=1, show_default=True, help="How often each is done.")
def chaos(cameras: int, rate: float, short: bool, times: int) -> int:
    """Run a daemon, a detector process per camera and consumers, and kill, stop, delay and confuse them.

    Exits with 1 where a figure is missed: a camera's views are used again within 0.5 s of its first message, the
    person is tracked within 1 s of a restart, nobody loses anything to another, and the status tells of each fault.
    """
    faults = (SHORT if short else ALL) * times
    outcomes = []
    with progress() as show, tempfile.TemporaryDirectory(prefix="streamfit-chaos-") as name:
        folder = Path(name)
        show("simulating a walk", 0.0)
        shape = Shape(cameras=cameras, rate=rate)
        simulate(Skeleton.load(), shape, round(SECONDS * rate)).write(folder / "walk.mcap")
        show("starting all processes", 0.0)
        began = time.monotonic()
        with room(folder / "walk.mcap", folder, rate) as running:
            everybody = time.monotonic() - began
            for i, fault in enumerate(faults):
                show(getattr(fault, "__name__", "fault").replace("_", " "), i / len(faults))
                outcomes.append(fault(running))
    Console(width=180).print(table(outcomes, f"{cameras} cameras at {rate:g} Hz, at work after {everybody:.0f} s"))
    return 1 if any(outcome.missed for outcome in outcomes) else 0


def table(outcomes: list[Outcome], title: str) -> Table:
    """A row for each fault."""
    made = Table(title=title, title_justify="left")
    for heading in ("what was done", "gaps", "instants lost", "well again after, s", "seen", "MISSED"):
        made.add_column(heading, justify="right" if heading in ("gaps", "instants lost") else "left")
    for o in outcomes:
        within = "" if o.within is None else f" (<= {o.within:g})"
        again = "-" if o.recovered is None else f"{o.recovered:.2f}"
        made.add_row(o.done, str(o.gaps), str(o.lost), again + within, "; ".join(o.notes), "; ".join(o.missed))
    return made


if __name__ == "__main__":
    run(chaos)
