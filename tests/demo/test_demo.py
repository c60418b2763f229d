"""`streamfit demo` from end to end: real processes, real sockets."""

import re
import subprocess
import sys

import psutil
import pytest

from streamfit.demo.recording import attach_subject
from streamfit.sim.detector import detect
from streamfit.sim.motions import RATE
from streamfit.sim.person import Motion
from streamfit.sim.room import room
from streamfit.sim.simulate import save_session


def demo(*arguments):
    command = [sys.executable, "-m", "streamfit.cli.main", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400)


def processes(output):
    chain = re.search(r"detector \(pid (\d+)\) -> daemon \((\d+)\) -> consumer \((\d+)\)", output)
    assert chain, output
    return [int(pid) for pid in chain.groups()]


def answered(output):
    return [int(number) for number in re.search(r"(\d+) of (\d+) instants answered", output).groups()]


def row(output, name):
    return next(line for line in output.splitlines() if line.startswith(f"│ {name}")).split("│")[2].strip()


@pytest.fixture
def recording(walked, skeleton, keypoints, subject, tmp_path):
    """Two seconds of the walk."""
    count = round(2 * RATE)
    short = Motion(walked.t[:count], walked.q[:count], walked.keypoints[:count])
    views = detect(short, room(), skeleton, keypoints, subject, seed=5)
    save_session(tmp_path / "plain.mcap", views, keypoints)
    attach_subject(tmp_path / "plain.mcap", subject.to_toml(), tmp_path / "short.mcap")
    return tmp_path / "short.mcap"


def test_the_simulated_walk_streams_and_is_compared_with_its_truth():
    done = demo()
    assert done.returncode == 0, done.stderr
    # A busy machine may skip instants; the daemon's own tests say when it must not.
    count, sent = answered(done.stdout)
    assert sent == 1000
    assert count > 300
    assert len(re.findall(r"t +\d\.\d\d s .* tracking +hip_flexion_r", done.stdout)) >= 7
    assert float(row(done.stdout, "tracking").split()[0]) > 97
    legs, every = (float(x) for x in re.findall(r"[\d.]+", row(done.stdout, "  mean removed"))[:2])
    assert 0 < legs < 2.5
    assert 0 < every < 3.5
    assert re.search(r"\d\.\d\d s   (left|right) foot strike", done.stdout)
    assert re.search(r"(left|right) step   step 0\.\d\d m   stride 1\.\d\d m", done.stdout)
    found, true = (int(x) for x in re.findall(r"\d+", row(done.stdout, "foot strikes and offs"))[:2])
    assert found > true / 2
    assert not any(psutil.pid_exists(pid) for pid in processes(done.stdout))


def test_a_recording_plays_without_truth(recording):
    done = demo("--recording", recording)
    assert done.returncode == 0, done.stderr
    count, sent = answered(done.stdout)
    assert sent == 200
    assert count > 100
    assert "latency p50 / p99" in done.stdout
    assert "angle error" not in done.stdout
    assert not any(psutil.pid_exists(pid) for pid in processes(done.stdout))


@pytest.mark.parametrize(("content", "complaint"), [(None, "none.mcap"), (b"no mcap", "MCAP")])
def test_a_recording_that_cannot_be_played_gets_one_line(tmp_path, content, complaint):
    path = tmp_path / "none.mcap"
    if content is not None:
        path.write_bytes(content)
    done = demo("--recording", path)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
