#!/usr/bin/env python
"""Records what a daemon receives and publishes, from outside: a tee before its ingest socket."""

import math
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import click
import zmq
from sockets import (
    CONTROL,
    ingest_option,
    keys_option,
    message_of,
    publish_option,
)

from streamfit.client import Message, Subscriber
from streamfit.client.connect import connect
from streamfit.errors import InputError
from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionMessage
from streamfit.recording.writer import Recorder
from streamfit.terminal import run
from streamfit.transport.endpoints import is_local

LISTEN = "tcp://127.0.0.1:5580"
SILENCE = 1.0  # s without an answer after `end` that closes the recording
ASK = 0.25  # s between questions for the session's calibration
LARGEST = 16 * 2**20  # bytes of one message


FILE = click.Path(path_type=Path)


class Calibration(NamedTuple):
    """The attachments of a session file, as TOML text."""

    cameras: str
    keypoints: str
    subject: str | None


@click.command(
    epilog="""\b
Examples:
  tools/record.py -o walk.mcap                       then point the detectors at tcp://127.0.0.1:5580
  tools/record.py -o walk.mcap --session patient_7   of several sessions this one

The detectors send to --listen, and every message goes on to the daemon unchanged. The recording ends with the
session's `end` message, or with Ctrl-C.
"""
)
@click.option("-o", "output", metavar="SESSION.mcap", required=True, type=FILE)
@click.option("--session", metavar="NAME", help="The session to record.  [default: the first that comes]")
@click.option("--listen", default=LISTEN, show_default=True, help="Where the detectors send to.")
@ingest_option
@publish_option
@click.option("--control", default=CONTROL, show_default=True, help="Where it tells its calibration.")
@click.option("--cameras", metavar="cameras.toml", type=FILE, help="The calibration, where it cannot be asked.")
@click.option("--keypoints", metavar="NAME|FILE", help="The keypoint set, with --cameras.")
@keys_option
def record(
    output: Path,
    session: str | None,
    listen: str,
    ingest: str,
    publish: str,
    control: str,
    cameras: Path | None,
    keypoints: str | None,
    keys: Path | None,
) -> None:
    """Record one session of a running daemon, with its calibration, into a session file."""
    calibration = _calibration(cameras, keypoints)
    if output.exists():
        raise InputError(f"{output} exists already: name another file, or move it away")
    if not os.access(output.parent, os.W_OK):
        raise InputError(f"cannot write into {output.parent}: name a folder that exists and may be written")
    if not is_local(listen):
        raise InputError(f"--listen {listen} is not on this machine: detectors elsewhere send to the daemon itself")
    with zmq.Context() as context, Subscriber(address=publish, keys=keys, need_model=False) as answers:
        answers.wait_for_daemon()
        with (
            _bind(context, listen) as detectors,
            connect(context, zmq.PUSH, ingest, keys) as daemon,
            connect(context, zmq.DEALER, control, keys) as questions,
        ):
            daemon.set(zmq.LINGER, 1000)
            tee = Tee(detectors, daemon, answers, questions, output, session, calibration)
            click.echo(f"recording into {output}: send keypoints to {listen}", err=True)
            tee.run()
    if tee.session is None:
        raise InputError(f"no keypoints came to {listen}: point the detectors there")
    if tee.file is None:
        raise InputError(f"{control}: told no calibration of session {tee.session}; give --cameras and --keypoints")
    click.echo(f"recorded {tee.count} messages of session {tee.session} in {output}")


class Tee:
    """Passes keypoints on, and keeps them and the answers of one session."""

    def __init__(
        self,
        detectors: zmq.Socket[bytes],
        daemon: zmq.Socket[bytes],
        answers: Subscriber,
        questions: zmq.Socket[bytes],
        output: Path,
        session: str | None,
        calibration: Calibration | None,
    ) -> None:
        self.session, self.count = session, 0
        self.file: Recorder | None = None  # once something came and the calibration is known
        self._detectors, self._daemon, self._answers, self._questions = detectors, daemon, answers, questions
        self._output, self._calibration = output, calibration
        self._early: list[SessionMessage] = []  # what came before the file
        self._models: dict[str, Message] = {}  # of sessions that ran before this began
        self._held: bytes | None = None  # a message that the daemon has no room for yet
        self._stop = False
        self._ends = math.inf  # when to stop, once the session has ended
        self._asked = 0.0
        self._poller = zmq.Poller()
        for socket in (detectors, answers.socket, questions):
            self._poller.register(socket, zmq.POLLIN)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def run(self) -> None:
        """Until the session ends, or SIGINT or SIGTERM."""
        try:
            while not self._stop and time.monotonic() < self._ends:
                ready = dict(self._poller.poll(100))
                if self._daemon in ready and self._held is not None:
                    self._pass_on(self._held)
                if self._detectors in ready:
                    self._take_keypoints(self._detectors.recv())
                while (answer := self._answers.receive(0)) is not None:
                    self._take_answer(answer)
                if self._questions in ready:
                    self._take_calibration(self._questions.recv_multipart()[-1])
                self._ask()
        finally:
            if self.file is not None:
                self.file.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _take_keypoints(self, payload: bytes) -> None:
        self._pass_on(payload)
        message = message_of(payload) or {}
        kind, name = message.get("type"), message.get("session")
        if self.session is None and kind == "keypoints" and isinstance(name, str):
            self.session = name
            for model in self._models.values():
                self._take_answer(model)
        if self.session is None or name != self.session:
            return
        if kind == "end":
            self._ends = time.monotonic() + SILENCE
        elif kind == "keypoints":
            self._keep("keypoints", payload, message)

    def _pass_on(self, payload: bytes) -> None:
        """To the daemon; while it has no room, the detectors wait as they would without the tee."""
        try:
            self._daemon.send(payload, zmq.NOBLOCK)
        except zmq.Again:
            self._held = payload
            self._poller.register(self._daemon, zmq.POLLOUT)
            self._poller.register(self._detectors, 0)
            return
        if self._held is not None:
            self._held = None
            self._poller.unregister(self._daemon)
            self._poller.register(self._detectors, zmq.POLLIN)

    def _take_answer(self, message: Message) -> None:
        """Keep what the daemon published, where it is of this session."""
        if self.session is None and message.kind == "model":
            self._models[message.topic] = message
        if message.kind != "status":
            if self.session is None or message.session != self.session:
                return
            if self._ends < math.inf:
                self._ends = time.monotonic() + SILENCE
        self._keep(message.topic, message.payload, message.fields)

    def _keep(self, topic: str, payload: bytes, content: Mapping[str, Any]) -> None:
        now, t = time.time_ns(), content.get("t")
        published = int(t * 1e9) if isinstance(t, float | int) and math.isfinite(t) else now
        message = SessionMessage(topic, payload, now, published)
        self.count += topic != "status"
        if self.file is None:
            self._early.append(message)
        else:
            self.file.put(*message)

    def _ask(self) -> None:
        """The daemon knows a session's calibration once its first message has come."""
        if self.file is not None or self.session is None:
            return
        if self._calibration is not None:
            self._open(self._calibration)
        elif time.monotonic() > self._asked + ASK:
            self._asked = time.monotonic()
            self._questions.send(encode({"v": 1, "type": "sessions", "id": 1}))

    def _take_calibration(self, reply: bytes) -> None:
        sessions = ((message_of(reply) or {}).get("result") or {}).get("sessions")
        known = sessions.get(self.session) if isinstance(sessions, dict) else None
        if known is not None and self.file is None:
            self._open(Calibration(known["cameras"], known["keypoints"], known.get("subject")))

    def _open(self, calibration: Calibration) -> None:
        self.file = Recorder(self._output, *calibration)
        for message in self._early:
            self.file.put(*message)
        self._early.clear()


def _calibration(cameras: Path | None, keypoints: str | None) -> Calibration | None:
    """What the options give, checked; None where they leave it to the daemon."""
    if cameras is None and keypoints is None:
        return None
    if cameras is None or keypoints is None:
        raise InputError("--cameras and --keypoints go together: give both, or leave them to the daemon")
    from streamfit.model import KeypointSet
    from streamfit.model.camera import Rig

    return Calibration(Rig.load(cameras).to_toml(), KeypointSet.load(keypoints).to_toml(), None)


def _bind(context: zmq.Context[Any], address: str) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.PULL)
    socket.set(zmq.MAXMSGSIZE, LARGEST)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        socket.close(0)
        raise InputError(f"--listen {address} cannot be bound ({error.strerror}); name another") from None
    return socket


if __name__ == "__main__":
    run(record)
