"""The one thread that fits, shared fairly by the sessions."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from streamfit.daemon.answers import Answer
from streamfit.daemon.session import Session

log = logging.getLogger(__name__)
THREAD = "solver"
Result = TypeVar("Result")


class Solver:
    """Answers the instants of `sessions()` one at a time, each session in its turn, through `publish`."""

    def __init__(self, sessions: Callable[[], Iterable[Session]], publish: Callable[[Session, Answer], None]):
        self._sessions, self._publish = sessions, publish
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=THREAD)
        self._work = asyncio.Event()
        self._turn: str | None = None
        self._job: Future[Any] | None = None
        self.began: float | None = None
        """When what runs on the thread began, s, monotonic; None while nothing does."""

    @property
    def busy(self) -> bool:
        """Whether something runs on the thread."""
        return self._job is not None and not self._job.done()

    def is_mine(self) -> bool:
        """Whether the calling thread is the solver's."""
        return threading.current_thread().name.startswith(THREAD)

    def wake(self) -> None:
        """There is something to solve."""
        self._work.set()

    async def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` on the solver thread, after what runs there now."""
        job = self._job = self._thread.submit(self._timed, function)
        return await asyncio.wrap_future(job)

    async def run(self) -> None:
        """Solve, for ever."""
        while True:
            session = self._next()
            if session is None:
                self._work.clear()
                await self._work.wait()
                continue
            self._turn = session.name
            instant = session.backlog.take()
            if instant is not None:
                session.note_taken(instant)
                await self._answer(session, partial(session.live.solve, instant))
                session.note_answered()
            elif session.ending is not None:
                await self._answer(session, session.live.finish)
                session.ending.set_result(None)

    def _timed(self, function: Callable[[], Result]) -> Result:
        self.began = time.monotonic()
        try:
            return function()
        finally:
            self.began = None

    def close(self) -> None:
        """No more calls."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> Session | None:
        """The first session with work after the one whose turn it was."""
        working = [s for s in self._sessions() if s.backlog or (s.ending is not None and not s.ending.done())]
        later = [s for s in working if self._turn is not None and s.name > self._turn]
        return min(later or working, key=lambda s: s.name, default=None)

    async def _answer(self, session: Session, solve: Callable[[], Iterable[list[Answer]]]) -> None:
        """Publish what is solved as it comes: the solver goes on with what is less urgent meanwhile."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            before = time.monotonic()
            for answers in solve():
                now = time.monotonic()
                if answers:
                    stage = "fit" if any(answer["type"] == "kinematics" for _, answer in answers) else "smooth"
                    session.stages[stage].observe(now - before)
                    loop.call_soon_threadsafe(self._send, session, answers, now)
                before = time.monotonic()

        try:
            await self.call(work)
        except Exception:
            # a defect in one session's way out is no reason to stop the others
            session.live.fits.failures += 1
            log.exception("session %s: an instant is lost", session.name, extra={"session": session.name})

    def _send(self, session: Session, answers: list[Answer], solved: float) -> None:
        for answer in answers:
            if "latency" in answer[1]:
                answer[1]["latency"] += time.monotonic() - solved
            try:
                self._publish(session, answer)
            except Exception:
                session.live.fits.failures += 1
                log.exception("session %s: an answer is lost", session.name, extra={"session": session.name})
        session.stages["publish"].observe(time.monotonic() - solved)
