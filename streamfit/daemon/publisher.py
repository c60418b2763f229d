"""The publish socket: numbers every message, and tells each new subscriber of a model what it is."""

import asyncio
import time
from typing import Any

import zmq

from streamfit.wire.packing import encode

POLL = 0.02  # s between two looks for new subscriptions


class Publisher:
    """Sends on an XPUB socket. Sequences begin at the clock's microseconds: a restart goes on above."""

    def __init__(self, socket: "zmq.Socket[bytes]"):
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket = socket
        self._sequence: dict[str, int] = {}
        self._models: dict[str, dict[str, Any]] = {}

    def send(self, topic: str, payload: dict[str, Any]) -> bytes:
        """Publish one message; its bytes. Subscribers that are too slow miss it, which `seq` shows them."""
        sequence = self._sequence.get(topic, time.time_ns() // 1000 - 1) + 1
        self._sequence[topic] = sequence
        if payload["type"] == "model":
            self._models[topic] = payload
        message = encode(payload | {"seq": sequence})
        self._socket.send_multipart((topic.encode(), message), zmq.DONTWAIT)
        return message

    def forget(self, session: str) -> None:
        """Drop the topics of a session that is closed."""
        for topics in (self._sequence, self._models):
            for topic in [t for t in topics if t.split("/")[1:2] == [session]]:
                del topics[topic]

    async def serve_subscriptions(self) -> None:
        """Send the models that new subscriptions ask for, for ever."""
        # Looking is simpler than waiting: sends swallow the edge that would announce a subscription, and a
        # burst of subscriptions is answered once.
        while True:
            wanted = self._new_subscriptions()
            for topic, payload in list(self._models.items()):
                if any(topic.startswith(prefix) for prefix in wanted):
                    self.send(topic, payload)
            await asyncio.sleep(POLL)

    def _new_subscriptions(self) -> set[str]:
        prefixes = set()
        for _ in range(1000):
            try:
                message = self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                break
            if message[:1] == b"\x01":
                prefixes.add(message[1:].decode(errors="replace"))
        return prefixes
