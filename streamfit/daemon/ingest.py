"""The ingest socket: takes messages for as long as the daemon runs, whatever they hold."""

import asyncio
import logging
import time
from collections.abc import Callable

import zmq
import zmq.asyncio

from streamfit.daemon.sessions import Sessions
from streamfit.daemon.status import Health
from streamfit.wire.messages import Rejected, decode_ingest
from streamfit.wire.packing import MAX_BYTES

log = logging.getLogger(__name__)
BATCH = 16  # messages between two turns of the event loop
REPORT = 10.0  # s between two lines of one reason in the log


class Ingest:
    """Decodes what comes in on a PULL socket for `sessions()`, which is None before the daemon is ready."""

    def __init__(self, socket: zmq.asyncio.Socket, health: Health, sessions: Callable[[], Sessions | None]):
        self._socket, self._health, self._sessions = socket, health, sessions
        self._reported: dict[str, float] = {}

    async def run(self) -> None:
        """Take messages, for ever."""
        while True:
            for _ in range(BATCH):
                frames = await self._socket.recv_multipart(copy=False)
                self._take(frames, time.monotonic())
            await asyncio.sleep(0)  # messages that wait already are received without a turn of the loop

    def _take(self, frames: list[zmq.Frame], arrival: float) -> None:
        sessions = self._sessions()
        try:
            if sessions is None:
                raise Rejected("starting", "a message came before the daemon was ready")
            if len(frames) != 1:
                raise Rejected("not_one_frame", f"{len(frames)} frames; a message is one")
            if len(frames[0]) > MAX_BYTES:  # before any copy is made of it
                raise Rejected("too_large", f"a message of {len(frames[0])} bytes; at most {MAX_BYTES}")
            payload = frames[0].bytes
            sessions.take(decode_ingest(payload), payload, arrival)
        except Rejected as error:
            self._reject(sessions, error, arrival)
        except Exception:
            log.exception("a message was dropped")
            self._reject(sessions, Rejected("internal", "see the log"), arrival)

    def _reject(self, sessions: Sessions | None, error: Rejected, now: float) -> None:
        session = sessions.by_name.get(error.session) if sessions and error.session else None
        if session is not None:
            session.live.reject(error.reason, error.detail)
        else:
            self._health.rejected[error.reason] += 1
            self._health.details[error.reason] = error.detail
        if now - self._reported.get(error.reason, float("-inf")) >= REPORT:
            self._reported[error.reason] = now
            whose = {"session": error.session, "kind": error.reason}
            log.warning("dropped a message (%s): %s", error.reason, error.detail, extra=whose)
