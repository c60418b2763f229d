"""Every structure that others can fill is bounded, and who fills it harms nobody else."""

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import msgpack
import numpy as np
import psutil
import pytest
import zmq
import zmq.asyncio
from daemon_process import Client, DaemonProcess, config_text, daemon, wait_until
from fake_solver import SLOW

from benchmarks.lib.mutations import control_seeds, ingest_seeds, mutations
from streamfit.daemon.monitoring import status
from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.net.auth import MAX_PEERS, OTHERS, MessageAuthenticator
from streamfit.daemon.net.control import MAX_WAITING, Control
from streamfit.daemon.net.ingest import FIT_DUTY, SUSPECT_DUTY, Ingest
from streamfit.daemon.net.publisher import MAX_MODELS, Publisher
from streamfit.daemon.net.publisher import MAX_TOPICS as MAX_SEQUENCES
from streamfit.daemon.net.rate_limit import TokenBucket
from streamfit.daemon.net.reputation import Sender
from streamfit.daemon.net.subscribers import MAX_TOPIC_BYTES, MAX_TOPICS
from streamfit.daemon.web.page_feed import PageFeed
from streamfit.protocol.codec import decode_map, encode

VIEWS = [{"camera": f"cam_0{i}", "xyc": np.ones((17, 3))} for i in (1, 2, 3, 4)]
CONSUMER = """
import sys, zmq
with zmq.Context() as context, context.socket(zmq.SUB) as socket:
    socket.setsockopt(zmq.RCVBUF, 4096)
    socket.rcvhwm = 1
    socket.connect(sys.argv[1])
    socket.subscribe("")
    socket.recv_multipart()
    print("hears", flush=True)
    while True:
        socket.recv_multipart()
"""


class Live:
    """A session at 100 Hz beside what the test does."""

    def __init__(self, process: DaemonProcess, name: str = "live") -> None:
        self.client, self.name, self.sent = Client(process.endpoints, ("status", f"kinematics/{name}/")), name, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(max(0.0, began + self.sent / 100 - time.monotonic())):
            self.client.keypoints(self.name, self.sent / 100, VIEWS)
            self.sent += 1

    def __enter__(self) -> "Live":
        self.client.__enter__()
        self._thread.start()
        self.client.wait_for(f"kinematics/{self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.client.wait_for(f"kinematics/{self.name}", t=(self.sent - 1) / 100)
        self.client.send(type="end", session=self.name)
        self.client.__exit__()

    def assert_lost_nothing(self) -> None:
        """Every instant that was sent is answered, in order."""
        answers = self.client.payloads(f"kinematics/{self.name}")
        assert [a["t"] for a in answers] == [i / 100 for i in range(len(answers))]
        assert np.all(np.diff([a["seq"] for a in answers]) == 1)
        assert len(answers) >= self.sent - 1


@pytest.mark.alone
def test_a_consumer_that_is_stopped_costs_the_others_nothing_and_is_named(
    shallow_daemon: DaemonProcess,
) -> None:
    command = [sys.executable, "-c", CONSUMER, shallow_daemon.endpoints["publish"]]
    with Live(shallow_daemon) as live, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stopped:
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == "hears\n"
        stopped.send_signal(signal.SIGSTOP)
        filler = Client(shallow_daemon.endpoints, ("status", "kinematics/fill/"))
        with filler:
            for i in range(2000):  # until the queues of the kernel and of ZeroMQ are full
                filler.keypoints("fill", i / 100, VIEWS[:1])
                if i % 16 == 15:
                    filler.wait_for("kinematics/fill/0", t=i / 100)
                    filler.forget()
                    if filler.status()["consumers"]["slow"]:
                        break
            consumers = filler.status()["consumers"]
            assert len(consumers["slow"]) == 1
            assert consumers["slow_episodes"] == 1
            assert consumers["dropped"] > 0
            assert filler.ask("close", session="fill")["ok"]
        stopped.send_signal(signal.SIGCONT)
        wait_until(lambda: not live.client.status()["consumers"]["slow"], "the end of the episode")
        stopped.kill()
    live.assert_lost_nothing()
    said = [line for line in shallow_daemon.log if "reads too slowly" in line or "it missed" in line]
    assert len(said) == 2  # once per episode
    latency = [a["latency"] for a in live.client.payloads("kinematics/live")]
    assert np.median(latency) < 0.01


@pytest.mark.alone
def test_a_session_that_floods_does_not_keep_another_waiting(fake_daemon: DaemonProcess) -> None:
    with Live(fake_daemon) as live, Client(fake_daemon.endpoints) as flood:
        xyc = np.full((17, 3), [SLOW, 1.0, 1.0])
        for i in range(3000):
            flood.keypoints("flood", i / 100, [{"camera": "cam_01", "xyc": xyc}])
        flood.wait_for("kinematics/flood/0", t=29.99)
        assert flood.status()["sessions"]["flood"]["skipped"] > 2000
        assert flood.ask("close", session="flood")["ok"]
    live.assert_lost_nothing()
    assert np.percentile([a["latency"] for a in live.client.payloads("kinematics/live")], 90) < 0.15


@pytest.mark.alone
def test_who_sends_mostly_what_cannot_be_read_is_fitted_last_and_opens_and_calibrates_nothing(
    fake_daemon: DaemonProcess,
) -> None:
    xyc = np.full((17, 3), [SLOW, 1.0, 1.0])
    with Live(fake_daemon) as live, Client(fake_daemon.endpoints) as hostile:
        for i in range(200):
            hostile.push.send(b"rubbish")
            hostile.push.send(b"more of it")
            hostile.keypoints("hostile", i / 100, [{"camera": "cam_01", "xyc": xyc}])
            hostile.dealer.send(b"rubbish")
            hostile.reply()
        alarm = wait_until(
            lambda: next((a for a in live.client.status()["alarms"] if "cannot be read" in a), None), "an alarm"
        )
        assert alarm.startswith("session hostile: ")
        assert live.client.status()["sessions"]["hostile"]["answered"] < 100
        assert hostile.ask("open", session="more")["error"]["code"] == "refused"
        for client, session in ((hostile, "live"), (live.client, "hostile")):
            error = client.ask("calibrate", session=session, seconds=5.0)["error"]
            assert error["code"] == "refused"
            assert "cannot be read" in error["message"]
        assert live.client.ask("open", session="another")["ok"]
        for name in ("another", "hostile"):
            live.client.send(type="end", session=name)
    live.assert_lost_nothing()


@pytest.mark.alone
def test_one_sender_cannot_keep_the_others_out(fake_daemon: DaemonProcess) -> None:
    with Client(fake_daemon.endpoints) as crowd:
        for i in range(40):
            crowd.keypoints(f"crowd-{i}", 1.0, VIEWS[:1])
        wait_until(lambda: len(crowd.status()["sessions"]) == 16, "a full house")
        with Live(fake_daemon, "latecomer") as live:
            pass
        live.assert_lost_nothing()
        for name in crowd.ask("sessions")["result"]["sessions"]:
            assert crowd.ask("close", session=name)["ok"] or name == "latecomer"


@pytest.mark.alone
def test_mutated_messages_harm_nobody(tmp_path: Path) -> None:
    """The short form of benchmarks/chaos/hostile.py."""
    with daemon(tmp_path, config_text()) as process:
        memory = psutil.Process(process.process.pid).memory_info
        head = {"v": 1, "type": "keypoints", "session": "hostile", "t": 1.0}
        draw = random.Random(3)
        ingest = mutations(ingest_seeds([encode(head | {"views": VIEWS})], "hostile"), draw)
        control = mutations(control_seeds("hostile", "[cam_01]", 'name = "coco17"', ""), draw)
        with Live(process) as live, Client(process.endpoints) as hostile:

            def rejected() -> int:
                return sum(sum(reasons.values()) for reasons in live.client.status()["peers"].values())

            counted = 0
            for part in range(2):
                for payload, request in zip(islice(ingest, 1500), control, strict=False):
                    hostile.push.send(payload)
                    hostile.dealer.send(request)
                    while hostile.dealer.poll(0):
                        hostile.dealer.recv()
                counted = wait_until(lambda before=counted: (now := rejected()) > before and now, "rejections")
                if part == 0:
                    before = memory().rss
        assert memory().rss - before < 100e6
        assert counted > 20
        assert live.sent - len(live.client.payloads("kinematics/live")) < 5
        assert not any("Traceback" in line for line in process.log)


@pytest.mark.alone
def test_a_consumer_that_asks_for_too_much_is_cut_off(fake_daemon: DaemonProcess) -> None:
    with Live(fake_daemon) as live:
        for topics in ([f"{i:06}" for i in range(2 * MAX_TOPICS)], ["x" * 2000 + str(i) for i in range(60)]):
            assert len(topics) > MAX_TOPICS or sum(map(len, topics)) > MAX_TOPIC_BYTES
            with zmq.Context() as context, context.socket(zmq.SUB) as greedy:
                greedy.linger = greedy.sndhwm = 0  # no bound at its own side
                greedy.setsockopt(zmq.RECONNECT_IVL, -1)
                monitor = greedy.get_monitor_socket(zmq.EVENT_DISCONNECTED)
                greedy.connect(fake_daemon.endpoints["publish"])
                for topic in topics:
                    greedy.subscribe(topic)
                assert monitor.poll(10_000), "it is still connected"
                greedy.disable_monitor()
                monitor.close(linger=0)
        rejected = Counter[str]()
        for reasons in live.client.status()["peers"].values():
            rejected.update(reasons)
        # what the first left unread may be counted for the second, which may have its descriptor
        assert 2 <= rejected["too_many_subscriptions"] <= 3
    live.assert_lost_nothing()


def test_what_is_counted_by_sender_is_bounded() -> None:
    authenticator = MessageAuthenticator(None)
    for i in range(1000):
        authenticator.reject(Sender(f"peer {i}"), Counter(["bad"]))
    counts = authenticator.status()
    assert len(counts) <= MAX_PEERS + 1
    assert sum(c["bad"] for c in counts.values()) == 1000
    assert OTHERS in counts
    assert "peer 999" in counts


def test_the_numbers_of_topics_are_bounded_and_never_go_back() -> None:
    class Subscribers:
        def sent(self, topic: bytes) -> None: ...

    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        publisher = Publisher(socket, Subscribers(), PageFeed())  # type: ignore[arg-type]
        first = msgpack.unpackb(publisher.send("model/s/p0", {"type": "model"}))
        for i in range(2 * MAX_SEQUENCES):
            publisher.send(f"model/s/p{i}", {"type": "model"})
        assert len(publisher._sequence) == MAX_SEQUENCES
        assert len(publisher._models) == MAX_MODELS
        assert msgpack.unpackb(publisher.send("model/s/p0", {"type": "model"}))["seq"] > first["seq"] + 1


def test_heavy_requests_have_a_share_of_the_time() -> None:
    allowance = TokenBucket(1.0, 0.5)
    assert allowance.wait() == 0.0
    allowance.spend(3.0)
    assert 3.5 < allowance.wait() <= 4.0


@pytest.mark.alone
async def test_the_status_is_told_as_often_as_it_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "SESSIONS_POLL_S", 0.001)
    for cost, at_least, at_most in ((0.0, 30, 1000), (0.004, 3, 6)):
        told: list[float] = []

        def tell(cost: float = cost, told: list[float] = told) -> None:
            time.sleep(cost)
            told.append(time.monotonic())

        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(status.keep_telling(iter(range(10_000)).__next__, tell), 1.0)
        assert at_least <= len(told) <= at_most
        assert cost == 0.0 or np.diff(told).min() >= status.SPARING * cost


class Hung:
    """A host whose sessions never close."""

    def __init__(self) -> None:
        self.sessions = self

    async def close(self, name: str) -> None:
        await asyncio.Event().wait()

    def status(self) -> dict[str, object]:
        return {"state": "ready"}


async def test_requests_that_wait_are_bounded_and_those_that_need_not_are_answered_meanwhile() -> None:
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        router.linger = dealer.linger = 0
        dealer.connect(f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}")
        control = Control(router, Hung(), MessageAuthenticator(None))  # type: ignore[arg-type]
        serving = asyncio.create_task(control.run())

        async def reply() -> dict[str, Any]:
            return decode_map(await asyncio.wait_for(dealer.recv(), 10.0))

        for number in range(MAX_WAITING + 2):
            await dealer.send(encode({"v": 1, "type": "close", "id": number, "session": "hung"}))
        refused = [await reply() for _ in range(2)]
        await dealer.send(encode({"v": 1, "type": "status", "id": -1}))
        assert (await reply())["result"] == {"state": "ready"}
        assert [(r["id"], r["error"]["code"]) for r in refused] == [(MAX_WAITING, "busy"), (MAX_WAITING + 1, "busy")]
        assert control.under_way == MAX_WAITING
        serving.cancel()
        for task in control._tasks:
            task.cancel()


class Busy:
    """Sessions for which each message costs `work`."""

    by_name: ClassVar[dict[str, object]] = {}

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def take(self, *_: object) -> Counter[str]:
        self.work()
        return Counter()


async def rested(work: Callable[[], object], rubbish: int = 0) -> float:
    """How long the ingest rests after messages that have waited, times what they cost; after so much rubbish."""
    with zmq.asyncio.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        pull.linger = push.linger = 0
        push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
        ingest = Ingest(pull, Health(), MessageAuthenticator(None), lambda: Busy(work))  # type: ignore[arg-type, return-value]
        for message in [b"rubbish"] * rubbish + [encode({"v": 1, "type": "end", "session": "s"})] * 3:
            await push.send(message)
        await pull.poll(1000)
        await asyncio.sleep(0.1)
        while True:
            before = time.thread_time()
            rest = await ingest._turn()
            cost = time.thread_time() - before
            if not await pull.poll(0):
                return rest / cost


@pytest.mark.alone
async def test_a_flood_gives_way_for_what_it_costs_and_for_four_times_that_where_it_cannot_be_read() -> None:
    def compute() -> int:
        return sum(range(300_000))

    assert 0.8 * FIT_DUTY < await rested(compute) <= FIT_DUTY
    assert 0.8 * SUSPECT_DUTY < await rested(compute, rubbish=200) <= SUSPECT_DUTY
    assert await rested(lambda: time.sleep(0.05)) <= FIT_DUTY  # of what the message itself has computed
