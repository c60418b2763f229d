"""What a calibration of cameras rests on: where corners were seen, and where the cameras are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from streamfit.evaluation.plots.style import BLUE, GREY, INK, new_figure, styled

LARGE = 1.0
"""px: errors from there on have the darkest colour."""


class Seen(NamedTuple):
    """One camera: corners `pixels` (N, 2) with errors `error` (N,), px, in pictures of `size`."""

    name: str
    size: tuple[int, int]
    pixels: np.ndarray
    error: np.ndarray


@styled
def coverage_figure(cameras: Sequence[Seen]) -> Figure:
    """The corners that were used in each camera's picture, dark where they fit badly."""
    columns = min(len(cameras), 4)
    rows = -(-len(cameras) // columns)
    figure = new_figure(3.4 * columns, 2.9 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    dots = None
    for axis, camera in zip(axes, cameras, strict=False):
        dots = axis.scatter(*camera.pixels.T, c=camera.error, s=3, cmap="viridis_r", vmin=0.0, vmax=LARGE)
        axis.set(title=camera.name, xlim=(0, camera.size[0]), ylim=(camera.size[1], 0), aspect="equal")
        axis.grid(visible=False)
    for axis in axes[len(cameras) :]:
        axis.set_axis_off()
    if dots is not None:
        figure.colorbar(dots, ax=axes, label="error of a corner, px", shrink=0.8)
    return figure


@styled
def rig_figure(names: Sequence[str], centres: np.ndarray, ahead: np.ndarray) -> Figure:
    """Cameras (C, 3) and where they look (C, 3), z up: from above and from the side, m."""
    figure = new_figure(9.0, 4.6)
    sides = (((0, 1), "from above"), ((0, 2), "from the side"))
    for axis, ((a, b), title) in zip(figure.subplots(1, 2), sides, strict=True):
        arrows = (*centres[:, [a, b]].T, *ahead[:, [a, b]].T)
        axis.quiver(*arrows, color=BLUE, angles="xy", scale_units="xy", scale=1.4, width=0.006)
        axis.plot(*centres[:, [a, b]].T, "o", color=INK, markersize=5)
        for name, place in zip(names, centres, strict=True):
            axis.annotate(name, place[[a, b]], xytext=(5, 5), textcoords="offset points")
        axis.plot(0, 0, "+", color=GREY, markersize=12, markeredgewidth=2)
        axis.set(title=title, xlabel="xyz"[a] + ", m", ylabel="xyz"[b] + ", m", aspect="equal")
        axis.margins(0.15)
    return figure
