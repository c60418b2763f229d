"""A session in one MCAP file: the bytes of the wire with the calibration they belong to."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from mcap.opcode import Opcode
from mcap.records import Attachment, Channel
from mcap.writer import CompressionType, Writer

from streamfit.errors import InputError
from streamfit.recording.recovery import (
    DAMAGE,
    channels_and_messages,
    parse,
    starts_as_mcap,
    whole_records,
)

CAMERAS, KEYPOINTS, SUBJECT = "cameras.toml", "keypoints.toml", "subject.toml"
ATTACHMENTS = (CAMERAS, KEYPOINTS, SUBJECT)
CHUNK_BYTES = 64 * 1024  # uncompressed; a crash loses less than this and what came since the last flush
MAX_TIME_NS = 2**64 - 1


class SessionMessage(NamedTuple):
    """One recorded message: `log_time` is its arrival, `publish_time` its `t`; both ns."""

    topic: str
    payload: bytes
    log_time: int
    publish_time: int


class SessionWriter:
    """Writes one session file; never over an existing one (InputError).

    The attachments are on disk before the constructor returns, every message before `flush` does, so that a
    crash leaves a file that `read_session` reads up to there. `flush` and `close` wait for the disk: keep
    them off an event loop. A full or broken disk is an OSError; a file that could not even get its attachments
    is removed again.
    """

    def __init__(
        self, path: Path | str, cameras_toml: str, keypoints_toml: str, subject_toml: str | None = None
    ) -> None:
        self.path = Path(path)
        self._channels: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        try:
            self._file: BinaryIO = self.path.open("xb")
        except FileExistsError as error:
            raise InputError(f"{path} exists already: name another file, or move it away") from error
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        try:
            self._begin((cameras_toml, keypoints_toml, subject_toml))
        except OSError:
            self._abandon()
            self.path.unlink()
            raise

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._file.tell()

    def write(self, topic: str, payload: bytes, log_time: int, publish_time: int) -> None:
        """Add a message to the channel of its topic; both times in ns, held within 0 .. 2^64 - 1."""
        channel = self._channels.get(topic)
        if channel is None:
            channel = self._channels[topic] = self._writer.register_channel(topic, "msgpack", schema_id=0)
        sequence = self._counts.get(topic, 0)
        self._counts[topic] = sequence + 1
        self._writer.add_message(channel, _time(log_time), payload, _time(publish_time), sequence=sequence % 2**32)

    def flush(self) -> None:
        """Put all that was written so far on the disk."""
        self._writer.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Finish the file with its index; a second call does nothing."""
        if self._file.closed:
            return
        try:
            self._writer.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def _abandon(self) -> None:
        """Close the file as it is: the disk has failed."""
        with suppress(OSError):
            self._file.close()

    def _begin(self, texts: tuple[str | None, ...]) -> None:
        self._writer.start()
        for name, text in zip(ATTACHMENTS, texts, strict=True):
            if text is not None:
                self._writer.add_attachment(0, time.time_ns(), name, "application/toml", text.encode())
        self.flush()
        _sync_folder(self.path.parent)

    def __enter__(self) -> "SessionWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            self._abandon()
        else:
            self.close()


@dataclass(frozen=True)
class SessionFile:
    """A session file that was opened: its attachments, and its messages read anew at each call.

    `complete` is False for a recording that was cut off (no footer): it reads up to its last whole chunk.
    """

    path: Path
    cameras_toml: str
    keypoints_toml: str
    subject_toml: str | None
    complete: bool

    def messages(self, topics: Collection[str] | None = None) -> Iterator[SessionMessage]:
        """The messages in the order of the file.

        `topics`: whole topics or their kinds, so that "kinematics" gives all of "kinematics/...". A damaged
        chunk is an InputError, but in a recording that was cut off it is the end.
        """
        wanted: dict[int, str | None] = {}
        with self.path.open("rb") as file:
            try:
                for item in channels_and_messages(file):
                    if isinstance(item, Channel):
                        wanted[item.id] = item.topic if _matches(item.topic, topics) else None
                    elif (topic := wanted[item.channel_id]) is not None:
                        yield SessionMessage(topic, item.data, item.log_time, item.publish_time)
            except (*DAMAGE, KeyError) as error:
                if self.complete:
                    raise InputError(f"{self.path} is damaged near byte {file.tell()}: {error}") from error


def read_session(path: Path | str) -> SessionFile:
    """Open a session file. InputError where it is missing, not MCAP, damaged or without its attachments."""
    path = Path(path)
    texts: dict[str, str] = {}
    complete = False
    try:
        with path.open("rb") as file:
            if not starts_as_mcap(file):
                raise InputError(f"{path} is not an MCAP file: give a recorded session, NAME.mcap")
            for opcode, raw in whole_records(file, {Opcode.ATTACHMENT, Opcode.FOOTER}):
                complete = opcode == Opcode.FOOTER
                if opcode == Opcode.ATTACHMENT:
                    attachment = parse(raw)
                    if isinstance(attachment, Attachment) and attachment.name in ATTACHMENTS:
                        texts[attachment.name] = attachment.data.decode()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except DAMAGE as error:
        raise InputError(f"{path} is damaged: {error}") from error
    for name in (CAMERAS, KEYPOINTS):
        if name not in texts:
            cut = "" if complete else ", it was cut off before it"
            raise InputError(f"{path} has no attachment {name}{cut}: a session carries its calibration")
    return SessionFile(path, texts[CAMERAS], texts[KEYPOINTS], texts.get(SUBJECT), complete)


def _matches(topic: str, topics: Collection[str] | None) -> bool:
    return topics is None or topic in topics or topic.split("/", 1)[0] in topics


def _time(value: int) -> int:
    return min(max(value, 0), MAX_TIME_NS)


def _sync_folder(folder: Path) -> None:
    """A new file's name survives a crash only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
