"""What is recorded stays within its files, comes in parts, and goes on after the disk has failed."""

import asyncio
import os
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from daemon_process import CONFIGS, until

from streamfit.daemon.config import load_config
from streamfit.daemon.sessions import recording
from streamfit.daemon.sessions.recording import Recording, RecordSettings, record_settings
from streamfit.engine.setup import Setup
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.recording import writer as recorder
from streamfit.recording.mcap_file import read_session

PART = 100_000


@pytest.fixture
def setup(skeleton: Skeleton) -> Setup:
    keypoints = KeypointSet.load("coco17")
    return Setup(skeleton, Rig.load(CONFIGS / "cameras.toml"), keypoints, Subject.generic(skeleton, keypoints))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the disk more often than the daemon does."""
    monkeypatch.setattr(recording, "RETRY", 0.05)
    monkeypatch.setattr(recorder, "FLUSH", 0.02)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", folder]).returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class Source:
    """Puts numbered messages that do not compress."""

    def __init__(self, into: Recording) -> None:
        self.into, self.count = into, 0

    def put(self) -> None:
        self.into.put("keypoints", b"%08d" % self.count + os.urandom(4000), self.count / 100)
        self.count += 1


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.mcap"))


def numbers(path: Path) -> list[int]:
    return [int(m.payload[:8]) for m in read_session(path).messages(["keypoints"])]


async def test_parts_are_whole_in_themselves_and_lose_nothing(tmp_path: Path, setup: Setup) -> None:
    now, models = setup, {"model/room/0": b"the model"}
    one = Recording(RecordSettings(tmp_path, PART), "room", lambda: now, models)
    source = Source(one)
    one.put("model/room/0", b"the model", 0.0)  # while the first part is being made
    await until(lambda: one.status()["part"] == 2, source.put)
    now = replace(setup, subject_toml="fitted meanwhile")
    await until(lambda: one.status()["part"] == 4, source.put)
    await one.close()
    parts = files(tmp_path)
    assert [path.name[-9:-5] for path in parts] == ["0001", "0002", "0003", "0004"]
    assert [n for path in parts for n in numbers(path)] == list(range(source.count))
    assert all(PART <= path.stat().st_size < 4 * PART for path in parts[:3])
    for path in parts:
        session = read_session(path)
        assert session.complete
        assert session.keypoints_toml == setup.keypoints.to_toml()
        assert [m.payload for m in session.messages(["model"])] == [b"the model"]
    assert [read_session(path).subject_toml for path in parts[::3]] == [None, "fitted meanwhile"]
    status = one.status()
    assert status["messages"] == source.count + len(parts)
    assert status["bytes"] == sum(path.stat().st_size for path in parts)
    assert (status["dropped"], status["failures"], status["error"]) == (0, 0, None)


async def test_a_full_disk_is_said_once_and_recording_goes_on_when_there_is_room(
    small_disk: Path, setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    other = small_disk / "other"
    other.write_bytes(bytes(250_000))
    one = Recording(RecordSettings(small_disk, 2 * PART), "room", lambda: setup, {})
    source = Source(one)
    await until(lambda: one.status()["error"], source.put)
    for _ in range(100):
        source.put()
        await asyncio.sleep(0.002)  # several tries
    error = one.status()["error"]
    assert "No space left on device; nothing is recorded until" in error
    assert str(small_disk) in error
    assert len([r for r in caplog.records if "recording has stopped" in r.message]) == 1
    assert one.status()["failures"] == 1
    (cut,) = files(small_disk)
    assert not read_session(cut).complete
    kept = numbers(cut)
    assert kept == list(range(len(kept)))
    assert len(kept) >= one.status()["messages"] > 0
    other.unlink()
    await until(lambda: one.status()["error"] is None)
    first = source.count
    source.put()
    await one.close()
    assert numbers(one.path) == [first]
    assert one.path == files(small_disk)[1]


async def test_recording_goes_on_in_a_new_part_after_the_disk_had_failed(tmp_path: Path, setup: Setup) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    one = Recording(RecordSettings(folder, PART), "room", lambda: setup, {})
    source = Source(one)
    await until(lambda: one.status()["messages"] > 5, source.put)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PART // 2, limit[1]))
    try:
        await until(lambda: one.status()["error"], source.put)
        folder.rename(tmp_path / "gone")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    lost = source.count
    for _ in range(50):
        source.put()
        await asyncio.sleep(0.002)
    assert one.status()["error"] is not None
    (tmp_path / "gone").rename(folder)
    await until(lambda: one.status()["error"] is None)
    first = source.count
    for _ in range(5):
        source.put()
    await one.close()
    cut, whole = files(folder)
    assert numbers(cut)[-1] < lost <= first
    assert numbers(whole) == list(range(first, source.count))
    assert one.status()["dropped"] >= first - lost
    assert one.status()["messages"] + one.status()["dropped"] == source.count


async def test_a_name_that_is_taken_is_left_alone(
    tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording.time, "time_ns", lambda: 10**18)
    monkeypatch.setattr(recording.time, "strftime", lambda *_: "20260101T000000")
    taken = tmp_path / "room-20260101T000000.000000-0001.mcap"
    taken.write_text("precious")
    one = Recording(RecordSettings(tmp_path, PART), "room", lambda: setup, {})
    one.put("keypoints", b"00000000", 0.0)
    await one.close()
    assert taken.read_text() == "precious"
    assert one.path.name == "room-20260101T000000.000000-0002.mcap"
    assert numbers(one.path) == [0]


async def test_a_read_only_disk_is_no_reason_not_to_start(small_disk: Path, tmp_path: Path, setup: Setup) -> None:
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", small_disk], check=True)
    (tmp_path / "room.toml").write_text(f'[session]\ncameras = "c.toml"\n[record]\ndirectory = "{small_disk}/new"\n')
    settings = record_settings(load_config(tmp_path / "room.toml"))
    assert settings is not None
    one = Recording(settings, "room", lambda: setup, {})
    source = Source(one)
    await until(lambda: one.status()["error"], source.put)
    await one.close()
    assert one.status()["dropped"] == source.count
