"""The receiving side: what a daemon publishes, decoded, with what was lost on the way."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zmq
import zmq.asyncio

from streamfit.client.connect import connect
from streamfit.errors import InputError
from streamfit.protocol.codec import Rejected, decode_array, decode_map

PUBLISH = "tcp://127.0.0.1:5571"
QUEUE = 100_000
HELLO = 3.0
"""s to wait for a daemon, which sends `status` every second."""
JUMP, JUMP_RATE = 10_000, 1_000.0
"""A step in `seq` above so many, and so many per second of silence, is no loss: the numbers began anew."""
VECTORS = ("kinematics", "smoothed", "bodies")
"""Kinds whose arrays have the order that the `model` message gives."""
_ARRAYS = {"q", "qd", "sd", "position", "quaternion"}


@dataclass(frozen=True)
class Message:
    """One published message.

    Attributes:
        topic: as it came, `KIND/SESSION/PERSON` or `status`.
        fields: the keys of its kind (docs/reference.md); arrays are NumPy's, float64.
        model: the latest `model` message of this person, which names coordinates, bodies and keypoints; else empty.
        lost: messages of this topic that were lost just before this one.
        restarted: the topic's numbers began anew: the daemon was restarted, or the session opened again.
        received: when it was read, s on `time.monotonic`.
        payload: the bytes on the wire.
    """

    topic: str
    fields: Mapping[str, Any]
    model: Mapping[str, Any]
    lost: int
    restarted: bool
    received: float
    payload: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """`kinematics`, `gait`, `status` and so on."""
        return self.topic.partition("/")[0]

    @property
    def session(self) -> str:
        """The session; empty for `status`."""
        return self.topic.partition("/")[2].partition("/")[0]

    @property
    def person(self) -> str:
        """The person; empty for `status`."""
        return self.topic.partition("/")[2].partition("/")[2]

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates, in the order of `q`, `qd` and `sd`."""
        return tuple(self.model.get("coordinates", ()))

    def __getitem__(self, key: str) -> Any:
        return self.fields[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The field `key`, or `default` where the message has none."""
        return self.fields.get(key, default)

    def value(self, coordinate: str, of: str = "q") -> float:
        """One coordinate of the vector `of` (`q`, `qd` or `sd`), in rad or m (per s for `qd`).

        Raises:
            InputError: the model has no such coordinate.
        """
        return float(self.fields[of][self._place(coordinate)])

    def angle(self, coordinate: str, of: str = "q") -> float:
        """As `value`, in degrees.

        Raises:
            InputError: the model has no such coordinate, or it is a length.
        """
        if self.model["units"][self._place(coordinate)] != "rad":
            raise InputError(f"{coordinate} is a length: use `value`, in metres")
        return float(np.degrees(self.value(coordinate, of)))

    def _place(self, coordinate: str) -> int:
        try:
            return self.coordinates.index(coordinate)
        except ValueError:
            raise InputError(f"no coordinate {coordinate!r}; there are {', '.join(self.coordinates)}") from None


class Subscriber:
    """Receives a daemon's messages; iterate over it with `for` or `async for`. For one thread at a time.

    `lost` counts the messages that were lost on the way, `restarts` how often the daemon was restarted, `unreadable`
    what could not be decoded. A person's vectors (`kinematics`, `smoothed`, `bodies`) begin once the model that names
    them has come, some 20 ms after the subscription. A daemon that restarts is found again by itself.
    """

    def __init__(
        self,
        *topics: str,
        address: str = PUBLISH,
        keys: Path | None = None,
        timeout: float | None = None,
        need_model: bool = True,
        queue: int = QUEUE,
    ) -> None:
        """Connect; nothing here waits for the daemon.

        Args:
            topics: `KIND`, `KIND/SESSION` or `KIND/SESSION/PERSON`, as `"kinematics"` or `"gait/room"`; none for all.
            address: the daemon's publish socket.
            keys: this client's secret key file, with `server.key` beside it, for a daemon that asks for keys.
            timeout: s without a message after which iterating raises TimeoutError; None waits for ever.
            need_model: leave out vectors whose model has not come yet.
            queue: messages that may wait to be read; then the newest are lost.

        Raises:
            InputError: an address or a key that cannot be used.
        """
        self.lost = self.restarts = self.unreadable = 0
        self.address, self.timeout = address, timeout
        self._wanted = [topic.rstrip("/").split("/") for topic in topics]
        self._need_model = need_model
        self._models: dict[str, Mapping[str, Any]] = {}
        self._last: dict[str, tuple[int, float]] = {}
        self._early: deque[Message] = deque()
        self._context = zmq.Context()
        try:
            self.socket = connect(self._context, zmq.SUB, address, keys, queue)
        except InputError:
            self._context.term()
            raise
        for prefix in _prefixes(self._wanted):
            self.socket.subscribe(prefix)

    def wait_for_daemon(self, timeout: float = HELLO) -> None:
        """Wait until the daemon is heard: of what it publishes from then on nothing is missed.

        What came before is kept for the next reads.

        Raises:
            InputError: no daemon was heard within `timeout` s.
        """
        end = time.monotonic() + timeout
        while self.socket.poll(_milliseconds(end - time.monotonic())):
            message = self._take(*self.socket.recv_multipart())
            if message is not None and self._is_wanted(message):
                self._early.append(message)
            if message is not None and message.kind == "status":
                return
        raise InputError(f"{self.address}: no daemon publishes there; start `streamfit serve`, or name its address")

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, or None where none came within `timeout` s (None: wait for ever; 0: do not wait)."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            message = self._next()
            if message is not None:
                return message
            left = None if end is None else end - time.monotonic()
            if not self.socket.poll(_milliseconds(left)):
                return None

    async def receive_async(self, timeout: float | None = None) -> Message | None:  # noqa: ASYNC109 - as `receive`
        """As `receive`, while other tasks of the event loop go on."""
        end = None if timeout is None else time.monotonic() + timeout
        poller = zmq.asyncio.Poller()
        poller.register(self.socket, zmq.POLLIN)
        await asyncio.sleep(0)  # a full queue leaves the others their turn as well
        while True:
            message = self._next()
            if message is not None:
                return message
            left = None if end is None else end - time.monotonic()
            if not await poller.poll(-1 if left is None else _milliseconds(left)):
                return None

    def close(self) -> None:
        """Close the connection."""
        self.socket.close(0)
        self._context.term()

    def _next(self) -> Message | None:
        """The first wanted message of those that are here."""
        if self._early:
            return self._early.popleft()
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            message = self._take(*frames)
            if message is not None and self._is_wanted(message):
                return message

    def _take(self, topic: bytes, payload: bytes, *more: bytes) -> Message | None:
        """Decode a message, and note its number and its model."""
        name, now = topic.decode(errors="replace"), time.monotonic()
        kind, _, who = name.partition("/")
        try:
            fields = _decoded(decode_map(payload), kind)
        except Rejected:
            self.unreadable += 1
            return None
        lost, restarted = self._gap(name, fields.get("seq"), now)
        self.lost += lost
        self.restarts += restarted and kind == "status"
        if kind == "model":
            self._models[who] = fields
        return Message(name, fields, self._models.get(who, {}), lost, restarted, now, payload)

    def _gap(self, topic: str, seq: Any, now: float) -> tuple[int, bool]:
        """Messages missing before `seq`, and whether the numbers began anew."""
        if type(seq) is not int:
            return 0, False
        last, at = self._last.get(topic, (seq - 1, now))
        self._last[topic] = seq, now
        missing = seq - last - 1
        if missing < 0 or missing > JUMP + JUMP_RATE * (now - at):
            return 0, True
        return missing, False

    def _is_wanted(self, message: Message) -> bool:
        parts = message.topic.split("/")
        if self._wanted and not any(parts[: len(topic)] == topic for topic in self._wanted):
            return False
        return not self._need_model or message.kind not in VECTORS or _fits(message)

    def __iter__(self) -> Iterator[Message]:
        while True:
            yield self._or_timeout(self.receive(self.timeout))

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            yield self._or_timeout(await self.receive_async(self.timeout))

    def _or_timeout(self, message: Message | None) -> Message:
        if message is None:
            raise TimeoutError(f"{self.address}: no message for {self.timeout} s")
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _prefixes(wanted: Sequence[Sequence[str]]) -> list[str]:
    """What to subscribe to: the wanted topics, their models, and `status`, which tells of restarts."""
    if not wanted:
        return [""]
    prefixes = {"status"}
    for kind, *who in wanted:
        for name in (kind, "model") if kind != "status" else (kind,):
            prefixes.add("/".join([name, *who]) if who or name == "status" else f"{name}/")
    return sorted(prefixes)


def _decoded(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    """The same with arrays. Raises Rejected."""
    arrays = _ARRAYS | ({"keypoints"} if kind == "bodies" else set())
    return {
        key: decode_array(value) if key in arrays or (isinstance(value, dict) and "dtype" in value) else value
        for key, value in fields.items()
    }


def _fits(message: Message) -> bool:
    """Whether the model that is known is the one that the vectors are of."""
    if message.kind == "bodies":
        return bool(message.model)
    return bool(message.model) and len(message["q"]) == len(message.coordinates)


def _milliseconds(left: float | None) -> int | None:
    """For ZeroMQ, rounded up; None waits for ever."""
    return None if left is None else max(0, int(1000 * left) + 1) if left > 0 else 0
