"""Joint angles, left against right: over time, or over strides where the person walks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from streamfit.evaluation.plots.strides import PERCENT, cut_strides
from streamfit.evaluation.plots.style import GREY, INK, SIDES, new_figure, say, styled

SHOWN = (
    *("pelvis_tilt", "pelvis_list", "pelvis_rotation"),
    *("hip_flexion", "hip_adduction", "hip_rotation"),
    *("knee_angle", "ankle_angle", "subtalar_angle"),
    *("lumbar_extension", "lumbar_bending", "lumbar_rotation"),
    *("arm_flex", "arm_add", "arm_rot"),
    *("elbow_flex", "pro_sup"),
)
"""Three to a row; of a skeleton that has none of them, all angles are shown."""
_SIGNS = {"knee_angle": "flexion +", "ankle_angle": "dorsiflexion +"}
_COLUMNS = 3
_WIDEST = 25.0
"""deg, of a band that is shown whole: a wider one must not flatten the curve."""
_FINEST = 10.0
"""deg, range of an axis at least."""
_UNSEEN = 20.0
"""deg, posterior standard deviation from which on an angle is as good as not observed."""


class Angles(NamedTuple):
    """One movement: `degrees` and `sd` (T, D) at `t` (T,) s from the start, NaN where it is not known."""

    t: np.ndarray
    names: Sequence[str]
    degrees: np.ndarray
    sd: np.ndarray | None


@styled
def angles_over_time(angles: Angles) -> Figure:
    """Both sides of each angle, with a band of one posterior standard deviation where it is known."""
    figure, panels = _panels(angles)
    for axes, sides in panels:
        shown = [np.zeros(0)]
        for side, column in sides.items():
            value, colour = angles.degrees[:, column], SIDES[side]
            axes.plot(angles.t, value, color=colour, linewidth=1.4)
            shown.append(value)
            if angles.sd is not None:
                sd = angles.sd[:, column]
                axes.fill_between(angles.t, value - sd, value + sd, color=colour, alpha=0.18, linewidth=0)
                wide = np.minimum(sd, _WIDEST)
                shown += [value - wide, value + wide]
        _limit(axes, np.concatenate(shown), "not known")
        axes.margins(x=0.01)
    figure.supxlabel("time from the start of the recording, s", fontsize=10.5)
    return figure


@styled
def angles_over_strides(angles: Angles, strikes: Mapping[str, Sequence[float]]) -> Figure:
    """Each stride thin, their mean bold with one standard deviation between strides as a band.

    `strikes` gives the times of the strikes of each side's foot, s from the start. An angle of one side is cut at
    that side's strikes, one of the middle at those of both, each in its colour.
    """
    figure, panels = _panels(angles)
    for axes, sides in panels:
        shown = [np.zeros(0)]
        for side, column in sides.items():
            for foot in ("right", "left") if side == "middle" else (side,):
                strides = cut_strides(angles.t, angles.degrees[:, column], strikes.get(foot, ()))
                _draw_strides(axes, strides, SIDES[foot])
                shown.append(strides.ravel())
        _limit(axes, np.concatenate(shown), "no whole stride")
        axes.set(xlim=(0, 100), xticks=range(0, 101, 25))
    figure.supxlabel("stride from foot strike to the next strike of that foot, %", fontsize=10.5)
    return figure


def _draw_strides(axes: Axes, strides: np.ndarray, colour: str) -> None:
    if len(strides) == 0:
        return
    axes.plot(PERCENT, strides.T, color=colour, linewidth=0.6, alpha=0.45)
    mean, sd = strides.mean(axis=0), strides.std(axis=0)
    axes.plot(PERCENT, mean, color=colour, linewidth=2.2)
    axes.fill_between(PERCENT, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)


def _limit(axes: Axes, shown: np.ndarray, if_nothing: str) -> None:
    """An axis that holds what must be seen (deg), and is no finer than its meaning."""
    known = shown[np.isfinite(shown)]
    if len(known) == 0:
        say(axes, if_nothing)
        return
    low, high = known.min(), known.max()
    margin = max(0.05 * (high - low), _FINEST / 2 - (high - low) / 2)
    axes.set_ylim(low - margin, high + margin)


def _panels(angles: Angles) -> tuple[Figure, list[tuple[Axes, dict[str, int]]]]:
    """The figure, and for each angle its axes and the column of each side."""
    chosen = list(_sides(angles.names))
    rows = -(-(len(chosen) + 1) // _COLUMNS)  # one place more, for the legend
    figure = new_figure(11.0, 0.4 + 1.95 * rows)
    places = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    panels = []
    for axes, (name, sides) in zip(places, chosen, strict=False):
        sign = f" ({_SIGNS[name]})" if name in _SIGNS else ""
        axes.set_title(name.replace("_", " ") + sign, pad=4)
        axes.set_ylabel("deg")
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        _warn(axes, angles, list(sides.values()))
        panels.append((axes, sides))
    for axes in places[len(chosen) :]:
        axes.axis("off")
    handles = [Line2D([], [], color=SIDES[side], linewidth=2.2, label=side) for side in ("right", "left")]
    places[len(chosen)].legend(handles=handles, loc="center", fontsize=12)
    return figure, panels


def _warn(axes: Axes, angles: Angles, columns: list[int]) -> None:
    """Say so where the fit itself hardly knows the angle."""
    sd = np.zeros(0) if angles.sd is None else angles.sd[:, columns]
    known = sd[np.isfinite(sd)]
    if len(known) and np.median(known) > _UNSEEN:
        text = f"hardly observed: posterior sd {np.median(known):.0f} deg"
        axes.text(0.5, 0.96, text, transform=axes.transAxes, ha="center", va="top", fontsize=9, color=INK, zorder=5)


def _sides(names: Sequence[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Each angle by its name without a side, with the columns of its sides."""
    grouped: dict[str, dict[str, int]] = {}
    for column, name in enumerate(names):
        side = {"_r": "right", "_l": "left"}.get(name[-2:], "middle")
        base = name if side == "middle" else name[:-2]
        grouped.setdefault(base, {})[side] = column
    shown = [name for name in SHOWN if name in grouped] or list(grouped)
    return ((name, grouped[name]) for name in shown)
