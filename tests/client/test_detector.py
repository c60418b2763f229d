"""What a detector sends, to a real socket."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from streamfit.client import Detector
from streamfit.client.detector import QUEUE
from streamfit.errors import InputError
from streamfit.protocol.ingest import EndMessage, KeypointsMessage, decode_ingest
from streamfit.transport.curve import ServerKeys, load_server_keys, make_keys, secure_server


@pytest.fixture
def daemon():
    """A socket that takes keypoints, and its address."""
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.linger = 0
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        yield pull, f"tcp://127.0.0.1:{port}"


def first_sent(detector: Detector, pull: zmq.Socket) -> None:
    """Send until the connection stands."""
    end = time.monotonic() + 10.0
    while not detector.send(0.0, {}):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert pull.poll(10_000)
    pull.recv()


def received(pull: zmq.Socket):
    assert pull.poll(10_000), "nothing came"
    return decode_ingest(pull.recv())


def test_views_arrive_as_they_were_given(daemon):
    pull, address = daemon
    rng = np.random.default_rng(0)
    seen = {"cam_01": rng.uniform(0, 1, (17, 3)), "cam_02": rng.uniform(0, 1, (17, 3)).tolist()}
    with Detector("walk", address) as detector:
        first_sent(detector, pull)
        assert detector.send(12.5, seen, person="anna", frame=7)
        message = received(pull)
        assert isinstance(message, KeypointsMessage)
        assert (message.session, message.t, message.frame, message.rejected) == ("walk", 12.5, 7, ())
        assert [(view.camera, view.person) for view in message.views] == [("cam_01", "anna"), ("cam_02", "anna")]
        for view in message.views:
            np.testing.assert_allclose(view.xyc, seen[view.camera], rtol=1e-6)
        assert detector.end()
        assert received(pull) == EndMessage("walk")
        assert detector.sent == 3


def test_it_never_waits_for_a_daemon_and_counts_what_is_lost():
    with Detector("walk", "tcp://127.0.0.1:1") as detector:
        began = time.monotonic()
        assert not any(detector.send(i / 100, {"cam_01": [[1, 2, 0.5]]}) for i in range(3 * QUEUE))
        assert time.monotonic() - began < 5.0
        assert (detector.sent, detector.dropped) == (0, 3 * QUEUE)


def test_the_last_messages_leave_before_it_closes(daemon):
    pull, address = daemon
    detector = Detector("walk", address)
    first_sent(detector, pull)
    for i in range(100):
        assert detector.send(i / 100, {"cam_01": np.ones((17, 3))})
    detector.close()
    assert [received(pull).t for _ in range(100)] == [i / 100 for i in range(100)]


def test_a_daemon_that_asks_for_keys(tmp_path: Path):
    from zmq.auth.thread import ThreadAuthenticator

    make_keys(tmp_path, ["camera"])
    keys: ServerKeys = load_server_keys(tmp_path / "server.key_secret", tmp_path / "clients")
    with zmq.Context() as context:
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve(domain="*", location=str(tmp_path / "clients"))
        with context.socket(zmq.PULL) as pull:
            pull.linger = 0
            # what listens beyond this machine asks; the test stays on it
            secure_server(pull, "tcp://*:0", keys)
            port = pull.bind_to_random_port("tcp://127.0.0.1")
            with Detector("walk", f"tcp://127.0.0.1:{port}", tmp_path / "camera.key_secret") as detector:
                first_sent(detector, pull)
            with Detector("walk", f"tcp://127.0.0.1:{port}") as stranger:
                time.sleep(0.3)
                assert not stranger.send(0.0, {})
        authenticator.stop()


@pytest.mark.parametrize(
    ("session", "address", "hint"),
    [("a b", "tcp://127.0.0.1:1", "a name is"), ("a", "nowhere", "no address"), ("a", "tcp://x:y", "no address")],
)
def test_what_cannot_be_used_is_one_line(session, address, hint):
    with pytest.raises(InputError, match=hint):
        Detector(session, address)


def test_it_needs_neither_jax_nor_mujoco():
    code = "import streamfit.client, streamfit.client.adapters, sys; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {name for name in ("'jax'", "'mujoco'", "'cv2'", "'scipy'", "'aiohttp'") if name in loaded}
