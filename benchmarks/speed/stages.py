"""What an instant costs, stage by stage, in this process: the daemon's own functions on a simulated stream."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import zmq

from benchmarks.lib.stream import Shape, Stream
from streamfit.daemon.net.auth import MessageAuthenticator
from streamfit.daemon.net.publisher import Publisher
from streamfit.daemon.net.subscribers import Subscribers
from streamfit.daemon.web.page_feed import PageFeed
from streamfit.engine.engine import Engine
from streamfit.engine.setup import Setup
from streamfit.estimation.estimate import Estimate
from streamfit.estimation.live.track_state import TrackState
from streamfit.estimation.live.tracker import WindowSolver
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
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


class MessagePath:
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
        setup = Setup(skeleton, stream.rig, stream.keypoints, stream.subject)
        names = [f"s{i}" for i in range(shape.sessions)]
        self._sessions = [Engine(n, setup, solver=self._solver) for n in names]
        self._sessions[0].prepare()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def answer(self, payload: bytes, arrival: float) -> tuple[Costs, int]:
        """Answer the instant of one message, in every session; what it cost, and how many answers there were."""
        spent = dict.fromkeys(STAGES, 0.0)
        count = 0
        for session in self._sessions:
            began = time.perf_counter()
            message = decode_ingest(payload)
            decoded = time.perf_counter()
            assert isinstance(message, KeypointsMessage)
            instants = session.take(message, arrival).instants
            assembled = time.perf_counter()
            self._fitting = self._smoothing = 0.0
            answers = [answer for instant in instants for ready in session.solve([instant]) for answer in ready]
            solved = time.perf_counter()
            for answer in answers:
                self._publisher.send(answer.topic, answer.message(solved))
            sent = time.perf_counter()
            count += sum(answer.kind == "kinematics" for answer in answers)
            answering = solved - assembled - self._fitting - self._smoothing
            times = (decoded - began, assembled - decoded, self._fitting, answering, sent - solved, self._smoothing)
            for stage, seconds in zip(STAGES, times, strict=True):
                spent[stage] += seconds
        return Costs(**spent), count

    def _solver(self, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, lag: float) -> WindowSolver:
        path = self

        class Timed(WindowSolver):
            def measure(self, *arguments: Any) -> tuple[TrackState, list[Estimate]]:
                began = time.perf_counter()
                answered = super().measure(*arguments)
                path._fitting += time.perf_counter() - began
                return answered

            def settle(self, state: TrackState) -> tuple[TrackState, list[Estimate], list[ClockEvidence]]:
                began = time.perf_counter()
                smoothed = super().settle(state)
                path._smoothing += time.perf_counter() - began
                return smoothed

        return Timed(skeleton, rig, keypoints, lag)


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
