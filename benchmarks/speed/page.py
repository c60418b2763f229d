#!/usr/bin/env python
"""What an open live page costs the daemon: the same walk with and without one, in turn."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from streamfit.jax_runtime import single_threaded

single_threaded()

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.lib.daemon_runs import STARTED, recorded  # noqa: E402 - JAX only now
from benchmarks.lib.served import play, serve  # noqa: E402
from streamfit.recording.mcap_file import read_session  # noqa: E402
from streamfit.terminal import progress, run  # noqa: E402

READER = """
import asyncio, sys, aiohttp
async def read(url):
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        async for message in socket:
            pass
asyncio.run(read(sys.argv[1]))
"""
MOST = 0.03
"""Of the daemon's rate at full speed that a page may cost."""


@click.command(epilog="\b\nExample:\n  benchmarks/speed/page.py --rounds 5")
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Of the walk.")
def page(rounds: int, seconds: float) -> int:
    """Latency in real time and rate at full speed, without a page and with one; 1 where it costs too much.

    The page is another process that reads all it is sent: drawing is the browser's work, on whatever machine.
    """
    found: dict[bool, list[tuple[float, float, float]]] = {False: [], True: []}
    with recorded(seconds) as (path, _), serve(read_session(path)) as served, progress() as show:
        url = f"http://{served.addresses.http}/live"
        play(served, path, speed=0.0)
        for done in range(rounds):
            for is_open in (False, True) if done % 2 else (True, False):
                show("with a page" if is_open else "without", done / rounds)
                with _reader(url, is_open):
                    live, fast = play(served, path), play(served, path, speed=0.0)
                found[is_open].append((live.latency_ms(50, STARTED), live.latency_ms(99, STARTED), fast.per_second))
    medians = {is_open: np.median(rows, axis=0) for is_open, rows in found.items()}
    table = Table(title=f"medians of {rounds} rounds, in turn")
    for heading in ("", "latency p50 ms", "p99 ms", "full speed, instants/s"):
        table.add_column(heading, justify="right")
    for is_open, row in medians.items():
        table.add_row("a page open" if is_open else "none", *(f"{value:.2f}" for value in row))
    Console(width=120).print(table)
    cost = 1.0 - medians[True][2] / medians[False][2]
    click.echo(f"a page costs {cost:.1%} of the rate at full speed (at most {MOST:.0%})")
    return int(cost > MOST)


@contextmanager
def _reader(url: str, is_open: bool) -> Iterator[None]:
    if not is_open:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", READER, url]) as reader:
        try:
            yield
        finally:
            reader.kill()


if __name__ == "__main__":
    run(page)
