"""The publish socket: numbers every message, and tells each new subscriber of a model what it is."""

import asyncio
import time
from collections import OrderedDict
from typing import Any

import zmq

from streamfit.daemon.net.subscribers import Subscribers
from streamfit.daemon.web.page_feed import PageFeed
from streamfit.protocol.codec import encode

POLL = 0.02  # s between two looks for new subscriptions
MAX_TOPICS = 4096  # whose numbers are remembered, those used last; a forgotten one goes on above all it ever had
MAX_MODELS = 256


class Publisher:
    """Sends on an XPUB socket. Numbers begin at the clock's microseconds, or `sequence`: a restart goes on above."""

    def __init__(self, socket: "zmq.Socket[bytes]", consumers: Subscribers, feed: PageFeed, sequence: int = 0):
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket, self._consumers, self._feed = socket, consumers, feed
        self._begin = max(time.time_ns() // 1000, sequence) - time.monotonic_ns() // 1000
        self._sequence: OrderedDict[str, int] = OrderedDict()
        self._models: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def bound(self) -> int:
        """What no number is above so far, as long as a topic has less than one message in a microsecond."""
        return self._begin + time.monotonic_ns() // 1000

    def send(self, topic: str, payload: dict[str, Any]) -> bytes:
        """Publish one message; its bytes. Subscribers that are too slow miss it, which `seq` shows them."""
        sequence = self._sequence.get(topic, self.bound() - 1) + 1
        _remember(self._sequence, topic, sequence, MAX_TOPICS)
        if payload["type"] == "model":
            _remember(self._models, topic, payload, MAX_MODELS)
        message = encode(payload | {"seq": sequence})
        self._send(topic.encode(), message)
        self._feed.offer(topic, message)
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
            self._consumers.look()
            await asyncio.sleep(POLL)

    def _send(self, topic: bytes, message: bytes) -> None:
        try:
            self._socket.send_multipart((topic, message), zmq.DONTWAIT)
        except zmq.Again:  # a queue is full: dropped for that consumer, sent to the others
            self._consumers.full(topic)
            self._socket.setsockopt(zmq.XPUB_NODROP, 0)
            self._socket.send_multipart((topic, message), zmq.DONTWAIT)
            self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._consumers.sent(topic)

    def _new_subscriptions(self) -> set[str]:
        prefixes = set()
        for _ in range(1000):
            try:
                frame = self._socket.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                break
            prefix = self._consumers.take(frame)
            if prefix is not None:
                prefixes.add(prefix)
        return prefixes


def _remember(entries: OrderedDict[str, Any], key: str, value: Any, most: int) -> None:
    """As the newest of at most so many."""
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > most:
        entries.popitem(last=False)
