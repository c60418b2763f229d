"""A recording in progress never holds up its caller, survives a crash, and says when the disk fails."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamfit.errors import InputError
from streamfit.recording.mcap_file import read_session
from streamfit.recording.writer import MAX_WAITING, Recorder

CRASH = """
import sys, time
from streamfit.recording.writer import Recorder
recorder = Recorder(sys.argv[1], "cameras", "keypoints")
for i in range(100):
    recorder.put("keypoints", b"%03d" % i, i, i)
time.sleep(2.5)
print("waited", flush=True)
time.sleep(60)
"""

FULL = """
import resource, signal, sys, time
from streamfit.errors import InputError
from streamfit.recording.writer import Recorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
recorder = Recorder(sys.argv[1], "cameras", "keypoints")
noise = open("/dev/urandom", "rb")
while recorder.error is None:
    recorder.put("keypoints", noise.read(1000), 0, 0)
    time.sleep(0.001)
before = recorder.dropped
recorder.put("keypoints", b"more", 0, 0)
print(recorder.dropped - before)
try:
    recorder.close()
except InputError as error:
    print(error)
"""


def test_all_that_was_put_is_there_once_it_is_closed(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.mcap", "cameras", "keypoints", "subject")
    for i in range(5000):
        recorder.put("keypoints", b"%d" % i, i, i)
    recorder.close()
    session = read_session(tmp_path / "r.mcap")
    assert session.complete
    assert session.subject_toml == "subject"
    assert [int(m.payload) for m in session.messages()] == list(range(5000))
    assert recorder.dropped == 0


def test_a_crash_loses_no_more_than_the_last_second(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, str(tmp_path / "r.mcap")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "waited\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    session = read_session(tmp_path / "r.mcap")
    assert not session.complete
    assert [int(m.payload) for m in session.messages()] == list(range(100))


def test_a_disk_without_room_ends_the_recording_and_not_the_program(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    result = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["1", f"{path}: the recording is incomplete: File too large"]
    assert not read_session(path).complete


def test_a_queue_that_is_full_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a disk that answers nothing until it is asked to
    monkeypatch.setattr(Recorder, "_write", lambda self: None)
    recorder = Recorder(tmp_path / "r.mcap", "cameras", "keypoints")
    for i in range(MAX_WAITING + 7):
        recorder.put("keypoints", b"", i, i)
    assert recorder.dropped == 7
    recorder._writer.close()


def test_a_file_that_is_there_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "r.mcap").touch()
    with pytest.raises(InputError, match="exists already"):
        Recorder(tmp_path / "r.mcap", "cameras", "keypoints")
