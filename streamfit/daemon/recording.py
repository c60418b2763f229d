"""The recording of one session: begun and ended off the event loop, and never in its way."""

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Any

from streamfit.daemon.setup import Setup
from streamfit.errors import InputError
from streamfit.session.recorder import Recorder

MAX_EARLY = 2000  # messages, while the file is being made


class Recording:
    """A file `directory`/SESSION-TIME.mcap; `error` says in one line what the disk said when it failed."""

    def __init__(self, directory: Path, session: str, setup: Setup):
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f".{time.time_ns() // 1000 % 1_000_000:06d}"
        self.path = directory / f"{session}-{stamp}.mcap"
        self.error: str | None = None
        self._early: deque[tuple[str, bytes, int, int]] = deque(maxlen=MAX_EARLY)
        self._recorder: Recorder | None = None
        self._closed = False
        self._opening = asyncio.create_task(self._open(setup))

    def put(self, topic: str, payload: bytes, t: float) -> None:
        """Record the bytes of one message; `t` s is its time."""
        if self._closed or self.error is not None:
            return
        message = (topic, payload, time.time_ns(), max(0, round(t * 1e9)))
        if self._recorder is None:
            self._early.append(message)
        else:
            self._recorder.put(*message)

    async def close(self) -> None:
        """Finish the file."""
        self._closed = True
        await self._opening
        if self._recorder is not None:
            try:
                await asyncio.to_thread(self._recorder.close)
            except (InputError, OSError) as error:
                self.error = str(error)

    def status(self) -> dict[str, Any]:
        """What the status says of it."""
        recorder = self._recorder
        if recorder is not None and recorder.error is not None and self.error is None:
            self.error = f"{self.path}: {recorder.error.strerror or recorder.error}"
        return {
            "file": str(self.path),
            "dropped": recorder.dropped if recorder else 0,
            "waiting": recorder.waiting if recorder else len(self._early),
            "error": self.error,
        }

    async def _open(self, setup: Setup) -> None:
        try:
            self._recorder = await asyncio.to_thread(
                Recorder, self.path, setup.rig.to_toml(), setup.keypoints.to_toml(), setup.subject_toml
            )
        except (InputError, OSError) as error:
            self.error = str(error)
            return
        while self._early:
            self._recorder.put(*self._early.popleft())
