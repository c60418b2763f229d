#!/usr/bin/env python
"""A daemon for long, at full speed: whether memory, descriptors, threads or latency grow, or anything is lost."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import click
import psutil
import zmq
from rich.console import Console

from streamfit.jax_runtime import single_threaded

single_threaded()

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.chaos.churn import Churn, as_arrays, churning  # noqa: E402 - JAX only now
from benchmarks.chaos.soaked import Listener, Soaked, table  # noqa: E402
from benchmarks.lib.daemon_runs import recorded  # noqa: E402
from benchmarks.lib.served import REPLAY, Served, serve  # noqa: E402
from benchmarks.lib.stream import SESSION  # noqa: E402
from streamfit.protocol.codec import decode_array, decode_map  # noqa: E402
from streamfit.recording.mcap_file import read_session  # noqa: E402
from streamfit.terminal import ProgressCallback, progress, run  # noqa: E402

SECONDS = 10.0
"""Of the walk that is played over and over."""
FOR_EVER = 10**9
SILENCE = 10.0
"""s without an answer after which the daemon is taken to be stuck."""


@click.command(
    epilog="""\b
Examples:
  benchmarks/chaos/soak.py --minutes 5
  benchmarks/chaos/soak.py --minutes 120         what eight hours at 60 Hz bring, where a core answers 240 per second
  benchmarks/chaos/soak.py --minutes 30 --still  nothing but the one session
"""
)
@click.option("--minutes", type=click.FloatRange(min=0.2), default=5.0, show_default=True)
@click.option("--still", is_flag=True, help="No sessions, people, consumers and requests that come and go.")
def soak(minutes: float, still: bool) -> int:
    """Play a walk into a daemon over and over, as fast as it is answered, while others come and go.

    Exits with 1 where memory, descriptors, threads or latency have grown, or anything was lost or compiled.
    """
    with progress() as show, recorded(SECONDS) as (path, _):
        show("starting a daemon", 0.0)
        recording = read_session(path)
        first = decode_map(next(iter(recording.messages({"keypoints"}))).payload)
        views = as_arrays([v | {"xyc": decode_array(v["xyc"])} for v in first["views"]])
        with serve(recording) as served, nullcontext() if still else churning(served.addresses, views) as churn:
            soaked = run_for(minutes, served, path, churn, show)
    Console(width=160).print(table(soaked))
    for what in soaked.missed:
        click.echo(f"MISSED: {what}", err=True)
    return 1 if soaked.missed else 0


def run_for(minutes: float, served: Served, path: Path, churn: Churn | None, show: ProgressCallback) -> Soaked:
    """Play, listen and look for so long."""
    addresses = ["--ingest", served.addresses.ingest, "--publish", served.addresses.publish]
    command = [sys.executable, str(REPLAY), str(path), *addresses, "--speed", "0", "--loop", str(FOR_EVER)]
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, 100_000)
        for topic in (f"kinematics/{SESSION}/", "status"):
            socket.subscribe(topic)
        socket.connect(served.addresses.publish)
        socket.recv_multipart()
        player = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            listener = Listener(psutil.Process(served.pid), SESSION, minutes)
            while not listener.done:
                assert socket.poll(1000 * SILENCE), "the daemon has fallen silent"
                listener.take(decode_map(socket.recv_multipart()[1]))
                show(f"{listener.answers} instants answered", listener.share)
        finally:
            player.kill()
            player.wait()
    rounds = 0 if churn is None else churn.rounds
    return Soaked(listener.parts, listener.gaps, listener.skipped, served.compilations(), rounds)


if __name__ == "__main__":
    run(soak)
