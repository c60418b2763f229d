#!/usr/bin/env python
"""Shows a running daemon's topics in the terminal."""

import json
import math
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sockets import keys_option, publish_option

from streamfit.client import Message, Subscriber
from streamfit.protocol.codec import finite
from streamfit.terminal import run

KEPT = 1000  # latest instants that rate and latency are taken over
WINDOW = 2.0  # s of arrivals that the rate is taken over
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
    """Show alarms, sessions, persons, rate, latency, losses, angles and cameras of a running daemon."""
    daemon = Daemon(tuple(angles.split(",")))
    with Subscriber("status", "model", "kinematics", "gait", address=publish, keys=keys) as subscriber:
        subscriber.wait_for_daemon()
        if once or as_json:
            _listen(subscriber, daemon, seconds)
            if as_json:
                click.echo(json.dumps(daemon.report(), indent=2, allow_nan=False))
            else:
                Console().print(daemon.tables())
            return
        with Live(daemon.tables(), refresh_per_second=4) as live:
            while True:
                _listen(subscriber, daemon, 0.25)
                live.update(daemon.tables())


def _listen(subscriber: Subscriber, daemon: "Daemon", seconds: float) -> None:
    end = time.monotonic() + seconds
    while (message := subscriber.receive(max(0.0, end - time.monotonic()))) is not None:
        daemon.take(message)
        if time.monotonic() > end:
            return


@dataclass
class Person:
    """What the last seconds of one person's topics said."""

    latest: Message | None = None
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    lost: int = 0
    event: str = ""

    def rate(self, now: float) -> float:
        recent = [a for a in self.arrivals if a > now - WINDOW]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    def field(self, name: str) -> Any:
        """Of the latest instant; None before there is one."""
        return None if self.latest is None else self.latest.get(name)

    def coordinate(self, name: str) -> tuple[float, float, str]:
        """Value and standard deviation (deg, or m), and the unit on the wire."""
        assert self.latest is not None
        unit = self.latest.model["units"][self.latest.coordinates.index(name)]
        of = self.latest.angle if unit == "rad" else self.latest.value
        return of(name), of(name, "sd"), unit

    def report(self, now: float) -> dict[str, Any]:
        """For programs."""
        latency = 1000 * np.array(self.latencies or [math.nan])
        angles = {}
        for name in self.latest.coordinates if self.latest else ():
            value, sd, _ = self.coordinate(name)
            angles[name] = {"value": value, "sd": sd}
        return {
            **{name: self.field(name) for name in ("state", "t", "rms_px", "views")},
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
        self._status: Mapping[str, Any] = {}
        self._persons: dict[str, Person] = defaultdict(Person)

    def take(self, message: Message) -> None:
        """Note one message."""
        if message.kind == "status":
            self._status = message.fields
            return
        person = self._persons[f"{message.session}/{message.person}"]
        person.lost += message.lost
        if message.kind == "kinematics":
            person.latest = message
            person.arrivals.append(message.received)
            person.latencies.append(message["latency"])
        elif message.kind == "gait":
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
                person.field("state") or "-",
                _number(person.field("t"), 2),
                _number(person.rate(now), 1),
                _number(np.percentile(latency, 50), 1),
                _number(np.percentile(latency, 99), 1),
                _number(person.field("rms_px"), 1),
                "-" if person.latest is None else str(person.field("views")),
                str(person.lost),
                person.event,
            )
        return table

    def _angles_table(self) -> Table:
        """Angles in degrees, translations in metres, each with its standard deviation."""
        table = _table("angles (deg) +- sd", "session/person", *self._angles)
        for who, person in sorted(self._persons.items()):
            if person.latest is None:
                continue
            cells = []
            for name in self._angles:
                if name not in person.latest.coordinates:
                    cells.append("-")
                    continue
                value, sd, unit = person.coordinate(name)
                digits = 1 if unit == "rad" else 3
                cells.append(f"{_number(value, digits)} +- {_number(sd, digits)}")
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
