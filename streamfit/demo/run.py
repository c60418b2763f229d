"""`streamfit demo`: detector, daemon and consumer as processes, on a simulated walk or a recording."""

import tempfile
import time
from pathlib import Path
from subprocess import Popen

import numpy as np
from rich.console import Console
from rich.table import Table

from streamfit.demo.processes import (
    ended_by_sigterm,
    free_addresses,
    last_line,
    process,
    wait_until_ready,
    write_config,
)
from streamfit.demo.recording import demo_files
from streamfit.demo.score import angle_errors, event_errors, instants
from streamfit.errors import InputError
from streamfit.recording.mcap_file import read_session

_READY = 180.0
"""s that the daemon has to get ready; compiling everything for the first time takes longest."""
_STARTING = 0.5
"""s in which the fit of a person starts."""
_HEARD = 10.0
"""s that the consumer has to hear from the daemon."""


def run(recording: Path | None = None) -> int:
    """Play a recording (None: the simulated walk) through the whole chain and print what came of it.

    Returns 0. InputError where the recording or a process fails. No process outlives it.
    """
    console = Console()
    with ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="streamfit-demo-") as name:
        if recording is None:
            files = demo_files(lambda text: console.print(f"{text} ..", highlight=False))
            session, truth = files.session, files.truth
        else:
            session, truth = recording, None
        received = _play(session, Path(name), console)
        _report(console, session, truth, received)
    return 0


def _play(session: Path, folder: Path, console: Console) -> dict[str, np.ndarray]:
    """Run the three processes on a recording; what the consumer kept."""
    recording = read_session(session)
    last = max((message.publish_time for message in recording.messages({"keypoints"})), default=None)
    if last is None:
        raise InputError(f"{session} holds no keypoints: name a recording made by streamfit")
    addresses = free_addresses()
    config = write_config(folder, recording, addresses)
    log, ready, output = folder / "daemon.log", folder / "ready", folder / "received.npz"
    console.print("starting the daemon ..", highlight=False)
    started = time.monotonic()
    with process(["streamfit.cli.main", "serve", str(config)], log) as daemon:
        wait_until_ready(daemon, addresses.http, log, _READY)
        console.print(f"ready after {time.monotonic() - started:.1f} s", highlight=False)
        until = str(last / 1e9)
        with process(["streamfit.demo.consumer", addresses.publish, until, str(ready), str(output)]) as consumer:
            _wait_for(ready, consumer)
            sender = ["streamfit.demo.sender", str(session.resolve()), addresses.ingest]
            with process(sender, folder / "detector.log") as detector:
                chain = f"detector (pid {detector.pid}) -> daemon ({daemon.pid}) -> consumer ({consumer.pid})"
                console.print(chain, highlight=False)
                detector.wait()
                consumer.wait()
    if detector.returncode:
        raise InputError(f"the demo's detector failed: {last_line(folder / 'detector.log')}")
    if daemon.returncode:
        raise InputError(f"the demo's daemon failed: {last_line(log)}")
    if consumer.returncode or not output.exists():
        raise InputError(f"the demo's consumer ended with code {consumer.returncode}")
    with np.load(output) as file:
        return dict(file)


def _wait_for(ready: Path, consumer: Popen[bytes]) -> None:
    end = time.monotonic() + _HEARD
    while not ready.exists():
        if consumer.poll() is not None or time.monotonic() > end:
            raise InputError("the demo's consumer heard nothing from the daemon")
        time.sleep(0.02)


def _report(console: Console, session: Path, truth: Path | None, received: dict[str, np.ndarray]) -> None:
    count, sent = len(received["t"]), instants(read_session(session))
    if not count:
        raise InputError(f"the daemon answered nothing to {session}; is its calibration that of its keypoints?")
    latency = 1000 * received["latency"]
    later = latency[received["t"] > received["t"][0] + _STARTING]
    of_all = "" if sent is None else f" of {sent}"
    table = Table(title=f"{count}{of_all} instants answered", title_justify="left", show_header=False)
    table.add_row("rate", f"{(count - 1) / max(float(received['seconds']), 1e-9):.1f} Hz")
    table.add_row("latency p50 / p99", _percentiles(latency))
    table.add_row(f"  after the first {_STARTING:g} s", _percentiles(later))
    unanswered = "" if sent is None else f"{sent - count} unanswered, "
    table.add_row("instants lost", f"{unanswered}{received['gaps']} answers missed")
    table.add_row("tracking", f"{100 * received['tracking'].mean():.1f} % of the instants")
    if truth is not None:
        names = [str(name) for name in received["coordinates"]]
        errors = angle_errors(received["t"], received["degrees"], names, truth)
        table.add_row("angle error (RMSE)", "legs / all rotations")
        table.add_row("  against the truth", f"{errors.legs:.2f} / {errors.all:.2f} deg")
        table.add_row("  mean removed", f"{errors.legs_centred:.2f} / {errors.all_centred:.2f} deg")
        feet = event_errors(received["events"], truth)
        table.add_row("foot strikes and offs", f"{feet.found} of {feet.true} found, {feet.false} false")
        table.add_row("  median error", f"strikes {1000 * feet.strike:.0f}, offs {1000 * feet.off:.0f} ms")
        table.add_row("  told after", f"{1000 * feet.delay:.0f} ms (median)")
    console.print(table)


def _percentiles(latency: np.ndarray) -> str:
    if not len(latency):
        return "-"
    return f"{np.percentile(latency, 50):.1f} / {np.percentile(latency, 99):.1f} ms"
