"""A daemon that asks for keys: who gets in, who is put out, and what nobody is told."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from daemon_process import FAKE, Client, DaemonProcess, config_text, daemon, wait_until

from streamfit.protocol.codec import encode
from streamfit.transport.curve import load_key, make_keys, secure_client

VIEWS = [{"camera": f"cam_0{i}", "xyc": np.ones((17, 3))} for i in (1, 2, 3, 4)]
SECURITY = '[security]\nserver_secret_key = "keys/server.key_secret"\nclients = "keys/clients"\n'


class Guarded:
    """A daemon with its keys."""

    def __init__(self, process: DaemonProcess, keys: Path) -> None:
        self.process, self.keys = process, keys

    def secure(self, name: str) -> Any:
        return partial(_secure, keys=self.keys, name=name)

    def client(self, name: str) -> Client:
        return Client(self.process.endpoints, secure=self.secure(name))

    def revoke(self, name: str) -> None:
        (self.keys / "clients" / f"{name}.key").unlink()
        wait_until(lambda: any(f"the keys of {name} are gone" in line for line in self.process.log), "the cut", 5.0)


def _secure(socket: Any, keys: Path, name: str) -> None:
    secure_client(socket, keys / f"{name}.key_secret", keys / "server.key")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    make_keys(tmp_path / "keys", ["detector", "viewer"])
    with daemon(tmp_path, config_text(more=SECURITY), FAKE) as process:
        yield Guarded(process, tmp_path / "keys")


def test_a_key_that_is_taken_away_ends_what_it_opened(guarded: Guarded) -> None:
    with guarded.client("detector") as stays, guarded.client("viewer") as goes:
        silent = goes.context.socket(zmq.PUSH)  # open, and nothing was ever sent over it
        guarded.secure("viewer")(silent)
        silent.linger = 0
        silent.connect(guarded.process.endpoints["ingest"])
        for i in range(20):
            stays.keypoints("kept", i / 100, VIEWS)
            goes.keypoints("cut", i / 100, VIEWS)
        goes.wait_for("kinematics/cut/0", t=0.19)
        stays.wait_for("kinematics/cut/0", t=0.19)
        (guarded.keys / "clients" / "viewer.key").unlink()
        i = 20
        while not any("the keys of viewer are gone" in line for line in guarded.process.log):
            stays.keypoints("kept", i / 100, VIEWS)
            i += 1
            time.sleep(0.01)
            assert i < 1000
        goes.listen(0.05)  # what was on its way
        goes.heard.clear()
        goes.keypoints("cut", 10.0, VIEWS)
        silent.send(encode({"v": 1, "type": "keypoints", "session": "cut", "t": 11.0, "views": VIEWS}))
        goes.dealer.send(encode({"v": 1, "type": "close", "id": 1, "session": "kept"}))
        for j in range(i, i + 100):
            stays.keypoints("kept", j / 100, VIEWS)
            time.sleep(0.01)
        assert goes.listen() == []
        assert not goes.dealer.poll(0)
        stays.wait_for("kinematics/kept/0", t=(i + 99) / 100)
        # the other client has noticed nothing
        answers = stays.payloads("kinematics/kept/0")
        assert [a["t"] for a in answers] == [n / 100 for n in range(i + 100)]
        assert [a["seq"] for a in answers] == list(range(answers[0]["seq"], answers[0]["seq"] + len(answers)))
        assert max(a["t"] for a in stays.payloads("kinematics/cut/0")) < 1.0
        assert "kept" in stays.status()["sessions"]
        silent.close(linger=0)


def test_a_key_that_is_added_works_without_a_restart(guarded: Guarded) -> None:
    with guarded.client("detector") as known:
        make_keys(guarded.keys / "new", ["late"])
        (guarded.keys / "late.key_secret").write_bytes((guarded.keys / "new" / "late.key_secret").read_bytes())
        refused = known.status()["refused"]
        late = guarded.client("late")
        wait_until(lambda: known.status()["refused"] > refused, "the refusal")
        (guarded.keys / "new" / "clients" / "late.key").rename(guarded.keys / "clients" / "late.key")
        began = time.monotonic()
        with late:
            assert time.monotonic() - began < 5.0
            late.keypoints("s", 0.0, VIEWS)
            assert known.wait_for("kinematics/s/0")["views"] == 4
        (guarded.keys / "clients" / "noise.key").write_bytes(bytes(range(256)))
        wait_until(lambda: any("noise.key" in line for line in guarded.process.log), "the word about the file", 5.0)
        assert known.ask("status")["ok"]  # a file that is no key puts nobody out


def test_without_a_known_key_there_is_no_way_in(guarded: Guarded) -> None:
    (guarded.keys / "clients" / "viewer.key").rename(guarded.keys / "viewer.elsewhere")
    with guarded.client("detector") as known:
        wait_until(lambda: any("the keys of viewer are gone" in line for line in guarded.process.log), "the cut", 5.0)
        for secure in (None, guarded.secure("viewer")):
            with zmq.Context() as context:
                for name, kind in (("ingest", zmq.PUSH), ("publish", zmq.SUB), ("control", zmq.DEALER)):
                    with context.socket(kind) as stranger:
                        stranger.linger = 0
                        if secure is not None:
                            secure(stranger)
                        stranger.connect(guarded.process.endpoints[name])
                        if kind == zmq.SUB:
                            stranger.subscribe("")
                        else:
                            stranger.send(encode({"v": 1, "type": "shutdown", "id": 1}))
                        assert not stranger.poll(300)
        status = known.status()
        assert status["refused"] >= 3
        assert sum(status["rejected"].values()) == 0
        assert guarded.process.health() == 200


def test_what_was_not_used_is_counted_by_client(guarded: Guarded) -> None:
    with guarded.client("detector") as good, guarded.client("viewer") as bad:
        good.keypoints("s", 0.0, VIEWS)
        for _ in range(3):
            bad.push.send(b"\xc1")
        bad.keypoints("s", 0.01, [*VIEWS, {"camera": "nobody", "xyc": [[1, 1, 1]]}])
        bad.dealer.send(b"")
        assert bad.reply(None)["error"]["code"] == "bad_request"
        good.wait_for("kinematics/s/0", t=0.01)
        wanted = {"not_msgpack": 3, "unknown_camera": 1, "bad_request": 1}
        wait_until(lambda: good.status()["peers"] == {"viewer": wanted}, "the counts")


def test_no_secret_is_ever_said(guarded: Guarded) -> None:
    secrets = [load_key(guarded.keys / f"{name}.key_secret")[1] for name in ("server", "detector", "viewer")]
    with guarded.client("detector") as client:
        client.keypoints("s", 0.0, VIEWS)
        client.push.send(b"\xc1")
        client.wait_for("kinematics/s/0")
        client.ask("open", session="x", subject=str(guarded.keys / "server.key_secret"))
        client.ask("open", session="x", keypoints=str(guarded.keys / "server.key_secret"))
        guarded.revoke("viewer")
        said = [*guarded.process.log, json.dumps(client.status(), default=str), repr(client.ask("sessions"))]
        said += [guarded.process.get(path)[1] for path in ("/", "/metrics", "/status.json")]
        said += [repr(payload) for _, payload in client.heard]
    text = "\n".join(said)
    assert "detector" not in secrets
    for secret in secrets:
        assert secret is not None
        assert secret.decode() not in text
        assert secret[:20].decode() not in text
