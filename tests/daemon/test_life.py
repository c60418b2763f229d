"""How a daemon starts, is refused, and stops: each in a process of its own."""

import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from daemon_process import (
    CONFIGS,
    REAL,
    Client,
    DaemonProcess,
    Starter,
    config_text,
    daemon,
    wait_until,
)
from fake_solver import SLOW

from streamfit.recording.mcap_file import read_session

VIEWS = [{"camera": f"cam_0{i}", "xyc": np.ones((17, 3))} for i in (1, 2, 3, 4)]


# What is wrong with the configuration


def cameras(folder: Path, **changes: str) -> str:
    """The example's cameras with parts of their text replaced; the [session] table."""
    text = (CONFIGS / "cameras.toml").read_text()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    (folder / "changed.toml").write_text(text)
    return '[session]\ncameras = "changed.toml"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (config_text(more="[fit]\nlagg = 1\n"), "[fit] unknown key `lagg`; did you mean `lag`?"),
        (config_text(more="[recrod]\n"), "unknown table `recrod`; did you mean `record`?"),
        (config_text(more="stature = 17.5\n"), "[session] stature = 17.5"),
        (config_text(more="subject = 'nowhere.toml'\n"), "nowhere.toml: no such file"),
        (config_text(more="cameras ="), "daemon.toml: not valid TOML"),
        (config_text(keypoints="halpe27"), "keypoint set 'halpe27' is not built in"),
        (config_text(ingest="tcp://0.0.0.0:*"), "[ingest] bind = 'tcp://0.0.0.0:*' can be reached from outside"),
        (config_text(publish="tcp://*:*"), "[publish] bind = 'tcp://*:*' can be reached from outside without keys"),
        (config_text(control="udp://127.0.0.1:1"), "[control] bind = 'udp://127.0.0.1:1' is no address"),
        (config_text(ingest="tcp://203.0.113.7:*", more="[security]\nserver_secret_key = 'k'\n"), "needs both"),
        (config_text(more="[security]\nserver_secret_key = 'k'\nclients = 'c'\n"), "not a readable ZeroMQ certificate"),
        (config_text(http="0.0.0.0:0"), "[http] bind = '0.0.0.0:0' can be reached from outside"),
        (config_text(ingest="ipc:///nonexistent/x"), "[ingest] bind = 'ipc:///nonexistent/x' cannot be used"),
        (config_text(more="[record]\ndirectory = '/proc/nowhere'\n"), "[record] directory = '/proc/nowhere'"),
        ("[session]\ncameras = 'nowhere.toml'\n", "nowhere.toml: no such file"),
        ("", "[session] is missing"),
    ],
    ids=lambda value: "" if "\n" in value or not value else value[:30],
)
def test_what_is_wrong_is_said_in_one_line(started: Starter, text: str, said: str) -> None:
    if text.startswith("[session]"):  # with ports of the system's choice
        text = "".join(config_text().partition("[session]")[:1]) + text
    process = started(text)
    assert process.wait_end() == 2
    lines = [line for line in process.log if "starting" not in line]
    assert len(lines) == 1, process.log
    assert said in lines[0]
    assert lines[0].startswith("streamfit: ")


def test_cameras_in_millimetres_are_refused(started: Starter) -> None:
    text = (CONFIGS / "cameras.toml").read_text()
    head = config_text().partition("[session]")[0]
    lines = []
    for line in text.splitlines():
        if line.startswith("translation"):
            numbers = line.partition("[")[2].partition("]")[0].split(",")
            line = f"translation = {[1000 * float(n) for n in numbers]}"
        lines.append(line)
    (started.folder / "mm.toml").write_text("\n".join(lines))
    process = started(f'{head}[session]\ncameras = "mm.toml"\n', REAL)
    assert process.wait_end() == 2
    assert 'units = "mm"' in process.log[-1]
    assert not any("Traceback" in line for line in process.log)


def test_a_missing_configuration_is_said(tmp_path: Path) -> None:
    process = DaemonProcess(tmp_path / "nowhere.toml", REAL)
    assert process.wait_end() == 2
    process.stop()
    assert "nowhere.toml: no such file" in process.log[-1]
    assert len(process.log) == 1


@pytest.mark.parametrize("name", ["ingest", "publish", "control", "http"])
def test_a_port_in_use_is_said(started: Starter, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        bind = address if name == "http" else f"tcp://{address}"
        process = started(config_text(**{name: bind}))
        assert process.wait_end() == 2
    assert len(process.log) == 1, process.log
    assert process.log[0].startswith(f"streamfit: [{name}] bind = '{bind}'")
    assert "in use" in process.log[0]


# Ready


def test_nothing_is_taken_before_all_is_compiled(started: Starter) -> None:
    process = started(config_text(), FAKE_WARM_UP="1.5").wait_bound()
    assert process.health() == 503
    with Client(process.endpoints) as client:
        client.keypoints("s", 0.0, VIEWS)
        status = client.wait_for("status", rejected={"starting": 1})
        assert status["state"] == "starting"
        assert client.ask("close", session="s")["error"]["code"] == "busy"
        assert client.ask("status")["ok"]
        process.wait_ready()
        client.wait_for("status", state="ready")
        client.keypoints("s", 1.0, VIEWS)
        assert client.wait_for("kinematics/s/0")["t"] == 1.0


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(started: Starter, abstract: bool) -> None:
    name = f"\0streamfit-test-{os.getpid()}" if abstract else str(started.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(15)
        address = name.replace("\0", "@")
        process = started(config_text(), NOTIFY_SOCKET=address, WATCHDOG_USEC="100000")
        assert listener.recv(100) == b"READY=1"
        assert process.wait_bound().health() == 200
        for _ in range(3):
            assert listener.recv(100) == b"WATCHDOG=1"
        process.process.send_signal(signal.SIGTERM)
        while (message := listener.recv(100)) == b"WATCHDOG=1":
            pass
        assert message == b"STOPPING=1"


def test_a_notify_socket_that_nobody_reads_is_no_harm(started: Starter) -> None:
    started(config_text(), NOTIFY_SOCKET=str(started.folder / "nobody")).wait_ready()


# The end


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "shutdown"])
def test_what_is_left_is_answered_and_recorded_before_the_end(started: Starter, how: str) -> None:
    process = started(config_text(more='[record]\ndirectory = "recordings"\n')).wait_ready()
    with Client(process.endpoints) as client:
        for i in range(20):
            client.keypoints("s", i / 100, VIEWS)
        client.keypoints("s", 0.2, VIEWS[:1])  # waits for the others when the end comes
        client.wait_for("kinematics/s/0", t=0.19)
        began = time.monotonic()
        if how == "shutdown":
            assert client.ask("shutdown")["ok"]
        else:
            process.process.send_signal(getattr(signal, how))
        assert process.wait_end() == 0
        assert time.monotonic() - began < 5.0
        client.listen()
        assert [p["t"] for p in client.payloads("kinematics/s/0")] == [i / 100 for i in range(21)]
        assert [p["t"] for p in client.payloads("smoothed/s/0")] == [i / 100 for i in range(21)]
    (path,) = (started.folder / "recordings").iterdir()
    recording = read_session(path)
    assert recording.complete
    assert len(list(recording.messages(["keypoints"]))) == 21
    assert len(list(recording.messages(["kinematics"]))) == 21
    assert len(list(recording.messages(["smoothed"]))) == 21


def test_a_daemon_that_is_still_starting_stops_too(started: Starter) -> None:
    process = started(config_text(), FAKE_WARM_UP="60").wait_bound()
    began = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    assert process.wait_end() == 0
    assert time.monotonic() - began < 5.0


def test_a_daemon_that_has_too_much_left_stops_in_time(started: Starter) -> None:
    process = started(config_text()).wait_ready()
    with Client(process.endpoints) as client:
        for session in range(10):
            for i in range(30):
                xyc = np.full((17, 3), [SLOW, 1.0, 1.0])
                client.keypoints(f"s{session}", i / 100, [{"camera": "cam_01", "xyc": xyc}])
        client.wait_for("kinematics/s9")
        began = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert process.wait_end() == 0
        assert time.monotonic() - began < 5.0


def test_numbers_go_on_above_after_a_restart(started: Starter) -> None:
    last = 0
    for _ in range(2):
        process = started(config_text()).wait_ready()
        with Client(process.endpoints) as client:
            for i in range(50):
                client.keypoints("s", i / 100, VIEWS)
            client.wait_for("kinematics/s/0", t=0.49)
            numbers = [p["seq"] for p in client.payloads("kinematics/s/0")]
        assert np.all(np.diff(numbers) == 1)
        assert numbers[0] > last
        last = numbers[-1]
        process.stop()


# Recordings


def test_a_recording_holds_the_very_bytes_of_the_wire(tmp_path: Path) -> None:
    with daemon(tmp_path, config_text(more='[record]\ndirectory = "recordings"\n')) as process:
        with Client(process.endpoints) as client:
            for i in range(10):
                client.keypoints("s", i / 100, VIEWS, mark=i)
            client.wait_for("kinematics/s/0", t=0.09)
            client.send(type="end", session="s")
            client.wait_for("smoothed/s/0", t=0.09)
            (path,) = (tmp_path / "recordings").iterdir()
            wait_until(lambda: read_session(path).complete, "the end of the file")
            recorded = {m.topic: m for m in read_session(path).messages()}
            assert b"mark" in recorded["keypoints"].payload
            assert recorded["kinematics/s/0"].publish_time == 90_000_000
            assert set(recorded) == {"keypoints", "model/s/0", "kinematics/s/0", "smoothed/s/0", "bodies/s/0"}
            assert read_session(path).keypoints_toml.startswith('name = "coco17"')
            # the next session of that name has a file of its own
            client.keypoints("s", 5.0, VIEWS)
            client.wait_for("kinematics/s/0", t=5.0)
        wait_until(lambda: len(list((tmp_path / "recordings").iterdir())) == 2, "the second file")


def test_a_disk_that_fails_is_an_alarm_and_nothing_else(tmp_path: Path) -> None:
    with (
        daemon(tmp_path, config_text(more='[record]\ndirectory = "recordings"\n')) as process,
        Client(process.endpoints) as client,
    ):
        (tmp_path / "recordings").rmdir()
        for i in range(50):
            client.keypoints("s", i / 100, VIEWS)
            client.wait_for("kinematics/s/0", t=i / 100)
        (alarm,) = wait_until(lambda: [a for a in client.status()["alarms"] if "recording" in a], "the alarm")
        assert "session s" in alarm
        assert "recordings" in alarm
        assert [p["t"] for p in client.payloads("kinematics/s/0")] == [i / 100 for i in range(50)]
