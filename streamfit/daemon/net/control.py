"""The control socket: answers each request, several at a time, whatever it holds."""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import zmq
import zmq.asyncio

from streamfit.daemon.net.auth import MessageAuthenticator
from streamfit.daemon.net.rate_limit import TokenBucket
from streamfit.daemon.net.reputation import Sender
from streamfit.daemon.sessions.load_setup import changed_setup
from streamfit.daemon.sessions.registry import Sessions
from streamfit.daemon.sessions.session import Session
from streamfit.errors import InputError
from streamfit.protocol.control import ControlError, Request, decode_request, encode_error, encode_result
from streamfit.protocol.ingest import is_name

log = logging.getLogger(__name__)
NON_BLOCKING = ("status", "sessions", "calibrate", "shutdown")  # the others may have to wait for something
MAX_WAITING = 96  # requests of these others: more than sessions may be closing
BUDGET = 0.0005  # s of requests that wait for each other, after which the others have their time
HEAVY_BACKOFF, SUSPECT_BACKOFF = 6.0, 20.0  # times that; after a suspect sender's
HEAVY = ("open", "reload")  # they may compile
DENIED = (*HEAVY, "calibrate")  # to suspect senders: they keep a core busy for long
HEAVY_TIME, HEAVY_SHARE = 300.0, 0.1  # s of such requests at once, and which share of the time after that
MAX_CALIBRATION = 600.0  # s


class Host(Protocol):
    """What the operations need of the daemon."""

    @property
    def sessions(self) -> Sessions | None:
        """None before the daemon is ready."""

    def status(self) -> dict[str, Any]:
        """What the status topic says."""

    async def reload(self) -> None:
        """Read the configuration again. Raises InputError, ControlError."""

    def calibrate(self, session: Session, seconds: float) -> float:
        """Begin to fit a session's last seconds; how many there are. Raises ControlError."""

    def shut_down(self) -> None:
        """Begin to stop."""


class Control:
    """Serves a ROUTER socket; clients are REQ or DEALER, with or without the empty frame of REQ."""

    def __init__(self, socket: zmq.asyncio.Socket, host: Host, authenticator: MessageAuthenticator):
        self._socket, self._host, self._authenticator = socket, host, authenticator
        self._allowance = TokenBucket(HEAVY_TIME, HEAVY_SHARE)
        self._reloading = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._operations: dict[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "sessions": self._list,
            "open": self._open,
            "calibrate": self._calibrate,
            "record": self._record,
            "reload": self._reload,
            "close": self._close,
            "shutdown": self._shut_down,
        }

    @property
    def under_way(self) -> int:
        """Requests that are not answered yet."""
        return len(self._tasks)

    async def run(self) -> None:
        """Answer, for ever."""
        owed = 0.0
        while True:
            coming = asyncio.ensure_future(self._socket.recv_multipart(copy=False))
            has_waited = coming.done()
            frames = await coming
            began = time.monotonic()
            sender = self._authenticator.sender(frames[-1])
            if not self._authenticator.admits(frames[-1], sender):
                self._authenticator.reject(sender, Counter(["revoked"]))
                continue
            task = asyncio.create_task(self._serve(frames, sender))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0)
            owed = owed + time.monotonic() - began if has_waited else 0.0
            if owed > BUDGET:
                await asyncio.sleep((SUSPECT_BACKOFF if sender.suspect else HEAVY_BACKOFF) * owed)
                owed = 0.0

    async def _serve(self, frames: list[zmq.Frame], sender: Sender) -> None:
        envelope = [frame.bytes for frame in frames[:-1]]
        request, now = None, time.monotonic()
        try:
            request = decode_request(frames[-1].bytes)
            sender.note(True, now)
            if sender.suspect and request.operation in DENIED:
                raise ControlError("refused", "most of what you sent of late cannot be read; try again in a minute")
            with self._waits(request):
                reply = encode_result(request, await self.perform(request))
        except ControlError as error:
            if request is None:
                sender.note(False, now)
            if error.code == "bad_request":
                self._authenticator.reject(sender, Counter(["bad_request"]))
            reply = encode_error(request, error)
        except InputError as error:
            reply = encode_error(request, ControlError("bad_file", str(error)))
        except Exception:
            log.exception("a control request failed")
            reply = encode_error(request, ControlError("internal", "see the daemon's log"))
        await self._socket.send_multipart([*envelope, reply])

    @contextmanager
    def _waits(self, request: Request) -> Iterator[None]:
        """While a request is under way. Raises ControlError where too many are that may have to wait."""
        waits = request.operation not in NON_BLOCKING
        if waits and self._waiting >= MAX_WAITING:
            raise ControlError("busy", f"{self._waiting} requests are under way; try again later")
        self._waiting += waits
        try:
            yield
        finally:
            self._waiting -= waits

    async def perform(self, request: Request) -> dict[str, Any]:
        """What a request asks for; its result. Raises ControlError, InputError."""
        operation = self._operations.get(request.operation)
        if operation is None:
            known = ", ".join(self._operations)
            raise ControlError("unknown_operation", f"{request.operation[:64]!r}: use one of {known}")
        if request.operation not in HEAVY:
            return await operation(request)
        wait = self._allowance.wait()
        if wait > 0.0:
            raise ControlError("busy", f"too much was asked for; try again in {math.ceil(wait)} s")
        began = time.monotonic()
        try:
            return await operation(request)
        finally:
            self._allowance.spend(time.monotonic() - began)

    async def _status(self, request: Request) -> dict[str, Any]:
        return self._host.status()

    async def _list(self, request: Request) -> dict[str, Any]:
        sessions = self._host.sessions
        setups = {name: session.setup for name, session in sessions.by_name.items()} if sessions else {}
        return {
            "sessions": {
                name: {
                    "cameras": setup.cameras_toml,
                    "keypoints": setup.keypoints_toml,
                    "subject": setup.subject_toml,
                }
                for name, setup in setups.items()
            }
        }

    async def _open(self, request: Request) -> dict[str, Any]:
        sessions, name = self._sessions(), _session_name(request)
        cameras, keypoints, subject = (request.text(key) for key in ("cameras", "keypoints", "subject"))
        await sessions.open(name, lambda default: changed_setup(default, cameras, keypoints, subject))
        return {"session": name}

    async def _calibrate(self, request: Request) -> dict[str, Any]:
        seconds: Any = request.fields.get("seconds")
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not 0.0 < float(seconds) <= MAX_CALIBRATION:
            raise ControlError("bad_request", f"`seconds` must be above 0 and at most {MAX_CALIBRATION:g}")
        session = self._sessions().get(_session_name(request))
        if session.suspect:
            what = f"most of what the sender of session {session.name} sends cannot be read"
            raise ControlError("refused", f"{what}; check the program that sends it")
        return {"session": session.name, "seconds": self._host.calibrate(session, float(seconds))}

    async def _record(self, request: Request) -> dict[str, Any]:
        on = request.fields.get("on")
        if not isinstance(on, bool):
            raise ControlError("bad_request", "`on` must be true or false")
        sessions = self._sessions()
        session = sessions.get(_session_name(request))
        await sessions.record(session, on)
        return {"session": session.name, "file": str(session.recording.path) if session.recording else None}

    async def _reload(self, request: Request) -> dict[str, Any]:
        self._sessions()
        if self._reloading:
            raise ControlError("busy", "the configuration is just being read")
        self._reloading = True
        try:
            await self._host.reload()
        finally:
            self._reloading = False
        return {}

    async def _close(self, request: Request) -> dict[str, Any]:
        name = _session_name(request)
        await self._sessions().close(name)
        return {"session": name}

    async def _shut_down(self, request: Request) -> dict[str, Any]:
        self._host.shut_down()
        return {}

    def _sessions(self) -> Sessions:
        if self._host.sessions is None:
            raise ControlError("busy", "the daemon is still starting")
        return self._host.sessions


def _session_name(request: Request) -> str:
    name = request.fields.get("session")
    if not is_name(name):
        raise ControlError("bad_request", "`session` must be 1 to 64 of A-Za-z0-9._-")
    return name
