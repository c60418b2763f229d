"""Who subscribes, to how much, and who reads too slowly.

ZeroMQ keeps a queue per consumer and drops for that one when it is full, without saying for whom or how much: with
XPUB_NODROP it says that somebody's queue is full, once. Who that is shows in what the kernel could not send either;
what is dropped is counted from then until the connection is empty again, so that the count is an upper bound.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field

import zmq

from streamfit.daemon.net.auth import MessageAuthenticator
from streamfit.transport.peers import cut, descriptor, identity, unsent

log = logging.getLogger(__name__)
MAX_CONSUMERS = 256
MAX_TOPICS = 1024  # of one consumer
MAX_TOPIC_BYTES = 1 << 16  # of one consumer, together
MAX_NAMED = 64


@dataclass(eq=False)
class Consumer:
    """A connection and the topics (prefixes) that it asked for; `dropped` since it reads too slowly, else None."""

    name: str
    number: int
    identity: int
    topics: set[bytes] = field(default_factory=set)
    size: int = 0
    dropped: int | None = None

    def wants(self, topic: bytes) -> bool:
        """Whether a message of this topic is sent to it."""
        return any(topic.startswith(prefix) for prefix in self.topics)


class Subscribers:
    """The connections of the publish socket. `slow_episodes` and `dropped` count over the daemon's life."""

    def __init__(self, authenticator: MessageAuthenticator):
        self.slow_episodes = 0
        self.dropped = 0
        self._authenticator = authenticator
        self._by_number: dict[int, Consumer] = {}
        self._slow: list[Consumer] = []

    def take(self, frame: zmq.Frame) -> str | None:
        """A subscription or its end; the prefix of a new subscription. Who asks for too much is cut off."""
        number, kind, topic = descriptor(frame), frame.bytes[:1], frame.bytes[1:]
        sender = self._authenticator.sender(frame)
        if number < 0 or kind not in (b"\x00", b"\x01") or not self._authenticator.admits(frame, sender):
            return None
        consumer = self._by_number.get(number)
        if consumer is None or consumer.identity != identity(number):
            self.look()
            consumer = Consumer(self._authenticator.name(sender), number, identity(number))
            self._by_number[number] = consumer
        if kind == b"\x00":
            if topic in consumer.topics:
                consumer.topics.remove(topic)
                consumer.size -= len(topic)
            return None
        if topic not in consumer.topics:
            consumer.topics.add(topic)
            consumer.size += len(topic)
        if len(consumer.topics) > MAX_TOPICS or consumer.size > MAX_TOPIC_BYTES or len(self._by_number) > MAX_CONSUMERS:
            self._authenticator.reject(sender, Counter(["too_many_subscriptions"]))
            del self._by_number[number]
            cut(number)
            return None
        return topic.decode(errors="replace")

    def full(self, topic: bytes) -> None:
        """Somebody's queue for this topic is full."""
        waiting = {c: unsent(c.number) for c in self._by_number.values() if c.wants(topic)}
        most = max(waiting.values(), default=0)
        for consumer, count in waiting.items():
            if consumer.dropped is None and count >= max(1, most // 2):
                consumer.dropped = 0
                self.slow_episodes += 1
                self._slow.append(consumer)
                log.warning("consumer %s reads too slowly: it misses messages from now on", consumer.name)

    def sent(self, topic: bytes) -> None:
        """A message was published."""
        for consumer in self._slow:
            if consumer.wants(topic) and consumer.dropped is not None:
                consumer.dropped += 1
                self.dropped += 1

    def look(self) -> None:
        """Forget the connections that have ended, and say who reads again."""
        self._by_number = {n: c for n, c in self._by_number.items() if identity(n) == c.identity}
        for consumer in list(self._slow):
            is_there = self._by_number.get(consumer.number) is consumer
            if not is_there or unsent(consumer.number) == 0:
                what = "reads again" if is_there else "is gone"
                log.warning("consumer %s %s: it missed %d messages at most", consumer.name, what, consumer.dropped)
                consumer.dropped = None
                self._slow.remove(consumer)

    def status(self) -> dict[str, object]:
        """What the status says of the consumers."""
        return {
            "connected": len(self._by_number),
            "slow": {c.name: c.dropped for c in self._slow[:MAX_NAMED]},
            "slow_episodes": self.slow_episodes,
            "dropped": self.dropped,
        }
