"""A recording in progress: a thread writes, so that no socket ever waits for the disk."""

import queue
import threading
import time
from pathlib import Path

from streamfit.errors import InputError
from streamfit.session.mcap_file import SessionMessage, SessionWriter

FLUSH = 1.0  # s between flushes: what a crash may lose
MAX_WAITING = 10_000  # messages; beyond that the disk is too slow, and they are dropped and counted


class Recorder:
    """Writes messages into a new session file; `put` never blocks.

    The constructor makes the file and puts its attachments on the disk (InputError). `dropped` counts the
    messages that found the queue full or came after `error`, what the disk said when it failed.
    """

    def __init__(
        self, path: Path | str, cameras_toml: str, keypoints_toml: str, subject_toml: str | None = None
    ) -> None:
        self._writer = SessionWriter(path, cameras_toml, keypoints_toml, subject_toml)
        self.path = self._writer.path
        self.dropped = 0
        self.error: OSError | None = None
        self._queue: queue.Queue[SessionMessage | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write, name=f"record {self.path.name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Messages that are not written yet."""
        return self._queue.qsize()

    def put(self, topic: str, payload: bytes, log_time: int, publish_time: int) -> None:
        """Record one message; both times in ns."""
        try:
            if self.error is not None:
                raise queue.Full
            self._queue.put_nowait(SessionMessage(topic, payload, log_time, publish_time))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits and finish the file; waits for the disk. InputError where the disk had failed."""
        self._queue.put(None)
        self._thread.join()
        if self.error is not None:
            raise InputError(f"{self.path}: the recording is incomplete: {self.error.strerror or self.error}")

    def _write(self) -> None:
        flushed = time.monotonic()
        try:
            with self._writer as writer:
                while (message := self._next(flushed)) is not None:
                    if message:
                        writer.write(*message)
                    if time.monotonic() >= flushed + FLUSH:
                        writer.flush()
                        flushed = time.monotonic()
        except OSError as error:
            self.error = error
            while self._queue.get() is not None:
                self.dropped += 1

    def _next(self, flushed: float) -> SessionMessage | tuple[()] | None:
        """The next message; () where a flush is due first, None at the end."""
        try:
            return self._queue.get(timeout=max(0.0, flushed + FLUSH - time.monotonic()))
        except queue.Empty:
            return ()
