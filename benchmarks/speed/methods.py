#!/usr/bin/env python
"""The second-order fit against the seed's gradient descent: loss against time, on the same trials in one run."""

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

import click
import jax
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from streamfit.errors import InputError
from streamfit.estimation.baselines.seed.fit import FirstOrderSettings, fit_first_order
from streamfit.estimation.baselines.seed.loss import loss_of
from streamfit.estimation.batch.calibrate import fit_bilevel
from streamfit.estimation.batch.result import Fit
from streamfit.estimation.batch.trial import Trial
from streamfit.model import Skeleton
from streamfit.recording.playback import open_recording
from streamfit.recording.trials import load_trial
from streamfit.terminal import run

MANY, APART = 50, 1.05
"""The loss of so many stages is looked at, then only when this many times the time of the one before has passed."""
TARGETS = (2.0, 1.5, 1.2, 1.1, 1.05, 1.02, 1.01)
"""The times to these multiples of the second-order fit's best loss are compared."""
TAIL = 0.25
"""The points later than this share of the time are what is extrapolated."""
FEWEST = 5

Points = list[tuple[float, float]]
"""Seconds of work, compilation included, and the loss there."""


@dataclass(frozen=True)
class Reached:
    """When each method came to a loss (s); None where it never does."""

    loss: float
    second_order: float
    first_order: float | None
    ratio: float | None
    how: str


@click.command(
    epilog="\b\nExample:\n  benchmarks/speed/methods.py squats.mcap walk.mcap --minutes 5 --json methods.json"
)
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--minutes", default=10.0, show_default=True, help="Work that each method may do.")
@click.option("--trajectory", type=click.Choice(["mlp", "spline"]), default="mlp", show_default=True)
@click.option("--hidden", default=",".join(map(str, FirstOrderSettings().hidden)), show_default=True)
@click.option("--steps", default=FirstOrderSettings().steps, show_default=True, help="Of the whole schedule.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
@click.option("--png", type=click.Path(path_type=Path), help="Draw loss against time there.")
def methods(
    recordings: tuple[Path, ...],
    minutes: float,
    trajectory: str,
    hidden: str,
    steps: int,
    output: Path | None,
    png: Path | None,
) -> None:
    """Loss against time of both ways of calibrating, and the ratio of their times to common losses.

    The loss is that of the first-order fit without its penalty on offsets (`baselines.seed.loss`), so the comparison
    is in its favour: the second-order fit minimises another. Looking at the loss does not count as time.
    """
    skeleton = Skeleton.load()
    opened = [open_recording(path, skeleton) for path in recordings]
    keypoints = opened[0].keypoints
    if any(other.keypoints.names != keypoints.names for other in opened[1:]):
        raise InputError(f"{recordings[0]}: the other recordings have another keypoint set; compare each on its own")
    trials = [load_trial(recording, skeleton) for recording in opened]
    sizes = tuple(int(size) for size in hidden.split(","))
    settings = FirstOrderSettings(hidden=sizes, steps=steps, trajectory="mlp" if trajectory == "mlp" else "spline")
    second = curve(fit_bilevel(trials, skeleton, keypoints), trials, 60.0 * minutes)
    first = curve(fit_first_order(trials, skeleton, keypoints, settings), trials, 60.0 * minutes)
    ours_ended, ended = (points[-1][0] < 60.0 * minutes for points in (second, first))
    best = min(loss for _, loss in second)
    reached = [compare(second, first, factor * best, ended) for factor in TARGETS]
    state = {True: "ended", False: "cut off"}
    _print(f"second-order fit, {state[ours_ended]}", second)
    _print(f"AdamW, {trajectory}, {state[ended]}", first)
    _print_reached(reached)
    if output is not None:
        figures = {
            "trials": [trial.name for trial in trials],
            "machine": f"{platform.processor() or platform.machine()}, {jax.devices()[0].device_kind}",
            "settings": asdict(settings),
            "second_order": second,
            "first_order": first,
            "reached": [asdict(one) for one in reached],
        }
        output.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if png is not None:
        draw(second, first, trajectory).savefig(png, dpi=150)


def curve(fit: Fit, trials: list[Trial], limit_s: float) -> Points:
    """Run a fit for that long at most; the clock starts with compilation and stops while the loss is computed."""
    points: Points = []
    spent, latest = 0.0, None
    began = monotonic()
    for stage in fit:
        spent += monotonic() - began
        if stage.result is not None:
            latest = (spent, stage.result)
            if len(points) < MANY or spent >= APART * points[-1][0]:
                points.append((spent, loss_of(trials, stage.result().movements)))
        if spent >= limit_s:
            break
        began = monotonic()
    if latest is not None and points[-1][0] < latest[0]:
        points.append((latest[0], loss_of(trials, latest[1]().movements)))
    if not points:
        raise InputError(f"a method had no result after {limit_s:.0f} s; give it more --minutes")
    return points


def compare(second: Points, first: Points, target: float, ended: bool) -> Reached:
    """Both methods' times to a loss that the second-order fit reaches; `ended`: the first-order fit's steps are done.

    Where that has not got there yet, the time is extrapolated by a power law through the tail of its curve, a
    straight line in log loss over log time. As no loss falls to 0 that way, it flatters.
    """
    ours, theirs = time_to(second, target), time_to(first, target)
    assert ours is not None, "the targets are losses that it reached"
    how = "measured"
    if theirs is None and ended:
        how = f"ended at {first[-1][1]:.3g}"
    elif theirs is None:
        theirs, how = extrapolated(first, target)
    return Reached(target, ours, theirs, None if theirs is None else theirs / ours, how)


def time_to(points: Points, target: float) -> float | None:
    """Seconds to the first point at or below a loss."""
    return next((seconds for seconds, loss in points if loss <= target), None)


def extrapolated(points: Points, target: float) -> tuple[float | None, str]:
    """Seconds at which the power law through the tail reaches a loss, and a word on it."""
    tail = [point for point in points if point[0] >= TAIL * points[-1][0]]
    if len(tail) < FEWEST:
        return None, "too few points to extrapolate"
    seconds, loss = np.log(np.array(tail)).T
    slope, level = np.polyfit(seconds, loss, 1)
    if slope >= 0.0:
        return None, "no longer falls"
    exponent = (np.log(target) - level) / slope
    if exponent > np.log(1e9):
        return None, "extrapolated: more than 30 years"
    return max(float(np.exp(exponent)), points[-1][0]), f"EXTRAPOLATED, loss ~ t^{slope:.2g} over {len(tail)} points"


def draw(second: Points, first: Points, trajectory: str) -> Figure:
    """Loss against time, both logarithmic."""
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.loglog(*zip(*second, strict=True), "o-", label="second-order fit")
    axes.loglog(*zip(*first, strict=True), ".-", label=f"AdamW, {trajectory}")
    axes.set_xlabel("time with compilation, s")
    axes.set_ylabel("reprojection loss, px² at 2048 wide")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    return figure


def _print(title: str, points: Points) -> None:
    table = Table("s", "loss", title=title)
    for index in np.unique(np.geomspace(1, len(points), 12).astype(int)) - 1:
        table.add_row(f"{points[index][0]:.1f}", f"{points[index][1]:.4g}")
    Console(width=120).print(table)


def _print_reached(reached: list[Reached]) -> None:
    table = Table(title="time to a loss")
    for heading in ("loss", "second-order s", "first-order s", "ratio", "first-order time"):
        table.add_column(heading, justify="right")
    for one in reached:
        theirs = "-" if one.first_order is None else f"{one.first_order:.1f}"
        ratio = "-" if one.ratio is None else f"{one.ratio:.3g}"
        table.add_row(f"{one.loss:.4g}", f"{one.second_order:.1f}", theirs, ratio, one.how)
    Console(width=120).print(table)


if __name__ == "__main__":
    run(methods)
