"""The demo's consumer process: subscribes to the daemon, shows the angles, and keeps what it received."""

import sys
from collections import deque
from pathlib import Path

import numpy as np

from streamfit.client import Message, Subscriber
from streamfit.demo.processes import ended_by_sigterm
from streamfit.demo.screen import Screen

_PATIENCE, _SILENCE = 20.0, 3.0
"""s without any answer, and without a further one, after which no more are waited for."""
_RATE_OVER = 100


class Received:
    """The answers of the person that is heard first."""

    def __init__(self) -> None:
        self.who: tuple[str, str] | None = None
        self.coordinates: tuple[str, ...] = ()
        self.radians = np.zeros(0, bool)
        self.t: list[float] = []
        self.q: list[np.ndarray] = []
        self.latency: list[float] = []
        self.arrival: deque[float] = deque(maxlen=_RATE_OVER)
        self.first = self.last = 0.0
        self.states: list[str] = []
        self.gaps = 0
        self.events: list[tuple[float, str, str, float]] = []

    def kinematics(self, message: Message) -> None:
        """Note an answer."""
        self.first = self.first or message.received
        self.last = message.received
        self.coordinates = message.coordinates
        self.radians = np.array(message.model["units"]) == "rad"
        self.arrival.append(message.received)
        self.gaps += message.lost
        self.t.append(message["t"])
        self.q.append(message["q"])
        self.latency.append(message["latency"])
        self.states.append(message["state"])

    def gait(self, message: Message) -> None:
        """Note a foot event."""
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
    with Subscriber("kinematics", "gait", "steps", address=publish) as subscriber, Screen() as screen:
        subscriber.wait_for_daemon(_PATIENCE)
        ready.touch()
        while (message := subscriber.receive(_SILENCE if received.t else _PATIENCE)) is not None:
            received.who = received.who or (message.session, message.person)
            if received.who != (message.session, message.person):
                continue
            if message.kind == "gait":
                received.gait(message)
                screen.say(f"{message['t']:6.2f} s   {message['side']} {message['event'].replace('_', ' ')}")
            elif message.kind == "steps":
                screen.say(_step(message))
            else:
                received.kinematics(message)
                _show(screen, received, message)
                if message["t"] >= until - 1e-6:
                    break
    received.save(output)


def _step(message: Message) -> str:
    """A step in a line, by what is known of it."""
    known = [("step", "step_length", "m"), ("stride", "stride_length", "m"), ("", "speed", "m/s")]
    parts = [f"{what} {message[key]:.2f} {unit}".strip() for what, key, unit in known if message[key] is not None]
    return f"{message['t']:6.2f} s   {message['side']} step   " + "   ".join([*parts, f"{message['cadence']:.0f} /min"])


def _show(screen: Screen, received: Received, message: Message) -> None:
    values, spread = np.degrees(message["q"]), np.degrees(message["sd"])
    degrees = {
        name: (float(values[i]), float(spread[i])) for i, name in enumerate(received.coordinates) if received.radians[i]
    }
    screen.show(message["t"], degrees, message["state"], received.rate, message["latency"])


if __name__ == "__main__":
    with ended_by_sigterm():
        consume(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
