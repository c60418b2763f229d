"""State on disk that survives a crash: the open sessions, and the last message numbers."""

import fcntl
import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from streamfit.daemon.config import Config
from streamfit.errors import InputError
from streamfit.estimation.live.clock_sync import ClockState

NAME, LOCK, NEW = "state.json", "lock", "state.json.new"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class KeptSession(_Kept):
    """An open session: TOML texts where it is not what the configuration says, and what it has found out since.

    `clocks` is in the order of `camera_names`; `free` says that its cameras run free.
    """

    name: str
    cameras: str | None
    keypoints: str | None
    subject: str | None
    record: bool
    free: bool
    camera_names: list[str]
    clocks: ClockState


class Kept(_Kept):
    """The whole state; no message had a `seq` above `sequence`."""

    v: Literal[1] = 1
    sequence: int = 0
    sessions: list[KeptSession] = []


class StateStore:
    """`folder`/state.json, of one daemon at a time. Raises InputError where another has it, OSError."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._saving = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / LOCK).open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise InputError(
                f"{folder} holds the state of a daemon that is running; stop that one, or set another "
                "directory in [state]"
            ) from None

    def load(self) -> Kept:
        """What was saved last, nothing at first. Raises OSError, and InputError once it has set aside a broken file."""
        path = self.folder / NAME
        try:
            return Kept.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Kept()
        except ValidationError as error:
            aside = self.folder / f"broken-{time.time_ns()}.json"
            path.rename(aside)
            what = error.errors(include_url=False)[0]["msg"]
            raise InputError(f"the state is broken ({what}): it is now {aside}, and no session is resumed") from None

    def save(self, kept: Kept) -> None:
        """Put it on the disk in place of what was there, or leave that as it is. Raises OSError."""
        with self._saving:
            new = self.folder / NEW
            with new.open("wb") as file:
                file.write(kept.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.folder / NAME)
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Let another daemon have it."""
        self._lock.close()


def state_folder(config: Config) -> Path:
    """[state] directory, else systemd's state directory, else one for this configuration among the user's."""
    if config.state.directory:
        return config.path(config.state.directory)
    service = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if service:
        return Path(service)
    source = config.source.resolve()
    name = f"{source.stem}-{hashlib.sha256(os.fsencode(source)).hexdigest()[:8]}"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "streamfit" / name
