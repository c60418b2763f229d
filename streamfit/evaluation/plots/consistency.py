"""How much of what the cameras saw a fit explains: geometric consistency over its limit, and per camera."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from streamfit.evaluation.plots.style import GREY, method_lines, new_figure, say, styled


@styled
def consistency_figure(
    limits: np.ndarray,
    shares: Mapping[str, np.ndarray],
    cameras: Sequence[str],
    medians: Mapping[str, np.ndarray],
    marks: Sequence[int],
) -> Figure:
    """Per method: the share (X,) of detections within each limit (X,; px at 2048 wide), and the median error (C,) of
    each camera, native px. `marks` are the limits that tables name."""
    figure = new_figure(11.0, max(4.3, 0.34 * len(cameras) + 1.6))
    over, by_camera = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    lines = method_lines(list(shares))
    for mark in marks:
        over.axvline(mark, color=GREY, linewidth=0.9, linestyle=(0, (2, 3)))
        over.text(mark, 101.5, f"GC$_{{{mark}}}$", ha="center", fontsize=9.5, color=GREY)
    for name, share in shares.items():
        over.plot(limits, 100 * share, label=name, **lines[name])
    over.set(xlim=(0, limits[-1]), ylim=(0, 100), xlabel="x, px of an image 2048 wide", ylabel="detections within x, %")
    if any(np.isfinite(share).any() for share in shares.values()):
        over.legend(loc="lower right")
    else:
        say(over, "no confident detection")

    rows = np.arange(len(cameras))
    spread = 0.5 / max(len(medians), 1)
    for index, (name, median) in enumerate(medians.items()):
        height = rows + spread * (index - (len(medians) - 1) / 2)
        finite = np.where(np.isfinite(median), median, np.nan)
        by_camera.plot(finite, height, "o", color=lines[name]["color"], markersize=6.5, label=name)
    by_camera.set(xlabel="median error, native px", yticks=rows, ylim=(len(cameras) - 0.5, -0.5))
    by_camera.set_yticklabels(cameras)
    by_camera.set_xlim(left=0)
    by_camera.grid(axis="y", visible=False)
    for between in rows[1:] - 0.5:
        by_camera.axhline(between, color="#E3E5E8", linewidth=0.8)
    if not any(np.isfinite(median).any() for median in medians.values()):
        say(by_camera, "no error to show")
    return figure
