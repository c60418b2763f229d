import stat
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from streamfit.errors import InputError
from streamfit.transport.client_keys import Clients
from streamfit.transport.curve import (
    load_server_keys,
    make_keys,
    require_keys,
    secure_client,
    secure_server,
    start_authenticator,
)
from streamfit.transport.endpoints import is_local, is_loopback


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:1", "tcp://127.9.9.9:*", "tcp://localhost:1", "tcp://[::1]:1", "ipc:///tmp/x", "tcp://lo:1"],
)
def test_local_endpoints(endpoint: str) -> None:
    assert is_local(endpoint)
    require_keys({"ingest": endpoint}, None)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://*:1",
        "tcp://0.0.0.0:1",
        "tcp://eth0:1",
        "tcp://192.168.0.1:1",
        "tcp://[::]:1",
        "tcp://127.0.0.1.evil.org:1",
    ],
)
def test_open_endpoints_need_keys(endpoint: str) -> None:
    assert not is_local(endpoint)
    with pytest.raises(InputError, match=r"^\[ingest\] bind = .* without keys"):
        require_keys({"ingest": endpoint}, None)


def test_a_host_is_loopback_or_not() -> None:
    assert is_loopback("::1")
    assert not is_loopback("")
    assert not is_loopback("example.org")


def test_keys_are_made_where_the_contract_says_and_never_overwritten(tmp_path: Path) -> None:
    made = make_keys(tmp_path / "keys", ["viewer"])
    names = ["server.key", "server.key_secret", "clients/viewer.key", "viewer.key_secret"]
    assert made == [tmp_path / "keys" / name for name in names]
    before = {path: path.read_bytes() for path in made}
    for path in made:
        if path.suffix == ".key_secret":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        else:
            assert b"secret-key" not in before[path]
    assert [path.name for path in make_keys(tmp_path / "keys", ["other"])] == ["other.key", "other.key_secret"]
    with pytest.raises(InputError, match="exists already"):
        make_keys(tmp_path / "keys", ["third", "viewer"])
    assert not (tmp_path / "keys" / "third.key_secret").exists()
    assert before == {path: path.read_bytes() for path in made}
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == sorted(
        ["clients", "other.key_secret", "server.key", "server.key_secret", "viewer.key_secret"]
    )


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "server", "x" * 65])
def test_a_client_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot name a client"):
        make_keys(tmp_path, [name])


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write keys there"):
        make_keys(tmp_path / "file", [])


def test_keys_that_are_none_are_said(tmp_path: Path) -> None:
    make_keys(tmp_path, [])
    with pytest.raises(InputError, match="holds no secret key"):
        load_server_keys(tmp_path / "server.key", tmp_path / "clients")
    with pytest.raises(InputError, match="no such folder"):
        load_server_keys(tmp_path / "server.key_secret", tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a readable ZeroMQ certificate"):
        load_server_keys(tmp_path / "missing", tmp_path / "clients")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not a readable ZeroMQ certificate"):
        load_server_keys(tmp_path / "noise", tmp_path / "clients")


async def test_only_a_client_whose_key_is_known_gets_through(tmp_path: Path) -> None:
    make_keys(tmp_path, ["known", "revoked"])
    (tmp_path / "clients" / "revoked.key").unlink()
    keys = load_server_keys(tmp_path / "server.key_secret", tmp_path / "clients")
    context = zmq.Context()
    authenticator = start_authenticator(context, Clients(keys.clients))
    server = zmq.asyncio.Socket(context, zmq.PULL)
    secure_server(server, "tcp://", keys)
    port = server.bind_to_random_port("tcp://127.0.0.1")
    senders = {}
    for name in ("known", "revoked", "keyless"):
        senders[name] = socket = context.socket(zmq.PUSH)
        if name != "keyless":
            secure_client(socket, tmp_path / f"{name}.key_secret", tmp_path / "server.key")
        socket.connect(f"tcp://127.0.0.1:{port}")
        socket.send_string(name)
    try:
        assert await server.recv_string() == "known"
        assert not await server.poll(300)
    finally:
        authenticator.stop()
        for socket in (server, *senders.values()):
            socket.close(linger=0)
        context.term()
