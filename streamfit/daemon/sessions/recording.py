"""The recording of one session, whose parts are begun and ended off the event loop."""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamfit.daemon.config import Config
from streamfit.engine.setup import Setup
from streamfit.errors import InputError
from streamfit.recording.mcap_file import SessionMessage
from streamfit.recording.writer import Recorder

log = logging.getLogger(__name__)
MAX_EARLY = 2000  # messages, while the first file is being made
RETRY = 5.0  # s between two tries to go on after the disk has failed
FAILING_DISK = {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO}


@dataclass(frozen=True)
class RecordSettings:
    """[record] of the configuration: where recordings go, and from which size (bytes) on there is a new part."""

    folder: Path
    part_bytes: int


class Recording:
    """Files `folder`/SESSION-TIME-0001.mcap, -0002 .., each with the `setup()` of its time and the `models`, the
    last bytes published on each `model/` topic.

    Where the disk fails (full, read-only, gone) nothing is recorded, which `error` says in one line with what to do,
    until a new part can be begun. Its status counts `messages` and `bytes` on the disk, messages `dropped`, and how
    often the disk has failed (`failures`).
    """

    def __init__(self, settings: RecordSettings, session: str, setup: Callable[[], Setup], models: Mapping[str, bytes]):
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f".{time.time_ns() // 1000 % 1_000_000:06d}"
        self.path = settings.folder / f"{session}-{stamp}-0001.mcap"
        self.error: str | None = None
        self._settings, self._setup, self._models = settings, setup, models
        self._stem, self._part = self.path.stem.removesuffix("0001"), 1
        self._early: deque[SessionMessage] = deque()
        self._recorder: Recorder | None = None
        self._unfinished: list[Recorder] = []
        self._finished: Counter[str] = Counter(dict.fromkeys(("messages", "bytes", "dropped"), 0))
        self._failures = 0
        self._closed = asyncio.Event()
        self._turning: asyncio.Task[None] | None = asyncio.create_task(self._turn())

    def put(self, topic: str, payload: bytes, t: float) -> None:
        """Record the bytes of one message; `t` s is its time."""
        if self._closed.is_set():
            return
        message = SessionMessage(topic, payload, time.time_ns(), max(0, round(t * 1e9)))
        if self._recorder is not None:
            self._recorder.put(*message)
            self._look()
        elif self.error is None and len(self._early) < MAX_EARLY:
            self._early.append(message)
        else:
            self._finished["dropped"] += 1

    async def close(self) -> None:
        """Finish the file."""
        self._closed.set()
        if self._turning is not None:
            await self._turning
        if self._recorder is not None:
            await self._finish(self._recorder)

    def status(self) -> dict[str, Any]:
        """What the status says of it."""
        self._look()
        counts = {
            what: done + sum(getattr(recorder, what) for recorder in self._unfinished)
            for what, done in self._finished.items()
        }
        waiting = len(self._early) + sum(recorder.waiting for recorder in self._unfinished)
        return {
            "file": str(self.path),
            "part": self._part,
            "waiting": waiting,
            "failures": self._failures,
            "error": self.error,
        } | counts

    def _look(self) -> None:
        """Begin the next part where it is time."""
        recorder = self._recorder
        if recorder is None or self._turning is not None or self._closed.is_set():
            return
        if recorder.error is not None:
            self._fail(f"{recorder.path}: {recorder.error.strerror or recorder.error}")
        if recorder.error is not None or recorder.bytes >= self._settings.part_bytes:
            self._turning = asyncio.create_task(self._turn())

    async def _turn(self) -> None:
        """Begin a part as soon as the disk takes it, and finish the one before, which goes on until then."""
        last = self._recorder
        while self._recorder is last:
            try:
                self._recorder = await asyncio.to_thread(self._begin, 1 if last is None else self._part + 1)
            except (InputError, OSError) as error:
                self._fail(str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), RETRY)
                    break
        else:
            self._take_over()
            if last is not None:
                await self._finish(last)
        self._turning = None

    def _begin(self, part: int) -> Recorder:
        """The first part from that number on whose name is free. Raises InputError, OSError."""
        folder, needed = self._settings.folder, self._settings.part_bytes
        if self.error is not None and shutil.disk_usage(folder).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        setup = self._setup()
        texts = setup.cameras_toml, setup.keypoints_toml, setup.subject_toml
        while (path := folder / f"{self._stem}{part:04d}.mcap").exists():
            part += 1
        return Recorder(path, *texts)

    def _take_over(self) -> None:
        """Go on in the new part, with what belongs at its head."""
        recorder = self._recorder
        assert recorder is not None
        self._unfinished.append(recorder)
        self.path, self._part = recorder.path, int(recorder.path.stem.removeprefix(self._stem))
        if self.error is not None:
            log.info("recording goes on in %s", self.path)
            self.error = None
        now = time.time_ns()
        early = {message.topic for message in self._early}
        known = [SessionMessage(topic, model, now, now) for topic, model in self._models.items() if topic not in early]
        for message in (*known, *self._early):
            recorder.put(*message)
        self._early.clear()

    async def _finish(self, recorder: Recorder) -> None:
        known = recorder.error
        try:
            await asyncio.to_thread(recorder.close)
        except (InputError, OSError) as error:
            if known is None:
                self._failures += 1
                log.error("%s", error)
        self._finished.update({what: getattr(recorder, what) for what in self._finished})
        self._unfinished.remove(recorder)

    def _fail(self, why: str) -> None:
        """Say once that nothing is recorded, and why."""
        if self.error is None:
            self._failures += 1
            self._finished["dropped"] += len(self._early)
            self._early.clear()
            room = self._settings.part_bytes / 1e6
            self.error = (
                f"{why}; nothing is recorded until the folder can be written and has room for {room:.0f} MB: "
                f"it is tried again every {RETRY:g} s"
            )
            log.error("recording has stopped: %s", self.error)


def record_settings(config: Config) -> RecordSettings | None:
    """Those of [record], the folder made if it is not there; None without one. Raises InputError.

    A disk that is full or read-only is no reason not to start: the recordings say so, and begin when it is mended.
    """
    if not config.record.directory:
        return None
    folder = config.path(config.record.directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    except OSError as error:
        if error.errno not in FAILING_DISK:
            raise InputError(f"[record] directory = {str(folder)!r} cannot be made: {error.strerror}") from None
        read_only = True
    if not read_only and not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"[record] directory = {str(folder)!r} cannot be written to; choose another")
    return RecordSettings(folder, config.record.rotate_mb * 1_000_000)
