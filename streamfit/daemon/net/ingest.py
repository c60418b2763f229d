"""The ingest socket: takes messages for as long as the daemon runs, whatever they hold."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

import zmq
import zmq.asyncio

from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.net.auth import MessageAuthenticator
from streamfit.daemon.net.reputation import Sender
from streamfit.daemon.sessions.registry import Sessions
from streamfit.protocol.codec import MAX_BYTES
from streamfit.protocol.ingest import Rejected, decode_ingest

log = logging.getLogger(__name__)
BATCH = 16  # messages between two turns of the event loop
BUDGET = 0.001  # s of one turn, after which the next message waits
FIT_DUTY = 0.5  # times what its messages cost is left to the fits where some have waited for their turn
SUSPECT_DUTY = 2.0  # the same for messages of a suspect sender: detectors must not wait for those
REPORT = 10.0  # s between two lines of one reason in the log


class Ingest:
    """Decodes what comes in on a PULL socket for `sessions()`, which is None before the daemon is ready.

    The socket takes from each connection in its turn, so that who floods has the queue of that connection full and
    no other; and a flood, of rubbish or of good messages, gets a share of the processor only.
    """

    def __init__(
        self,
        socket: zmq.asyncio.Socket,
        health: Health,
        authenticator: MessageAuthenticator,
        sessions: Callable[[], Sessions | None],
    ):
        self._socket, self._health, self._authenticator, self._sessions = socket, health, authenticator, sessions
        self._reported: dict[str, float] = {}

    async def run(self) -> None:
        """Take messages, for ever."""
        while True:
            rest = await self._turn()
            await asyncio.sleep(rest)

    async def _turn(self) -> float:
        """Take what waits, as far as one turn goes; how long to rest then, s, and 0 where nothing waits any more."""
        began, computed, rest = time.monotonic(), time.thread_time(), 0.0
        for _ in range(BATCH):
            coming = asyncio.ensure_future(self._socket.recv_multipart(copy=False))
            has_waited = coming.done()
            frames = await coming
            sender = self._authenticator.sender(frames[0])
            self._take(frames, sender, time.monotonic())
            if not has_waited:
                return 0.0
            before, computed = computed, time.thread_time()
            rest += (SUSPECT_DUTY if sender.suspect else FIT_DUTY) * (computed - before)
            if time.monotonic() - began > BUDGET or sender.suspect:
                break
        return rest

    def _take(self, frames: list[zmq.Frame], sender: Sender, arrival: float) -> None:
        sessions = self._sessions()
        try:
            if not self._authenticator.admits(frames[0], sender):
                raise Rejected("revoked", "a message of a client whose key is gone")
            if sessions is None:
                raise Rejected("starting", "a message came before the daemon was ready")
            if len(frames) != 1:
                raise Rejected("not_one_frame", f"{len(frames)} frames; a message is one")
            if len(frames[0]) > MAX_BYTES:  # before any copy is made of it
                raise Rejected("too_large", f"a message of {len(frames[0])} bytes; at most {MAX_BYTES}")
            payload = frames[0].bytes
            try:
                message = decode_ingest(payload)
            except Rejected:
                sender.note(False, arrival)
                raise
            sender.note(True, arrival)
            unused = sessions.take(message, payload, arrival, sender)
            if unused:
                self._authenticator.reject(sender, unused)
        except Rejected as error:
            self._reject(sessions, error, sender, arrival)
        except Exception:
            log.exception("a message was dropped")
            self._reject(sessions, Rejected("internal", "see the log"), sender, arrival)

    def _reject(self, sessions: Sessions | None, error: Rejected, sender: Sender, now: float) -> None:
        self._authenticator.reject(sender, Counter([error.reason]))
        session = sessions.by_name.get(error.session) if sessions and error.session else None
        if session is not None:
            session.engine.reject(error.reason, error.detail)
        else:
            self._health.rejected[error.reason] += 1
            self._health.details[error.reason] = error.detail
        if now - self._reported.get(error.reason, float("-inf")) >= REPORT:
            self._reported[error.reason] = now
            whose = {"session": error.session, "kind": error.reason}
            log.warning("dropped a message (%s): %s", error.reason, error.detail, extra=whose)
