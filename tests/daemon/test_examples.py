"""The examples of configs/, each started as people start it, on ports of the system's choice."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq
from daemon_process import CONFIGS, FAKE, REAL, Client, Command, daemon
from standing import standing_views

from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.transport.curve import make_keys, secure_client


def local(name: str, folder: Path) -> str:
    """The example's text, with what it names beside it and its ports out of everyone's way."""
    text = (CONFIGS / name).read_text()
    (folder / "cameras.toml").write_text((CONFIGS / "cameras.toml").read_text())
    text = re.sub(r'"tcp://[\d.]+:\d+"', '"tcp://127.0.0.1:*"', text)
    text = re.sub(r'"127.0.0.1:\d+"', '"127.0.0.1:0"', text)
    for table in ("ingest", "publish", "control", "http"):
        bind = '"127.0.0.1:0"' if table == "http" else '"tcp://127.0.0.1:*"'
        if f"[{table}]" not in text:
            text += f"\n[{table}]\n"
        if not re.search(rf"\[{table}\]\nbind", text):
            text = text.replace(f"[{table}]\n", f"[{table}]\nbind = {bind}\n")
    return text


def test_every_example_is_started_here() -> None:
    """But for that of the README's videos, which the README's own test starts."""
    assert {path.name for path in CONFIGS.glob("*.toml")} == {
        "cameras.toml",
        "room.toml",
        "webcams.toml",
        "remote.toml",
        "videos.toml",
    }


@pytest.mark.parametrize(
    ("name", "keypoints", "command"), [("room.toml", "halpe26", REAL), ("webcams.toml", "mediapipe33", FAKE)]
)
@pytest.mark.slow
def test_an_example_follows_a_person(tmp_path: Path, name: str, keypoints: str, command: Command) -> None:
    seen = standing_views(Rig.load(CONFIGS / "cameras.toml"), KeypointSet.load(keypoints))
    with daemon(tmp_path, local(name, tmp_path), command) as process, Client(process.endpoints) as client:
        for i in range(30):
            client.keypoints("s", i / 30, [view | {"t": i / 30 - 0.004 * n} for n, view in enumerate(seen)])
            client.wait_for("kinematics/s/0", t=i / 30)
        answer = client.payloads("kinematics/s/0")[-1]
        assert answer["state"] == "tracking"
        assert client.status()["sessions"]["s"]["sync"] == "free"


def test_the_remote_example_lets_in_who_has_a_key_and_nobody_else(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["detector", "viewer"])

    def with_key(socket: "zmq.Socket[bytes]") -> None:
        secure_client(socket, tmp_path / "keys" / "detector.key_secret", tmp_path / "keys" / "server.key")

    seen = standing_views(Rig.load(CONFIGS / "cameras.toml"), KeypointSet.load("halpe26"))
    with daemon(tmp_path, local("remote.toml", tmp_path), FAKE) as process, ExitStack() as stack:
        stranger = Client(process.endpoints)
        stack.callback(stranger.__exit__)  # it is not entered: nobody ever answers it
        stranger.keypoints("stranger", 0.0, seen)
        with Client(process.endpoints, secure=with_key) as client:
            client.keypoints("s", 0.0, seen)
            client.wait_for("kinematics/s/0")
            assert list(client.ask("sessions")["result"]["sessions"]) == ["s"]
            # a client made later gets in after its key is there
            make_keys(tmp_path / "keys", ["late"])
            assert client.ask("reload")["ok"]

            def late(socket: "zmq.Socket[bytes]") -> None:
                secure_client(socket, tmp_path / "keys" / "late.key_secret", tmp_path / "keys" / "server.key")

            with Client(process.endpoints, secure=late) as newcomer:
                assert newcomer.ask("sessions")["ok"]
        assert not stranger.listen(0.2)
