"""The daemon's log on stderr: lines for people or JSON for programs, with repetitions counted."""

import logging
import os
import sys
import threading
import time

from pythonjsonlogger.json import JsonFormatter

INTERVAL = 10.0
"""s in which a message of one kind is written once; how many more there were follows."""
PRIORITY = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
"""Those of syslog, as journald reads them."""
Kind = tuple[str, int, str, str]


def set_up_logs(as_json: bool) -> None:
    """Log to stderr from now on. In the journal of systemd lines for people carry their priority."""
    handler = CountingHandler(_formatter(as_json))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("jax").setLevel(logging.WARNING)


class CountingHandler(logging.StreamHandler):
    """Writes the first message of a kind (its place in the code, and its session) at once.

    With `kind` among its extras there is one for each. Those that follow within `interval` s are counted, and the last
    of them is written with the count at its end.
    """

    def __init__(self, formatter: logging.Formatter, interval: float = INTERVAL) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(formatter)
        self._interval = interval
        self._held: dict[Kind, tuple[int, logging.LogRecord | None]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write or count."""
        if record.levelno < logging.WARNING:  # what is in order is said once anyway
            return super().emit(record)
        kind = (record.pathname, record.lineno, getattr(record, "session", ""), getattr(record, "kind", ""))
        if kind in self._held:
            self._held[kind] = (self._held[kind][0] + 1, record)
            return None
        self._held[kind] = (0, None)
        self._later(kind)
        return super().emit(record)

    def close(self) -> None:
        """Write what is counted, too."""
        self.acquire()
        try:
            for kind in list(self._held):
                self._tell(kind)
        finally:
            self.release()
        super().close()

    def _later(self, kind: Kind) -> None:
        timer = threading.Timer(self._interval, self._end, (kind,))
        timer.daemon = True
        timer.start()

    def _end(self, kind: Kind) -> None:
        self.acquire()
        try:
            if self._tell(kind):
                self._held[kind] = (0, None)
                self._later(kind)
        finally:
            self.release()

    def _tell(self, kind: Kind) -> bool:
        """Write what was counted of a kind, and forget it; whether there was anything."""
        count, last = self._held.pop(kind, (0, None))
        if last is None:
            return False
        if count > 1:
            last.msg, last.args = f"{last.getMessage()} ({count} times in {self._interval:g} s)", None
            last.repeats = count
        super().emit(last)
        return True


class JournalFormatter(logging.Formatter):
    """Each line begins with its priority as journald reads it."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        priority = f"<{PRIORITY.get(record.levelno, 6)}>"
        return "\n".join(priority + line for line in super().format(record).splitlines())


def _formatter(as_json: bool) -> logging.Formatter:
    if as_json:
        fields = ("asctime", "levelname", "name", "message")
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        formatter = JsonFormatter(fields, rename_fields=names, datefmt="%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        return formatter
    kind = JournalFormatter if "JOURNAL_STREAM" in os.environ else logging.Formatter
    return kind("streamfit: %(message)s")
