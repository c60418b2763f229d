#!/usr/bin/env python
"""Shows a running daemon's topics in the terminal."""

import json
import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import zmq
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sockets import keys_option, message_of, publish_option, wait_for_daemon

from streamfit.client.connect import connect
from streamfit.protocol.codec import decode_array, finite
from streamfit.terminal import run

KEPT = 1000  # latest instants that rate and latency are taken over
WINDOW = 2.0  # s of arrivals that the rate is taken over
RESTART = 10_000  # a step in `seq` that no loss explains: the session or the daemon began anew
ANGLES = "pelvis_tilt,hip_flexion_r,hip_flexion_l,knee_angle_r,knee_angle_l,ankle_angle_r,ankle_angle_l"


@click.command(
    epilog="""\b
Examples:
  tools/monitor.py                                       until Ctrl-C
  tools/monitor.py --once                                two seconds, one table
  tools/monitor.py --json                                the same for scripts
  tools/monitor.py --angles elbow_flex_r,elbow_flex_l    other coordinates
"""
)
@publish_option
@click.option("--angles", default=ANGLES, show_default=True, help="Coordinates to show, with commas.")
@click.option("--once", is_flag=True, help="Listen for --seconds, print once, and end.")
@click.option("--json", "as_json", is_flag=True, help="As --once, but one JSON map with all angles.")
@click.option("--seconds", type=click.FloatRange(min=0), default=2.0, show_default=True)
@keys_option
def monitor(publish: str, angles: str, once: bool, as_json: bool, seconds: float, keys: Path | None) -> None:
    """ProgressCallback alarms, sessions, persons, rate, latency, losses, angles and cameras of a running daemon."""
    daemon = Daemon(tuple(angles.split(",")))
    with zmq.Context() as context, connect(context, zmq.SUB, publish, keys) as socket:
        for kind in ("model/", "kinematics/", "gait/"):
            socket.subscribe(kind)
        for topic, payload in wait_for_daemon(socket, publish):
            daemon.take(topic.decode(errors="replace"), message_of(payload) or {})
        if once or as_json:
            _listen(socket, daemon, seconds)
            if as_json:
                click.echo(json.dumps(daemon.report(), indent=2, allow_nan=False))
            else:
                Console().print(daemon.tables())
            return
        with Live(daemon.tables(), refresh_per_second=4) as live:
            while True:
                _listen(socket, daemon, 0.25)
                live.update(daemon.tables())


def _listen(socket: zmq.Socket[bytes], daemon: "Daemon", seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if socket.poll(int(1000 * left) + 1):
            topic, payload = socket.recv_multipart()
            daemon.take(topic.decode(errors="replace"), message_of(payload) or {})


@dataclass
class Person:
    """What the last seconds of one person's topics said."""

    latest: dict[str, Any] = field(default_factory=dict)
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    coordinates: dict[str, tuple[int, str]] = field(default_factory=dict)  # name -> place, unit
    lost: int = 0
    event: str = ""

    def rate(self, now: float) -> float:
        recent = [a for a in self.arrivals if a > now - WINDOW]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    def report(self, now: float) -> dict[str, Any]:
        """For programs."""
        latency = 1000 * np.array(self.latencies or [math.nan])
        q, sd = (decode_array(self.latest[name]) if self.latest else np.array([]) for name in ("q", "sd"))
        angles = {}
        for name, (place, unit) in self.coordinates.items() if len(q) else ():
            factor = math.degrees(1) if unit == "rad" else 1.0
            angles[name] = {"value": factor * float(q[place]), "sd": factor * float(sd[place])}
        return {
            **{name: self.latest.get(name) for name in ("state", "t", "rms_px", "views")},
            "rate": self.rate(now),
            "latency_p50_ms": float(np.percentile(latency, 50)),
            "latency_p99_ms": float(np.percentile(latency, 99)),
            "lost": self.lost,
            "event": self.event or None,
            "angles": angles,
        }


class Daemon:
    """What a daemon has published so far, and the tables of it."""

    def __init__(self, angles: tuple[str, ...]) -> None:
        self._angles = angles
        self._status: dict[str, Any] = {}
        self._persons: dict[str, Person] = defaultdict(Person)
        self._seq: dict[str, int] = {}

    def take(self, topic: str, message: dict[str, Any]) -> None:
        """Note one message; what is missing between its `seq` and the last was lost."""
        kind, _, who = topic.partition("/")
        last = self._seq.get(topic)
        self._seq[topic] = seq = message.get("seq", 0)
        if kind == "status":
            self._status = message
            return
        person = self._persons[who]
        if last is not None:
            gap = seq - last - 1
            person.lost += gap if gap < RESTART else 0
        if kind == "model":
            rows = zip(message["coordinates"], message["units"], strict=True)
            person.coordinates = {name: (place, unit) for place, (name, unit) in enumerate(rows)}
        elif kind == "kinematics":
            person.latest = message
            person.arrivals.append(time.monotonic())
            person.latencies.append(message["latency"])
        elif kind == "gait":
            person.event = f"{message['side']} {message['event'].replace('_', ' ')} at {message['t']:.2f} s"

    def report(self) -> dict[str, Any]:
        """All that the tables show, and every angle (deg; translations in m); null is what is not known."""
        now = time.monotonic()
        return finite({"status": self._status, "persons": {who: p.report(now) for who, p in self._persons.items()}})

    def tables(self) -> Group:
        return Group(self._alarms(), self._persons_table(), self._angles_table(), self._cameras_table())

    def _alarms(self) -> Text:
        """What somebody should look after, as the daemon says it."""
        alarms = self._status.get("alarms")
        lines = [str(alarm) for alarm in alarms] if isinstance(alarms, list) else []
        return Text("\n".join(lines) or "no alarms", style="bold red" if lines else "green")

    def _persons_table(self) -> Table:
        uptime = self._status.get("uptime")
        state = f"{self._status.get('state', '?')}" + (f", up {uptime:.0f} s" if uptime is not None else "")
        table = _table(
            f"daemon: {state}",
            "session/person", "state", "t (s)", "rate (Hz)", "latency p50 (ms)", "p99", "rms (px)", "views",
            "lost", "last event",
        )  # fmt: skip
        now = time.monotonic()
        for who, person in sorted(self._persons.items()):
            latency = 1000 * np.array(person.latencies or [math.nan])
            table.add_row(
                who,
                str(person.latest.get("state", "-")),
                _number(person.latest.get("t"), 2),
                _number(person.rate(now), 1),
                _number(np.percentile(latency, 50), 1),
                _number(np.percentile(latency, 99), 1),
                _number(person.latest.get("rms_px"), 1),
                str(person.latest.get("views", "-")),
                str(person.lost),
                person.event,
            )
        return table

    def _angles_table(self) -> Table:
        """Angles in degrees, translations in metres, each with its standard deviation."""
        table = _table("angles (deg) +- sd", "session/person", *self._angles)
        for who, person in sorted(self._persons.items()):
            if not person.latest:
                continue
            q, sd = decode_array(person.latest["q"]), decode_array(person.latest["sd"])
            cells = []
            for name in self._angles:
                place, unit = person.coordinates.get(name, (None, ""))
                factor = math.degrees(1) if unit == "rad" else 1.0
                digits = 1 if unit == "rad" else 3
                cells.append(
                    "-"
                    if place is None
                    else f"{_number(factor * q[place], digits)} +- {_number(factor * sd[place], digits)}"
                )
            table.add_row(who, *cells)
        return table

    def _cameras_table(self) -> Table:
        table = _table(
            "cameras",
            "session",
            "camera",
            "rate (Hz)",
            "dropped",
            "late",
            "rms (px)",
            "offset (ms)",
            "rejected",
        )
        for name, session in sorted(self._sessions().items()):
            counts = session.get("rejected") or {}
            rejected = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
            for camera, health in (session.get("cameras") or {}).items():
                offset = health.get("offset_t")
                table.add_row(
                    name,
                    camera,
                    _number(health.get("rate"), 1),
                    str(health.get("dropped", "-")),
                    str(health.get("late", "-")),
                    _number(health.get("rms_px"), 1),
                    _number(None if offset is None else 1000 * offset, 2),
                    rejected,
                )
        return table

    def _sessions(self) -> dict[str, Any]:
        sessions = self._status.get("sessions")
        return sessions if isinstance(sessions, dict) else {}


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in ("session/person", "session") else "right")
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


if __name__ == "__main__":
    run(monitor)
