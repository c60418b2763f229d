"""Names of pictures: numbers of frames, times, or neither."""

from pathlib import Path

import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.importers.detections.picture_names import number_pictures, read_clock

SOURCE = Path("trial")


def times(names: list[str], rate: float | None, meaning: str = "auto") -> np.ndarray:
    numbered = number_pictures(Path(f"{name}.json") for name in names)
    assert numbered is not None
    return read_clock([numbered], rate, meaning, SOURCE).times(list(numbered.paths))


def at_60_hz(unit: float, start: int = 0, count: int = 12) -> list[int]:
    return [start + round(k / 60.0 / unit) for k in range(count)]


@pytest.mark.parametrize(
    "names",
    [
        [f"cam01_{k:012d}_keypoints" for k in range(12)],
        [f"cam01.{k:04d}" for k in range(12)],
        [f"1.{k:04d}" for k in range(7, 19)],
        [f"{k}" for k in range(95, 107)],
    ],
)
def test_frames_count_from_the_first(names):
    np.testing.assert_allclose(times(names, 60.0), np.arange(12) / 60.0)


def test_missing_and_thinned_frames_keep_their_times():
    np.testing.assert_allclose(times(["a_0", "a_1", "a_5"], 10.0), [0.0, 0.1, 0.5])
    np.testing.assert_allclose(times([f"a_{k}" for k in (0, 5, 10)], 60.0), [0, 5 / 60, 10 / 60])


@pytest.mark.parametrize(("unit", "start"), [(1e-3, 1699999999123), (1e-6, 1699999999123000), (1e-9, 10**18)])
def test_times_since_1970(unit, start):
    numbers = at_60_hz(unit, start)
    found = times([f"{number}_keypoints" for number in numbers], None)
    np.testing.assert_allclose(found, np.array(numbers, float) * unit)
    assert np.median(np.diff(found)) == pytest.approx(1 / 60, abs=1e-3)


def test_times_since_the_start_are_known_by_the_rate():
    np.testing.assert_allclose(times([f"cam_{n}" for n in at_60_hz(1e-3)], 60.0), np.array(at_60_hz(1e-3)) * 1e-3)
    np.testing.assert_allclose(times(["0.000", "0.017", "1.033"], None), [0.0, 0.017, 1.033])
    np.testing.assert_allclose(times(["x_1699999999.123", "x_1699999999.140"], None), [1699999999.123, 1699999999.14])


@pytest.mark.parametrize(
    ("names", "rate"),
    [
        ([f"a_{20 * k}" for k in range(9)], 50.0),  # every 20th frame, or milliseconds
        ([f"a_{n}" for n in at_60_hz(1e-3)], None),
        ([f"a_{n}" for n in at_60_hz(1e-3)], 30.0),
        ([f"20231114221319{n:03d}" for n in at_60_hz(1e-3)], 60.0),
    ],
)
def test_what_is_neither_is_asked_for(names, rate):
    with pytest.raises(InputError, match="--names frames, s, ms"):
        times(names, rate)
    assert len(times(names, rate, "ms")) == len(names)


@pytest.mark.parametrize("names", [["a_1", "b_1"], ["a_1", "b_2"], ["22-13-19-990", "22-13-20-006"]])
def test_names_that_differ_by_more_than_a_number_are_refused(names):
    with pytest.raises(InputError, match=r"same number|more than a number"):
        times(names, 60.0)
