"""What the gate lets pass, and that the engine passes it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lib.stream import Shape
from benchmarks.speed.gate import cost_ratios, worsened
from benchmarks.speed.shapes import COLUMNS, Cost, ratio

ENGINE = Path(__file__).parents[2] / "benchmarks" / "speed" / "engine.py"
BASELINE = {"instant_to_yardstick": 2.0, "cameras_16_to_2": 1.4, "lost": 0.0, "compilations": 0.0}


def costs(shape: Shape, **seconds: float) -> Cost:
    """Three rounds of five instants; columns that are not named take 1 ms."""
    row = [seconds.get(name, 1e-3) for name in COLUMNS]
    return Cost(shape, np.tile(row, (3, 5, 1)))


@pytest.mark.alone
def test_the_engine_is_no_slower_than_its_baseline_and_loses_nothing() -> None:
    command = [sys.executable, str(ENGINE), "--gate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize(
    ("ratios", "named"),
    [
        ({"instant_to_yardstick": 2.9, "cameras_16_to_2": 1.6, "lost": 0, "compilations": 0}, []),
        ({"instant_to_yardstick": 3.1}, ["instant_to_yardstick is 3.10"]),
        ({"cameras_16_to_2": 1.8, "compilations": 1}, ["cameras_16_to_2 is 1.80", "compilations is 1.00"]),
        ({"lost": 1, "instant_to_yardstick": 1.0}, ["lost is 1.00"]),
    ],
)
def test_each_ratio_above_its_limit_gets_a_line(ratios: dict[str, float], named: list[str]) -> None:
    lines = worsened(ratios, BASELINE)
    assert [line.partition(",")[0] for line in lines] == named


def test_sixteen_cameras_may_not_cost_twice_what_two_do_whatever_the_baseline_says() -> None:
    (line,) = worsened({"cameras_16_to_2": 2.1}, {"cameras_16_to_2": 2.0})
    assert "more than 2:" in line


def test_the_ratios_are_those_of_what_was_computed() -> None:
    measured = [costs(Shape(), cpu=6e-3, yardstick=2e-3), costs(Shape(cameras=2), cpu=4e-3)]
    assert cost_ratios(measured) == pytest.approx({"instant_to_yardstick": 3.0, "around_the_fit_to_yardstick": 2.0})
    measured.append(costs(Shape(cameras=16), cpu=7e-3))
    assert cost_ratios(measured)["cameras_16_to_2"] == pytest.approx(1.75)


def test_a_round_that_the_machine_slowed_does_not_change_a_ratio() -> None:
    over, under = np.full((5, 9), 3.0), np.full((5, 9), 2.0)
    over[2] *= 4
    under[2] *= 4
    over[4, :3] = 100.0
    assert ratio(over, under) == pytest.approx(1.5)
