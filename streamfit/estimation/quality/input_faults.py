"""What may be wrong with views as they are sent, as what would undo it: each can be tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from streamfit.model.camera import Rig

USUAL_SIZES = (1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2.0, 3.0, 4.0)
SIZES = np.concatenate([USUAL_SIZES, np.delete(np.geomspace(0.2, 5.0, 33), 16)])
"""Times the calibration's size that a detector's picture is tried with; a tenth apart at most, and not 1."""
FINER = np.geomspace(0.94, 1.06, 13)
"""Times the best of them, to see which it is."""
SQUARES = np.array([1.0, 100.0, 192.0, 224.0, 256.0, 320.0, 416.0, 512.0, 640.0, 1000.0, 1024.0])
"""px: sides of squares that pictures are squeezed into, or shares of the picture in other units."""

Pixels = Callable[[np.ndarray, float, float], np.ndarray]
"""Pixels (..., 2) as they would be right, of those sent, and the calibration's width and height."""

SIDES = "sides"
"""The key of left and right that are exchanged."""


@dataclass(frozen=True, eq=False)
class Fault:
    """One that may be: `undone` gives the views (N, C, K, 3) as they would be without it."""

    key: str
    """Faults of one kind have one key."""
    what: str
    check: str
    undone: Callable[[np.ndarray], np.ndarray]
    cameras: tuple[int, ...]
    """Those that it is in; all of them where it is in all."""
    size: float | None = None
    """Times the calibration's, of the pictures."""

    def camera(self, rig: Rig) -> str | None:
        """The name of the one that it is in, where it is one."""
        return rig.names[self.cameras[0]] if len(self.cameras) == 1 < len(rig.names) else None


def _turned_right(xy: np.ndarray, width: float, height: float) -> np.ndarray:
    """Of a picture that was turned clockwise."""
    return np.stack([xy[..., 1], height - 1.0 - xy[..., 0]], -1)


def _turned_left(xy: np.ndarray, width: float, height: float) -> np.ndarray:
    return np.stack([width - 1.0 - xy[..., 1], xy[..., 0]], -1)


def _upside_down(xy: np.ndarray, width: float, height: float) -> np.ndarray:
    return np.array([width - 1.0, height - 1.0]) - xy


def _mirrored(xy: np.ndarray, width: float, height: float) -> np.ndarray:
    return np.stack([width - 1.0 - xy[..., 0], xy[..., 1]], -1)


def _resized(factor: float) -> Pixels:
    return lambda xy, width, height: (xy + 0.5) / factor - 0.5


def _squeezed(side: float) -> Pixels:
    return lambda xy, width, height: xy * np.array([width, height]) / side


TURNS: tuple[tuple[str, str, Pixels], ...] = (
    ("turned", "turned by 90 degrees (clockwise)", _turned_right),
    ("turned", "turned by 90 degrees (anticlockwise)", _turned_left),
    ("turned", "upside down", _upside_down),
    ("mirrored", "mirrored", _mirrored),
)


def picture_faults(
    rig: Rig, cameras: Sequence[int], mirror: np.ndarray, sizes: Sequence[float] = tuple(SIZES)
) -> Iterator[Fault]:
    """Pictures of `cameras` that are not those of the calibration; `mirror` (K,) is each keypoint's twin."""
    who = _whose(rig, cameras)
    for key, how, pixels in TURNS:
        what = f"the detector's pictures{who} are {how} against those of the calibration"
        check = "turn them back before detection, or calibrate the cameras with such pictures"
        yield Fault(key, what, check, _applied(rig, cameras, pixels), tuple(cameras))
        if key == "mirrored":
            sided = f"{what}, and left and right with them"
            yield Fault(key, sided, check, _applied(rig, cameras, pixels, mirror), tuple(cameras))
    for side in SQUARES:
        yield _square(rig, cameras, float(side), who)
    for factor in sizes:
        yield resized(rig, cameras, float(factor))


def resized(rig: Rig, cameras: Sequence[int], factor: float) -> Fault:
    """Pictures `factor` times as large as those of the calibration."""
    width, height = rig.cameras[cameras[0]].size
    other = f"{factor * width:.0f} x {factor * height:.0f}"
    what = (
        f"the coordinates{_whose(rig, cameras)} are those of pictures {factor:.2g} times the calibration's size "
        f"({other}, not {width} x {height})"
    )
    check = "send pixels of the pictures that cameras.toml was made with, or calibrate at this resolution"
    return Fault("resolution", what, check, _applied(rig, cameras, _resized(factor)), tuple(cameras), factor)


def _square(rig: Rig, cameras: Sequence[int], side: float, who: str) -> Fault:
    if side == 1.0:
        what, key = f"the coordinates{who} are shares of the picture (0 to 1), not pixels", "shares"
        check = "multiply x by the picture's width and y by its height"
    else:
        what, key = f"the coordinates{who} are those of pictures squeezed into {side:.0f} x {side:.0f}", "resolution"
        check = "send pixels of the pictures that cameras.toml was made with"
    return Fault(key, what, check, _applied(rig, cameras, _squeezed(side)), tuple(cameras))


def side_faults(rig: Rig, cameras: Sequence[int], mirror: np.ndarray) -> Iterator[Fault]:
    """Left and right exchanged in those cameras."""

    def undone(seen: np.ndarray) -> np.ndarray:
        out = seen.copy()
        out[:, list(cameras)] = seen[:, list(cameras)][:, :, mirror]
        return out

    if (mirror != np.arange(len(mirror))).any():
        what = f"left and right are exchanged{_whose(rig, cameras)}"
        check = "check the order of the keypoint set, and whether the pictures are mirrored"
        yield Fault(SIDES, what, check, undone, tuple(cameras))


def name_faults(rig: Rig) -> Iterator[Fault]:
    """Cameras under each other's names: two of them, or all in another order."""
    count = len(rig.names)
    for pair in combinations(range(count), 2):
        order = list(range(count))
        order[pair[0]], order[pair[1]] = pair[1], pair[0]
        a, b = (rig.names[i] for i in pair)
        yield _renamed(order, f"{a} and {b} send under each other's names", pair)
    if count > 2:
        everyone = tuple(range(count))
        others = {tuple(np.roll(everyone, by).tolist()) for by in range(1, count)} | {tuple(reversed(everyone))}
        by_letter = np.argsort([str(i + 1) for i in everyone])  # 1, 10, 2, ..
        others |= {tuple(by_letter.tolist()), tuple(np.argsort(by_letter).tolist())}
        for turned in sorted(others):
            if sum(i != j for i, j in zip(turned, everyone, strict=True)) > 2:
                yield _renamed(list(turned), f"the cameras send under each other's names: {_order(rig, turned)}", ())


def _order(rig: Rig, order: Sequence[int]) -> str:
    moved = [f"{rig.names[i]} sends as {rig.names[j]}" for i, j in enumerate(order) if i != j]
    return ", ".join(moved[:3]) + (", .." if len(moved) > 3 else "")


def _renamed(order: Sequence[int], what: str, cameras: tuple[int, ...]) -> Fault:
    check = "check which detector sends under which name (or which folder is which camera's)"
    return Fault("names", what, check, lambda seen: seen[:, list(order)], cameras or tuple(range(len(order))))


def _applied(rig: Rig, cameras: Sequence[int], pixels: Pixels, twin: np.ndarray | None = None) -> Callable:
    def undone(seen: np.ndarray) -> np.ndarray:
        out = seen.copy()
        for c in cameras:
            width, height = rig.cameras[c].size
            mine = seen[:, c] if twin is None else seen[:, c][:, twin]
            out[:, c, :, 2] = mine[..., 2]
            out[:, c, :, :2] = pixels(mine[..., :2], width, height)
        return out

    return undone


def _whose(rig: Rig, cameras: Sequence[int]) -> str:
    """Which cameras; nothing where it is all of them, or one, which is named before."""
    if len(cameras) in (1, len(rig.names)):
        return ""
    names = [rig.names[c] for c in cameras]
    return f" of {' and '.join(names)}"
