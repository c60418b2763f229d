#!/usr/bin/env python
"""Draw which room of the package imports which, read from the source: every arrow points down."""

import ast
import random
from itertools import combinations
from pathlib import Path

import click
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from streamfit.evaluation.plots.style import BLUE, GREY, INK, RED, new_figure, styled
from streamfit.terminal import run

PACKAGE = Path(__file__).parents[1] / "streamfit"
WIDTH, HEIGHT, ROW = 1.62, 0.62, 1.5
GAP = 2.15
TRIES = 20_000


@click.command(epilog="\b\nExample:\n  docs/rooms_picture.py -o docs/rooms.png")
@click.option("-o", "output", metavar="PICTURE.png", required=True, type=click.Path(path_type=Path))
def picture(output: Path) -> None:
    """Draw the imports between the rooms of streamfit/."""
    styled(_draw)(imports(), output)


def imports() -> dict[str, set[str]]:
    """The rooms (folders of the package), and the other rooms that each one imports."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for room in rooms:
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                parts = module.split(".")
                if parts[0] == "streamfit" and len(parts) > 1 and parts[1] in rooms - {room}:
                    found[room].add(parts[1])
    return found


def layers(found: dict[str, set[str]]) -> dict[str, int]:
    """The layer of each room, from 0: one above the highest that it imports."""
    known: dict[str, int] = {}

    def layer(room: str, above: tuple[str, ...]) -> int:
        if room in above:
            raise click.ClickException(f"the rooms {' -> '.join([*above, room])} import each other")
        if room not in known:
            known[room] = max((1 + layer(other, (*above, room)) for other in found[room]), default=0)
        return known[room]

    for room in found:
        layer(room, ())
    return known


def implied(found: dict[str, set[str]], room: str, other: str) -> bool:
    """Whether a room imports another through a third as well: such arrows are left out."""

    def below(start: str) -> set[str]:
        return found[start] | {far for near in found[start] for far in below(near)}

    return any(other in below(third) for third in found[room] - {other})


def places(found: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Centres of the boxes, a row for each layer, in the best order of some thousands that were drawn by lot."""
    level, lot = layers(found), random.Random(0)
    rows = [sorted(room for room in found if level[room] == layer) for layer in range(max(level.values()) + 1)]
    arrows = [(a, b) for a, others in found.items() for b in others if not implied(found, a, b)]
    best: tuple[float, dict[str, tuple[float, float]]] | None = None
    for _ in range(TRIES):
        for row in rows:
            lot.shuffle(row)
        place = {
            room: (GAP * (index - (len(row) - 1) / 2 + lot.choice((0.0, 0.0, 0.5, -0.5))), ROW * layer)
            for layer, row in enumerate(rows)
            for index, room in enumerate(row)
        }
        if any(abs(x - u) < GAP - 0.01 for (x, y), (u, v) in combinations(place.values(), 2) if y == v):
            continue
        cost = sum(_cost(place, a, b) for a, b in arrows)
        if best is None or cost < best[0]:
            best = cost, place
    assert best is not None
    return best[1]


def _cost(place: dict[str, tuple[float, float]], start: str, end: str) -> float:
    """How far aside an arrow leads, and much more for each box that it passes through."""
    (x, y), (u, v) = place[start], place[end]
    hidden = 0
    for room, (p, q) in place.items():
        if room not in (start, end) and v < q < y:
            hidden += abs(x + (u - x) * (y - q) / (y - v) - p) < WIDTH / 2 + 0.15
    return abs(x - u) + 20.0 * hidden


def _draw(found: dict[str, set[str]], output: Path) -> None:
    place = places(found)
    right, top = max(x for x, _ in place.values()), max(y for _, y in place.values())
    left = min(x for x, _ in place.values())
    figure = new_figure(1.35 * (right - left + 2 * WIDTH) / 1.3, 0.95 * (top + 1.6))
    axes = figure.subplots()
    for room, others in found.items():
        for other in others:
            if not implied(found, room, other):
                _arrow(axes, place[room], place[other])
    for room, (x, y) in place.items():
        box = FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT, boxstyle="round,pad=0.02,rounding_size=0.12",
            facecolor="white", edgecolor=BLUE, linewidth=1.4, zorder=3,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(x, y, room, ha="center", va="center", fontsize=12, color=INK, zorder=4)
    axes.set(xlim=(left - WIDTH, right + WIDTH), ylim=(-0.6, top + 0.6), aspect="equal")
    axes.axis("off")
    axes.set_title("Each room imports only what its arrows lead to, directly or through other rooms", fontsize=11)
    figure.savefig(output, dpi=110)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    up = end[1] >= start[1]
    arrow = FancyArrowPatch(
        (start[0], start[1] - HEIGHT / 2), (end[0], end[1] + HEIGHT / 2), arrowstyle="-|>", mutation_scale=11,
        color=RED if up else GREY, 
        linewidth=1.4, shrinkA=1, shrinkB=3, zorder=2,
    )  # fmt: skip
    axes.add_patch(arrow)


if __name__ == "__main__":
    run(picture)
