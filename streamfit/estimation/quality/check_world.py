"""Check the rig's world: its units by the person's height, its up axis by how people stand."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamfit.estimation.init.initial_scale import relative_size
from streamfit.estimation.init.upright import Upright, upright
from streamfit.estimation.quality.diagnostics import Evidence, Finding
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import UNITS, UPS, Rig
from streamfit.model.subject import SKELETON_STATURE

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
TILTED, TURNED = np.radians(7.0), np.radians(45.0)
"""rad from which up is not where the rig says: a floor may slope a little; beyond the second, a person may lie."""
CERTAIN, AGREE = 3.0, 2.0
"""Standard deviations by which a tilt is more than none, and by which floor and balance may differ."""
WALKED = np.radians(2.8)
"""rad: standard deviation of the floor that only feet which have gone somewhere tell; of a standing pair it is 3."""
ALONG = np.radians(20.0)
"""rad from a world axis up to which that is what was meant by up."""
BELOW = 0.2
"""m under the feet: no camera is there."""


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
        tall = f"The person would be {self.stature:.{0 if self.stature > 10.0 else 2}f} m tall"
        tall += ": the units of cameras.toml are wrong, the rig is "
        if self.unit:
            return f'{tall}in {UNITS[self.unit].plural}; say units = "{self.unit}" under [metadata].'
        if self.metres in TAKEN:
            what = f"{self.metres:.0f} times too small ({TAKEN[self.metres]}?); say units = {self.metres:.0f}"
        elif self.metres > 1.0:
            what = f"{self.metres:.2g} times too small; say units = {self.metres:.2g}, or what it is exactly,"
        else:
            what = (
                f"in units of about {100 * self.metres:.2g} cm (squares of the board?); say units = "
                f"{self.metres:.2g}, or what they are exactly in metres,"
            )
        return f"{tall}{what} under [metadata]."


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


def world_findings(points: np.ndarray, keypoints: KeypointSet, rig: Rig) -> list[Finding]:
    """What a person's keypoints (T, K, 3; world frame, m; NaN: not known) of some seconds say against the rig's `up`.

    Triangulated or fitted, in any order of time; some dozen instants are enough. People who lie, sit, bend or go up a
    ramp say nothing.
    """
    stands = upright(points, keypoints)
    if stands is None or stands.apart > AGREE:
        return []
    up = rig.to_ground.T @ [0.0, 1.0, 0.0]
    tilt = _angle(stands.direction, up)
    sd = float(np.sqrt(np.linalg.eigvalsh(stands.cov)[1]))
    if tilt < max(TILTED, CERTAIN * sd):
        return []
    if not (_turned(stands, sd, rig, up) if tilt > TURNED else sd < WALKED and _leans_too(stands, up)):
        return []
    axis, off = nearest_axis(stands.direction)
    if axis != rig.up and off < ALONG:
        what = "upside down" if tilt > np.pi - TURNED else f"turned by {np.degrees(tilt):.0f} degrees"
        under = _below(points, rig, up)
        cameras = f", and {under} of {len(rig.cameras)} cameras would be below the floor" if under else ""
        text = f'The world is {what}: up = "{rig.up}" is not where people stand upright{cameras}'
        return [Finding("poor", f'{text}; say up = "{axis}" under [metadata].')]
    text = f'The world is tilted: people stand upright {np.degrees(tilt):.0f} degrees from up = "{rig.up}"'
    level = "turn the rig by its people: streamfit rig --level SESSION.mcap -o cameras.toml"
    return [Finding("usable" if tilt < TURNED else "poor", f"{text}; unless that is a slope, {level}.")]


def evidence_findings(evidence: Evidence, keypoints: KeypointSet) -> list[Finding]:
    """The same of each rig of a calibration's trials, by the points that the views agree on."""
    out = []
    for index, rig in enumerate(evidence.rigs):
        out += world_findings(evidence.points[evidence.rig == index] @ rig.to_ground, keypoints, rig)
    return list(dict.fromkeys(out))


def nearest_axis(direction: np.ndarray) -> tuple[str, float]:
    """The signed axis of the world that a direction (3,) is nearest to, as `up` calls it, and how far off (rad)."""
    off = {name: _angle(direction, axis) for name, axis in UPS.items()}
    best = min(off, key=lambda name: off[name])
    return best, off[best]


def _leans_too(stands: Upright, up: np.ndarray) -> bool:
    """Whether who stands on a tilted floor stands upright on it: on stairs and ramps people do not."""
    tilt = stands.direction - up
    return bool((stands.balance - up) @ tilt > 0.5 * tilt @ tilt)


def _turned(stands: Upright, sd: float, rig: Rig, up: np.ndarray) -> bool:
    """Whether it is the world that is turned, and no person who lies: cameras are seldom mounted so."""
    pictures = np.mean([-cv2.Rodrigues(camera.rotation)[0][1] for camera in rig.cameras], axis=0)
    from_stands, from_up = _angle(pictures, stands.direction), _angle(pictures, up)
    if from_stands < TURNED and from_stands < from_up:
        return True
    return sd < WALKED and from_up > TURNED


def _below(points: np.ndarray, rig: Rig, up: np.ndarray) -> int:
    """How many cameras are lower than every keypoint, along `up`."""
    lowest = np.nanmin(points @ up)
    return sum(bool(camera.centre @ up < lowest - BELOW) for camera in rig.cameras)


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    """Between two directions, rad."""
    length = np.linalg.norm(one) * np.linalg.norm(other)
    return float(np.arccos(np.clip(one @ other / length, -1.0, 1.0))) if length > 0.0 else np.pi / 2
