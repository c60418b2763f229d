"""The solver thread, shared fairly by the sessions."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from streamfit.daemon.net.reputation import Sender
from streamfit.daemon.sessions.session import Session, SolverJob
from streamfit.engine.answers import Answer
from streamfit.estimation.estimate import Load

log = logging.getLogger(__name__)
THREAD = "solver"
BUSY = 0.6  # share of its time that the thread works, above which it does what is most urgent only
LOAD_TAU_S = 0.5  # s over which that share is taken
MOMENT = 0.001  # s of a stage, after which others may have their turn
SUSPECT_BACKOFF = 1000.0  # times what a turn took until the next of a suspect session, while others are in use
SUSPECT_POLL_S = 0.1  # s until it is seen that they no longer are
Result = TypeVar("Result")


class Solver:
    """Answers the instants of `sessions()` that wait, shared fairly by their senders, through `publish`."""

    def __init__(self, sessions: Callable[[], Iterable[Session]], publish: Callable[[Session, Answer], None]):
        self._sessions, self._publish = sessions, publish
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=THREAD)
        self._work = asyncio.Event()
        self._turn = 0
        self._used: dict[Sender | None, float] = {}
        self._fair = 0.0
        self._job: Future[Any] | None = None
        self._serving: Session | None = None
        self._gives_way = False
        self._spared_until = 0.0
        self._ended, self._load = time.monotonic(), 0.0
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
        self._gives_way = self._must_give_way()
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
                await self._wait()
                continue
            self._turn += 1
            session.turn, sender, began = self._turn, session.sender, time.monotonic()
            self._serving = session
            self._gives_way = self._must_give_way()
            if session.under_way is None:
                session.under_way = self._begin(session)
            await self._go_on(session, session.under_way)
            self._serving = None
            self._note_work(began)
            took = time.monotonic() - began
            self._used[sender] = self._fair + took
            if session.suspect:
                self._spared_until = began + (1.0 + SUSPECT_BACKOFF) * took

    async def _wait(self) -> None:
        """Until there is something to solve, or those for whom suspects are held back may be gone."""
        self._work.clear()
        try:
            async with asyncio.timeout(SUSPECT_POLL_S if any(self._working()) else None):
                await self._work.wait()
        except TimeoutError:
            pass

    def _begin(self, session: Session) -> SolverJob:
        instants = session.backlog.take()
        if not instants:
            return SolverJob(session.engine.finish())
        session.note_taken(instants)
        return SolverJob(session.engine.solve(instants, load=self._load_of(session)), len(instants))

    def _must_give_way(self) -> bool:
        """Whether there is somebody who should not wait for all of what is under way."""
        serving = self._serving
        if serving is None:
            return False
        if serving.suspect and self._some_in_use():
            return True
        others = (s for s in self._sessions() if s is not serving and (serving.suspect or not s.suspect))
        return any(session.backlog for session in others)

    def _some_in_use(self) -> bool:
        now = time.monotonic()
        return any(session.in_use(now) for session in self._sessions())

    def _working(self) -> Iterator[Session]:
        """Sessions for which there is something to do."""
        for s in self._sessions():
            if s.backlog or s.under_way or (s.ending is not None and not s.ending.done()):
                yield s

    def _load_of(self, session: Session) -> Load:
        if session.backlog:
            return Load.OVERLOADED
        return Load.BUSY if self._load > BUSY else Load.NORMAL

    def _note_work(self, began: float) -> None:
        """The thread has worked since `began`, and before that had nothing to do."""
        now, before = time.monotonic(), self._ended
        self._ended = now
        self._load += (1.0 - math.exp((before - now) / LOAD_TAU_S)) * ((now - began) / (now - before) - self._load)

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
        """Of those with work, one of the sender who has used the solver least; of their sessions the longest unserved.

        So a sender with many sessions, or with costly ones, has no more of the solver's time than another who needs
        it. (Start-time fair queueing: Goyal et al. 1996. Who comes back from a pause has saved nothing up.) Suspect
        sessions come after all others, and seldom while one of these is in use: a turn cannot be interrupted.
        """
        working = list(self._working())
        candidates = [session for session in working if not session.suspect]
        if not candidates and (time.monotonic() >= self._spared_until or not self._some_in_use()):
            candidates = working
        if not candidates:
            return None
        present = {session.sender for session in self._sessions()}
        self._used = {sender: used for sender, used in self._used.items() if sender in present}
        chosen = min(candidates, key=lambda s: (self._start(s.sender), s.turn, s.name))
        self._fair = self._start(chosen.sender)
        return chosen

    def _start(self, sender: Sender | None) -> float:
        """Where a sender's next turn begins, in s of use that are fair to all."""
        return max(self._fair, self._used.get(sender, self._fair))

    async def _go_on(self, session: Session, under_way: SolverJob) -> None:
        """Publish what is solved as it comes, up to its end or, where this gives way to others, of its next stage.

        So the solver goes on with what is less urgent, and nobody waits for more than one person of another session.
        Each of the instants has waited for all of a stage.
        """
        loop, instants = asyncio.get_running_loop(), under_way.instants

        def work() -> bool:
            before = time.monotonic()
            for answers in under_way.stages:
                now = time.monotonic()
                if answers:
                    stage = "fit" if any(answer.kind == "kinematics" for answer in answers) else "smooth"
                    session.stages[stage].observe(now - before, instants)
                    loop.call_soon_threadsafe(self._send, session, answers, now, instants)
                if self._gives_way and time.monotonic() - before > MOMENT:
                    return False
                before = time.monotonic()
            return True

        try:
            if not await self.call(work):
                return
            if instants:
                session.note_answered(instants)
        except Exception:
            # a defect in one session's way out is no reason to stop the others
            session.lost += 1
            log.exception("session %s: instants are lost", session.name, extra={"session": session.name})
        session.under_way = None
        if not instants and session.ending is not None:
            session.ending.set_result(None)

    def _send(self, session: Session, answers: list[Answer], solved: float, instants: int) -> None:
        for answer in answers:
            try:
                self._publish(session, answer)
            except Exception:
                session.lost += 1
                log.exception("session %s: an answer is lost", session.name, extra={"session": session.name})
        session.stages["publish"].observe(time.monotonic() - solved, instants)
