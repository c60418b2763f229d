"""The demo's consumer process: subscribes to the daemon, shows the angles, and keeps what it received."""

import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from streamfit.demo.processes import ended_by_sigterm
from streamfit.demo.screen import Screen
from streamfit.protocol.codec import decode_array, decode_map

_PATIENCE, _SILENCE = 20.0, 3.0
"""s without any answer, and without a further one, after which no more are waited for."""
_RATE_OVER = 100


class Received:
    """The answers of the person that is heard first."""

    def __init__(self) -> None:
        self.topic: str | None = None
        self.coordinates: list[str] = []
        self.radians = np.zeros(0, bool)
        self.t: list[float] = []
        self.q: list[np.ndarray] = []
        self.latency: list[float] = []
        self.arrival: deque[float] = deque(maxlen=_RATE_OVER)
        self.first = self.last = 0.0
        self.states: list[str] = []
        self.gaps = 0
        self.events: list[tuple[float, str, str, float]] = []
        self._seq: int | None = None

    def model(self, message: dict[str, Any]) -> None:
        self.coordinates = list(message["coordinates"])
        self.radians = np.array(message["units"]) == "rad"

    def kinematics(self, message: dict[str, Any]) -> None:
        """Note an answer; a step of `seq` by more than one is a loss."""
        now = time.monotonic()
        self.first = self.first or now
        self.last = now
        self.arrival.append(now)
        self.gaps += 0 if self._seq is None else max(0, message["seq"] - self._seq - 1)
        self._seq = message["seq"]
        self.t.append(message["t"])
        self.q.append(decode_array(message["q"]))
        self.latency.append(message["latency"])
        self.states.append(message["state"])

    def gait(self, message: dict[str, Any]) -> None:
        self.events.append((message["t"], message["side"], message["event"], message["detected"]))

    @property
    def rate(self) -> float:
        """Answers per second, lately."""
        span = self.arrival[-1] - self.arrival[0]
        return (len(self.arrival) - 1) / span if span > 0 else 0.0

    def save(self, path: Path) -> None:
        """An npz: `t`, `degrees` (T, D; metres where it is no angle), `coordinates`, `latency`, `events`, .."""
        factor = np.degrees(self.radians.astype(float))
        factor[~self.radians] = 1.0
        np.savez(
            path,
            t=np.array(self.t),
            degrees=np.array(self.q).reshape(len(self.q), -1) * (factor if self.q else 1.0),
            coordinates=np.array(self.coordinates),
            latency=np.array(self.latency),
            tracking=np.array(self.states) == "tracking",
            gaps=self.gaps,
            events=np.array(self.events, [("t", "<f8"), ("side", "<U5"), ("event", "<U12"), ("detected", "<f8")]),
            seconds=self.last - self.first,
        )


def consume(publish: str, until: float, ready: Path, output: Path) -> None:
    """Show and keep answers up to the instant `until` (s). `ready` is made once nothing can be missed."""
    received = Received()
    with zmq.Context() as context, context.socket(zmq.SUB) as socket, Screen() as screen:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, 100_000)
        for kind in ("status", "model/", "kinematics/", "gait/", "steps/"):
            socket.subscribe(kind)
        socket.connect(publish)
        while socket.poll(int(1000 * (_SILENCE if received.t else _PATIENCE))):
            topic, payload = socket.recv_multipart()
            message = decode_map(payload)
            if message["type"] == "status":
                # It came through the same pipe as the answers will.
                ready.touch()
                socket.unsubscribe("status")
                continue
            received.topic = received.topic or topic.decode().partition("/")[2]
            if topic.decode().partition("/")[2] != received.topic:
                continue
            if message["type"] == "model":
                received.model(message)
                continue
            if message["type"] == "gait":
                received.gait(message)
                screen.say(f"{message['t']:6.2f} s   {message['side']} {message['event'].replace('_', ' ')}")
                continue
            if message["type"] == "steps":
                screen.say(_step(message))
                continue
            received.kinematics(message)
            _show(screen, received, message)
            if message["t"] >= until - 1e-6:
                break
    received.save(output)


def _step(message: dict[str, Any]) -> str:
    """A step in a line, by what is known of it."""
    known = [("step", "step_length", "m"), ("stride", "stride_length", "m"), ("", "speed", "m/s")]
    parts = [f"{what} {message[key]:.2f} {unit}".strip() for what, key, unit in known if message[key] is not None]
    return f"{message['t']:6.2f} s   {message['side']} step   " + "   ".join([*parts, f"{message['cadence']:.0f} /min"])


def _show(screen: Screen, received: Received, message: dict[str, Any]) -> None:
    values, spread = np.degrees(received.q[-1]), np.degrees(decode_array(message["sd"]))
    degrees = {
        name: (float(values[i]), float(spread[i])) for i, name in enumerate(received.coordinates) if received.radians[i]
    }
    screen.show(message["t"], degrees, message["state"], received.rate, message["latency"])


if __name__ == "__main__":
    with ended_by_sigterm():
        consume(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
