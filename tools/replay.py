#!/usr/bin/env python
"""Sends the keypoints of a recording to a daemon, as its detectors did."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import zmq
from sockets import ingest_option, keys_option, message_of, publish_option

from streamfit.client import Subscriber
from streamfit.client.connect import connect
from streamfit.errors import InputError
from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionFile, read_session
from streamfit.terminal import run

UNDER_WAY = 32  # instants that may wait for their answer
Message = dict[str, Any]

STALL = 1.0  # s without an answer after which the instants under way are given up
TAKEN = 3000  # ms within which a daemon must take a message


@click.command(
    epilog="""\b
Examples:
  tools/replay.py walk.mcap                          in real time, to a daemon on this machine
  tools/replay.py walk.mcap --speed 0                as fast as it is answered
  tools/replay.py walk.mcap --loop 10 --session s2   ten times on end, as session s2
"""
)
@click.argument("recording", metavar="SESSION.mcap", type=click.Path(path_type=Path))
@click.option("--speed", type=click.FloatRange(min=0), default=1.0, show_default=True)
@click.option("--loop", type=click.IntRange(min=1), default=1, help="Times to play it; time goes on.")
@click.option("--session", metavar="NAME", help="Send as this session.  [default: as recorded]")
@ingest_option
@publish_option
@keys_option
def replay(
    recording: Path,
    speed: float,
    loop: int,
    session: str | None,
    ingest: str,
    publish: str,
    keys: Path | None,
) -> None:
    """Send the keypoints of a recording to a daemon.

    They go in real time, --speed times as fast, or with --speed 0 as fast as the daemon answers, with at most
    32 instants under way. An `end` message follows.
    """
    file = read_session(recording)
    name = session or _recorded_name(file)
    with zmq.Context() as context, connect(context, zmq.PUSH, ingest, keys) as push:
        push.set(zmq.SNDTIMEO, TAKEN)
        push.set(zmq.LINGER, TAKEN)
        pace: Clock | Answers
        pace = Clock(speed) if speed > 0 else Answers(publish, keys, name)
        started, sent = time.monotonic(), 0
        for due, payload, message in _played(file, loop, session):
            pace.wait(due, message)
            _send(push, payload, ingest)
            sent += 1
        pace.close()
        _send(push, encode({"v": 1, "type": "end", "session": name}), ingest)
    click.echo(f"sent {sent} messages of session {name} in {time.monotonic() - started:.2f} s; {pace.summary}")


class Clock:
    """Lets a message go at its time, `speed` times as fast as it was recorded."""

    def __init__(self, speed: float) -> None:
        self._speed, self._start, self._behind = speed, time.monotonic(), 0.0

    def wait(self, due: float, message: Message | None) -> None:
        left = self._start + due / self._speed - time.monotonic()
        self._behind = max(self._behind, -left)
        time.sleep(max(0.0, left))

    def close(self) -> None:
        pass

    @property
    def summary(self) -> str:
        return f"at most {1000 * self._behind:.1f} ms behind its time"


class Answers:
    """Lets a message go while fewer than UNDER_WAY instants wait for their `kinematics`."""

    def __init__(self, address: str, keys: Path | None, session: str) -> None:
        self._subscriber = Subscriber(f"kinematics/{session}", address=address, keys=keys, need_model=False)
        self._subscriber.wait_for_daemon()
        self._waiting: dict[str, deque[float]] = defaultdict(deque)  # per camera: one view is one instant
        self._answered, self._given_up = 0, 0
        self._last = float("-inf")

    def wait(self, due: float, message: Message | None) -> None:
        self._take_answers(UNDER_WAY - 1)
        if message is None:
            return
        for view in message["views"]:
            waiting = self._waiting[view["camera"]]
            if not waiting or waiting[-1] != message["t"]:
                waiting.append(message["t"])

    def close(self) -> None:
        self._take_answers(0)
        self._subscriber.close()

    @property
    def summary(self) -> str:
        return f"{self._answered} instants answered" + (
            f", {self._given_up} given up after {1000 * STALL:.0f} ms" if self._given_up else ""
        )

    def _take_answers(self, allowed: int) -> None:
        """Read what was answered, and wait until at most `allowed` instants are under way."""
        while (answer := self._subscriber.receive(STALL if self._under_way() > allowed else 0)) is not None:
            if answer["t"] <= self._last:
                continue
            self._answered += 1
            self._last = answer["t"]
            for waiting in self._waiting.values():
                while waiting and waiting[0] <= self._last:
                    waiting.popleft()
        if self._under_way() > allowed:
            self._given_up += self._under_way()
            self._waiting.clear()

    def _under_way(self) -> int:
        return max(map(len, self._waiting.values()), default=0)


def _played(file: SessionFile, loop: int, session: str | None) -> Iterator[tuple[float, bytes, Message | None]]:
    """When it is due (s from the start), the bytes, and their map; other bytes go unchanged."""
    shift, first_arrival = 0.0, None
    for turn in range(loop):
        times: dict[str, list[float]] = defaultdict(list)
        for _, payload, arrival, _ in file.messages({"keypoints"}):
            first_arrival = arrival if first_arrival is None else first_arrival
            message = _keypoints(payload)
            if message is not None:
                for view in message["views"]:
                    times[view["camera"]].append(message["t"])
                if session is not None or turn:
                    message = _moved(message, shift, session)
                    payload = encode(message)
            yield (arrival - first_arrival) / 1e9 + shift, payload, message
        shift += max(map(_period, times.values()), default=0.0)


def _keypoints(payload: bytes) -> Message | None:
    """The map of a keypoints message; None for other bytes, which a recording may hold too."""
    message = message_of(payload)
    if message is None or not isinstance(message.get("t"), float | int):
        return None
    views = message.get("views")
    if not isinstance(views, list) or not all(isinstance(v, dict) and "camera" in v for v in views):
        return None
    return message


def _moved(message: Message, shift: float, session: str | None) -> Message:
    """The message `shift` s later, in another session; views that have their own time with it."""
    views = [{**view, "t": view["t"] + shift} if "t" in view else view for view in message["views"]]
    moved = {**message, "t": message["t"] + shift, "views": views}
    return moved if session is None else {**moved, "session": session}


def _period(times: list[float]) -> float:
    """The time from a camera's first view to its repetition: its span and one median step."""
    steps = sorted(b - a for a, b in pairwise(sorted(set(times))))
    return max(times) - min(times) + (steps[len(steps) // 2] if steps else 0.0)


def _recorded_name(file: SessionFile) -> str:
    for message in file.messages({"keypoints"}):
        content = message_of(message.payload)
        if content is not None and isinstance(content.get("session"), str):
            return str(content["session"])
    raise InputError(f"{file.path} holds no keypoints: it cannot be replayed")


def _send(push: zmq.Socket[bytes], payload: bytes, address: str) -> None:
    try:
        push.send(payload)
    except zmq.Again as error:
        raise InputError(f"nothing takes messages at {address}: start 'streamfit serve', or name it") from error


if __name__ == "__main__":
    run(replay)
