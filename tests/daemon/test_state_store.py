"""What a daemon that is killed hands on to the next one, and what it does not."""

import asyncio
import itertools
import json
import signal
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from daemon_process import Client, DaemonProcess, config_text, daemon, until, wait_until
from fake_solver import AHEAD, CLOCKS

from streamfit.daemon.config import Config, load_config
from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.net.auth import MessageAuthenticator
from streamfit.daemon.net.publisher import Publisher
from streamfit.daemon.net.subscribers import Subscribers
from streamfit.daemon.sessions.checkpoint import RESERVE, Checkpoint
from streamfit.daemon.sessions.state_store import NAME, Kept, StateStore, state_folder
from streamfit.daemon.web.page_feed import PageFeed
from streamfit.demo.processes import free_addresses
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.mcap_file import read_session

KEEP = '[state]\ndirectory = "kept"\n'


def views(points: int = 17, order: float = 1.0) -> list[dict[str, Any]]:
    return [{"camera": f"cam_0{i}", "xyc": np.full((points, 3), [order, 1.0, 1.0])} for i in (1, 2, 3, 4)]


def written(folder: Path, more: str = KEEP) -> Config:
    (folder / "daemon.toml").write_text(config_text(more=more))
    return load_config(folder / "daemon.toml")


def kept(folder: Path) -> dict[str, Any]:
    state = json.loads((folder / "kept" / NAME).read_text())
    return {session["name"]: session for session in state["sessions"]}


def kill(process: DaemonProcess) -> float:
    """As a crash does; when, s."""
    now = time.time()
    process.process.kill()
    assert process.wait_end() == -signal.SIGKILL
    return now


def test_a_daemon_that_is_killed_goes_on_where_it_was(tmp_path: Path, skeleton: Skeleton) -> None:
    text = config_text(more='[record]\ndirectory = "recordings"\n' + KEEP, **asdict(free_addresses()))
    body25 = KeypointSet.load("body25")
    anna = Subject.generic(skeleton, body25, 1.5).to_toml()
    with daemon(tmp_path, text) as first, Client(first.endpoints) as client:
        assert client.ask("open", session="anna", keypoints="body25", subject=anna)["ok"]
        assert client.ask("open", session="quiet", keypoints="body25")["ok"]
        assert client.ask("record", session="quiet", on=False)["ok"]
        client.keypoints("over", 0.0, views())
        client.wait_for("kinematics/over/0")
        assert client.ask("close", session="over")["ok"]
        for i in range(60):
            client.keypoints("anna", i / 50, views(25, CLOCKS))
            client.keypoints("default", i / 50, views())
        client.wait_for("smoothed/anna/0", t=58 / 50)
        before = client.status()["sessions"]
        clock = before["anna"]["cameras"]["cam_01"]["offset_t"]
        assert clock > AHEAD
        wait_until(lambda: set(kept(tmp_path)) == {"anna", "quiet", "default"}, "the state of all")
        wait_until(lambda: -clock in kept(tmp_path)["anna"]["clocks"]["offset"], "the state of the clocks")
        scale = client.payloads("model/anna/0")[0]["scale"]
        kill(first)
        numbers = {topic: payload["seq"] for topic, payload in client.listen(0.2)}

        with daemon(tmp_path, text) as second:
            wait_until(lambda: client.listen(0.05)[-1][1].get("state") == "ready", "the status of the next")
            client.forget()
            after = client.status()
            assert not [alarm for alarm in after["alarms"] if ": nothing received for " not in alarm]
            assert set(after["sessions"]) == {"anna", "quiet", "default"}
            for camera, entry in after["sessions"]["anna"]["cameras"].items():
                for key in ("offset_t", "offset_sd", "drift"):
                    assert entry[key] == before["anna"]["cameras"][camera][key]
            assert after["sessions"]["quiet"]["recording"] is None
            assert after["sessions"]["anna"]["recording"] is not None
            for name, seen in (("anna", views(25)), ("default", views())):
                sent = time.monotonic()
                client.keypoints(name, 10.0, seen)
                assert client.wait_for(f"kinematics/{name}/0", t=10.0)["state"] == "tracking"
                assert time.monotonic() - sent < 1.0
            (model,) = client.payloads("model/anna/0")
            assert model["scale"] == scale == Subject.from_toml(anna, skeleton, body25).scale
            assert model["keypoints"] == list(body25.names)
            for topic, payload in client.heard:
                assert payload["seq"] > numbers.get(topic, 0), topic
            assert second.metric("streamfit_compilations_after_ready_total") == 0


def test_sessions_of_a_daemon_that_was_stopped_are_over(tmp_path: Path) -> None:
    with daemon(tmp_path, config_text(more=KEEP)) as first, Client(first.endpoints) as client:
        client.keypoints("s", 0.0, views())
        wait_until(lambda: kept(tmp_path), "the state")
        assert first.stop() == 0
    assert kept(tmp_path) == {}


def test_numbers_go_on_above_also_where_the_clock_was_set_back(tmp_path: Path) -> None:
    ahead = time.time_ns() // 1000 + 10**13
    state = StateStore(tmp_path / "kept")
    state.save(Kept(sequence=ahead))
    state.close()
    keeper = Checkpoint(written(tmp_path), Health())
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        publisher = Publisher(socket, Subscribers(MessageAuthenticator(None)), PageFeed(), keeper.sequence)
        first, second = (msgpack.unpackb(publisher.send("status", {"type": "status"}))["seq"] for _ in range(2))
        assert ahead <= first < second <= publisher.bound()
        assert publisher.bound() < Kept.model_validate_json((tmp_path / "kept" / NAME).read_bytes()).sequence
    keeper.close()


async def test_a_disk_that_fails_is_an_alarm_until_it_is_mended(tmp_path: Path) -> None:
    health, bounds = Health(), itertools.count(10**16, 2 * RESERVE)
    keeper = Checkpoint(written(tmp_path), health)
    sessions: Any = SimpleNamespace(by_name={}, setup=None)

    folder, gone = tmp_path / "kept", tmp_path / "gone"
    folder.rename(gone)
    keeping = asyncio.create_task(keeper.run(sessions, lambda: next(bounds)))
    await until(lambda: health.alarms)
    assert "No such file" in health.alarms["state"]
    gone.rename(folder)
    await until(lambda: not health.alarms)
    keeping.cancel()
    keeper.close()


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b'{"v": 2}', b'{"v": 1, "sequence": 1, "sessions": [{}]}'])
def test_a_broken_state_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    state = StateStore(tmp_path)
    with pytest.raises(InputError, match=r"is broken .* it is now .*broken-\d+\.json"):
        state.load()
    (aside,) = tmp_path.glob("broken-*")
    assert aside.read_bytes() == content
    assert state.load() == Kept()
    state.close()


def test_a_broken_state_stops_nothing_but_a_second_daemon_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / NAME).write_text("{")
    with daemon(tmp_path, config_text(more=KEEP)) as process, Client(process.endpoints) as client:
        (alarm,) = client.status()["alarms"]
        assert "the state is broken" in alarm
        assert [line for line in process.log if alarm in line] == [f"streamfit: state: {alarm}"]
        client.keypoints("s", 0.0, views())
        client.wait_for("kinematics/s/0")
        wait_until(lambda: kept(tmp_path), "the state to be kept again")
        second = DaemonProcess(tmp_path / "daemon.toml")
        assert second.wait_end() == 2
        second.stop()
        said = f"streamfit: {tmp_path}/kept holds the state of a daemon that is running; stop that one, or"
        assert [line.startswith(said) for line in second.log] == [True]


def test_a_session_that_fits_the_configuration_no_more_is_said(tmp_path: Path) -> None:
    with daemon(tmp_path, config_text("coco17", KEEP)) as process, Client(process.endpoints) as client:
        person = Subject.generic(Skeleton.load(), KeypointSet.load("coco17")).to_toml()
        assert client.ask("open", session="anna", subject=person)["ok"]
        wait_until(lambda: kept(tmp_path), "the state")
        kill(process)
    state = tmp_path / "kept" / NAME
    state.write_text(state.read_text().replace("rajagopal", "humanoid"))
    with daemon(tmp_path, config_text("body25", KEEP)) as process, Client(process.endpoints) as client:
        (alarm,) = client.status()["alarms"]
        assert alarm.startswith("session anna is not resumed: subject: made for skeleton 'humanoid'")
        assert client.status()["sessions"] == {}


def test_a_place_that_cannot_be_written_is_an_alarm(tmp_path: Path) -> None:
    text = config_text(more='[state]\ndirectory = "/proc/nowhere"\n')
    with daemon(tmp_path, text) as process, Client(process.endpoints) as client:
        (alarm,) = client.status()["alarms"]
        assert "/proc/nowhere" in alarm
        client.keypoints("s", 0.0, views())
        client.wait_for("kinematics/s/0")


def test_each_configuration_has_a_state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    folders = {state_folder(written(folder, "")) for folder in (one, one, other)}
    assert len(folders) == 2
    assert {folder.parent for folder in folders} == {tmp_path / "streamfit"}
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/streamfit/room")
    assert state_folder(written(one, "")) == Path("/var/lib/streamfit/room")
    assert state_folder(written(one)) == one / "kept"


def test_a_killed_daemon_leaves_recordings_that_lack_less_than_a_second(tmp_path: Path) -> None:
    text = config_text(more='[record]\ndirectory = "recordings"\n' + KEEP)
    with daemon(tmp_path, text) as process, Client(process.endpoints) as client:
        count = 0
        until = time.monotonic() + 1.7
        while time.monotonic() < until:
            client.keypoints("s", count / 100, views())
            client.wait_for("kinematics/s/0", t=count / 100)
            count += 1
        killed = kill(process)
    (path,) = (tmp_path / "recordings").iterdir()
    messages = list(read_session(path).messages(["keypoints"]))
    assert killed - messages[-1].log_time / 1e9 < 1.0
    assert [m.publish_time for m in messages] == [round(i * 1e7) for i in range(len(messages))]
