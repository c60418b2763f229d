#!/usr/bin/env python
"""Replays recordings in real time into a real daemon, and measures what comes out of its sockets."""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import psutil
import zmq
from rich.console import Console
from rich.table import Table

from streamfit.demo.processes import Addresses, free_addresses, process, wait_until_ready, write_config
from streamfit.demo.score import angle_errors, instants
from streamfit.session.mcap_file import SessionFile, read_session
from streamfit.view.terminal import run
from streamfit.wire.packing import decode_array, decode_map

REPLAY = Path(__file__).parent.parent / "tools" / "replay.py"
SILENCE = 3000
"""ms without an answer after which a recording is over."""
START = 0.5
"""s of the track that are also reported apart: there the first fit is made."""


@dataclass(frozen=True)
class Run:
    """What one recording gave; times in ms, memory in MB, angles in degrees (mean removed)."""

    session: str
    sent: int | None
    answered: int
    gaps: int
    states: dict[str, int]
    latency_p50: float
    latency_p99: float
    latency_p99_started: float
    client_p99: float
    ready_s: float
    compilations: int
    memory: float
    legs: float | None
    all: float | None


@click.command(epilog="\b\nExample:\n  benchmarks/live.py walk.mcap --subject subject.toml --json live.json")
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), help="The calibrated person of all of them.")
@click.option("--speed", default=1.0, show_default=True, help="0: as fast as it is answered.")
@click.option("--loop", default=1, show_default=True, help="Times each recording is played.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def live(recordings: tuple[Path, ...], subject: Path | None, speed: float, loop: int, output: Path | None) -> None:
    """Latency, loss, memory and (where NAME.truth.npz lies beside it) angle errors of the daemon, live."""
    runs = [_run(path, subject, speed, loop) for path in recordings]
    table = Table(title="live, through the sockets")
    for heading in (
        "session",
        "answered / sent",
        "seq gaps",
        "tracking",
        "latency p50 / p99 ms",
        f"p99 after {START:g} s",
        "client p99 ms",
        "ready s",
        "compiled after",
        "MB",
        "legs / all deg",
    ):
        table.add_column(heading, justify="right")
    for r in runs:
        table.add_row(
            r.session,
            f"{r.answered} / {'?' if r.sent is None else r.sent}",
            str(r.gaps),
            f"{100 * r.states.get('tracking', 0) / max(r.answered, 1):.1f} %",
            f"{r.latency_p50:.1f} / {r.latency_p99:.1f}",
            f"{r.latency_p99_started:.1f}",
            f"{r.client_p99:.1f}",
            f"{r.ready_s:.1f}",
            str(r.compilations),
            f"{r.memory:.0f}",
            "-" if r.legs is None else f"{r.legs:.2f} / {r.all:.2f}",
        )
    Console(width=180).print(table)
    if output is not None:
        output.write_text(json.dumps([asdict(r) for r in runs], indent=1), encoding="utf-8")


def _run(path: Path, subject: Path | None, speed: float, loop: int) -> Run:
    recording = read_session(path)
    if subject is not None:
        recording = replace(recording, subject_toml=subject.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="streamfit-bench-") as name:
        folder, addresses = Path(name), free_addresses()
        config, log = write_config(folder, recording, addresses), folder / "daemon.log"
        started = time.monotonic()
        with process(["streamfit.cli", "serve", str(config)], log) as daemon:
            wait_until_ready(daemon, addresses.http, log, 180.0)
            ready = time.monotonic() - started
            return _measure(path, recording, addresses, daemon.pid, ready, speed, loop)


def _measure(
    path: Path, recording: SessionFile, addresses: Addresses, pid: int, ready: float, speed: float, loop: int
) -> Run:
    messages, memory = [], [psutil.Process(pid).memory_info().rss]
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, 1_000_000)
        for topic in ("kinematics/", "model/", "status"):
            socket.subscribe(topic)
        socket.connect(addresses.publish)
        socket.recv_multipart()
        replay = [sys.executable, str(REPLAY), str(path), "--ingest", addresses.ingest, "--publish", addresses.publish]
        player = subprocess.Popen(
            [*replay, "--speed", str(speed), "--loop", str(loop)], stdout=subprocess.DEVNULL, text=True
        )
        coordinates: list[str] = []
        radians = np.zeros(0, bool)
        last = time.monotonic()
        while player.poll() is None or time.monotonic() - last < SILENCE / 1000:
            if not socket.poll(100):
                continue
            _, payload = socket.recv_multipart()
            message, now = decode_map(payload), time.monotonic()
            if message["type"] == "model":
                coordinates, radians = message["coordinates"], np.array(message["units"]) == "rad"
            elif message["type"] == "kinematics":
                messages.append((now, message))
                last = now
            else:
                memory.append(psutil.Process(pid).memory_info().rss)
    with urllib.request.urlopen(f"http://{addresses.http}/metrics", timeout=5) as answer:
        found = re.search(r"^streamfit_compilations_after_ready\S* (\S+)", answer.read().decode(), re.M)
    t = np.array([m["t"] for _, m in messages])
    latency = 1000 * np.array([m["latency"] for _, m in messages])
    offset = np.array([now for now, _ in messages]) - t
    seq = np.array([m["seq"] for _, m in messages])
    sent = instants(recording)
    truth = path.with_suffix(".truth.npz")
    errors = None
    if truth.is_file() and loop == 1 and len(t):
        q = np.array([decode_array(m["q"]) for _, m in messages])
        errors = angle_errors(t, np.where(radians, np.degrees(q), q), coordinates, truth)
    return Run(
        session=path.stem,
        sent=None if sent is None else sent * loop,
        answered=len(t),
        gaps=int((np.diff(seq) - 1).sum()),
        states=dict(Counter(m["state"] for _, m in messages)),
        latency_p50=float(np.percentile(latency, 50)),
        latency_p99=float(np.percentile(latency, 99)),
        latency_p99_started=float(np.percentile(latency[t > t[0] + START], 99)),
        client_p99=float(np.percentile(1000 * (offset - offset.min()), 99)) if speed == 1.0 else float("nan"),
        ready_s=ready,
        compilations=int(float(found.group(1))) if found else -1,
        memory=max(memory) / 1e6,
        legs=errors.legs_centred if errors else None,
        all=errors.all_centred if errors else None,
    )


if __name__ == "__main__":
    run(live)
