#!/usr/bin/env python
"""Writes every instant to a Parquet file, as it comes: what is written survives whatever comes later."""

import signal
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq

from streamfit.client import Subscriber
from streamfit.client.subscriber import PUBLISH


@click.command(epilog="\b\nExample:\n  examples/log_parquet.py -o session.parquet")
@click.option("--publish", default=PUBLISH, show_default=True)
@click.option("-o", "output", required=True, type=click.Path(path_type=Path))
@click.option("--group", default=500, show_default=True, help="Instants in a row group, which is written at once.")
@click.option("--instants", "count", default=0, help="End after so many.  [default: Ctrl-C]")
def log(publish: str, output: Path, group: int, count: int) -> None:
    """A row an instant: session, person, t, state, latency, and each coordinate (rad or m)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows: list[dict[str, Any]] = []
    writer: pq.ParquetWriter | None = None
    written = 0
    try:
        for message in Subscriber("kinematics", address=publish):
            head = {"session": message.session, "person": message.person}
            head |= {key: message[key] for key in ("t", "state", "latency")}
            rows.append(head | dict(zip(message.coordinates, message["q"].tolist(), strict=True)))
            written += 1
            if len(rows) == group or written == count:
                table = pa.Table.from_pylist(rows)
                writer = writer or pq.ParquetWriter(output, table.schema)
                writer.write_table(table)
                rows.clear()
            if written == count:
                break
    except KeyboardInterrupt:
        pass
    if rows:
        table = pa.Table.from_pylist(rows)
        writer = writer or pq.ParquetWriter(output, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    print(f"{output}: {written} instants")


if __name__ == "__main__":
    log()
