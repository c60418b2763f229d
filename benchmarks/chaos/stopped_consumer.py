#!/usr/bin/env python
"""A consumer that is stopped (SIGSTOP) beside a live one: does the live one lose anything, or wait?"""

import signal
import subprocess
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from streamfit.jax_runtime import single_threaded

single_threaded()

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.lib.daemon_runs import recorded  # noqa: E402 - JAX only now
from benchmarks.lib.served import Heard, play, serve  # noqa: E402
from benchmarks.lib.stream import SESSION, Shape  # noqa: E402
from streamfit.recording.mcap_file import read_session  # noqa: E402
from streamfit.terminal import progress, run  # noqa: E402

RATE = 60.0
"""Hz: two cores have time left for the consumers."""
MONITOR = Path(__file__).parents[2] / "tools" / "monitor.py"


@click.command(epilog="\b\nExample:\n  benchmarks/chaos/stopped_consumer.py --seconds 60")
@click.option("--seconds", default=60.0, show_default=True, help="For which the consumer is stopped.")
def stopped_consumer(seconds: float) -> int:
    """Loss and delay of a live consumer alone, beside one that is stopped, and after that; 1 where it has lost."""
    stream = recorded(seconds, Shape(rate=RATE))
    with stream as (path, instants), serve(read_session(path)) as served, progress() as show:
        table = Table(title=f"a live consumer beside one that is stopped for {seconds:g} s")
        for heading in ("", "heard / sent", "seq gaps", "latency p50 ms", "p99 ms", "client p99 ms"):
            table.add_column(heading, justify="right")
        lost = False
        with subprocess.Popen(
            [sys.executable, str(MONITOR), "--publish", served.addresses.publish], stdout=subprocess.DEVNULL
        ) as other:
            for share, (name, order) in enumerate(
                (("alone", None), ("beside a stopped one", signal.SIGSTOP), ("after", signal.SIGCONT))
            ):
                show(name, share / 3)
                if order is not None:
                    other.send_signal(order)
                heard = play(served, path, session=f"{SESSION}/")
                lost |= heard.gaps > 0
                table.add_row(name, *_cells(heard, instants))
            other.kill()
    Console(width=160).print(table)
    return int(lost)


def _cells(heard: Heard, instants: int) -> list[str]:
    times = (heard.latency_ms(50), heard.latency_ms(99), heard.client_ms(99))
    return [f"{len(heard.t)} / {instants}", str(heard.gaps), *(f"{ms:.1f}" for ms in times)]


if __name__ == "__main__":
    run(stopped_consumer)
