"""What is too bad beside a flood."""

from dataclasses import replace

import pytest

from benchmarks.chaos.flooded import Outcome, Run

CALM = Run(1000, 1000, 4.0, 8.0, 7.0, 1.0, [500.0, 600.0, 600.0, 600.0])
FINE = Outcome(CALM, replace(CALM, latency_p99=15.0), 100, 1.0, {}, crashed=False, hung=False)


def test_what_fills_its_tables_first_and_slows_a_little_is_fine() -> None:
    assert FINE.missed == []


@pytest.mark.parametrize(
    ("during", "said"),
    [
        ({"answered": 999}, "1 instants lost"),
        ({"latency_p99": 17.0}, "latency p99 from 8.0 to 17.0 ms"),
        ({"memory": [500.0, 600.0, 650.0, 700.0]}, "memory grows by 16.7% in the second half"),
    ],
)
def test_what_is_too_bad_is_missed(during: dict[str, float | list[float]], said: str) -> None:
    assert replace(FINE, during=replace(FINE.during, **during)).missed == [said]


def test_a_daemon_that_falls_is_missed() -> None:
    assert replace(FINE, crashed=True, hung=True).missed == ["it crashed", "it hung"]
