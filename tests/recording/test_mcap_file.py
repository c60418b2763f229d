"""A session file gives back what was written, also after a crash, and says in one line why it cannot."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType, Writer

from streamfit.errors import InputError
from streamfit.recording.mcap_file import ATTACHMENTS, CHUNK_BYTES, SessionWriter, read_session

CAMERAS, KEYPOINTS, SUBJECT = '[cam_01]\nname = "größe"\n', 'name = "coco17"\n', 'skeleton = "rajagopal"\n'

CRASHING_WRITER = """
import sys, time
from streamfit.recording.mcap_file import SessionWriter
writer = SessionWriter(sys.argv[1], "cameras", "keypoints", "subject")
print("attached", flush=True)
for i in range(2000):
    writer.write("keypoints", b"%06d" % i, i, i)
writer.flush()
for i in range(2000, 2010):
    writer.write("kinematics/s/0", b"%06d" % i, i, i)
print("flushed", flush=True)
time.sleep(60)
"""


def written(path: Path, count: int = 5) -> Path:
    with SessionWriter(path, CAMERAS, KEYPOINTS, SUBJECT) as writer:
        for i in range(count):
            writer.write("keypoints", b"k%d" % i, 100 + i, 50 + i)
            writer.write("kinematics/s/0", b"q%d" % i, 100 + i, 50 + i)
    return path


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_round_trip(tmp_path: Path) -> None:
    session = read_session(written(tmp_path / "s.mcap"))
    assert session.cameras_toml == CAMERAS
    assert session.keypoints_toml == KEYPOINTS
    assert session.subject_toml == SUBJECT
    assert session.complete
    messages = list(session.messages())
    assert len(messages) == 10
    assert messages[0] == ("keypoints", b"k0", 100, 50)
    assert messages[-1] == ("kinematics/s/0", b"q4", 104, 54)


def test_messages_of_a_topic_or_of_a_kind(tmp_path: Path) -> None:
    session = read_session(written(tmp_path / "s.mcap"))
    assert [m.payload for m in session.messages({"kinematics"})] == [b"q%d" % i for i in range(5)]
    assert [m.payload for m in session.messages({"kinematics/s/0"})] == [b"q%d" % i for i in range(5)]
    assert list(session.messages({"kinematics/s"})) == []
    assert {m.topic for m in session.messages({"keypoints", "kinematics"})} == {"keypoints", "kinematics/s/0"}


def test_a_session_without_a_subject_or_messages(tmp_path: Path) -> None:
    SessionWriter(tmp_path / "s.mcap", CAMERAS, KEYPOINTS).close()
    session = read_session(tmp_path / "s.mcap")
    assert session.subject_toml is None
    assert session.complete
    assert list(session.messages()) == []


def test_other_mcap_software_reads_it(tmp_path: Path) -> None:
    """Channels, encodings, sequence numbers, index and attachments by the library's own reader."""
    with written(tmp_path / "s.mcap", 2000).open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == 4000
        assert {(c.topic, c.message_encoding) for c in summary.channels.values()} == {
            ("keypoints", "msgpack"),
            ("kinematics/s/0", "msgpack"),
        }
        assert {index.compression for index in summary.chunk_indexes} == {"zstd"}
        assert max(index.uncompressed_size for index in summary.chunk_indexes) < CHUNK_BYTES + 1000
        assert [a.name for a in reader.iter_attachments()] == list(ATTACHMENTS)
        assert [m.sequence for _, _, m in reader.iter_messages("keypoints")] == list(range(2000))


@pytest.mark.parametrize("chunked", [True, False])
def test_files_of_other_software_are_read(tmp_path: Path, chunked: bool) -> None:
    """Without chunks or indexes, with LZ4, and with the attachments at the end."""
    with (tmp_path / "s.mcap").open("wb") as file:
        writer = Writer(file, use_chunking=chunked, compression=CompressionType.LZ4, index_types=IndexType.NONE)
        writer.start()
        channel = writer.register_channel("keypoints", "msgpack", 0)
        writer.add_message(channel, 7, b"abc", 8)
        writer.add_attachment(0, 0, "keypoints.toml", "text/plain", KEYPOINTS.encode())
        writer.add_attachment(0, 0, "notes.bin", "application/octet-stream", b"\xff")
        writer.add_attachment(0, 0, "cameras.toml", "text/plain", CAMERAS.encode())
        writer.finish()
    session = read_session(tmp_path / "s.mcap")
    assert session.cameras_toml == CAMERAS
    assert list(session.messages()) == [("keypoints", b"abc", 7, 8)]


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "s.mcap"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists already") as error:
        SessionWriter(path, CAMERAS, KEYPOINTS)
    assert str(path) in one_line(error)
    assert path.read_bytes() == b"precious"


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*No such file") as error:
        SessionWriter(tmp_path / "no" / "s.mcap", CAMERAS, KEYPOINTS)
    one_line(error)


def test_times_outside_the_format_are_held_at_its_ends(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "s.mcap", CAMERAS, KEYPOINTS) as writer:
        writer.write("keypoints", b"", -5, 2**70)
    [message] = read_session(tmp_path / "s.mcap").messages()
    assert (message.log_time, message.publish_time) == (0, 2**64 - 1)


def test_a_killed_writer_leaves_all_up_to_its_last_flush(tmp_path: Path) -> None:
    path = tmp_path / "s.mcap"
    process = subprocess.Popen([sys.executable, "-c", CRASHING_WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "attached\n"
        assert process.stdout.readline() == "flushed\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    session = read_session(path)
    assert not session.complete
    assert (session.cameras_toml, session.subject_toml) == ("cameras", "subject")
    assert [int(m.payload) for m in session.messages()] == list(range(2000))


def test_every_cut_of_a_file_reads_as_a_prefix_or_is_one_line(tmp_path: Path) -> None:
    """Also cuts inside attachments, chunks and the index."""
    path = tmp_path / "s.mcap"
    with SessionWriter(path, CAMERAS, KEYPOINTS) as writer:
        attached = path.stat().st_size
        for i in range(6):
            writer.write("keypoints", b"k%d" % i, i, i)
            writer.flush()
    whole = path.read_bytes()
    counts = set()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        try:
            session = read_session(path)
        except InputError:
            assert size < attached
            continue
        assert not session.complete or size >= len(whole) - 8  # only the closing magic is missing
        payloads = [m.payload for m in session.messages()]
        assert payloads == [b"k%d" % i for i in range(len(payloads))]
        counts.add(len(payloads))
    assert counts == set(range(7))


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "s.mcap", 2000)
    content = bytearray(path.read_bytes())
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    index = summary.chunk_indexes[0]
    middle = index.chunk_start_offset + index.chunk_length // 2
    content[middle : middle + 4] = b"\x00\xff\x00\xff"
    path.write_bytes(content)
    session = read_session(path)
    with pytest.raises(InputError, match="damaged near byte") as error:
        list(session.messages())
    assert str(path) in one_line(error)


def test_zeros_after_a_power_cut_are_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s.mcap"
    written(path)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    end = summary.chunk_indexes[-1].chunk_start_offset + summary.chunk_indexes[-1].chunk_length
    path.write_bytes(path.read_bytes()[:end] + bytes(4096))
    assert len(list(read_session(path).messages())) == 10


@pytest.mark.parametrize("content", [b"", b"\x89MCAP", b"name = 'coco17'\n" * 50])
def test_what_is_no_mcap_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.mcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not an MCAP file") as error:
        read_session(path)
    assert str(path) in one_line(error)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.mcap: No such file"):
        read_session(tmp_path / "none.mcap")
    with pytest.raises(InputError, match="Is a directory"):
        read_session(tmp_path)


def test_a_file_without_its_calibration(tmp_path: Path) -> None:
    with (tmp_path / "s.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.add_attachment(0, 0, "cameras.toml", "text/plain", b"")
        writer.finish()
    with pytest.raises(InputError, match=r"no attachment keypoints\.toml") as error:
        read_session(tmp_path / "s.mcap")
    one_line(error)


def test_recordings_keep_their_bytes(tmp_path: Path, recordings: Path) -> None:
    """A real recording, copied message by message, is the same recording."""
    source = read_session(recordings / "real_a_balance.mcap")
    with SessionWriter(tmp_path / "s.mcap", source.cameras_toml, source.keypoints_toml) as writer:
        for message in source.messages():
            writer.write(*message)
    copy = read_session(tmp_path / "s.mcap")
    assert list(copy.messages()) == list(source.messages())
    assert len(list(copy.messages({"keypoints"}))) == 100
