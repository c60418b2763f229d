#!/usr/bin/env python
"""Passes joint angles and foot events on to the Lab Streaming Layer, or by OSC, as another consumer of the daemon."""

import time
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np
import zmq
from sockets import keys_option, message_of, publish_option, wait_for_daemon

from streamfit.client.connect import connect
from streamfit.client.steady_time import SteadyTime
from streamfit.errors import InputError
from streamfit.extras import needed
from streamfit.protocol.codec import decode_array
from streamfit.terminal import run

UNITS = {"rad": "radians", "m": "meters"}
TYPES = {"rad": "Angle", "m": "Position"}


class Sink(Protocol):
    """Where a person's messages go."""

    def motion(self, message: dict[str, Any], q: np.ndarray, received: float) -> None:
        """An instant: `kinematics`, its coordinates (D,), and when it came (s, monotonic)."""

    def event(self, message: dict[str, Any], received: float) -> None:
        """A foot event: `gait`."""


class Lsl:
    """Two outlets: the coordinates, and the foot events as text. Samples carry their capture time on LSL's clock."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._lsl = lsl = needed("pylsl", "lsl")
        name = f"streamfit/{model['session']}/{model['person']}"
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

    def motion(self, message: dict[str, Any], q: np.ndarray, received: float) -> None:
        """See Sink."""
        now = self._on_their_clock(received)
        self._time.instant(message["t"], now)
        self._motion.push_sample(q.tolist(), self._time.stamp(message["t"], now))

    def event(self, message: dict[str, Any], received: float) -> None:
        """See Sink."""
        stamp = self._time.stamp(message["t"], self._on_their_clock(received))
        self._events.push_sample([f"{message['event']} {message['side']}"], stamp)

    def _on_their_clock(self, received: float) -> float:
        return received + float(self._lsl.local_clock()) - time.monotonic()


class Osc:
    """Messages to /streamfit/SESSION/PERSON/: NAME with its value (degrees or m), and `event` with kind and side.

    `t` is the capture time; where the cameras' clock is set back it goes on.
    """

    def __init__(self, model: dict[str, Any], host: str, port: int) -> None:
        client = needed("pythonosc.udp_client", "osc")
        self._builder = needed("pythonosc.osc_bundle_builder", "osc")
        self._message = needed("pythonosc.osc_message_builder", "osc")
        self._client = client.SimpleUDPClient(host, port)
        self._prefix = f"/streamfit/{model['session']}/{model['person']}"
        self._coordinates = model["coordinates"]
        self._time = SteadyTime()
        self._factor = np.where(np.array(model["units"]) == "rad", np.degrees(1.0), 1.0)

    def motion(self, message: dict[str, Any], q: np.ndarray, received: float) -> None:
        """See Sink."""
        bundle = self._builder.OscBundleBuilder(self._builder.IMMEDIATELY)
        values = dict(zip(self._coordinates, (q * self._factor).tolist(), strict=True))
        self._time.instant(message["t"], received)
        t = float(self._time.forward(message["t"]))
        for name, value in {"t": t, "state": message["state"], **values}.items():
            builder = self._message.OscMessageBuilder(f"{self._prefix}/{name}")
            builder.add_arg(value, "d" if name == "t" else None)
            bundle.add_content(builder.build())
        self._client.send(bundle.build())

    def event(self, message: dict[str, Any], received: float) -> None:
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
    sinks: dict[str, tuple[list[str], Sink]] = {}
    with zmq.Context() as context, connect(context, zmq.SUB, publish, keys) as socket:
        for kind in ("model", topic, "gait"):
            socket.subscribe(f"{kind}/{session}/" if session else f"{kind}/")
        heard = wait_for_daemon(socket, publish)
        while True:
            for _, payload in heard or [socket.recv_multipart()]:
                message, received = message_of(payload), time.monotonic()
                if message is None or "person" not in message:
                    continue
                who, kind = f"{message['session']}/{message['person']}", message["type"]
                if kind == "model" and (who not in sinks or sinks[who][0] != message["coordinates"]):
                    sinks[who] = message["coordinates"], (Osc(message, host, int(port)) if osc else Lsl(message))
                    click.echo(f"passing on {who}")
                elif kind == topic and who in sinks and message["state"] != "lost":
                    sinks[who][1].motion(message, decode_array(message["q"]), received)
                elif kind == "gait" and who in sinks:
                    sinks[who][1].event(message, received)
            heard = []


if __name__ == "__main__":
    run(bridge)
