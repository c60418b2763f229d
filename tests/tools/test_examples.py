"""The examples as processes, before a daemon that talks: right hip .5 rad, right knee 1 rad at every instant."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq
from talking_daemon import TalkingDaemon, keypoints

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE = EXAMPLES / "node"


@pytest.fixture
def streaming(daemon: TalkingDaemon) -> Iterator[str]:
    """The publish address of a daemon that answers an instant every 10 ms."""
    stop = threading.Event()

    def send() -> None:
        with zmq.Context() as context, context.socket(zmq.PUSH) as push:
            push.linger = 0
            push.connect(daemon.ingest)
            i = 0
            while not stop.wait(0.01):
                push.send(keypoints(i / 100))
                i += 1

    thread = threading.Thread(target=send)
    thread.start()
    yield daemon.publish
    stop.set()
    thread.join()


def example(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "200"})


def test_feedback_rings_once_a_passing_and_says_how_soon(streaming: str) -> None:
    done = example("feedback.py", "--publish", streaming, "--above", "50", "--times", "1")
    assert done.returncode == 0, done.stderr
    assert "\a" in done.stdout
    assert "knee_angle_r 57 deg" in done.stdout
    found = re.search(r"1 bells, ([\d.]+) ms after the last view", done.stdout)
    assert found is not None
    assert 5.0 <= float(found.group(1)) < 1000.0  # 5 ms of it are the daemon's


def test_the_readme_subscribes_in_a_few_lines(streaming: str) -> None:
    text = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Subscriber" in block)
    command = [sys.executable, "-uc", code.replace('"kinematics")', f'"kinematics", address="{streaming}")')]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.kill()
    assert all(line.endswith("knee 57.3 +- 1.1 deg  tracking  lost 0\n") for line in lines), lines


def test_a_log_is_a_parquet_file(streaming: str, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "log.parquet"
    done = example("log_parquet.py", "--publish", streaming, "-o", path, "--group", "10", "--instants", "25")
    assert done.returncode == 0, done.stderr
    assert pq.ParquetFile(path).num_row_groups == 3
    table = pq.read_table(path)
    assert table.column_names == ["session", "person", "t", "state", "latency", "hip_flexion_r", "knee_angle_r"]
    np.testing.assert_array_equal(table["knee_angle_r"].to_numpy(), 1.0)
    np.testing.assert_allclose(np.diff(table["t"].to_numpy()), 0.01, atol=1e-9)


def test_a_plot_of_what_there_is_not_fails_and_one_of_what_there_is_is_a_picture(
    streaming: str, tmp_path: Path
) -> None:
    done = example("plot.py", "--publish", streaming, "--save", tmp_path / "a.png", "--seconds", "0.3")
    assert "knee_angle_l" in done.stderr  # this daemon's person has no left side
    picture = tmp_path / "b.png"
    done = example(
        "plot.py",
        "--publish",
        streaming,
        "--joint",
        "knee_angle",
        "--sides",
        "r",
        "--save",
        picture,
        "--seconds",
        "0.3",
    )
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(picture)).std() > 5


@pytest.mark.skipif(shutil.which("npm") is None, reason="no Node on this machine")
@pytest.mark.slow
def test_the_wire_is_read_from_javascript(streaming: str, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    shutil.copytree(NODE, folder, ignore=shutil.ignore_patterns("node_modules"))
    install = ["npm", "install", "--no-audit", "--no-fund"]
    installed = subprocess.run(install, capture_output=True, text=True, timeout=300, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    command = ["node", "angles.mjs", streaming, "knee_angle_r", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.endswith("s1/0  knee_angle_r 57.3 +- 1.1 deg  tracking") for line in lines)
