"""CURVE: keys on disk, and sockets that only known clients may use.

Keys are ZeroMQ certificates. A directory holds `server.key`, `server.key_secret` and, per client,
`clients/NAME.key` (stays with the server) and `NAME.key_secret` (goes to the client with `server.key`).
"""

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import zmq
import zmq.auth
import zmq.auth.asyncio

from streamfit.errors import InputError
from streamfit.protocol.ingest import is_name
from streamfit.transport.endpoints import is_local

MAX_CERTIFICATE = 1 << 16  # bytes
Z85_KEY = re.compile(rb"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")


@dataclass(frozen=True)
class ServerKeys:
    """The server's key pair (Z85) and the folder of the public keys that may connect."""

    public: bytes
    secret: bytes = field(repr=False)
    clients: Path


def load_server_keys(secret_file: Path, clients: Path) -> ServerKeys:
    """The keys of a server. Raises InputError for a file that is missing or no secret key."""
    public, secret = load_key(secret_file)
    if secret is None:
        raise InputError(f"{secret_file}: holds no secret key; name the file that ends in .key_secret")
    if not clients.is_dir():
        raise InputError(f"{clients}: no such folder of client keys; make one with `streamfit keys`")
    return ServerKeys(public, secret, clients)


def load_key(path: Path) -> tuple[bytes, bytes | None]:
    """(public, secret or None) of a certificate file. Raises InputError."""
    try:
        if path.stat().st_size > MAX_CERTIFICATE:
            raise ValueError("it is too large")
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError, IndexError) as error:  # IndexError: a key without its value
        raise InputError(f"{path}: not a readable ZeroMQ certificate ({error})") from None
    for key in (public, secret):
        if key is not None and not Z85_KEY.fullmatch(key):
            raise InputError(f"{path}: not a readable ZeroMQ certificate (a key is 40 characters of Z85)")
    return public, secret


def require_keys(endpoints: dict[str, str], keys: ServerKeys | None) -> None:
    """Raises InputError where an address can be reached from outside and nothing guards it."""
    for name, endpoint in endpoints.items():
        if keys is None and not is_local(endpoint):
            raise InputError(
                f"[{name}] bind = {endpoint!r} can be reached from outside without keys; bind to 127.0.0.1, "
                "or make keys with `streamfit keys` and name them in [security]"
            )


def asks_for_keys(endpoint: str, keys: ServerKeys | None) -> bool:
    """Whether a client needs a key there; `ipc://` is guarded by the permissions of its file."""
    return keys is not None and not endpoint.startswith("ipc://")


def secure_server(socket: zmq.Socket, endpoint: str, keys: ServerKeys | None) -> None:
    """Let only clients with a known key use `socket`, where the endpoint asks for keys."""
    if keys is not None and asks_for_keys(endpoint, keys):
        socket.curve_publickey = keys.public
        socket.curve_secretkey = keys.secret
        socket.curve_server = True


def secure_client(socket: zmq.Socket, secret_file: Path, server_file: Path) -> None:
    """Connect `socket` with the client's own key to the server with the public key in `server_file`."""
    public, secret = load_key(secret_file)
    if secret is None:
        raise InputError(f"{secret_file}: holds no secret key; name the file that ends in .key_secret")
    socket.curve_publickey, socket.curve_secretkey = public, secret
    socket.curve_serverkey = load_key(server_file)[0]


class KnownKeys(Protocol):
    """Says of a public key (Z85) whether its owner may connect."""

    def callback(self, domain: str, key: bytes) -> bool:
        """Asked once per connection."""


class Authenticator(zmq.auth.asyncio.AsyncioAuthenticator):
    """Refuses for now (ZAP's 300), not for good: a client goes on trying, and gets in once its key is there."""

    def _send_zap_reply(
        self, request_id: bytes, status_code: bytes, status_text: bytes, user_id: str = "anonymous"
    ) -> None:
        code = b"300" if status_code == b"400" else status_code
        super()._send_zap_reply(request_id, code, status_text, user_id if code == b"200" else "")


def start_authenticator(context: "zmq.Context[zmq.Socket]", known: KnownKeys) -> Authenticator:
    """An authenticator that asks `known`; to be started before any secured socket binds."""
    authenticator = Authenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback("*", known)
    return authenticator


def make_keys(directory: Path, clients: Sequence[str]) -> list[Path]:
    """Make the server's keys where there are none yet, and those of `clients`; the files made.

    Never overwrites: raises InputError for a client that already has a key, or a name that cannot be one.
    """
    for name in clients:
        if not is_name(name) or name.startswith(".") or name == "server":
            raise InputError(f"{name!r} cannot name a client; use 1 to 64 of A-Za-z0-9._- and not `server`")
        for path in (directory / "clients" / f"{name}.key", directory / f"{name}.key_secret"):
            if path.exists():
                raise InputError(f"{path}: exists already; remove it first, or choose another name")
    try:
        (directory / "clients").mkdir(parents=True, exist_ok=True)
        made = []
        if not (directory / "server.key_secret").exists():
            made += _make_pair("server", public=directory, secret=directory)
        for name in clients:
            made += _make_pair(name, public=directory / "clients", secret=directory)
    except OSError as error:
        raise InputError(f"{directory}: cannot write keys there ({error.strerror or error})") from None
    return made


def _make_pair(name: str, public: Path, secret: Path) -> list[Path]:
    # made in a folder of our own first, so that no other user can read the secret for an instant
    with tempfile.TemporaryDirectory(dir=secret) as private:
        files = [Path(f) for f in zmq.auth.create_certificates(private, name)]
        targets = [public / files[0].name, secret / files[1].name]
        files[1].chmod(0o600)
        for file, target in zip(files, targets, strict=True):
            os.replace(file, target)
    return targets
