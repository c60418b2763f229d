"""Calibration of a running session: scale and offsets fitted to its last seconds, in a process of its own.

The live fit goes on meanwhile. Where the verdict is not poor the frozen model is swapped between two instants; nothing
is compiled anew, because its shapes are the same.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from streamfit.daemon.sessions.progress import Progress
from streamfit.daemon.sessions.session import Session
from streamfit.errors import InputError
from streamfit.estimation.batch.calibrate import fit_bilevel
from streamfit.estimation.batch.result import finish
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.factors.shape_prior import Build
from streamfit.estimation.quality.verdict import judge
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject
from streamfit.protocol.control import ControlError

log = logging.getLogger(__name__)
NICE = 19
"""The live fit goes before."""


@dataclass(frozen=True, eq=False)
class Job:
    """What is fitted, and to what."""

    skeleton: Skeleton
    keypoints: KeypointSet
    build: Build
    trial: Trial


class Recalibration:
    """At most one calibration at a time; `call` runs a function between two instants."""

    def __init__(self, call: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        self._call = call
        self._task: asyncio.Task[None] | None = None

    def start(self, session: Session, seconds: float) -> float:
        """Begin to fit a session's last seconds; how many there are. Raises ControlError."""
        if self._task is not None and not self._task.done():
            raise ControlError("busy", "a calibration is under way; wait until it is done")
        person, instants = session.engine.lately(seconds)
        if not instants:
            raise ControlError("refused", f"session {session.name} has seen nobody in the last {seconds:g} s")
        setup = session.setup
        known = {key: setup.subject.fit.get(key) for key in ("stature", "mass")}
        trial = Trial(session.name, setup.rig, instants)
        job = Job(setup.skeleton, setup.keypoints, Build(**known), trial)
        session.calibration = Progress("running", person, instants[-1][0] - instants[0][0])
        self._task = asyncio.create_task(self._run(session, session.calibration, job))
        return session.calibration.seconds

    async def stop(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, session: Session, progress: Progress, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        inward, outward = context.Pipe(duplex=False)
        process = context.Process(target=_calibrate, args=(job, outward), daemon=True)
        try:
            await asyncio.to_thread(process.start)
            outward.close()
            found = await self._follow(inward, progress)
            if progress.state == "running":
                await self._set_subject(session, found)
                progress.state = "done"
        except InputError as error:
            progress.state, progress.message = "failed", str(error)
        except Exception:
            log.exception("session %s: a calibration failed", session.name, extra={"session": session.name})
            progress.state, progress.message = "failed", "see the daemon's log"
        finally:
            if process.pid is not None:
                process.kill()
                await asyncio.to_thread(process.join)
            inward.close()
        whose = {"session": session.name}
        log.info("session %s: calibration %s %s", session.name, progress.state, progress.message, extra=whose)

    async def _follow(self, inward: Connection, progress: Progress) -> str:
        """Wait for the subject.toml of the process, noting how far it is. InputError where it fails or dies."""
        while True:
            kind, *rest = await asyncio.to_thread(_receive, inward)
            if kind == "progress":
                progress.what, progress.share = rest
            elif kind == "failed":
                raise InputError(rest[0])
            elif kind == "defect":
                raise RuntimeError(rest[0])
            else:
                text, grade, progress.message = rest
                progress.share = 1.0
                if grade == "poor":
                    progress.state = "poor"
                return str(text)

    async def _set_subject(self, session: Session, text: str) -> None:
        setup = session.setup
        subject = Subject.from_toml(text, setup.skeleton, setup.keypoints)
        await self._call(lambda: session.engine.set_subject(subject))
        session.setup = replace(setup, subject=subject, subject_toml=text)


def _receive(inward: Connection) -> Any:
    try:
        return inward.recv()
    except EOFError:
        raise InputError("the process that calibrates has died; is there enough memory?") from None


def _calibrate(job: Job, outward: Connection) -> None:
    """In the other process: fit, judge, and tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    try:
        fit = fit_bilevel([job.trial], job.skeleton, job.keypoints, job.build)
        calibration = finish(fit, lambda what, share: outward.send(("progress", what, share)))
        outward.send(("progress", "judging", 1.0))
        verdict = judge([job.trial], job.skeleton, job.keypoints, calibration, job.build)
        subject = verdict.noted(calibration.subject, job.build)
        outward.send(("done", subject.to_toml(), verdict.grade, " ".join(verdict.reasons)))
    except InputError as error:
        outward.send(("failed", str(error)))
    except Exception:
        outward.send(("defect", f"in the process that calibrates:\n{traceback.format_exc()}"))
