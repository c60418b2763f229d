"""Where and when a fit misses the detections: over time per camera, and per camera and keypoint."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from streamfit.evaluation.plots.style import GREY, INK, method_lines, new_figure, say, styled

_LIGHT_TO_DARK = LinearSegmentedColormap.from_list("error", ["#F4F7FA", "#9ECAE1", "#3182BD", "#54278F", "#2B0A3D"])


class OverTime(NamedTuple):
    """Of R rows of views in order of time and C cameras: quartiles of the error over the keypoints (3, R, C),
    native px, NaN where there is nothing to compare."""

    t: np.ndarray
    """(R, C) s from the start."""
    quartiles: np.ndarray


@styled
def time_figure(cameras: Sequence[str], errors: Mapping[str, OverTime]) -> Figure:
    """The median of every method for each camera, with the quartiles of the first as a band."""
    figure = new_figure(11.0, 1.0 + 1.25 * len(cameras))
    rows = figure.subplots(len(cameras), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    lines = method_lines(list(errors))
    for camera, (axes, name) in enumerate(zip(rows, cameras, strict=True)):
        some = False
        for index, (method, error) in enumerate(errors.items()):
            t, (low, middle, high) = error.t[:, camera], error.quartiles[:, :, camera]
            some |= bool(np.isfinite(middle).any())
            if index == 0:
                axes.fill_between(t, low, high, color=lines[method]["color"], alpha=0.18, linewidth=0)
            axes.plot(t, middle, label=method, **lines[method] | {"linewidth": 1.3})
        axes.set_ylabel("error, px")
        axes.set_title(name, loc="left", pad=3)
        if not some:
            say(axes, "nothing to compare")
    finite = np.concatenate([[1.0], *(e.quartiles[np.isfinite(e.quartiles)] for e in errors.values())])
    rows[0].set_ylim(0, 1.1 * np.percentile(finite, 99.5))
    rows[0].margins(x=0.01)
    rows[-1].set_xlabel("time from the start of the recording, s")
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=max(len(labels), 1))
    return figure


@styled
def table_figure(cameras: Sequence[str], keypoints: Sequence[str], medians: np.ndarray) -> Figure:
    """Median errors (C, K), native px, as a coloured table; empty where there is none."""
    figure = new_figure(min(2.2 + 0.85 * len(cameras), 14.0), 1.2 + 0.27 * len(keypoints))
    axes = figure.subplots()
    values = np.where(np.isfinite(medians), medians, np.nan).T
    known = values[np.isfinite(values)]
    top = float(np.percentile(known, 97)) if len(known) else 1.0
    image = axes.imshow(values, cmap=_LIGHT_TO_DARK, vmin=0, vmax=top, aspect="auto")
    for k, c in np.argwhere(np.isfinite(values)):
        colour = "white" if values[k, c] > 0.45 * top else INK
        axes.text(c, k, f"{values[k, c]:.1f}", ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(cameras)), cameras, rotation=0 if len(cameras) < 10 else 90)
    axes.set_yticks(range(len(keypoints)), [name.replace("_", " ") for name in keypoints])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, aspect=40, pad=0.02, extend="max")
    bar.set_label("median error, native px")
    bar.outline.set_edgecolor(GREY)
    return figure
