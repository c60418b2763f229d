"""Whether the rig's world is the room: its units, by how tall the person would be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamfit.cameras import UNITS
from streamfit.fit.stature import relative_size
from streamfit.skeleton import KeypointSet, Skeleton
from streamfit.subject import SKELETON_STATURE

NOBODY = (0.5, 2.4)
"""m: statures that nobody has."""
USUAL = (1.35, 2.1)
"""m: what somebody is who is measured in other units."""
MIDDLE = 1.7
"""m: the stature by which the size of a unit without a name is guessed."""
TAKEN = {
    10.0: "centimetres taken for millimetres",
    100.0: "metres taken for centimetres",
    1000.0: "metres taken for millimetres",
}
"""What makes a rig so many times too small."""
ALIKE = 0.2
"""Distances that differ by more than this from the drawn ones, in the median and relatively, are no person's."""


class PersonSize(NamedTuple):
    """How tall the person would be if the rig were in metres, and in what it is more likely."""

    stature: float
    """m; NaN where it cannot be told."""
    unit: str
    """"m" where the rig's units are a person's; another of `UNITS`; or "" where none is known that large."""
    metres: float
    """How large the unit of the rig's numbers is, m; 1 where they are a person's."""

    @property
    def text(self) -> str | None:
        """What is wrong and what to do, in a sentence; None where nothing is."""
        if self.unit == "m" or not np.isfinite(self.stature):
            return None
        tall = f"The person would be {self.stature:.{0 if self.stature > 10.0 else 2}f} m tall: the rig is "
        if self.unit:
            return f'{tall}in {UNITS[self.unit].plural}; say units = "{self.unit}" under [metadata] of cameras.toml.'
        if self.metres in TAKEN:
            what = f"{self.metres:.0f} times too small ({TAKEN[self.metres]}?); say units = {self.metres:.0f}"
        elif self.metres > 1.0:
            what = f"{self.metres:.2g} times too small; say units = {self.metres:.2g}, or what it is exactly,"
        else:
            what = (
                f"in units of about {100 * self.metres:.2g} cm (squares of the board?); say units = "
                f"{self.metres:.2g}, or what they are exactly in metres,"
            )
        return f"{tall}{what} under [metadata] of cameras.toml."


def person_size(points: np.ndarray, keypoints: KeypointSet, skeleton: Skeleton) -> PersonSize:
    """The size of a person of whom points (T, K, 3) were triangulated, in the rig's units (NaN: not seen).

    A few dozen instants are enough. Where the points are no person's, or too few, the stature is NaN.
    """
    valid = np.isfinite(points).all(-1)
    ratio, apart = relative_size(skeleton, keypoints, np.nan_to_num(points), valid)
    tall = SKELETON_STATURE * ratio
    if not apart <= ALIKE:
        return PersonSize(np.nan, "m", 1.0)
    if NOBODY[0] <= tall <= NOBODY[1]:
        return PersonSize(tall, "m", 1.0)
    for metres in TAKEN:
        if USUAL[0] <= tall * metres <= USUAL[1]:
            return PersonSize(tall, "", metres)
    fitting = [name for name, unit in UNITS.items() if USUAL[0] <= tall * unit.metres <= USUAL[1]]
    if fitting:
        return PersonSize(tall, fitting[0], UNITS[fitting[0]].metres)
    return PersonSize(tall, "", MIDDLE / tall)
