"""The monitor shows what a daemon publishes."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zmq
from talking_daemon import ALARM, Run, TalkingDaemon, keypoints


def feed(daemon: TalkingDaemon, stop: threading.Event) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(daemon.ingest)
        i = 0
        while not stop.is_set():
            push.send(keypoints(i / 50))
            i += 1
            time.sleep(0.02)


@contextmanager
def fed(daemon: TalkingDaemon) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=feed, args=(daemon, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_once(tool: Run, daemon: TalkingDaemon) -> None:
    daemon.skip = True
    with fed(daemon):
        result = tool("monitor.py", "--once", "--publish", daemon.publish, "--angles", "knee_angle_r,elbow_flex_r")
    assert result.returncode == 0, result.stderr
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines()]
    rows = [cells for cells in lines if cells and cells[0].startswith("s1")]
    person, angle, camera = rows
    assert person[1] == "tracking"
    assert 20.0 < float(person[3]) < 70.0
    assert person[4:8] == ["5.0", "5.0", "4.5", "2"]
    assert int(person[8]) > 0  # one in ten was lost on the way
    assert angle == ["s1/0", "57.3 +- 1.1", "-"]
    assert camera == ["s1", "cam_01", "99.9", "1", "2", "3.3", "1.50", "bad_array 7"]
    assert "daemon: ready, up" in result.stdout
    assert ALARM in result.stdout.splitlines()


def test_json_says_the_same_to_programs(tool: Run, daemon: TalkingDaemon) -> None:
    daemon.skip = True
    with fed(daemon):
        result = tool("monitor.py", "--json", "--publish", daemon.publish)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    person = said["persons"]["s1/0"]
    assert person["state"] == "tracking"
    assert 20.0 < person["rate"] < 70.0
    assert (person["latency_p50_ms"], person["rms_px"], person["views"]) == (pytest.approx(5.0), 4.5, 2)
    assert person["lost"] > 0
    assert person["angles"]["knee_angle_r"] == {
        "value": pytest.approx(57.3, abs=0.1),
        "sd": pytest.approx(1.1, abs=0.1),
    }
    assert said["status"]["sessions"]["s1"]["rejected"] == {"bad_array": 7}


def test_no_daemon_is_one_line(tool: Run) -> None:
    result = tool("monitor.py", "--once", "--publish", "ipc:///tmp/streamfit-none")
    assert result.returncode == 2
    assert "no daemon publishes there" in result.stderr
    assert len(result.stderr.splitlines()) == 1
