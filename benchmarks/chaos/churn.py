"""Everything that comes and goes beside a session: other sessions, people, consumers, requests, and what is no use."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zmq

from streamfit.demo.processes import Addresses
from streamfit.protocol.codec import VERSION, decode_map, encode

EVERY = 0.5
"""s between two rounds."""
INSTANTS, PEOPLE = 5, 3
PATIENCE = 20_000
"""ms for a reply."""


class Churn:
    """`rounds` done; each opens and ends a session, and brings people who were never there before into another."""

    def __init__(self, addresses: Addresses, views: list[dict[str, Any]]) -> None:
        self.rounds = 0
        self._addresses, self._views = addresses, views
        self._t = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        with zmq.Context() as context, context.socket(zmq.PUSH) as push, context.socket(zmq.REQ) as ask:
            for socket in (push, ask):
                socket.set(zmq.LINGER, 0)
            push.connect(self._addresses.ingest)
            ask.connect(self._addresses.control)
            while not stop.wait(EVERY):
                self._round(context, push, ask)
                self.rounds += 1

    def _round(self, context: Any, push: Any, ask: Any) -> None:
        name = f"churn-{self.rounds}"
        with context.socket(zmq.SUB) as consumer:
            consumer.set(zmq.LINGER, 0)
            consumer.connect(self._addresses.publish)
            consumer.subscribe("" if self.rounds % 2 else f"kinematics/{name}/")
            if self.rounds % 2:
                self._ask(ask, "open", session=name)
            for _ in range(INSTANTS):
                self._t += 0.02
                push.send(self._message(name, self._views))
                crowd = [view | {"person": f"p{self.rounds}-{i}"} for i in range(PEOPLE) for view in self._views]
                push.send(self._message("crowd", crowd))
            for useless in (b"", b"\x93\x01", self._message("a/b", []), self._message(name, [{"camera": name}])):
                push.send(useless)
            self._ask(ask, "status")
            push.send(encode({"v": VERSION, "type": "end", "session": name}))
        with urllib.request.urlopen(f"http://{self._addresses.http}/metrics", timeout=20) as answer:
            answer.read()

    def _message(self, session: str, views: list[dict[str, Any]]) -> bytes:
        fields = {"v": VERSION, "type": "keypoints", "session": session, "t": self._t, "views": views}
        return encode(fields)

    def _ask(self, socket: Any, operation: str, **fields: Any) -> None:
        socket.send(encode({"v": VERSION, "type": operation, "id": self.rounds} | fields))
        assert socket.poll(PATIENCE), f"no reply to {operation}"
        decode_map(socket.recv())


@contextmanager
def churning(addresses: Addresses, views: list[dict[str, Any]]) -> Iterator[Churn]:
    """Churn on a thread of its own while the context lasts; `views` of one person that the daemon can fit."""
    churn, stop = Churn(addresses, views), threading.Event()
    thread = threading.Thread(target=churn.run, args=(stop,))
    thread.start()
    try:
        yield churn
    finally:
        stop.set()
        thread.join()


def as_arrays(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Views as they were decoded, ready to be sent again."""
    return [{"camera": view["camera"], "xyc": np.asarray(view["xyc"], np.float32)} for view in views]
