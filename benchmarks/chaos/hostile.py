#!/usr/bin/env python
"""A daemon under a million mutated messages while a live session runs beside: who notices?"""

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
import zmq
from rich.console import Console

from streamfit.jax_runtime import single_threaded

single_threaded()

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.chaos.flooded import Outcome, Run, table  # noqa: E402
from benchmarks.lib.daemon_runs import STARTED, recorded  # noqa: E402 - JAX only now
from benchmarks.lib.served import Heard, Served, play, serve  # noqa: E402
from benchmarks.lib.stream import SESSION, Shape  # noqa: E402
from streamfit.protocol.codec import VERSION, decode_map, encode  # noqa: E402
from streamfit.recording.mcap_file import read_session  # noqa: E402
from streamfit.terminal import ProgressCallback, progress, run  # noqa: E402

SECONDS = 10.0
"""s of the live walk, which is repeated: as long as it stays within the room."""
FLOODED = 3
"""Walks under the flood for each one without, between which the flood pauses: the machine's speed changes meanwhile."""
RATE = 60.0
"""Hz of the live walk."""
PAUSE = 1.0
"""s for what a paused flood had sent."""
ANSWER = 10_000
"""ms within which a daemon that does not hang answers."""
SENDER = Path(__file__).with_name("hostile_process.py")


@click.command(epilog="\b\nExample:\n  benchmarks/chaos/hostile.py --inputs 100000 --json hostile.json")
@click.option("--inputs", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Mutated messages.")
@click.option("--seconds", default=SECONDS, show_default=True, help="Of the live walk.")
@click.option("--rate", default=RATE, show_default=True, help="Hz of its eight cameras.")
@click.option("--socket", default="both", show_default=True, type=click.Choice(["both", "ingest", "control"]))
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def hostile(inputs: int, seconds: float, rate: float, socket: str, seed: int, output: Path | None) -> int:
    """Crashes, hangs, memory and the live session's latency under a flood of mutated inputs.

    Exits with 1 where one is too bad, or an instant is lost.
    """
    with recorded(seconds, Shape(rate=rate)) as (path, instants), progress() as show:
        outcome = measure(path, instants, inputs, seed, socket, show)
    Console(width=180).print(table(outcome))
    if output is not None:
        output.write_text(json.dumps(asdict(outcome), indent=1), encoding="utf-8")
    for what in outcome.missed:
        click.echo(f"MISSED: {what}", err=True)
    return 1 if outcome.missed else 0


def measure(path: Path, instants: int, inputs: int, seed: int, socket: str, show: ProgressCallback) -> Outcome:
    """One daemon: the recording again and again, alone and under the flood in turn, until all inputs are sent."""
    with serve(read_session(path)) as served:
        show("before the flood", 0.0)
        alone, during, flooded = [_play(served, path)], [], 0.0
        with tempfile.TemporaryFile("w+") as errors:
            arguments = (path, served.addresses.ingest, served.addresses.control, inputs, seed, socket)
            flood = subprocess.Popen(
                [sys.executable, str(SENDER), *map(str, arguments)], stdout=subprocess.PIPE, stderr=errors, text=True
            )
            follower = threading.Thread(target=_follow, args=(flood, inputs, show))
            follower.start()
            try:
                while flood.poll() is None:
                    flood.send_signal(signal.SIGCONT)
                    began = time.monotonic()
                    during.append(_play(served, path))
                    flooded += time.monotonic() - began
                    if len(during) % FLOODED == 0:
                        flood.send_signal(signal.SIGSTOP)
                        time.sleep(PAUSE)
                        alone.append(_play(served, path))
            finally:
                flood.kill()  # nothing to kill, but where a walk has failed
            follower.join()
            if flood.returncode != 0:
                errors.seek(0)
                raise RuntimeError(errors.read())
        show("after the flood", 1.0)
        alone.append(_play(served, path))
        status = _status(served)
        rejected = status["rejected"] if status else {}
        runs = (_run(walks, instants) for walks in (alone, during))
        return Outcome(*runs, inputs, flooded, rejected, not _alive(served), status is None)


def _play(served: Served, path: Path) -> Heard:
    return play(served, path, session=f"{SESSION}/")


def _follow(flood: "subprocess.Popen[str]", inputs: int, show: ProgressCallback) -> None:
    assert flood.stdout is not None
    for line in flood.stdout:
        show("the flood", int(line) / inputs)


def _run(heard: Sequence[Heard], instants: int) -> Run:
    walks = [1000 * h.latency[h.t >= h.t[0] + STARTED] for h in heard]
    p50, p99 = np.percentile(np.concatenate(walks), (50, 99))
    return Run(
        sent=instants * len(heard),
        answered=sum(len(h.t) for h in heard),
        latency_p50=float(p50),
        latency_p99=float(p99),
        walks_p99=float(np.median([np.percentile(walk, 99) for walk in walks])),
        silence=max(float(np.diff(h.memory[:, 0]).max()) for h in heard),
        memory=[float(h.memory[-1, 1]) / 1e6 for h in heard],
    )


def _status(served: Served) -> dict[str, dict[str, int]] | None:
    """What the daemon says of itself; None where it says nothing in time."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(served.addresses.control)
        dealer.send(encode({"v": VERSION, "type": "status", "id": 1}))
        return decode_map(dealer.recv())["result"] if dealer.poll(ANSWER) else None


def _alive(served: Served) -> bool:
    try:
        return served.compilations() >= 0
    except OSError:
        return False


if __name__ == "__main__":
    run(hostile)
