"""Pictures of several cameras in the order of time, those that were taken together as one instant."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass

TOGETHER = 1.0e-3
"""s between views of one instant (public contract, section 2)."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Picture:
    """One picture: whose, when (s), and its number in its camera's folder."""

    camera: str
    t: float
    number: float


@dataclass(frozen=True)
class Instant:
    """Pictures that were taken together, one of a camera at most; `t` of the first, s."""

    t: float
    pictures: tuple[Picture, ...]


def instants(pictures: Iterable[Picture]) -> list[Instant]:
    """All pictures as instants, in the order of time."""
    out: list[Instant] = []
    together: list[Picture] = []
    for picture in sorted(pictures, key=lambda one: (one.t, one.camera)):
        late = together and picture.t - together[0].t > TOGETHER + ROUNDING
        if late or any(picture.camera == other.camera for other in together):
            out.append(Instant(together[0].t, tuple(together)))
            together = []
        together.append(picture)
    return [*out, Instant(together[0].t, tuple(together))] if together else out


class Nearest:
    """For a time, each camera's picture nearest to it."""

    def __init__(self, pictures: Iterable[Picture]) -> None:
        self._of: dict[str, list[Picture]] = {}
        for picture in sorted(pictures, key=lambda one: one.t):
            self._of.setdefault(picture.camera, []).append(picture)

    def at(self, t: float) -> dict[str, Picture]:
        """Those of all cameras that took one less than their usual period away."""
        found = {}
        for camera, own in self._of.items():
            at = bisect.bisect_left(own, t, key=lambda one: one.t)
            best = min(own[max(at - 1, 0) : at + 1], key=lambda one: abs(one.t - t))
            period = (own[-1].t - own[0].t) / max(len(own) - 1, 1)
            if abs(best.t - t) <= max(0.6 * period, TOGETHER):
                found[camera] = best
        return found
