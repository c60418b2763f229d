#!/usr/bin/env python
"""Draw which room of the package imports which, read from the source: every arrow points down."""

import ast
from collections import defaultdict
from pathlib import Path

import click
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from streamfit.evaluation.plots.style import BLUE, GREY, INK, RED, new_figure, styled
from streamfit.terminal import run

PACKAGE = Path(__file__).parents[1] / "streamfit"
WIDTH, HEIGHT, ROW = 1.62, 0.62, 1.5
GAP = 2.15


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


def _places(found: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Centres of the boxes: rooms of one layer side by side, near what they import."""
    rows: dict[int, list[str]] = defaultdict(list)
    for room, layer in sorted(layers(found).items()):
        rows[layer].append(room)
    x: dict[str, float] = {}
    for layer in sorted(rows):

        def wish(room: str) -> tuple[float, str]:
            below = [x[other] for other in found[room]]
            return (sum(below) / len(below) if below else 0.0), room

        for index, room in enumerate(sorted(rows[layer], key=wish)):
            x[room] = GAP * (index - (len(rows[layer]) - 1) / 2) + 0.35 * (layer % 2)
    level = layers(found)
    return {room: (x[room], ROW * level[room]) for room in found}


def _draw(found: dict[str, set[str]], output: Path) -> None:
    place = _places(found)
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
    axes.set_title("A room may import all that its arrows lead to, directly or through others", fontsize=11)
    figure.savefig(output, dpi=110)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    up = end[1] >= start[1]
    bend = 0.0 if start[1] - end[1] < 1.5 * ROW else 0.06 * (1 if end[0] >= start[0] else -1)
    arrow = FancyArrowPatch(
        (start[0], start[1] - HEIGHT / 2), (end[0], end[1] + HEIGHT / 2), arrowstyle="-|>", mutation_scale=11,
        connectionstyle=f"arc3,rad={bend}", color=RED if up else GREY, 
        linewidth=1.4, shrinkA=1, shrinkB=3, zorder=2,
    )  # fmt: skip
    axes.add_patch(arrow)


if __name__ == "__main__":
    run(picture)
