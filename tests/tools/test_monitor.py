"""The monitor shows what a daemon publishes."""

import threading
import time

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


def test_once(tool: Run, daemon: TalkingDaemon) -> None:
    daemon.skip = True
    stop = threading.Event()
    thread = threading.Thread(target=feed, args=(daemon, stop))
    thread.start()
    try:
        angles = "knee_angle_r,elbow_flex_r"
        result = tool("monitor.py", "--once", "--publish", daemon.publish, "--angles", angles)
    finally:
        stop.set()
        thread.join()
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


def test_no_daemon_is_one_line(tool: Run) -> None:
    result = tool("monitor.py", "--once", "--publish", "ipc:///tmp/streamfit-none")
    assert result.returncode == 2
    assert "no daemon publishes there" in result.stderr
    assert len(result.stderr.splitlines()) == 1
