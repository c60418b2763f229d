"""Gait tables have the contract's columns, with rows or without."""

import csv
from pathlib import Path

from streamfit.exporters.tables import write_gait_events, write_steps


def test_events_keep_their_place_and_uncertainty(tmp_path: Path) -> None:
    event = {"v": 1, "event": "foot_strike", "side": "left", "t": 1.25, "sd_t": 0.004, "position": [1, 2, 3]}
    write_gait_events(tmp_path / "gait_events.csv", [event])
    lines = (tmp_path / "gait_events.csv").read_text().splitlines()
    assert lines == ["t,side,event,x,y,z,sd_t", "1.25,left,foot_strike,1,2,3,0.004"]


def test_a_value_that_is_not_known_is_empty(tmp_path: Path) -> None:
    write_steps(tmp_path / "steps.csv", [{"side": "right", "t": 2.0, "step_time": 0.5, "speed": None}])
    with (tmp_path / "steps.csv").open() as file:
        [row] = csv.DictReader(file)
    known = {name: value for name, value in row.items() if value}
    assert known == {"side": "right", "t": "2.0", "step_time": "0.5"}


def test_empty_tables_have_headers(tmp_path: Path) -> None:
    write_gait_events(tmp_path / "gait_events.csv", [])
    write_steps(tmp_path / "steps.csv", [])
    assert (tmp_path / "gait_events.csv").read_text() == "t,side,event,x,y,z,sd_t\n"
    assert (tmp_path / "steps.csv").read_text().startswith("side,t,step_length,stride_length,step_width,")
