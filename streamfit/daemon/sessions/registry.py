"""The sessions of the daemon: opened by their first message or on request, ended, and bounded in number."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from streamfit.daemon.net.reputation import Sender
from streamfit.daemon.scheduling.background_compile import prepare
from streamfit.daemon.sessions.recording import Recording, RecordSettings
from streamfit.daemon.sessions.session import Session
from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.setup import Setup
from streamfit.estimation.live_solver import SolverFactory
from streamfit.protocol.control import ControlError
from streamfit.protocol.ingest import EndMessage, KeypointsMessage, Rejected

MAX_SESSIONS = 16
MAX_CLOSING, MAX_ALL_CLOSING = 16, 64  # that have not answered all yet: of one sender, of all
IDLE = 60.0  # s of silence after which a session makes room for a new one
STRAGGLERS = 0.5  # s after an `end`, within which a view of the last half second is only late


class Sessions:
    """Sessions by name, each with `setup` unless it was opened with another.

    `on_closed` is called with the name of a session when its last answer is out.
    """

    def __init__(
        self,
        setup: Setup,
        ingest: IngestSettings,
        lag: float,
        recording: RecordSettings | None,
        solver: SolverFactory,
        on_instants: Callable[[], None],
        on_closed: Callable[[str], None],
    ):
        self.setup, self.ingest, self.lag, self.recording = setup, ingest, lag, recording
        self.by_name: dict[str, Session] = {}
        self._closing: list[Session] = []
        self._ended: dict[str, tuple[float, float]] = {}
        self._opening: str | None = None
        self._solver = solver
        self._on_instants, self._on_closed = on_instants, on_closed
        self._tasks: set[asyncio.Task[None]] = set()

    def all(self) -> list[Session]:
        """Those that take messages and those that are being closed."""
        return [*self.by_name.values(), *self._closing]

    def take(
        self, message: KeypointsMessage | EndMessage, payload: bytes, arrival: float, sender: Sender | None
    ) -> Counter[str]:
        """A message for one of them, from `sender`; what of it was not used: reason -> count. Raises Rejected."""
        session = self.by_name.get(message.session)
        if isinstance(message, EndMessage):
            if session is None:
                raise Rejected("unknown_session", f"an end of {message.session}, which is not open")
            self._ended = {n: e for n, e in self._ended.items() if arrival - e[1] < STRAGGLERS}
            self._ended[session.name] = (session.last_t, arrival)
            self._finish(session)
            return Counter()
        if session is None:
            self._refuse_straggler(message, arrival)
            self._make_room(message.session, arrival, sender)
            session = self._add(self._new(message.session, self.setup))
        return session.take(message, payload, arrival, sender)

    async def open(self, name: str, make_setup: Callable[[Setup], Setup], record: bool = True) -> None:
        """Open a session with what `make_setup` makes of the default, when all it needs is compiled.

        It is recorded where there is a folder for that, unless not to `record`.

        Raises ControlError, InputError.
        """
        if name in self.by_name:
            raise ControlError("refused", f"session {name} is open; close it first")
        if self._opening is not None:
            raise ControlError("busy", f"session {self._opening} is just being opened")
        self._opening = name
        try:
            setup = await asyncio.to_thread(make_setup, self.setup)
            session = self._new(name, setup)
            if not setup.compiles_like(self.setup):
                await prepare(session.engine, others=lambda: bool(self.by_name))
        finally:
            self._opening = None
        try:
            self._make_room(name, time.monotonic(), None)
            self._add(session, record)
        except Rejected as error:
            raise ControlError("refused", error.detail) from None

    async def close(self, name: str) -> None:
        """End a session and wait for its last answer. Raises ControlError."""
        await self._finish(self.get(name))

    async def close_all(self) -> None:
        """End every session and wait for the last answers and recordings."""
        for session in list(self.by_name.values()):
            self._finish(session)
        await asyncio.gather(*self._tasks)

    def get(self, name: str) -> Session:
        """The session of that name. Raises ControlError."""
        session = self.by_name.get(name)
        if session is None:
            raise ControlError("unknown_session", f"no session {name[:64]!r} is open")
        return session

    async def record(self, session: Session, on: bool) -> None:
        """Begin or end the recording of a session. Raises ControlError."""
        if on and session.recording is None:
            if self.recording is None:
                raise ControlError("refused", "no folder for recordings: set directory in [record]")
            session.recording = _recording(self.recording, session)
        elif not on and session.recording is not None:
            recording, session.recording = session.recording, None
            await recording.close()

    def _new(self, name: str, setup: Setup) -> Session:
        engine = Engine(name, setup, self.ingest, self.lag, self._solver)
        return Session(name, setup, engine, self._on_instants)

    def _make_room(self, name: str, now: float, sender: Sender | None) -> None:
        """For a session more of that sender. Raises Rejected."""
        if name == self._opening:
            raise Rejected("opening", f"session {name} is just being opened", name)
        theirs = sum(session.sender == sender for session in self._closing)
        if theirs >= MAX_CLOSING or len(self._closing) >= MAX_ALL_CLOSING:
            raise Rejected("too_many_sessions", f"{len(self._closing)} sessions are just being closed")
        if len(self.by_name) >= MAX_SESSIONS:
            self._finish(self._one_to_give_way(now, sender))

    def _add(self, session: Session, record: bool = True) -> Session:
        self.by_name[session.name] = session
        if record and self.recording is not None:
            session.recording = _recording(self.recording, session)
        return session

    def _one_to_give_way(self, now: float, sender: Sender | None) -> Session:
        """The session that makes room: one that is silent, else one of the sender with most. Raises Rejected.

        So a single sender can not keep the others out.
        """
        oldest = min(self.by_name.values(), key=lambda s: s.last_message)
        if now - oldest.last_message >= IDLE:
            return oldest
        held = Counter(session.sender for session in self.by_name.values())
        greediest, most = held.most_common(1)[0]
        if most <= held[sender] + 1:
            raise Rejected("too_many_sessions", f"{MAX_SESSIONS} sessions are open; close one")
        theirs = (session for session in self.by_name.values() if session.sender == greediest)
        return min(theirs, key=lambda s: s.last_message)

    def _finish(self, session: Session) -> "asyncio.Task[None]":
        del self.by_name[session.name]
        self._closing.append(session)
        task = asyncio.create_task(self._see_out(session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _see_out(self, session: Session) -> None:
        await session.end()
        self._closing.remove(session)
        if session.name not in self.by_name:
            self._on_closed(session.name)
        if session.recording is not None:
            await session.recording.close()

    def _refuse_straggler(self, message: KeypointsMessage, now: float) -> None:
        last_t, ended = self._ended.get(message.session, (0.0, float("-inf")))
        if now - ended < STRAGGLERS and -STRAGGLERS <= message.t - last_t <= 0.0:
            raise Rejected("after_end", f"a message of {message.session} after its end")


def _recording(settings: RecordSettings, session: Session) -> Recording:
    return Recording(settings, session.name, lambda: session.setup, session.models)
