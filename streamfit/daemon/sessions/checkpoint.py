"""Save the state of a running daemon, and resume from it after a crash."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import lru_cache

from streamfit.daemon.config import Config
from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.sessions.load_setup import changed_setup
from streamfit.daemon.sessions.registry import MAX_SESSIONS, Sessions
from streamfit.daemon.sessions.session import Session
from streamfit.daemon.sessions.state_store import Kept, KeptSession, StateStore, state_folder
from streamfit.engine.setup import Setup
from streamfit.errors import InputError
from streamfit.protocol.control import ControlError

log = logging.getLogger(__name__)
SESSIONS_POLL_S = 0.1  # s between two looks for sessions that were opened, closed or calibrated
EVERY = 1.0  # s between two looks at what changes all the time
RESERVE = 3_600_000_000  # numbers, an hour's, so that an idle daemon seldom writes


class Checkpoint:
    """The state of one daemon. That it cannot be kept is an alarm of `health` and nothing else.

    No message of a daemon before had a `seq` above `sequence`. The constructor reads and writes the disk; it raises
    InputError where another daemon keeps its state at the same place.
    """

    def __init__(self, config: Config, health: Health):
        self._health = health
        self._file: StateStore | None = None
        self._kept = Kept()
        self._resumed = self._finished = False
        try:
            self._file = StateStore(state_folder(config))
            self._kept = self._file.load()
        except OSError as error:
            self._alarm("state", f"{error.filename}: {error.strerror}; set a directory in [state] to resume sessions")
        except InputError as error:
            if self._file is None:
                raise
            self._alarm("resume", str(error))
        self.sequence = self._kept.sequence
        bound = max(time.time_ns() // 1000, self.sequence)
        self._save(Kept(sequence=self._reserved(bound), sessions=self._kept.sessions))

    async def resume(self, sessions: Sessions) -> None:
        """Open again what was open when the daemon before this one died."""
        for kept in self._kept.sessions:
            try:
                await _reopen(sessions, kept)
                log.info("session %s is resumed", kept.name)
            except (InputError, ControlError) as error:
                self._alarm("resume", f"session {kept.name} is not resumed: {error}")
            except Exception:
                log.exception("session %s is not resumed", kept.name)
                self._alarm("resume", f"session {kept.name} is not resumed: see the log")
        self._resumed = True

    async def run(self, sessions: Sessions, bound: Callable[[], int]) -> None:
        """Keep up with `sessions`, for ever; no `seq` is above `bound()`."""
        seen: object = None
        looked = float("-inf")
        while True:
            open_ = list(sessions.by_name.values())
            now = [(s.name, s.setup, s.recording is None, s.engine.snapshot().free) for s in open_]
            if now != seen or time.monotonic() - looked >= EVERY:
                seen, looked = now, time.monotonic()
                described = [_describe(session, sessions.setup) for session in open_]
                kept = Kept(sequence=self._reserved(bound()), sessions=described)
                if kept != self._kept and not self._finished:
                    await asyncio.to_thread(self._save, kept)
            await asyncio.sleep(SESSIONS_POLL_S)

    async def finish(self) -> None:
        """All sessions were closed in order: there is nothing to resume."""
        self._finished = True
        if self._resumed:
            await asyncio.to_thread(self._save, Kept(sequence=self._kept.sequence))

    def close(self) -> None:
        """Let another daemon have the place."""
        if self._file is not None:
            self._file.close()

    def _reserved(self, bound: int) -> int:
        """A number that those to be sent stay below for some time."""
        return self._kept.sequence if self._kept.sequence > bound + RESERVE // 2 else bound + RESERVE

    def _save(self, kept: Kept) -> None:
        if self._file is None:
            return
        try:
            self._file.save(kept)
        except OSError as error:
            why = error.strerror or str(error)
            self._alarm("state", f"{self._file.folder}: {why}; until that is mended a crash loses the open sessions")
        else:
            self._kept = kept
            self._health.alarms.pop("state", None)

    def _alarm(self, what: str, text: str) -> None:
        if self._health.alarms.get(what) != text:
            self._health.alarms[what] = text
            log.error("state: %s", text)


async def _reopen(sessions: Sessions, kept: KeptSession) -> None:
    def setup(default: Setup) -> Setup:
        return changed_setup(default, kept.cameras, kept.keypoints, kept.subject)

    await sessions.open(kept.name, setup, kept.record)
    engine = sessions.get(kept.name).engine
    engine.resume(kept.free, kept.clocks if list(engine.rig.names) == kept.camera_names else None)


def _describe(session: Session, default: Setup) -> KeptSession:
    snapshot = session.engine.snapshot()
    cameras, keypoints, subject = _texts(session.setup, default)
    return KeptSession(
        name=session.name,
        cameras=cameras,
        keypoints=keypoints,
        subject=subject,
        record=session.recording is not None,
        free=snapshot.free,
        camera_names=list(session.setup.rig.names),
        clocks=snapshot.fit.clocks.state,
    )


@lru_cache(maxsize=2 * MAX_SESSIONS)
def _texts(setup: Setup, default: Setup) -> tuple[str | None, str | None, str | None]:
    """Cameras, keypoints and subject where they are not the default's: that is read anew from the configuration."""
    return (
        None if setup.rig is default.rig else setup.cameras_toml,
        None if setup.keypoints is default.keypoints else setup.keypoints_toml,
        None if setup.subject is default.subject else setup.subject_toml or setup.subject.to_toml(),
    )
