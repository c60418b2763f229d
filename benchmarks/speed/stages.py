"""What an instant costs, stage by stage, in this process: the daemon's own functions on a simulated stream."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import zmq

from benchmarks.lib.stream import Shape, Stream
from streamfit.daemon.net.auth import MessageAuthenticator
from streamfit.daemon.net.publisher import Publisher
from streamfit.daemon.net.subscribers import Subscribers
from streamfit.daemon.web.page_feed import PageFeed
from streamfit.engine.engine import IngestSettings, LiveSession
from streamfit.estimation.estimate import Estimate, Load
from streamfit.estimation.live.clock_sync import Clocks
from streamfit.estimation.live.tracker import Sighting, Tracker
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest

SWEPT = 16 << 20
"""Bytes: more than the caches that a core has for itself."""


@dataclass(frozen=True)
class Costs:
    """s that one instant took: from bytes to a message, to an instant, to estimates, to answers, to bytes sent.

    `smooth` is what follows when the live answer is on its way.
    """

    decode: float
    assemble: float
    fit: float
    answer: float
    encode: float
    smooth: float

    @property
    def total(self) -> float:
        return sum(vars(self).values())


STAGES = tuple(field.name for field in fields(Costs))


class Engine:
    """The path of a message through a daemon, without its event loop and its threads.

    One session of the stream's people, or several that get the same messages; its answers go to a socket that
    nobody listens to.
    """

    def __init__(self, skeleton: Skeleton, stream: Stream, shape: Shape) -> None:
        self._fitting = self._smoothing = 0.0
        self._stack = ExitStack()
        context = self._stack.enter_context(zmq.Context())
        socket = self._stack.enter_context(closing(context.socket(zmq.XPUB)))
        socket.bind("inproc://answers")
        self._publisher = Publisher(socket, Subscribers(MessageAuthenticator(None)), PageFeed())
        equipment = (skeleton, stream.rig, stream.keypoints, stream.subject)
        names = [f"s{i}" for i in range(shape.sessions)]
        self._sessions = [LiveSession(n, *equipment, IngestSettings(), 0.1, self._tracker) for n in names]
        self._sessions[0].prepare()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def answer(self, payload: bytes, arrival: float) -> tuple[Costs, int]:
        """Answer the instant of one message, in every session; what it cost, and how many answers there were."""
        spent = dict.fromkeys(STAGES, 0.0)
        count = 0
        for live in self._sessions:
            began = time.perf_counter()
            message = decode_ingest(payload)
            decoded = time.perf_counter()
            assert isinstance(message, KeypointsMessage)
            live.feed(message, arrival)
            instants = live.due(arrival)
            assembled = time.perf_counter()
            self._fitting = self._smoothing = 0.0
            answers = [answer for instant in instants for ready in live.solve(instant) for answer in ready]
            solved = time.perf_counter()
            for topic, fields_ in answers:
                self._publisher.send(topic, fields_)
            sent = time.perf_counter()
            count += sum(fields_["type"] == "kinematics" for _, fields_ in answers)
            answering = solved - assembled - self._fitting - self._smoothing
            times = (decoded - began, assembled - decoded, self._fitting, answering, sent - solved, self._smoothing)
            for stage, seconds in zip(STAGES, times, strict=True):
                spent[stage] += seconds
        return Costs(**spent), count

    def _tracker(
        self,
        skeleton: Skeleton,
        rig: Rig,
        keypoints: KeypointSet,
        subject: Subject,
        lag: float,
        *,
        clocks: Clocks,
    ) -> Tracker:
        engine = self

        class Timed(Tracker):
            def answer(self, instants: Sequence[Sighting], load: Load = Load.NORMAL) -> list[Estimate]:
                began = time.perf_counter()
                answered = super().answer(instants, load)
                engine._fitting += time.perf_counter() - began
                return answered

            def settled(self) -> list[Estimate]:
                began = time.perf_counter()
                smoothed = super().settled()
                engine._smoothing += time.perf_counter() - began
                return smoothed

        return Timed(skeleton, rig, keypoints, subject, lag, clocks=clocks)


class Yardstick:
    """A fixed computation of the kind that surrounds a fit: many small NumPy operations, about 2 ms.

    It begins by emptying the processor's caches of what ran before, for itself and for what runs next: whether other
    processes do so in between changes an instant's cost by half, and would decide every comparison.
    """

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self._stacks = [draw.normal(size=(n, 3, 3)) for n in range(2, 60)]
        self._swept = np.zeros(SWEPT // 8)

    def seconds(self) -> float:
        """How long this process computes for it now."""
        self._swept += 1.0
        began = time.process_time()
        for stack in self._stacks:
            squared = np.einsum("nij,nkj->nik", stack, stack)
            np.linalg.norm(squared, axis=-1).sum()
            np.concatenate([stack, squared]).mean(0)
            np.where(squared > 0.0, squared, 0.0)
            np.argsort(stack[:, 0, 0])
        return time.process_time() - began
