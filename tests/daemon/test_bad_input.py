"""What must not harm: each over real sockets, while another session goes on undisturbed."""

import random
import threading
import time
import tomllib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from daemon_process import CONFIGS, Client, DaemonProcess, assert_went_on, wait_until
from fake_solver import FAIL, NOT_FINITE
from standing import standing_views

from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.protocol.codec import encode

RATE = 50.0
RIG = Rig.load(CONFIGS / "cameras.toml")
KEYPOINTS = KeypointSet.load("coco17")
VIEWS = standing_views(RIG, KEYPOINTS)


class Steady:
    """A session of its own that runs from before the harm until after it."""

    def __init__(self, endpoints: dict[str, str], views: list[dict[str, Any]], name: str) -> None:
        self.name = name
        self.sent: list[float] = []
        self.client = Client(endpoints, ("status", f"kinematics/{name}/"))
        self._views = views
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            t = len(self.sent) / RATE
            time.sleep(max(0.0, began + t - time.monotonic()))
            self.sent.append(t)
            self.client.keypoints(self.name, t, self._views)

    def __enter__(self) -> "Steady":
        self.client.__enter__()
        self._thread.start()
        self.client.wait_for("kinematics", state="tracking")
        return self

    def goes_on(self) -> None:
        """Wait until something that was sent after now is answered."""
        after = self.sent[-1]
        self.client.wait_for("kinematics", lambda answer: answer["t"] > after)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.client.wait_for("kinematics", t=self.sent[-1])
        status = self.client.status()["sessions"][self.name]
        self.client.send(type="end", session=self.name)
        self.client.__exit__()
        answers = self.client.payloads("kinematics")
        assert_went_on(self.sent, answers, status["skipped"])
        tracking = [a["state"] == "tracking" for a in answers]
        assert all(tracking[tracking.index(True) :])
        assert set(status["rejected"]) <= {"too_late"}  # what a machine that stood still let wait too long
        assert status["failures"] == 0


@pytest.fixture(scope="module")
def undisturbed(real_daemon: DaemonProcess) -> Iterator[Steady]:
    """A session that must not notice what the tests of this file do to the daemon."""
    with Steady(real_daemon.endpoints, VIEWS, "steady") as running:
        yield running


@pytest.fixture
def steady(undisturbed: Steady) -> Iterator[Steady]:
    """The same, which goes on after the test."""
    yield undisturbed
    undisturbed.goes_on()


@pytest.fixture(scope="module")
def attacker(real_daemon: DaemonProcess) -> Iterator[Client]:
    """A client that does harm."""
    with Client(real_daemon.endpoints, ("status", "kinematics/harm", "bodies/harm")) as client:
        yield client


@pytest.fixture
def harm(attacker: Client, steady: Steady) -> Iterator[Client]:
    """The same, for a test with a session "harm" of its own."""
    attacker.forget()
    yield attacker
    if "harm" in attacker.status()["sessions"]:
        assert attacker.ask("close", session="harm")["ok"]


def changed(view: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (view | changes).items() if value is not ...}


def spoiled(keypoint: int, column: int, value: float) -> list[dict[str, Any]]:
    """The views with one number of one camera replaced."""
    xyc = VIEWS[0]["xyc"].copy()
    xyc[keypoint, column] = value
    return [changed(VIEWS[0], xyc=xyc), *VIEWS[1:]]


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (changed(VIEWS[0], xyc=VIEWS[0]["xyc"][:16]), "wrong_keypoints"),
        (changed(VIEWS[0], xyc=np.ones((133, 3))), "wrong_keypoints"),
        (changed(VIEWS[0], camera="cam_99"), "unknown_camera"),
        (changed(VIEWS[0], camera=...), "bad_view"),
        (changed(VIEWS[0], xyc=...), "bad_array"),
        (changed(VIEWS[0], xyc={"dtype": "<f8", "shape": [17, 3], "data": b"too short"}), "bad_array"),
        (changed(VIEWS[0], xyc=[["a", "b", "c"]] * 17), "bad_array"),
        (changed(VIEWS[0], person="a/b"), "bad_person"),
        (changed(VIEWS[0], t=float("nan")), "bad_time"),
        (VIEWS[1], "duplicate"),
    ],
)
def test_a_view_that_cannot_be_used_costs_only_itself(harm: Client, view: dict[str, Any], reason: str) -> None:
    harm.keypoints("harm", 1.0, [view, *VIEWS[1:]])
    answer = harm.wait_for("kinematics/harm/0", t=1.0)
    assert answer["views"] == 3
    assert harm.rejected("harm") == {reason: 1}


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, np.nan), (1, np.inf), (0, -np.inf), (0, 1e30), (2, np.nan), (2, -0.5), (2, 1.5), (2, np.inf)],
)
def test_a_point_that_cannot_be_used_costs_only_itself(harm: Client, column: int, value: float) -> None:
    for i in range(5):
        harm.keypoints("harm", 1.0 + i / 100, spoiled(i, column, value))
    answer = harm.wait_for("kinematics/harm/0", t=1.04)
    assert answer["views"] == 4
    assert answer["state"] == "tracking"
    assert harm.rejected("harm") == {"bad_point": 5}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_msgpack"),
        (b"not MessagePack", "not_msgpack"),
        (encode({"v": 1, "type": "keypoints", "session": "harm", "t": 1.0, "views": VIEWS})[:-7], "not_msgpack"),
        (b"\x91" * 10_000, "not_msgpack"),
        (b"\x81\xa1a" * 10_000, "not_msgpack"),
        (b"\xdd\xff\xff\xff\xff", "not_msgpack"),
        (bytes(50_000_000), "too_large"),
        (
            encode({"v": 1, "type": "keypoints", "session": "harm", "t": 1.0, "views": [], "x": bytes(50_000_000)}),
            "too_large",
        ),
        (encode({"v": 2, "type": "keypoints", "session": "harm", "t": 1.0, "views": VIEWS}), "wrong_version"),
        (encode({"v": 1, "type": "nonsense", "session": "harm", "t": 1.0, "views": VIEWS}), "wrong_type"),
        (encode({"v": 1, "type": "keypoints", "session": "no name", "t": 1.0, "views": VIEWS}), "bad_session"),
        (encode({"v": 1, "type": "keypoints", "session": "harm", "t": "now", "views": VIEWS}), "bad_time"),
        (encode({"v": 1, "type": "keypoints", "session": "harm", "t": 1.0, "views": "none"}), "bad_views"),
        (encode({"v": 1, "type": "end", "session": "never-opened"}), "unknown_session"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_that_cannot_be_used_is_counted(harm: Client, payload: bytes, reason: str) -> None:
    before = harm.rejected().get(reason, 0)
    harm.push.send(payload)
    wait_until(lambda: harm.rejected().get(reason, 0) == before + 1, reason)
    assert len(harm.status()["details"][reason].splitlines()) == 1
    harm.wait_for("status", lambda status: status["rejected"].get(reason, 0) > before)


def test_duplicate_and_late_views_are_used_once(harm: Client) -> None:
    for i in range(10):
        t = 1.0 + i / 50
        harm.keypoints("harm", t, VIEWS[:3])
        harm.keypoints("harm", t, VIEWS[:3])
        harm.wait_for("kinematics/harm/0", t=t)
        harm.keypoints("harm", t, VIEWS[3:])  # the instant is answered already
    status = harm.status()["sessions"]["harm"]
    assert status["rejected"] == {"duplicate": 30}
    assert status["cameras"]["cam_04"]["late"] >= 9
    times = [a["t"] for a in harm.payloads("kinematics/harm/0")]
    assert times == [1.0 + i / 50 for i in range(10)]


def test_times_that_jump_and_run_backwards_are_survived(harm: Client) -> None:
    def run(start: float, step: float, count: int) -> list[float]:
        times = [start + i * step for i in range(count)]
        for t in times:
            harm.keypoints("harm", t, VIEWS)
            time.sleep(0.01)
        return times

    run(1000.0, 0.01, 10)
    run(1e9, 0.01, 1)  # a wild time
    run(1000.1, 0.01, 10)
    harm.wait_for("kinematics/harm/0", t=1000.1 + 9 * 0.01)
    assert harm.rejected("harm") == {"time_jump": 4}
    run(2000.0, -0.01, 100)  # backwards
    back = run(5.0, 0.01, 20)  # set back for good: followed, without loss
    harm.wait_for("kinematics/harm/0", t=back[-1])
    answered = [a["t"] for a in harm.payloads("kinematics/harm/0")]
    assert answered[-20:] == back
    assert harm.status()["sessions"]["harm"]["failures"] == 0


def heard(client: Client, topic: str) -> list[dict[str, Any]]:
    client.listen()
    return client.payloads(topic)


def test_views_of_two_sessions_mixed_stay_apart(harm: Client) -> None:
    elsewhere = standing_views(RIG, KEYPOINTS, place=0.5)
    for i in range(20):
        for a, b in zip(VIEWS, elsewhere, strict=True):
            harm.keypoints("harm", 1.0 + i / 50, [a])
            harm.keypoints("harm-2", 1.0 + i / 50, [b])
        time.sleep(0.02)
    last, places = 1.0 + 19 / 50, {}
    for name in ("harm", "harm-2"):
        wait_until(lambda topic=f"bodies/{name}/0": last in [b["t"] for b in heard(harm, topic)], f"the last of {name}")
        bodies = harm.payloads(f"bodies/{name}/0")
        assert [b["t"] for b in bodies][-15:] == [1.0 + i / 50 for i in range(5, 20)]
        places[name] = np.frombuffer(bodies[-1]["position"]["data"]).reshape(bodies[-1]["position"]["shape"])
    np.testing.assert_allclose(places["harm-2"][0] - places["harm"][0], [0.5, 0.0, 0.0], atol=0.03)
    assert harm.ask("close", session="harm-2")["ok"]


def test_sessions_and_persons_are_bounded(fake_daemon: DaemonProcess, client: Client) -> None:
    with Steady(fake_daemon.endpoints, VIEWS, "beside") as beside:
        client.keypoints("harm", 1.0, [VIEWS[0] | {"person": f"p{i}"} for i in range(20)])
        wait_until(lambda: "harm" in client.status()["sessions"], "the session")
        assert client.rejected("harm") == {"too_many_persons": 12}
        before = client.rejected().get("too_many_sessions", 0)
        room = 16 - len(client.ask("sessions")["result"]["sessions"])
        for i in range(40):
            client.keypoints(f"crowd-{i}", 1.0, VIEWS[:1])
        wait_until(lambda: client.rejected().get("too_many_sessions", 0) == before + 40 - room, "the bound")
        names = client.ask("sessions")["result"]["sessions"]
        assert len(names) == 16
        for name in set(names) - {"beside"}:
            assert client.ask("close", session=name)["ok"]
        beside.goes_on()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "explode", "id": 1}, "unknown_operation"),
        ({"type": "close", "id": 1}, "bad_request"),
        ({"type": "close", "id": 1, "session": "a/b"}, "bad_request"),
        ({"type": "close", "id": 1, "session": "nobody"}, "unknown_session"),
        ({"type": "record", "id": 1, "session": "nobody", "on": True}, "unknown_session"),
        ({"type": "record", "id": 1, "session": "nobody", "on": 1}, "bad_request"),
        ({"type": "calibrate", "id": 1, "session": "nobody", "seconds": 5}, "unknown_session"),
        ({"type": "calibrate", "id": 1, "session": "nobody", "seconds": float("nan")}, "bad_request"),
        ({"type": "calibrate", "id": 1, "session": "nobody", "seconds": True}, "bad_request"),
        ({"type": "open", "id": 1, "session": "x", "cameras": 3}, "bad_request"),
        ({"type": "open", "id": 1, "session": "x", "cameras": "not = [toml"}, "bad_file"),
        ({"type": "open", "id": 1, "session": "x", "keypoints": "nonsense"}, "bad_file"),
        ({"type": "open", "id": 1, "session": "x", "keypoints": "/etc/passwd"}, "bad_file"),
        ({"type": "open", "id": 1, "session": "x", "subject": "skeleton = 'other'"}, "bad_file"),
    ],
)
def test_requests_that_cannot_be_met_say_why(harm: Client, fields: dict[str, Any], code: str) -> None:
    harm.dealer.send(encode({"v": 1} | fields))
    reply = harm.reply(fields["id"])
    assert reply["ok"] is False
    assert reply["type"] == fields["type"]
    assert reply["error"]["code"] == code
    assert len(reply["error"]["message"].splitlines()) == 1
    assert "x" not in harm.status()["sessions"]


@pytest.mark.parametrize("payload", [b"", b"\x91" * 10_000, bytes(50_000_000), b"\xc1"])
def test_requests_that_cannot_be_read_are_answered(harm: Client, payload: bytes) -> None:
    harm.dealer.send(payload)
    assert harm.reply(None)["error"]["code"] == "bad_request"


def test_a_calibration_in_millimetres_is_refused_with_a_hint(harm: Client) -> None:
    text = (CONFIGS / "cameras.toml").read_text()
    metres = [line for line in text.splitlines() if line.startswith("translation")]
    for line in metres:
        numbers = tomllib.loads(line)["translation"]
        text = text.replace(line, f"translation = {[1000 * n for n in numbers]}")
    reply = harm.ask("open", session="x", cameras=text)
    assert reply["error"]["code"] == "bad_file"
    assert "mm" in reply["error"]["message"]


@pytest.mark.parametrize("order", [FAIL, NOT_FINITE])
def test_a_fit_that_fails_stops_nobody_else(fake_daemon: DaemonProcess, client: Client, order: float) -> None:
    def views(order: float) -> list[dict[str, Any]]:
        return [{"camera": "cam_01", "xyc": np.full((17, 3), [order, 1.0, 1.0])}]

    with Steady(fake_daemon.endpoints, VIEWS, f"beside-{order:.0f}") as beside:
        for i, x in enumerate([1.0, order, order, 1.0]):
            client.keypoints("harm", 1.0 + i / 100, views(x))
        client.wait_for("kinematics/harm/0", t=1.03)
        wait_until(lambda: client.status()["sessions"]["harm"]["failures"] == 2, "the failures of that turn")
        beside.goes_on()
    assert client.ask("close", session="harm")["ok"]


# The last, for they make their sender suspect: what it sends then is served seldom.


def test_random_bytes_are_counted(harm: Client) -> None:
    random.seed(4)
    before = sum(harm.rejected().values())
    whole = encode({"v": 1, "type": "keypoints", "session": "harm", "t": 1.0, "views": VIEWS})
    for _ in range(500):
        harm.push.send(random.randbytes(random.randrange(300)))
    for _ in range(50):
        harm.push.send(whole[: random.randrange(len(whole))])
    harm.push.send_multipart([whole, whole])
    wait_until(lambda: sum(harm.rejected().values()) == before + 551, "the counts")


@pytest.mark.alone
def test_a_flood_of_rubbish_does_not_starve_the_others(harm: Client) -> None:
    before = harm.rejected().get("not_msgpack", 0)
    for _ in range(10_000):
        harm.push.send(b"\xc1")
    wait_until(lambda: harm.rejected().get("not_msgpack", 0) == before + 10_000, "the counts")
