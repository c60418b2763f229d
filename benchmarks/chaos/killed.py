#!/usr/bin/env python
"""Kills a recording daemon again and again with SIGKILL, and says what that cost."""

import itertools
import random
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgpack
import zmq
from mcap.reader import make_reader
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.lib.stream import SESSION, Shape, Stream, simulate
from streamfit.cli.repair import repair_session
from streamfit.demo.processes import Addresses, free_addresses, process, wait_until_ready, write_config
from streamfit.errors import InputError
from streamfit.model import Skeleton
from streamfit.protocol.codec import VERSION, encode
from streamfit.recording.mcap_file import read_session
from streamfit.terminal import progress, run

SECONDS = 20.0
"""s of the walk, which is played forwards and backwards."""
STARTING, RECORDING = 4.0, 6.0
"""s after its start, or once it is ready, within which a daemon is killed."""
EARLY = 5
"""Every so many is killed after its start, ready or not."""
MAY_LOSE = 1.0
"""s of a recording; and s from the first view to the first answer that tracks."""
READY = 180.0
LAST_WORDS = 0.3
"""s for what was still on its way from a daemon that is dead."""


@dataclass
class Life:
    """What was heard of one daemon until it was killed at `killed` (ns, wall clock).

    `first` and `last` are `seq` by topic; `tracking` is s from the first view answered to the first answer that tracks.
    """

    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    scale: dict[str, float] | None = None
    statuses: list[dict[str, Any]] = field(default_factory=list)
    first_t: float | None = None
    tracking: float | None = None
    alive: float = 0.0
    killed: int = 0

    def hear(self, topic: str, message: dict[str, Any]) -> None:
        """Take note of a message."""
        self.first.setdefault(topic, message["seq"])
        self.last[topic] = message["seq"]
        if message["type"] == "model":
            self.scale = message["scale"]
        elif message["type"] == "status" and SESSION in message["sessions"]:
            self.statuses.append(message["sessions"][SESSION])
        elif message["type"] == "kinematics":
            self.first_t = message["t"] if self.first_t is None else self.first_t
            if self.tracking is None and message["state"] == "tracking":
                self.tracking = message["t"] + message["latency"] - self.first_t


@dataclass(frozen=True)
class File:
    """A recording that was cut off: its messages, s from its last view to the kill, and whether it could be mended."""

    messages: int
    lost: float
    repaired: bool


class Detectors(threading.Thread):
    """Sends a stream in real time, forwards and backwards, whether anybody listens or not."""

    def __init__(self, stream: Stream, ingest: str) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self._stream, self._ingest = stream, ingest

    def run(self) -> None:
        """Send until it is `over`."""
        maps = [msgpack.unpackb(payload) for payload in self._stream.payloads]
        step = float(self._stream.t[1] - self._stream.t[0])
        with zmq.Context() as context, context.socket(zmq.PUSH) as push:
            push.set(zmq.LINGER, 0)
            push.set(zmq.IMMEDIATE, 1)
            push.connect(self._ingest)
            due = time.monotonic()
            for fields in itertools.cycle(maps + maps[-2:0:-1]):
                if self.over.wait(max(0.0, due - time.monotonic())):
                    return
                with suppress(zmq.Again):
                    push.send(encode(fields | {"t": due}), zmq.NOBLOCK)
                due += step


def judge(path: Path, killed: int) -> File:
    """What is left in a recording after a SIGKILL at that time (ns). InputError where it cannot be read or mended."""
    messages = list(read_session(path).messages())
    views = [message for message in messages if message.topic == "keypoints"]
    mended = path.with_suffix(".repaired")
    count = repair_session(path, mended)
    with mended.open("rb") as file:
        summary = make_reader(file, validate_crcs=True).get_summary()
        again = sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages())
    mended.unlink()
    indexed = summary.statistics.message_count if summary is not None and summary.statistics is not None else None
    lost = (killed - views[-1].log_time) / 1e9 if views else float("inf")
    return File(len(messages), lost, count == again == indexed == len(messages))


@click.command(epilog="\b\nExample:\n  benchmarks/chaos/killed.py --kills 20")
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def killed(kills: int, seed: int) -> int:
    """Kill a daemon that tracks and records at random moments; check its recordings and what the next one resumes."""
    stream = simulate(Skeleton.load(), Shape(), round(SECONDS * Shape().rate))
    with tempfile.TemporaryDirectory(prefix="streamfit-killed-") as name, progress() as show:
        folder = Path(name)
        lives = _lives(stream, folder, kills, random.Random(seed), show)
        table, faults = _report(lives, folder / "recordings", stream)
    console = Console(width=160)
    console.print(table)
    for fault in faults:
        console.print(fault)
    return 1 if faults else 0


def _lives(stream: Stream, folder: Path, kills: int, draw: random.Random, show: Any) -> list[Life]:
    """One more life than kills: the last one shows what is left of the one before."""
    addresses = free_addresses()
    stream.write(folder / "walk.mcap")
    config = write_config(folder, read_session(folder / "walk.mcap"), addresses)
    text = config.read_text(encoding="utf-8").replace('subject = "subject.toml"\n', "")  # it is opened with its subject
    config.write_text(text + '[record]\ndirectory = "recordings"\n', encoding="utf-8")
    detectors = Detectors(stream, addresses.ingest)
    lives = []
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.set(zmq.LINGER, 0)
        sub.set(zmq.RCVHWM, 100_000)
        sub.subscribe("")
        sub.connect(addresses.publish)
        try:
            for number in range(kills + 1):
                show(f"life {number + 1} of {kills + 1}", number / (kills + 1))
                log = folder / "daemon.log"
                with process(["streamfit.cli.main", "serve", str(config)], log) as daemon:
                    began, last = time.monotonic(), STARTING
                    if number == kills or number % EARLY != EARLY - 1:
                        wait_until_ready(daemon, addresses.http, log, READY)
                        last = RECORDING
                    if number == 0:
                        _open(context, addresses, stream.subject.to_toml())
                        detectors.start()
                    life = _listen(sub, time.monotonic() + (draw.uniform(0.0, last) if number < kills else last))
                    life.alive, life.killed = time.monotonic() - began, time.time_ns()
                    daemon.kill()
                    daemon.wait()
                lives.append(_listen(sub, time.monotonic() + LAST_WORDS, life))
        finally:
            detectors.over.set()
            if detectors.ident is not None:
                detectors.join()
    return lives


def _open(context: "zmq.Context[Any]", addresses: Addresses, subject: str) -> None:
    with context.socket(zmq.REQ) as control:
        control.connect(addresses.control)
        control.send(encode({"v": VERSION, "type": "open", "id": 1, "session": SESSION, "subject": subject}))
        reply = msgpack.unpackb(control.recv())
    if not reply["ok"]:
        raise InputError(f"the session cannot be opened: {reply['error']['message']}")


def _listen(sub: "zmq.Socket[bytes]", until: float, life: Life | None = None) -> Life:
    life = life or Life()
    while sub.poll(max(0, round(1000 * (until - time.monotonic())))) and time.monotonic() < until:
        topic, payload = sub.recv_multipart()
        life.hear(topic.decode(), msgpack.unpackb(payload))
    return life


def _report(lives: list[Life], recordings: Path, stream: Stream) -> tuple[Table, list[str]]:
    """A row for each life that was killed, and what went wrong."""
    table, faults = Table(title="SIGKILL, and the daemon after it"), list[str]()
    for heading in (
        "",
        "alive, s",
        "recorded",
        "lost, s",
        "repaired",
        "seq above",
        "person",
        "clocks",
        "tracking after, s",
    ):
        table.add_column(heading, justify="right")
    files = sorted(recordings.glob("*.mcap"))
    for number, (life, following) in enumerate(itertools.pairwise(lives), 1):
        own = [path for path in files if path.stat().st_mtime_ns <= life.killed]
        files = files[len(own) :]
        kept = [judge(path, life.killed) for path in own if life.first_t is not None]
        seen = next(later for later in lives[number:] if later.first_t is not None)
        checks = {
            "lost": all(file.lost <= MAY_LOSE for file in kept),
            "repaired": all(file.repaired for file in kept),
            "seq": all(first > life.last.get(topic, 0) for topic, first in following.first.items()),
            "person": seen.scale == {group: float(factor) for group, factor in stream.subject.scale.items()},
            "clocks": _clocks_go_on(life, seen),
            "tracking": seen.tracking is not None and seen.tracking <= MAY_LOSE,
        }
        faults += [f"kill {number}: {what} is not as it should be" for what, right in checks.items() if not right]
        table.add_row(
            str(number),
            f"{life.alive:.1f}",
            str(kept[0].messages) if kept else "starting",
            f"{kept[0].lost:.2f}" if kept else "",
            "yes" if kept and checks["repaired"] else "" if not kept else "no",
            *("yes" if checks[what] else "no" for what in ("seq", "person", "clocks")),
            "never" if seen.tracking is None else f"{seen.tracking:.2f}",
        )
    return table, faults


def _clocks_go_on(before: Life, after: Life) -> bool:
    """Whether the next daemon is at least nearly as sure of every clock, from its first status on."""
    if not before.statuses or not after.statuses:
        return True
    pairs = zip(before.statuses[-1]["cameras"].values(), after.statuses[0]["cameras"].values(), strict=True)
    return all(b["offset_sd"] <= 1.5 * a["offset_sd"] for a, b in pairs)


if __name__ == "__main__":
    run(killed)
