"""How far coordinates are from their mean posture."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit.estimation.live.systematic_error import LONGEST, MEMORY, Excursion


def noted(times: np.ndarray, angle: np.ndarray) -> Excursion:
    excursion = Excursion(np.zeros(1))
    for t, q in zip(times, angle, strict=True):
        excursion.note(t, np.array([q]))
    return excursion


def test_who_stands_still_has_none():
    excursion = noted(np.arange(0.0, 2 * MEMORY, 0.01), np.full(2000, 0.3))
    assert excursion.square(np.array([0.3]))[0] < 1e-3


@pytest.mark.parametrize("rate", [30.0, 100.0])
def test_of_a_swing_it_is_half_the_place_and_half_the_mean_square(rate):
    times = np.arange(0.0, 3 * MEMORY, 1 / rate)
    excursion = noted(times, 1.0 + 0.4 * np.sin(2 * np.pi * times))
    mean, top = excursion.square(np.array([1.0]))[0], excursion.square(np.array([1.4]))[0]
    assert mean == pytest.approx(0.5 * 0.08, rel=0.1)
    assert top == pytest.approx(0.5 * 0.08 + 0.5 * 0.16, rel=0.1)


def test_it_grows_with_the_way_from_the_mean():
    times = np.arange(0.0, 5.0, 0.02)
    excursion = noted(times, 0.2 * np.sin(7.0 * times))
    assert (np.diff([excursion.square(np.array([q]))[0] for q in np.linspace(0.1, 1.0, 20)]) > 0).all()


def test_a_gap_counts_for_no_more_than_an_instant():
    """Who comes back after an hour stands where the mean is not."""
    excursion = noted(np.append(np.arange(0.0, 5.0, 0.02), 3600.0), np.append(np.zeros(250), 1.0))
    assert excursion.square(np.array([1.0]))[0] > 0.5 * (1.0 - 2 * LONGEST) ** 2
