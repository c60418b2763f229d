"""The demo's detector and consumer as real processes on real sockets."""

import time

import msgpack
import numpy as np
import pytest
import zmq

from streamfit.demo.processes import process
from streamfit.demo.recording import attach_subject
from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionWriter, read_session

T = np.arange(30) / 100


@pytest.fixture
def recorded(tmp_path):
    path = tmp_path / "a.mcap"
    with SessionWriter(path, "cameras", "keypoints") as file:
        for i, t in enumerate(T):
            message = {"v": 1, "type": "keypoints", "session": "demo", "t": t, "frame": i, "views": []}
            file.write("keypoints", encode(message), round(t * 1e9), round(t * 1e9))
    return path


@pytest.fixture
def context():
    with zmq.Context() as context:
        yield context


def test_the_detector_sends_everything_when_it_is_due_and_then_ends(context, recorded, tmp_path):
    with context.socket(zmq.PULL) as pull:
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        with process(["streamfit.demo.sender", str(recorded), f"tcp://127.0.0.1:{port}"], tmp_path / "log") as sender:
            messages, arrivals = [], []
            while pull.poll(20_000):
                messages.append(msgpack.unpackb(pull.recv()))
                arrivals.append(time.monotonic())
                if messages[-1]["type"] == "end":
                    break
            assert sender.wait(20) == 0
    assert [m["t"] for m in messages[:-1]] == pytest.approx(T)
    assert messages[-1] == {"v": 1, "type": "end", "session": "demo"}
    assert arrivals[-2] - arrivals[0] > T[-1] - 0.2


def test_the_consumer_keeps_what_it_received_and_counts_what_it_missed(context, tmp_path):
    ready, output = tmp_path / "ready", tmp_path / "received.npz"
    with context.socket(zmq.XPUB) as pub:
        pub.set(zmq.LINGER, 0)
        port = pub.bind_to_random_port("tcp://127.0.0.1")

        def say(topic, **fields):
            pub.send_multipart([topic.encode(), encode({"v": 1, "type": topic.partition("/")[0], **fields})])

        command = ["streamfit.demo.consumer", f"tcp://127.0.0.1:{port}", str(T[-1]), str(ready), str(output)]
        with process(command, tmp_path / "log") as consumer:
            wanted = set()
            while wanted < {b"status", b"model/", b"kinematics/"}:
                assert pub.poll(20_000)
                wanted.add(pub.recv()[1:])
            while not ready.exists():
                say("status")
                time.sleep(0.02)
            say("model/demo/0", seq=0, coordinates=["pelvis_tx", "knee_angle_r"], units=["m", "rad"])
            for i, t in enumerate(T):
                if i in (7, 8):
                    continue
                q = np.array([t, 1.0])
                answer = {"t": t, "q": q, "sd": 0.1 * q, "latency": 0.004, "state": "tracking"}
                say("kinematics/demo/1" if i == 3 else "kinematics/demo/0", seq=0 if i == 3 else i, **answer)
            assert consumer.wait(20) == 0
    with np.load(output) as received:
        assert list(received["t"]) == pytest.approx([t for i, t in enumerate(T) if i not in (3, 7, 8)])
        np.testing.assert_allclose(received["degrees"][:, 0], received["t"])
        np.testing.assert_allclose(received["degrees"][:, 1], np.degrees(1.0))
        assert list(received["coordinates"]) == ["pelvis_tx", "knee_angle_r"]
        assert received["gaps"] == 3
        assert received["tracking"].all()
    assert "knee_angle_r   57.3" in (tmp_path / "log").read_text()


def test_a_subject_is_attached_and_all_else_stays(recorded, tmp_path):
    attach_subject(recorded, "scale", tmp_path / "b.mcap")
    before, after = read_session(recorded), read_session(tmp_path / "b.mcap")
    assert after.subject_toml == "scale"
    assert (after.cameras_toml, after.keypoints_toml) == ("cameras", "keypoints")
    assert list(after.messages()) == list(before.messages())
