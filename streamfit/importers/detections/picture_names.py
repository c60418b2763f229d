"""Frame numbers and times in the names of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from streamfit.errors import InputError

Meaning = Literal["auto", "frames", "s", "ms", "us", "ns"]
TIMES: tuple[Meaning, ...] = ("ms", "us", "ns")
"""What whole numbers may be; seconds would be one picture each."""
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
ENDING = re.compile(r"(?:_keypoints)?\.json$", re.IGNORECASE)
NUMBER = re.compile(r"([0-9]+)$")
SECONDS = re.compile(r"(?:^|[^0-9.])([0-9]{10}\.[0-9]+)$")
"""Seconds since 1970 with decimals, at the end of any name."""
DECIMAL = re.compile(r"([0-9]+)\.([0-9]+)$")
MAX_FRAMES = 10**8
"""No frame number: 19 days at 60 Hz."""
EPOCH = (946684800.0, 4102444800.0)
"""s since 1970 of the years 2000 to 2100: what a number that large is taken for, in ms, us or ns."""
NEAR = 0.05
"""Share by which times in names may run at another rate than is stated."""


@dataclass(frozen=True)
class Numbered:
    """Pictures of one camera by what their names say, in this order."""

    paths: dict[float, Path]
    decimal: bool
    """Whether that is seconds with decimals; otherwise whole numbers."""
    others: int
    """Files whose names say nothing."""


def number_pictures(paths: Iterable[Path]) -> Numbered | None:
    """The `.json` files of a folder; None where no name ends with a number. InputError where two have the same."""
    stems = {path: ENDING.sub("", path.name) for path in paths if ENDING.search(path.name)}
    decimal = _are_seconds(list(stems.values()))
    out: dict[float, Path] = {}
    before: dict[str, Path] = {}
    for path in sorted(stems):
        stem = stems[path]
        found = (SECONDS.search(stem) or DECIMAL.fullmatch(stem)) if decimal else NUMBER.search(stem)
        if found is None:
            continue
        number = float(found[1] if found.re is SECONDS else found[0]) if decimal else int(found[1])
        if number in out:
            raise InputError(f"{path}: {out[number].name} has the same number; keep one recording in a folder")
        out[number] = path
        before.setdefault("" if decimal else stem[: found.start()], path)
    if len(before) > 1:
        one, other = list(before.values())[:2]
        raise InputError(
            f"{one.parent}: {one.name} and {other.name} differ by more than a number at the end: neither frame numbers "
            "nor times that are known; name the pictures by their number, or by their time in ms"
        )
    return Numbered(dict(sorted(out.items())), decimal, len(stems) - len(out)) if out else None


def _are_seconds(stems: list[str]) -> bool:
    if stems and all(SECONDS.search(stem) for stem in stems):
        return True
    found = [DECIMAL.fullmatch(stem) for stem in stems]
    matches = [match for match in found if match]
    # cam01.0003.json, and 1.0003.json of camera 1, are frames
    return len(matches) == len(stems) > 0 and len({match[1] for match in matches}) > 1


@dataclass(frozen=True)
class Clock:
    """How numbers in names become capture times: t = (number - origin) * seconds."""

    seconds: float
    origin: float
    meaning: str
    """In words, for whoever imports it; "" for frames that count up by one."""

    def times(self, numbers: Sequence[float]) -> np.ndarray:
        """Of numbers, s. Whole numbers are subtracted before they are rounded."""
        return np.array([float(number - self.origin) for number in numbers]) * self.seconds


def read_clock(cameras: Sequence[Numbered], rate: float | None, meaning: Meaning, source: Path) -> Clock:
    """What the numbers of all cameras' pictures are: as it is said, else as only one reading fits. InputError."""
    numbers = np.array(sorted({number for camera in cameras for number in camera.paths}))
    decimal = any(camera.decimal for camera in cameras)
    if meaning == "auto":
        meaning = "s" if decimal else _guessed(cameras, numbers, rate, source)
    if meaning != "frames":
        return Clock(UNITS[meaning], 0, f"the names of the pictures are their times in {meaning}")
    if decimal:
        raise InputError(f"{source}: the pictures' names have decimals ({numbers[0]}): they are no frame numbers")
    if rate is None:
        raise InputError(f"{source}: at which rate it was filmed is not known; say --fps 60")
    return Clock(1.0 / rate, int(numbers[0]), "")


def _guessed(cameras: Sequence[Numbered], numbers: np.ndarray, rate: float | None, source: Path) -> Meaning:
    example = next(iter(cameras[0].paths.values())).name
    ask = "say what the numbers are: --names frames, s, ms, us or ns"
    if numbers[-1] >= MAX_FRAMES:
        for unit in TIMES:
            if EPOCH[0] <= numbers[0] * UNITS[unit] and numbers[-1] * UNITS[unit] <= EPOCH[1]:
                return unit
        raise InputError(f"{source}: names like {example} are neither frame numbers nor times since 1970; {ask}")
    steps = np.concatenate([np.diff(sorted(camera.paths)) for camera in cameras])
    if not len(steps) or steps.min() <= 1.0:
        return "frames"
    step = float(np.median(steps))
    mean = float(steps[steps < 1.5 * step].mean())  # without pictures that are missing
    regular = bool(np.all(np.abs(steps / step - np.round(steps / step)) * step < 0.01))
    times = [unit for unit in TIMES if rate and abs(mean * UNITS[unit] * rate - 1.0) < NEAR]
    if times and not regular:
        return times[0]
    if regular and not times and rate is not None:
        return "frames"  # every second one, say
    raise InputError(f"{source}: numbers in names like {example} go up by {mean:.4g}; {ask}")
