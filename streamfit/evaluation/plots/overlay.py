"""What was detected and what was fitted, drawn over the cameras' images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from streamfit.evaluation.plots.style import GREY, INK, SIDES, SKY, YELLOW, new_figure, styled

_MARGIN = 0.18
"""Of the person's height in the image, left free around them."""
_SMALLEST = 120.0
"""px, of the part of an image that is shown."""
_ERROR = "#E0007A"
_BLANK = "#EEF0F2"


class View(NamedTuple):
    """One camera at one instant; all places in pixels, NaN where there is none.

    `detected` (K, 2), `fitted` (K, 2); `bones` (S, P, 2) as lines of P points, which a lens bends, and
    the side of each; `image` (h, w, 3) RGB, of any size, `size` (width, height) that of the calibration.
    """

    title: str
    size: tuple[int, int]
    image: np.ndarray | None
    detected: np.ndarray
    confident: np.ndarray
    fitted: np.ndarray
    bones: np.ndarray
    sides: Sequence[str]


@styled
def overlay_figure(views: Sequence[View], title: str) -> Figure:
    """One panel per camera, cut to where the person is; the ticks are pixels of the whole image."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(views), 3)
    rows = -(-len(views) // columns)
    side = 7.0 if columns == 1 else 12.3 / columns
    figure = new_figure(max(side * columns, 9.0), (side + 0.3) * rows + 0.8)
    figure.suptitle(title, fontsize=12.5, fontweight="bold")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, view in zip(places, views, strict=False):
        _draw(axes, view)
    for axes in places[len(views) :]:
        axes.axis("off")
    figure.legend(handles=_handles(), loc="outside lower center", ncols=6, handlelength=1.6, columnspacing=1.4)
    return figure


def _draw(axes: Axes, view: View) -> None:
    width, height = view.size
    axes.set_title(view.title)
    axes.grid(visible=False)
    axes.add_patch(Rectangle((-0.5, -0.5), width, height, facecolor=_BLANK, edgecolor=GREY, zorder=0))
    if view.image is not None:
        axes.imshow(view.image, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="bilinear", zorder=0.5)
    axes.add_collection(LineCollection(list(view.bones), colors="white", linewidths=3.4, alpha=0.8, capstyle="round"))
    colours = [SIDES[side] for side in view.sides]
    axes.add_collection(LineCollection(list(view.bones), colors=colours, linewidths=1.7, capstyle="round"))
    for one, other in zip(view.detected, view.fitted, strict=True):
        axes.plot([one[0], other[0]], [one[1], other[1]], color=_ERROR, linewidth=1.6, zorder=3)
    sure, unsure = view.detected[view.confident], view.detected[~view.confident]
    axes.plot(*view.fitted.T, "D", color=SKY, markeredgecolor=INK, markeredgewidth=0.7, markersize=4.2, zorder=4)
    axes.plot(*sure.T, "o", color=YELLOW, markeredgecolor=INK, markeredgewidth=0.9, markersize=5.2, zorder=5)
    axes.plot(*unsure.T, "o", color="none", markeredgecolor=INK, markeredgewidth=0.9, markersize=5.2, zorder=5)
    left, right, top, bottom = _part(view)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.set(xlabel="px", ylabel="px")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(GREY)


def _part(view: View) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of the square part of the image that is shown: where the person is."""
    width, height = view.size
    points = np.concatenate([view.detected, view.fitted])
    inside = np.isfinite(points).all(1) & (points >= 0).all(1) & (points <= (width, height)).all(1)
    if not inside.any():
        return -0.5, width - 0.5, -0.5, height - 0.5
    low, high = points[inside].min(0), points[inside].max(0)
    half = max((high - low).max() * (0.5 + _MARGIN), _SMALLEST / 2)
    x, y = (low + high) / 2
    return x - half, x + half, y - half, y + half


def _handles() -> list[Line2D]:
    dot = {"linestyle": "", "marker": "o", "markeredgecolor": INK, "markersize": 6}
    return [
        Line2D([], [], color=YELLOW, label="detected", **dot),  # type: ignore[arg-type]
        Line2D([], [], color="none", label="detected, confidence < 0.5", **dot),  # type: ignore[arg-type]
        Line2D([], [], color=SKY, label="fitted", **dot | {"marker": "D", "markersize": 5}),  # type: ignore[arg-type]
        Line2D([], [], color=_ERROR, label="error", linewidth=2),
        Line2D([], [], color=SIDES["right"], label="right", linewidth=2),
        Line2D([], [], color=SIDES["left"], label="left", linewidth=2),
    ]
