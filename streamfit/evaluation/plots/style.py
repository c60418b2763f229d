"""The style of all pictures, and their conversion to PNG.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; a method has a line style
of its own besides.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, YELLOW, GREY, INK = "#56B4E9", "#D55E00", "#F0E442", "#8A8F98", "#22252A"

SIDES = {"right": RED, "left": BLUE, "middle": INK}
"""Of the body, in every picture."""
_KNOWN = {
    "live": (BLUE, "-"),
    "smoothed": (SKY, "--"),
    "offline": (GREEN, "-"),
    "two-stage": (PURPLE, "-."),
    "triangulation": (ORANGE, ":"),
}
_OTHERS = ((INK, "-"), (RED, "--"), (GREY, "-."))
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E5E8",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.dpi": 120,
}

styled = matplotlib.rc_context(_STYLE)  # type: ignore[arg-type]
"""Decorates what draws a figure."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that finds room for its labels by itself."""
    return Figure(figsize=(width, height), layout="constrained")


def method_lines(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and dashes of each method; methods without a place of their own take the remaining ones in turn."""
    others = iter(_OTHERS * len(names))
    styles = {name: _KNOWN[name] if name in _KNOWN else next(others) for name in names}
    return {name: {"color": colour, "linestyle": dashes} for name, (colour, dashes) in styles.items()}


def say(axes: Axes, text: str) -> None:
    """In place of a drawing, why there is none."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=GREY, fontsize=12)


@styled
def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
