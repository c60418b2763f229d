"""Joint coordinates as a plain table, a row an instant: CSV, or Parquet for large ones."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamfit.extras import needed

Columns = dict[str, np.ndarray]


def columns(
    t: np.ndarray,
    q: np.ndarray,
    sd: np.ndarray,
    state: np.ndarray,
    coordinates: Sequence[str],
    units: Sequence[str],
) -> Columns:
    """The table of T instants: `t` (s), `state`, and for each coordinate `NAME_deg` or `NAME_m`, and that with `_sd`.

    `q` and `sd` (T, D) are in rad or m, as `units` says.
    """
    factor = np.where(np.asarray(units) == "rad", np.degrees(1.0), 1.0)
    names = [f"{name}_{'deg' if unit == 'rad' else unit}" for name, unit in zip(coordinates, units, strict=True)]
    table: Columns = {"t": t, "state": state}
    for values, ending in ((q, ""), (sd, "_sd")):
        table |= {name + ending: column for name, column in zip(names, (values * factor).T, strict=True)}
    return table


def write_csv(path: Path, table: Columns) -> None:
    """Write a table; what is not known is left empty."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow([_cell(value) for value in row])


def write_parquet(path: Path, table: Columns) -> None:
    """Write a table. Raises InputError where pyarrow is missing."""
    arrow, parquet = needed("pyarrow", "parquet"), needed("pyarrow.parquet", "parquet")
    parquet.write_table(arrow.table({name: list(column) for name, column in table.items()}), path)


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.9g}"
    return value
