"""Gait events and steps as CSV; a table without rows still has its header."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

EVENT_COLUMNS = ("t", "side", "event", "x", "y", "z", "sd_t")
STEP_COLUMNS = (
    "side",
    "t",
    "step_length",
    "stride_length",
    "step_width",
    "step_time",
    "stride_time",
    "stance_time",
    "swing_time",
    "double_support_time",
    "cadence",
    "speed",
)


def write_gait_events(path: Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Write the payloads of `gait/...` (s, m, world frame) in the order they come."""
    rows = (dict(zip("xyz", event["position"], strict=True), **event) for event in events)
    _write(path, EVENT_COLUMNS, rows)


def write_steps(path: Path, steps: Iterable[Mapping[str, Any]]) -> None:
    """Write the payloads of `steps/...`; a value that is not known is left empty."""
    _write(path, STEP_COLUMNS, steps)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
