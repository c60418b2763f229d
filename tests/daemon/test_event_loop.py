"""Nothing that the daemon is asked to do keeps its event loop from taking and giving."""

import time
from pathlib import Path
from typing import Any

import pytest
from daemon_process import CONFIGS, Client, DaemonProcess, config_text, daemon, wait_until
from guarded_daemon import run_blocking, run_guarded
from standing import standing_views

from streamfit.model import KeypointSet
from streamfit.model.camera import Rig

pytestmark = pytest.mark.alone

COCO = KeypointSet.load("coco17")
RIG = Rig.load(CONFIGS / "cameras.toml")
REPORTS = ("Blocking call", "computed for", "Traceback")


def reports(process: DaemonProcess) -> list[str]:
    """What the log says of the event loop."""
    return [line for line in process.log if any(report in line for report in REPORTS)]


def test_nothing_blocks_the_event_loop(tmp_path: Path) -> None:
    text = config_text(more='[record]\ndirectory = "recordings"\n')
    views = standing_views(RIG, COCO)
    with daemon(tmp_path, text, run_guarded) as process, Client(process.endpoints) as client:
        for i in range(60):
            client.keypoints("busy", i / 50, views)
            time.sleep(0.005)
        client.wait_for("kinematics/busy/0", t=59 / 50)
        cameras = (CONFIGS / "cameras.toml").read_text().replace("cam_0", "eye_")
        asked: list[tuple[str, dict[str, Any]]] = [
            ("open", {"session": "own", "cameras": cameras, "keypoints": "halpe26"}),
            ("record", {"session": "busy", "on": False}),
            ("record", {"session": "busy", "on": True}),
            ("sessions", {}),
            ("status", {}),
            ("reload", {}),
            ("calibrate", {"session": "busy", "seconds": 1.0}),
            ("close", {"session": "own"}),
        ]
        for operation, fields in asked:
            reply = client.ask(operation, **fields)
            assert reply["ok"], (operation, reply, process.log)
        for path in ("/metrics", "/status.json", "/", "/healthz"):
            assert process.get(path)[0] == 200
        client.push.send(b"garbage")
        client.keypoints("busy", 60 / 50, views)
        client.wait_for("kinematics/busy/0", t=60 / 50)
        client.send(type="end", session="busy")
        client.wait_for("smoothed/busy/0", t=60 / 50)
        wait_until(lambda: not client.status()["sessions"], "the end")
        client.keypoints("late", 0.0, views)
        client.wait_for("kinematics/late/0")
        assert client.ask("shutdown")["ok"]
        assert process.wait_end() == 0
    assert reports(process) == [], process.log


def test_what_blocks_is_reported(tmp_path: Path) -> None:
    """The guard of the test above does see what keeps the loop."""
    with daemon(tmp_path, config_text(), run_blocking) as process, Client(process.endpoints) as client:
        assert client.ask("status")["error"]["code"] == "internal"
        assert client.ask("sessions")["ok"]
        wait_until(lambda: len(reports(process)) >= 3, "what was found")
    said = "\n".join(reports(process))
    assert "Blocking call to time.sleep" in said
    assert "computed for 1" in said
