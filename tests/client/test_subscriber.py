"""What a subscriber makes of a publish socket: real sockets, messages of a known kind."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zmq
from daemon_process import wait_until
from zmq.auth.thread import ThreadAuthenticator

from streamfit.client import Message, Subscriber
from streamfit.errors import InputError
from streamfit.protocol.codec import encode
from streamfit.transport.curve import load_server_keys, make_keys, secure_server

NAMES = {"coordinates": ["pelvis_tx", "knee_angle_r"], "units": ["m", "rad"]}
Q = np.array([1.5, np.pi / 3])


class Publisher:
    """An XPUB socket on loopback."""

    def __init__(self, socket: zmq.Socket) -> None:
        self.socket = socket
        self.address = f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"

    def say(self, topic: str, seq: int, **fields: object) -> None:
        content = {"v": 1, "type": topic.partition("/")[0], "seq": seq, **fields}
        self.socket.send_multipart([topic.encode(), encode(content)])

    def answer(self, seq: int, who: str = "s1/0", t: float = 0.0) -> None:
        self.say(f"kinematics/{who}", seq, t=t, q=Q, qd=0 * Q, sd=0.1 * Q, state="tracking")

    def wait_for(self, *subscriptions: str) -> None:
        wanted = {b"\x01" + name.encode() for name in subscriptions}
        while wanted:
            assert self.socket.poll(10_000), wanted
            wanted.discard(self.socket.recv())


@contextmanager
def publisher(context: zmq.Context) -> Iterator[Publisher]:
    with context.socket(zmq.XPUB) as socket:
        socket.linger = 0
        yield Publisher(socket)


@pytest.fixture
def daemon() -> Iterator[Publisher]:
    with zmq.Context() as context, publisher(context) as daemon:
        yield daemon


def received(subscriber: Subscriber) -> Message:
    message = subscriber.receive(10.0)
    assert message is not None
    return message


def test_vectors_carry_the_names_of_their_model(daemon: Publisher) -> None:
    with Subscriber("kinematics", address=daemon.address) as subscriber:
        daemon.wait_for("status", "model/", "kinematics/")
        daemon.answer(1)  # before its model: nobody could say what it means
        daemon.say("model/s1/0", 1, **NAMES)
        daemon.answer(2, t=0.25)
        message = received(subscriber)
    assert (message.kind, message.session, message.person) == ("kinematics", "s1", "0")
    assert (message["t"], message["state"], message.lost, message.restarted) == (0.25, "tracking", 0, False)
    np.testing.assert_array_equal(message["q"], Q)
    assert message.coordinates == ("pelvis_tx", "knee_angle_r")
    assert message.angle("knee_angle_r") == pytest.approx(60.0)
    assert message.angle("knee_angle_r", "sd") == pytest.approx(6.0)
    assert message.value("pelvis_tx") == 1.5
    with pytest.raises(InputError, match="no coordinate 'knee'; there are pelvis_tx, knee_angle_r"):
        message.angle("knee")
    with pytest.raises(InputError, match="pelvis_tx is a length"):
        message.angle("pelvis_tx")


def test_nested_lists_are_arrays_too(daemon: Publisher) -> None:
    with Subscriber("gait", "bodies", address=daemon.address) as subscriber:
        daemon.wait_for("gait/", "bodies/")
        daemon.say("model/s1/0", 1, **NAMES, keypoints=["nose", "heel"])
        daemon.say("gait/s1/0", 1, t=1.0, event="foot_strike", position=[0.5, 1.0, 0.0])
        daemon.say("bodies/s1/0", 1, t=1.0, keypoints=[[1, 2, 3], [4, 5, 6]])
        strike, bodies = received(subscriber), received(subscriber)
    np.testing.assert_array_equal(strike["position"], [0.5, 1.0, 0.0])
    assert bodies["keypoints"].shape == (2, 3)
    assert bodies.model["keypoints"] == ["nose", "heel"]


def test_only_the_session_and_person_that_were_asked_for(daemon: Publisher) -> None:
    with Subscriber("kinematics/s1/0", address=daemon.address) as subscriber:
        daemon.wait_for("kinematics/s1/0", "model/s1/0")
        for seq, who in enumerate(("s1/0", "s1/01", "s10/0", "s2/0")):
            daemon.say(f"model/{who}", 1, **NAMES)
            daemon.answer(seq, who)
        daemon.answer(1)
        assert [received(subscriber).topic for _ in range(2)] == ["kinematics/s1/0"] * 2
        assert subscriber.receive(0.2) is None
        assert subscriber.receive(0) is None


def test_everything_without_topics(daemon: Publisher) -> None:
    with Subscriber(address=daemon.address, need_model=False) as subscriber:
        daemon.wait_for("")
        daemon.answer(1)
        daemon.say("status", 1, state="ready")
        assert [received(subscriber).kind for _ in range(2)] == ["kinematics", "status"]


def test_a_gap_is_a_loss_of_its_topic(daemon: Publisher) -> None:
    with Subscriber("kinematics", address=daemon.address) as subscriber:
        daemon.wait_for("kinematics/", "model/")
        for who in ("s1/0", "s1/1"):
            daemon.say(f"model/{who}", 1, **NAMES)
        for seq in (7, 8, 11, 12):
            daemon.answer(seq)
            daemon.answer(seq + 100 * (seq > 8), "s1/1")
        lost = [(message.person, message.lost) for message in (received(subscriber) for _ in range(8))]
        assert [n for who, n in lost if who == "0"] == [0, 0, 2, 0]
        assert [n for who, n in lost if who == "1"] == [0, 0, 102, 0]
        assert (subscriber.lost, subscriber.restarts) == (104, 0)


def test_what_did_not_fit_into_the_queue_is_a_loss(daemon: Publisher) -> None:
    """Really lost on the way: the subscriber stands still while more comes than the queues hold."""
    count = 3000
    daemon.socket.set(zmq.SNDHWM, 10)
    with Subscriber("gait", address=daemon.address, queue=10) as subscriber:
        daemon.wait_for("gait/")
        for seq in range(count):
            daemon.say("gait/s1/0", seq, filler=b"." * 10_000)
        came = 0
        while subscriber.receive(0.5) is not None:
            came += 1
        assert came < count
        while subscriber.lost == 0:  # until something comes after the gap
            daemon.say("gait/s1/0", count)
            came += subscriber.receive(0.1) is not None
            count += 1
        assert came + subscriber.lost == count


def test_a_restart_is_told_from_a_loss(daemon: Publisher) -> None:
    with Subscriber("kinematics", "status", address=daemon.address) as subscriber:
        daemon.wait_for("kinematics/", "model/", "status")
        begin = time.time_ns() // 1000  # as a daemon numbers
        for start in (begin, begin + 5_000_000):
            daemon.say("status", start)
            daemon.say("model/s1/0", start, **NAMES)
            daemon.answer(start)
            daemon.answer(start + 1)
        messages = [received(subscriber) for _ in range(6)]
        assert [message.restarted for message in messages] == [False] * 3 + [True, True, False]
        assert (subscriber.restarts, subscriber.lost) == (1, 0)


def is_bound(socket: zmq.Socket[bytes], address: str) -> bool:
    """Whether the address could be had: a socket that was closed gives it back a little later."""
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno != zmq.EADDRINUSE:
            raise
        return False
    return True


def test_a_daemon_that_comes_back_is_heard_again() -> None:
    with zmq.Context() as context:
        with publisher(context) as daemon:
            address = daemon.address
            subscriber = Subscriber("status", address=address)
            daemon.wait_for("status")
            daemon.say("status", 100)
            assert received(subscriber)["seq"] == 100
        with subscriber, context.socket(zmq.XPUB) as socket:
            wait_until(lambda: is_bound(socket, address), "the address of the daemon before")
            end = time.monotonic() + 10.0
            while not socket.poll(50):
                assert time.monotonic() < end
                assert subscriber.receive(0) is None
            socket.send_multipart([b"status", encode({"v": 1, "type": "status", "seq": 10**12})])
            assert received(subscriber).restarted
            assert subscriber.restarts == 1


def test_iterating_ends_with_a_timeout(daemon: Publisher) -> None:
    with Subscriber("gait", address=daemon.address, timeout=0.3) as subscriber:
        daemon.wait_for("gait/")
        daemon.say("gait/s1/0", 1, t=1.0)
        messages = iter(subscriber)
        assert next(messages)["t"] == 1.0
        daemon.say("status", 1)  # is not what is waited for
        with pytest.raises(TimeoutError, match=r"no message for 0\.3 s"):
            next(messages)


async def test_it_is_iterated_while_other_tasks_go_on(daemon: Publisher) -> None:
    with Subscriber("gait", address=daemon.address, timeout=0.5) as subscriber:
        daemon.wait_for("gait/")

        async def send() -> None:
            for seq in range(20):
                daemon.say("gait/s1/0", seq)
                await asyncio.sleep(0.005)

        task, messages = asyncio.create_task(send()), aiter(subscriber)
        assert [(await anext(messages))["seq"] for _ in range(20)] == list(range(20))
        await task
        with pytest.raises(TimeoutError):
            await anext(messages)


def test_waiting_for_a_daemon_loses_nothing(daemon: Publisher) -> None:
    with Subscriber("gait", address=daemon.address) as subscriber:
        daemon.wait_for("gait/", "status")
        daemon.say("gait/s1/0", 1)
        daemon.say("status", 1)
        daemon.say("gait/s1/0", 2)
        subscriber.wait_for_daemon()
        assert [received(subscriber)["seq"] for _ in range(2)] == [1, 2]


def test_no_daemon_is_said() -> None:
    with Subscriber(address="tcp://127.0.0.1:9") as subscriber, pytest.raises(InputError, match="no daemon publishes"):
        subscriber.wait_for_daemon(0.2)
    with pytest.raises(InputError, match="no address"):
        Subscriber(address="nowhere")


def test_what_cannot_be_decoded_is_counted(daemon: Publisher) -> None:
    with Subscriber("gait", address=daemon.address) as subscriber:
        daemon.wait_for("gait/")
        daemon.socket.send_multipart([b"gait/s1/0", b"\xc1"])
        daemon.say("gait/s1/0", 1, position={"dtype": "<f8", "shape": [3], "data": b""})
        daemon.say("gait/s1/0", 2)
        assert received(subscriber)["seq"] == 2
        assert subscriber.unreadable == 2


def test_with_keys(tmp_path: Path) -> None:
    make_keys(tmp_path, ["viewer"])
    keys = load_server_keys(tmp_path / "server.key_secret", tmp_path / "clients")
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve(domain="*", location=keys.clients)
        try:
            socket.linger = 0
            secure_server(socket, "tcp://127.0.0.1", keys)
            daemon = Publisher(socket)
            with (
                Subscriber("gait", address=daemon.address) as stranger,
                Subscriber("gait", address=daemon.address, keys=tmp_path / "viewer.key_secret") as subscriber,
            ):
                daemon.wait_for("gait/")
                daemon.say("gait/s1/0", 1)
                assert received(subscriber)["seq"] == 1
                assert stranger.receive(0.2) is None
        finally:
            authenticator.stop()


def test_it_imports_no_jax() -> None:
    code = "import sys, streamfit.client; sys.exit('jax' in sys.modules or 'mujoco' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
