"""The whole records of an MCAP file, also of one whose end is missing."""

import os
import struct
from collections.abc import Collection, Iterator
from dataclasses import replace
from io import BytesIO
from typing import BinaryIO

import lz4.frame
import zstandard
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import MCAP0_MAGIC

HEAD = struct.Struct("<BQ")  # opcode, length of the content
DAMAGE = (McapError, ValueError, OverflowError, EOFError, zstandard.ZstdError, struct.error, StopIteration)
MAX_CHUNK = 1 << 28  # bytes, uncompressed


def starts_as_mcap(file: BinaryIO) -> bool:
    """Whether the file begins with MCAP's magic bytes."""
    file.seek(0)
    return file.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC


def whole_records(file: BinaryIO, opcodes: Collection[Opcode]) -> Iterator[tuple[Opcode, bytes]]:
    """The records of these kinds with their heads, in order; it stops where one is not whole.

    The others are skipped unread, so that a long file is scanned at the speed of seeking.
    """
    end = file.seek(0, os.SEEK_END)
    place = len(MCAP0_MAGIC)
    while place + HEAD.size <= end:
        file.seek(place)
        head = file.read(HEAD.size)
        opcode, length = HEAD.unpack(head)
        place += HEAD.size + length
        if place > end:
            return
        if opcode in opcodes:
            yield Opcode(opcode), head + file.read(length)


def parse(record: bytes) -> McapRecord:
    """One record with its head, in the library's terms. Raises one of DAMAGE."""
    return next(StreamReader(BytesIO(record), skip_magic=True, emit_chunks=True).records)


def channels_and_messages(file: BinaryIO) -> Iterator[Channel | Message]:
    """The content of all whole chunks (and of a file without chunks), in order. Raises one of DAMAGE."""
    for _, raw in whole_records(file, {Opcode.CHANNEL, Opcode.MESSAGE, Opcode.CHUNK}):
        record = parse(raw)
        for item in _content(record) if isinstance(record, Chunk) else [record]:
            if isinstance(item, Channel | Message):
                yield item


def _content(chunk: Chunk) -> list[McapRecord]:
    """The records of a chunk, unless it would fill the memory: a few bytes may stand for gigabytes."""
    most = min(chunk.uncompressed_size, MAX_CHUNK) + 1
    data = chunk.data
    if chunk.compression == "zstd":
        data = zstandard.ZstdDecompressor().stream_reader(data).read(most)
    elif chunk.compression == "lz4":
        try:
            data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=most)
        except RuntimeError as error:
            raise ValueError(str(error)) from None
    elif chunk.compression:
        raise ValueError(f"chunks compressed with {chunk.compression[:20]!r}; zstd and lz4 are read")
    if len(data) >= most:
        raise ValueError(f"a chunk of more than {most - 1} bytes")
    return breakup_chunk(replace(chunk, compression="", data=data), validate_crc=True)
