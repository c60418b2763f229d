"""The public keys of clients that may connect: a folder that is read again while the daemon runs."""

import logging
from pathlib import Path

from streamfit.errors import InputError
from streamfit.transport.curve import load_key

log = logging.getLogger(__name__)


class Clients:
    """The names of the clients by their public keys (Z85); `refused` counts the connections of other keys.

    A file that is no key lets nobody in, nor does a folder that cannot be read: each is logged once.
    """

    def __init__(self, folder: Path):
        self.refused = 0
        self._folder = folder
        self._names: dict[str, str] = {}
        self._files: dict[Path, tuple[int, int, int]] = {}
        self._problem = ""
        self.refresh()

    def name(self, key: str) -> str | None:
        """The client with this public key; None if it may not connect."""
        return self._names.get(key)

    def refresh(self) -> list[str]:
        """Read the folder again if anything in it has changed; the names of those whose key is gone."""
        try:
            files = {path: _stamp(path) for path in self._folder.glob("*.key")}
            self._folder.stat()
        except OSError as error:
            self._complain(f"{self._folder}: cannot be read ({error.strerror}): no client may connect")
            files = {}
        if files == self._files:
            return []
        names = self._read(list(files))
        gone = [name for key, name in self._names.items() if key not in names]
        self._names, self._files = names, files
        return gone

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a connection with this public key may be made (as pyzmq's authenticator asks)."""
        known = key.decode() in self._names
        self.refused += not known
        return known

    def _read(self, paths: list[Path]) -> dict[str, str]:
        names = {}
        problems = []
        for path in sorted(paths):
            try:
                names[load_key(path)[0].decode()] = path.stem
            except InputError as error:
                problems.append(str(error))
        if problems:
            self._complain("; ".join(problems))
        return names

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            log.warning("%s", problem)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
