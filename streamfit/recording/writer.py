"""A recording in progress: a thread writes, so that no socket ever waits for the disk."""

import queue
import threading
import time
from pathlib import Path

from streamfit.errors import InputError
from streamfit.recording.mcap_file import SessionMessage, SessionWriter

FLUSH = 0.5  # s between flushes: a crash loses this and what the disk needs for one, less than 1 s together
MAX_WAITING = 10_000  # messages; beyond that the disk is too slow, and they are dropped and counted
MAX_WAITING_BYTES = 64 << 20


class Recorder:
    """Writes messages into a new session file; `put` never blocks.

    The constructor makes the file and puts its attachments on the disk (InputError, OSError). `messages` and `bytes`
    (the size of the file) count what is on the disk; `dropped` counts the messages that found too much waiting, or that
    `error`, what the disk said when it failed, has lost.
    """

    def __init__(
        self, path: Path | str, cameras_toml: str, keypoints_toml: str, subject_toml: str | None = None
    ) -> None:
        self._writer = SessionWriter(path, cameras_toml, keypoints_toml, subject_toml)
        self.path = self._writer.path
        self.messages = 0
        self.bytes = self._writer.size
        self.error: OSError | None = None
        self._refused = self._lost = 0
        self._put_bytes = self._taken_bytes = 0  # each changed by one thread alone
        self._queue: queue.Queue[SessionMessage | None] = queue.Queue()
        self._thread = threading.Thread(target=self._write, name=f"record {self.path.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Messages that are not in the file and never will be."""
        return self._refused + self._lost

    @property
    def waiting(self) -> int:
        """Messages that are not written yet."""
        return self._queue.qsize()

    def put(self, topic: str, payload: bytes, log_time: int, publish_time: int) -> None:
        """Record one message; both times in ns."""
        waiting = self._put_bytes - self._taken_bytes
        if self.error is not None or self._queue.qsize() >= MAX_WAITING or waiting > MAX_WAITING_BYTES:
            self._refused += 1
            return
        self._put_bytes += len(payload)
        self._queue.put(SessionMessage(topic, payload, log_time, publish_time))

    def close(self) -> None:
        """Write what waits and finish the file; waits for the disk. InputError where the disk had failed."""
        self._queue.put(None)
        self._thread.join()
        if self.error is not None:
            raise InputError(f"{self.path}: the recording is incomplete: {self.error.strerror or self.error}")

    def _write(self) -> None:
        written = 0
        flushed = time.monotonic()
        try:
            with self._writer as writer:
                while (message := self._next(flushed)) is not None:
                    if message:
                        written += 1
                        writer.write(*message)
                    if time.monotonic() >= flushed + FLUSH:
                        writer.flush()
                        self.messages, self.bytes = written, writer.size
                        flushed = time.monotonic()
            self.messages, self.bytes = written, self.path.stat().st_size
        except OSError as error:
            self._lost = written - self.messages
            self.error = error
            while self._queue.get() is not None:
                self._lost += 1

    def _next(self, flushed: float) -> SessionMessage | tuple[()] | None:
        """The next message; () where a flush is due first, None at the end."""
        try:
            message = self._queue.get(timeout=max(0.0, flushed + FLUSH - time.monotonic()))
        except queue.Empty:
            return ()
        if message is not None:
            self._taken_bytes += len(message.payload)
        return message
