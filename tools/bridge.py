#!/usr/bin/env python
"""Passes joint angles and foot events on to the Lab Streaming Layer, or by OSC, as another consumer of the daemon."""

import time
from pathlib import Path
from typing import Protocol

import click
import numpy as np
from sockets import keys_option, publish_option

from streamfit.client import Message, Subscriber
from streamfit.client.steady_time import SteadyTime
from streamfit.errors import InputError
from streamfit.extras import needed
from streamfit.terminal import run

UNITS = {"rad": "radians", "m": "meters"}
TYPES = {"rad": "Angle", "m": "Position"}


class Sink(Protocol):
    """Where a person's messages go."""

    def motion(self, message: Message) -> None:
        """An instant: `kinematics` or `smoothed`."""

    def event(self, message: Message) -> None:
        """A foot event: `gait`."""


class Lsl:
    """Two outlets: the coordinates, and the foot events as text. Samples carry their capture time on LSL's clock."""

    def __init__(self, first: Message) -> None:
        self._lsl = lsl = needed("pylsl", "lsl")
        model = first.model
        name = f"streamfit/{first.session}/{first.person}"
        info = lsl.StreamInfo(name, "MoCap", len(model["coordinates"]), lsl.IRREGULAR_RATE, "double64", name)
        channels = info.desc().append_child("channels")
        for label, unit in zip(model["coordinates"], model["units"], strict=True):
            channel = channels.append_child("channel")
            for key, value in (("label", label), ("type", TYPES[unit]), ("unit", UNITS[unit])):
                channel.append_child_value(key, value)
        setup = info.desc().append_child("acquisition")
        setup.append_child_value("model", model["skeleton"]).append_child_value("software", model["software"])
        markers = lsl.StreamInfo(f"{name}/events", "Markers", 1, lsl.IRREGULAR_RATE, "string", f"{name}/events")
        self._motion, self._events = lsl.StreamOutlet(info), lsl.StreamOutlet(markers)
        self._time = SteadyTime()

    def motion(self, message: Message) -> None:
        """See Sink."""
        now = self._on_their_clock(message.received)
        self._time.instant(message["t"], now)
        self._motion.push_sample(message["q"].tolist(), self._time.stamp(message["t"], now))

    def event(self, message: Message) -> None:
        """See Sink."""
        stamp = self._time.stamp(message["t"], self._on_their_clock(message.received))
        self._events.push_sample([f"{message['event']} {message['side']}"], stamp)

    def _on_their_clock(self, received: float) -> float:
        return received + float(self._lsl.local_clock()) - time.monotonic()


class Osc:
    """Messages to /streamfit/SESSION/PERSON/: NAME with its value (degrees or m), and `event` with kind and side.

    `t` is the capture time; where the cameras' clock is set back it goes on.
    """

    def __init__(self, first: Message, host: str, port: int) -> None:
        client = needed("pythonosc.udp_client", "osc")
        self._builder = needed("pythonosc.osc_bundle_builder", "osc")
        self._message = needed("pythonosc.osc_message_builder", "osc")
        self._client = client.SimpleUDPClient(host, port)
        self._prefix = f"/streamfit/{first.session}/{first.person}"
        self._coordinates = first.coordinates
        self._time = SteadyTime()
        self._factor = np.where(np.array(first.model["units"]) == "rad", np.degrees(1.0), 1.0)

    def motion(self, message: Message) -> None:
        """See Sink."""
        bundle = self._builder.OscBundleBuilder(self._builder.IMMEDIATELY)
        values = dict(zip(self._coordinates, (message["q"] * self._factor).tolist(), strict=True))
        self._time.instant(message["t"], message.received)
        t = float(self._time.forward(message["t"]))
        for name, value in {"t": t, "state": message["state"], **values}.items():
            builder = self._message.OscMessageBuilder(f"{self._prefix}/{name}")
            builder.add_arg(value, "d" if name == "t" else None)
            bundle.add_content(builder.build())
        self._client.send(bundle.build())

    def event(self, message: Message) -> None:
        """See Sink."""
        t = float(self._time.forward(message["t"]))
        self._client.send_message(f"{self._prefix}/event", [message["event"], message["side"], t])


@click.command(
    epilog="""\b
Examples:
  tools/bridge.py                          Lab Streaming Layer
  tools/bridge.py --osc 127.0.0.1:9000     OSC instead
"""
)
@publish_option
@click.option("--topic", type=click.Choice(["kinematics", "smoothed"]), default="kinematics", show_default=True)
@click.option("--session", default="", help="Pass on only this one.  [default: all]")
@click.option("--osc", metavar="HOST:PORT", help="Send OSC there instead of offering LSL streams.")
@keys_option
def bridge(publish: str, topic: str, session: str, osc: str | None, keys: Path | None) -> None:
    """Pass what a daemon publishes on, until Ctrl-C.

    LSL finds its streams by multicast and listens on every interface of this machine: that is why this is a program
    of its own that somebody starts. An LSLAPICFG file can keep it to one (see docs/streams.md).
    """
    host, _, port = (osc or "").rpartition(":")
    if osc is not None and not (host and port.isdigit()):
        raise InputError(f"--osc {osc!r}: must be HOST:PORT, as 127.0.0.1:9000")
    topics = [f"{kind}/{session}".rstrip("/") for kind in ("model", topic, "gait")]
    sinks: dict[str, tuple[list[str], Sink]] = {}
    with Subscriber(*topics, address=publish, keys=keys) as heard:
        heard.wait_for_daemon()
        for message in heard:
            who = f"{message.session}/{message.person}"
            if message.kind == "model" and (who not in sinks or sinks[who][0] != message["coordinates"]):
                sinks[who] = message["coordinates"], (Osc(message, host, int(port)) if osc else Lsl(message))
                click.echo(f"passing on {who}")
            elif message.kind == topic and message["state"] != "lost":
                sinks[who][1].motion(message)
            elif message.kind == "gait" and who in sinks:
                sinks[who][1].event(message)


if __name__ == "__main__":
    run(bridge)
