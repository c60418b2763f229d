"""The fitted skeleton in space, beside the cameras: elevations from two sides, and a plan."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from streamfit.evaluation.plots.style import INK, SIDES, SKY, new_figure, styled

_EDGES = np.array([(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1)])
_LABEL = 11.0  # points from a camera to its name
_UP = np.array([0.0, 0.0, 1.0])


class Room(NamedTuple):
    """Places in m, z up.

    `bones` (N, S, 2, 3): of N instants in order of time, `sides` (S,) of each bone; `chosen`: the instant whose
    `keypoints` (K, 3) are shown; `pyramids` (C, 5, 3): each camera's centre, then the corners of its image;
    `forward` (3,): where the person faces then, level.
    """

    bones: np.ndarray
    sides: Sequence[str]
    chosen: int
    keypoints: np.ndarray
    cameras: Sequence[str]
    pyramids: np.ndarray
    forward: np.ndarray


@styled
def room_figure(room: Room) -> Figure:
    """Above the room with the cameras, below the skeleton alone, each drawn to scale without perspective."""
    forward = room.forward / np.linalg.norm(room.forward)
    left = np.cross(_UP, forward)
    half = (forward - left) / np.linalg.norm(forward - left)  # to the front right
    from_right, from_front = (forward, _UP), (left, _UP)  # what is to the right and what is up in the panel
    figure = new_figure(12.0, 11.0)
    places = figure.subplot_mosaic(
        [["right", "right", "above"], ["front", "front", "above"], ["one", "two", "three"]],
        height_ratios=(1.0, 1.0, 2.0),
    )
    for name, title, axes in (
        ("right", "room from the person's right", from_right),
        ("front", "room from the front", from_front),
        ("above", "room from above, the person facing up", (-left, forward)),
    ):
        _draw_room(places[name], room, np.stack(axes, axis=1), named=name == "above")
        places[name].set_title(title)
    for name, title, axes in (
        ("one", "skeleton from the right", from_right),
        ("two", "skeleton from the front", from_front),
        ("three", "skeleton from the front right", (np.cross(_UP, half), _UP)),
    ):
        _draw_skeleton(places[name], room, np.stack(axes, axis=1))
        places[name].set_title(title)
    for name, panel in places.items():
        panel.set_aspect("equal", adjustable="datalim")
        panel.set(xlabel="m", ylabel="m" if name == "above" else "height, m")
    return figure


def _draw_room(axes: Axes, room: Room, onto: np.ndarray, named: bool) -> None:
    """The cameras, and every instant's skeleton, the later the darker; `onto` (3, 2) the panel's axes."""
    shades = np.linspace(0.2, 1.0, len(room.bones))
    for bones, shade in zip(room.bones @ onto, shades, strict=True):
        _lines(axes, bones, room.sides, 1.2, float(shade))
    pyramids = room.pyramids @ onto
    middle = pyramids[:, 0].mean(axis=0)
    for name, pyramid in zip(room.cameras, pyramids, strict=True):
        axes.add_collection(LineCollection(list(pyramid[_EDGES]), colors=INK, linewidths=0.9))
        if named:
            outward = pyramid[0] - middle
            offset = _LABEL * outward / max(float(np.linalg.norm(outward)), 1e-9)
            axes.annotate(
                name,
                pyramid[0],
                tuple(offset * (1.6, 1.0)),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=8.5,
            )
    axes.margins(0.15)
    axes.autoscale_view()


def _draw_skeleton(axes: Axes, room: Room, onto: np.ndarray) -> None:
    _lines(axes, room.bones[room.chosen] @ onto, room.sides, 2.6, 1.0)
    axes.plot(*(room.keypoints @ onto).T, "o", color=SKY, markeredgecolor=INK, markeredgewidth=0.7, markersize=5)
    axes.margins(0.08)
    axes.autoscale_view()


def _lines(axes: Axes, bones: np.ndarray, sides: Sequence[str], width: float, alpha: float) -> None:
    colours = [SIDES[side] for side in sides]
    axes.add_collection(LineCollection(list(bones), colors=colours, linewidths=width, alpha=alpha, capstyle="round"))
