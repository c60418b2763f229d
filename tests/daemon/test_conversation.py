"""What a daemon says and does when it is asked, over real sockets."""

import time
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from daemon_process import CONFIGS, REAL, Client, DaemonProcess, assert_went_on, config_text, daemon, wait_until
from fake_solver import SLOW, SLOWNESS, TURNS
from standing import standing_views

from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.protocol import schema
from streamfit.protocol.codec import decode_array, encode
from streamfit.recording.mcap_file import read_session

RIG = Rig.load(CONFIGS / "cameras.toml")
KEYPOINTS = KeypointSet.load("coco17")


def views(count: int = 4, x: float = 1.0, keypoints: int = 17) -> list[dict[str, Any]]:
    return [{"camera": f"cam_0{i + 1}", "xyc": np.full((keypoints, 3), [x, 1.0, 1.0])} for i in range(count)]


def test_each_new_subscriber_is_told_the_model(fake_daemon: DaemonProcess, client: Client) -> None:
    client.keypoints("told", 0.0, views())
    assert client.wait_for("model/told/0")["keypoints"][0] == "nose"
    for topics in (("",), ("model/",), ("model/told/0",), ("mod",)):
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.connect(fake_daemon.endpoints["publish"])
            for topic in topics:
                socket.subscribe(topic)
            wait_until(lambda s=socket: s.poll(100) and s.recv_multipart()[0] == b"model/told/0", "the model")
    client.listen(0.3)
    client.forget()
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.connect(fake_daemon.endpoints["publish"])
        socket.subscribe("kinematics/")
        socket.subscribe("model/other/")
        client.listen(0.3)
    assert not client.payloads("model/told/0")
    assert client.ask("close", session="told")["ok"]


def test_messages_hold_the_keys_that_their_types_say(client: Client) -> None:
    for i in range(30):
        client.keypoints("keys", i / 100, views())
    kinds = {"model": schema.Model, "kinematics": schema.Kinematics, "smoothed": schema.Smoothed}
    kinds |= {"bodies": schema.Bodies, "status": schema.Status}
    for name, kind in kinds.items():
        message = client.wait_for(name if name == "status" else f"{name}/keys/0")
        required = {*kind.__required_keys__, *(set(schema.LATER) & kind.__optional_keys__)}
        assert required <= message.keys() <= required | kind.__optional_keys__, name
    session = client.ask("status")["result"]["sessions"]["keys"]
    assert session.keys() == schema.SessionStatus.__annotations__.keys()
    for camera in session["cameras"].values():
        assert camera.keys() == schema.CameraStatus.__annotations__.keys()
    assert client.ask("close", session="keys")["ok"]


def test_the_end_answers_what_is_left_and_closes(client: Client) -> None:
    for i in range(5):
        client.keypoints("ending", i / 100, views())
    client.send(type="end", session="ending")
    client.wait_for("smoothed/ending/0", t=0.04)
    wait_until(lambda: "ending" not in client.status()["sessions"], "the end")
    client.keypoints("ending", 0.035, views())  # a straggler begins nothing
    wait_until(lambda: client.rejected().get("after_end") == 1, "the straggler")
    client.keypoints("ending", 0.0, views(), frame=3)  # but a new beginning does
    client.keypoints("ending", 100.0, views())
    client.wait_for("kinematics/ending/0", t=100.0)
    assert client.ask("close", session="ending")["ok"]


@pytest.mark.alone
def test_the_status_has_what_the_contract_says(client: Client) -> None:
    for i in range(100):
        client.keypoints("seen", i / 100, views(4 if i % 10 else 3))
        time.sleep(0.01)
    client.wait_for("kinematics/seen/0", t=0.99)
    status = client.wait_for("status")
    assert status["state"] == "ready"
    assert status["uptime"] > 0
    assert "session" not in status
    session = status["sessions"]["seen"]
    assert set(session["cameras"]) == {"cam_01", "cam_02", "cam_03", "cam_04"}
    for camera in session["cameras"].values():
        own = {"rate", "dropped", "late", "rms_px", "offset_t", "offset_sd", "drift", "exchanged"}
        assert set(camera) == own
        assert 20 < camera["rate"] <= 110
        assert camera["rms_px"] == 1.0
    assert 20 < session["fps"] <= 110
    assert 0 < session["latency_p50"] <= session["latency_p99"]
    assert session["rejected"] == {}
    assert client.ask("close", session="seen")["ok"]
    times = [p["seq"] for p in client.payloads("status")]
    assert np.all(np.diff(times) == 1)


def test_the_status_follows_a_change_at_once(client: Client) -> None:
    client.keypoints("changing", 0.0, [{"camera": "nobody", "xyc": [[1, 1, 1]]}])
    client.listen(0.5)
    assert any(
        "unknown_camera" in s["sessions"].get("changing", {"rejected": ()})["rejected"]
        for s in client.payloads("status")
    )
    assert client.ask("close", session="changing")["ok"]


@pytest.mark.alone
def test_latency_counts_from_the_last_view(client: Client) -> None:
    for i in range(20):
        t = i / 50
        client.keypoints("late", t, views()[:2])
        time.sleep(0.01)
        client.keypoints("late", t, views()[2:])
        client.wait_for("kinematics/late/0", t=t)
    latencies = [p["latency"] for p in client.payloads("kinematics/late/0")]
    assert 0 < np.median(latencies) < 0.01
    assert client.ask("close", session="late")["ok"]


def turns(client: Client) -> float:
    """How many the slow session has had."""
    return float(decode_array(client.payloads("kinematics/slow/0")[-1]["q"])[TURNS])


@pytest.mark.alone
def test_an_overloaded_session_skips_the_oldest_and_leaves_the_others_their_turn(client: Client) -> None:
    client.keypoints("quick", 0.0, views())
    for i in range(100):
        client.keypoints("slow", i / 100, views(x=SLOW))
    for i in range(1, 11):
        client.keypoints("quick", i / 100, views())
    client.wait_for("kinematics/quick/0", t=0.1)
    # a turn each: the quick one has not waited for the slow one's queue
    assert turns(client) < 15
    client.wait_for("kinematics/slow/0", t=0.99)
    answered = client.payloads("kinematics/slow/0")
    skipped = client.status()["sessions"]["slow"]["skipped"]
    assert skipped > 30
    assert len(answered) + skipped == 100
    assert turns(client) < len(answered) / 2  # those who wait are answered together
    assert max(p["latency"] for p in answered) < 40 * SLOWNESS * 2
    assert sum(p["views"] for p in answered) > 250  # those of skipped instants went with the next ones
    for session in ("slow", "quick"):
        assert client.ask("close", session=session)["ok"]


def test_a_req_client_is_answered(fake_daemon: DaemonProcess) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(fake_daemon.endpoints["control"])
        for identifier in ("a", 2, None):
            socket.send(encode({"v": 1, "type": "sessions", "id": identifier}))
            assert socket.poll(10_000)
            reply = msgpack.unpackb(socket.recv())
            assert (reply["v"], reply["type"], reply["id"], reply["ok"]) == (1, "sessions", identifier, True)


def test_a_session_can_be_opened_with_a_rig_and_keypoints_of_its_own(client: Client) -> None:
    text = (CONFIGS / "cameras.toml").read_text().replace("cam_0", "eye_")
    assert client.ask("open", session="own", cameras=text, keypoints="halpe26")["ok"]
    assert client.ask("open", session="own")["error"]["code"] == "refused"
    client.keypoints("own", 0.0, [{"camera": f"eye_{i}", "xyc": np.ones((26, 3))} for i in (1, 2, 3, 4)])
    model = client.wait_for("model/own/0")
    assert model["cameras"] == ["eye_1", "eye_2", "eye_3", "eye_4"]
    assert len(model["keypoints"]) == 26
    assert client.wait_for("kinematics/own/0")["views"] == 4
    client.keypoints("default", 0.0, views())
    assert len(client.wait_for("model/default/0")["keypoints"]) == 17
    assert client.ask("sessions")["result"]["sessions"].keys() >= {"default", "own"}
    for session in ("own", "default"):
        assert client.ask("close", session=session)["ok"]


def test_recording_can_be_turned_on_and_off(tmp_path: Path) -> None:
    with (
        daemon(tmp_path, config_text(more='[record]\ndirectory = "r"\n')) as process,
        Client(process.endpoints) as client,
    ):
        client.keypoints("s", 0.0, views())
        client.wait_for("kinematics/s/0")
        first = client.status()["sessions"]["s"]["recording"]
        assert first["error"] is None
        assert client.ask("record", session="s", on=False)["result"] == {"session": "s", "file": None}
        assert client.status()["sessions"]["s"]["recording"] is None
        second = client.ask("record", session="s", on=True)["result"]["file"]
        assert second != first["file"]
        assert client.ask("record", session="s", on=True)["result"]["file"] == second
        assert client.ask("record", session="s", on=False)["ok"]
        assert [message.topic for message in read_session(second).messages()] == ["model/s/0"]


def test_recording_without_a_folder_is_refused(client: Client) -> None:
    client.keypoints("s", 0.0, views())
    client.wait_for("kinematics/s/0")
    assert client.ask("record", session="s", on=True)["error"]["code"] == "refused"
    assert client.ask("close", session="s")["ok"]


def test_a_reload_is_for_sessions_from_then_on(tmp_path: Path) -> None:
    with daemon(tmp_path, config_text()) as process, Client(process.endpoints) as client:
        config = tmp_path / "daemon.toml"
        client.keypoints("before", 0.0, views())
        client.wait_for("kinematics/before/0")
        config.write_text(config_text().replace("coco17", "halpe26"))
        assert client.ask("reload")["ok"]
        client.keypoints("before", 0.01, views())
        client.wait_for("kinematics/before/0", t=0.01)
        client.keypoints("after", 0.0, views(keypoints=26))
        assert len(client.wait_for("model/after/0")["keypoints"]) == 26
        config.write_text(config_text(more="[fit]\nlag = -1\n"))
        assert client.ask("reload")["error"]["code"] == "bad_file"
        config.write_text(config_text(ingest="tcp://127.0.0.1:1"))
        assert client.ask("reload")["error"]["code"] == "refused"
        client.keypoints("after", 0.01, views(keypoints=26))
        client.wait_for("kinematics/after/0", t=0.01)


def test_the_http_socket_serves_metrics_and_the_page(fake_daemon: DaemonProcess, client: Client) -> None:
    client.keypoints("page", 0.0, [*views(3), {"camera": "nobody", "xyc": [[1, 1, 1]]}])
    client.wait_for("kinematics/page/0")
    code, text = fake_daemon.get("/metrics")
    assert code == 200
    assert 'streamfit_rejected_total{reason="unknown_camera",session="page"} 1.0' in text
    assert 'streamfit_instants_fitted_total{session="page"} 1.0' in text
    assert fake_daemon.metric("streamfit_ready") == 1
    code, text = fake_daemon.get("/status.json")
    assert code == 200
    assert '"page"' in text
    code, text = fake_daemon.get("/")
    assert code == 200
    assert text.startswith("<!doctype html>")
    assert fake_daemon.get("/nothing")[0] == 404
    assert client.ask("close", session="page")["ok"]


def test_many_requests_at_once_are_all_answered(client: Client) -> None:
    for i in range(500):
        client.dealer.send(encode({"v": 1, "type": "sessions", "id": i}))
    answered = set()
    for _ in range(500):
        assert client.dealer.poll(10_000)
        answered.add(msgpack.unpackb(client.dealer.recv())["id"])
    assert answered == set(range(500))


@pytest.mark.alone
def test_a_slow_consumer_costs_the_others_nothing(shallow_daemon: DaemonProcess) -> None:
    with (
        Client(shallow_daemon.endpoints) as client,
        zmq.Context() as context,
        context.socket(zmq.SUB) as slow,
    ):
        slow.rcvhwm = 1
        slow.setsockopt(zmq.RCVBUF, 4096)
        slow.connect(shallow_daemon.endpoints["publish"])
        slow.subscribe("bodies/flood")
        for i in range(480):
            client.keypoints("flood", i / 100, views())
            if i % 16 == 15:
                client.wait_for("kinematics/flood/0", t=i / 100)
        assert [p["t"] for p in client.payloads("kinematics/flood/0")] == [i / 100 for i in range(480)]
        assert len(client.status()["consumers"]["slow"]) == 1
        assert client.ask("close", session="flood")["ok"]


@pytest.mark.alone
def test_real_sessions_go_on_while_another_compiles(real_daemon: DaemonProcess) -> None:
    seen = standing_views(RIG, KEYPOINTS)
    three = RIG.select(RIG.names[:3]).to_toml()
    with Client(real_daemon.endpoints) as client, Client(real_daemon.endpoints) as opener:
        client.keypoints("going", 0.0, seen)
        client.wait_for("kinematics/going/0")
        opener.dealer.send(encode({"v": 1, "type": "open", "id": 1, "session": "new", "cameras": three}))
        i = 0
        while not opener.dealer.poll(0):
            i += 1
            client.keypoints("going", i / 50, seen)
            client.listen(0.02)
        assert opener.reply(1)["ok"]
        client.wait_for("kinematics/going/0", t=i / 50)
        skipped = client.status()["sessions"]["going"]["skipped"]
        assert_went_on([j / 50 for j in range(i + 1)], client.payloads("kinematics/going/0"), skipped)
        compiled = real_daemon.metric("streamfit_compilations_after_ready_total")
        for j in range(20):
            client.keypoints("new", j / 50, seen[:3])
        assert client.wait_for("kinematics/new/0", t=19 / 50)["state"] == "tracking"
        # all that the new session needs was compiled before it was opened
        assert real_daemon.metric("streamfit_compilations_after_ready_total") == compiled
        for session in ("going", "new"):
            assert client.ask("close", session=session)["ok"]


@pytest.mark.alone
def test_nothing_is_compiled_after_ready(tmp_path: Path) -> None:
    seen = standing_views(RIG, KEYPOINTS)
    with daemon(tmp_path, config_text(), REAL) as process, Client(process.endpoints) as client:
        for i in range(60):
            people = [view | {"person": person} for view in seen[: 4 - i % 3] for person in ("a", "b")]
            client.keypoints("one", i / 50, people if i % 7 else [])
            client.keypoints("two", i / 50, seen)
            time.sleep(0.02)
        client.wait_for("kinematics/two/0", t=59 / 50)
        client.send(type="end", session="one")
        client.wait_for("smoothed/one/b", t=59 / 50)
        assert process.metric("streamfit_compilations_after_ready_total") == 0
        assert client.status()["compilations"] == 0
