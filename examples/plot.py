#!/usr/bin/env python
"""Draws a joint of both sides as it moves."""

from collections import deque
from pathlib import Path

import click
import matplotlib

from streamfit.client import Subscriber
from streamfit.client.subscriber import PUBLISH

SECONDS = 5.0
EVERY = 0.1  # s between two drawings


@click.command(epilog="\b\nExamples:\n  examples/plot.py --joint hip_flexion\n  examples/plot.py --save knee.png")
@click.option("--publish", default=PUBLISH, show_default=True)
@click.option("--joint", default="knee_angle", show_default=True)
@click.option("--sides", default="rl", show_default=True, help="r, l or both.")
@click.option("--seconds", default=SECONDS, show_default=True, help="That are shown.")
@click.option("--save", type=click.Path(path_type=Path), help="Draw the first --seconds into a picture, and end.")
def plot(publish: str, joint: str, sides: str, seconds: float, save: Path | None) -> None:
    """Show the last seconds in a window, or save the first ones as a picture."""
    if save is not None:
        matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rows: deque[tuple[float, ...]] = deque()
    figure, axes = plt.subplots()
    looks = {"r": ("right", "C3"), "l": ("left", "C0")}
    lines = [axes.plot([], [], color=looks[side][1], label=looks[side][0])[0] for side in sides]
    axes.set(xlabel="s", ylabel="deg", title=joint)
    axes.legend()
    drawn = 0.0
    for message in Subscriber("kinematics", address=publish):
        t = message["t"]
        if missing := {f"{joint}_{side}" for side in sides} - set(message.coordinates):
            known = ", ".join(message.coordinates)
            raise click.ClickException(f"there is no {', '.join(sorted(missing))}; there are {known}")
        rows.append((t, *(message.angle(f"{joint}_{side}") for side in sides)))
        while rows[-1][0] - rows[0][0] > seconds:
            rows.popleft()
        full = rows[-1][0] - rows[0][0] > 0.98 * seconds
        if t - drawn < EVERY and not (save and full):
            continue
        drawn = t
        times, *angles = zip(*rows, strict=True)
        for line, values in zip(lines, angles, strict=True):
            line.set_data(times, values)
        axes.relim()
        axes.autoscale_view()
        if save is None:
            plt.pause(0.001)
        elif full:
            figure.savefig(save)
            print(save)
            return


if __name__ == "__main__":
    plot()
