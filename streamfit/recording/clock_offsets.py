"""Clocks of cameras that were started by hand: as they are given, and as they are found."""

from collections.abc import Mapping, Sequence

from streamfit.errors import InputError
from streamfit.estimation.init.clock_search import Clock

LARGEST = 86_400.0
"""s: what is more is no clock that somebody has started."""


def parse_offsets(given: Sequence[str], cameras: Sequence[str]) -> dict[str, float]:
    """Seconds to add to the capture times of each camera, from `CAMERA=S` texts. InputError."""
    offsets: dict[str, float] = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            seconds = float(value)
        except ValueError:
            seconds = float("nan")
        if not equals or not abs(seconds) <= LARGEST:
            raise InputError(f"--offset {text}: must be CAMERA=S, s to add to its capture times, as {cameras[0]}=-0.4")
        if name not in cameras:
            raise InputError(f"--offset {text}: no camera {name!r}; there are {', '.join(cameras)}")
        if name in offsets:
            raise InputError(f"--offset {text}: {name} has an offset already, {offsets[name]:g}")
        offsets[name] = seconds
    return offsets


def said_of_clocks(clocks: Mapping[str, Clock], where: str, may_refine: bool = False) -> list[str]:
    """A line about each camera whose clock differs, with what to do; none where all go together, or nothing tells."""
    lines = []
    for name, clock in clocks.items():
        if clock.said == "off":
            seconds = f"{abs(clock.seconds):.2f} s {'early' if clock.seconds > 0 else 'late'}"
            mend = f"use --offset {name}={clock.seconds:+.3f}" + (" or --bundle-adjust" if may_refine else "")
            lines.append(f"{where}: {name}'s pictures are {seconds} by their times: {mend}")
        elif clock.said == "unclear":
            lines.append(
                f"{where}: {name} was not started with the other cameras, and by how much it differs cannot be told: "
                f"say --offset {name}=S, or leave it out with --cameras"
            )
    return lines
