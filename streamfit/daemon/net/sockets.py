"""The daemon's ZeroMQ sockets: bounded, and bound or refused with a clear word."""

import errno
from typing import Any

import zmq
import zmq.asyncio

from streamfit.daemon.config import Config
from streamfit.daemon.net.auth import MessageAuthenticator
from streamfit.errors import InputError
from streamfit.transport.client_keys import Clients
from streamfit.transport.curve import ServerKeys, asks_for_keys, secure_server, start_authenticator

# Larger than any message that is taken, so that a sender hears of it in the status, not by a lost connection.
MAX_FRAME = 64 << 20
MAX_FOREIGN_FRAME = 4 << 20  # where others than this machine's users connect: the first comes before the key
MAX_SUBSCRIPTION = 4096
HANDSHAKE = 2000  # ms until a connection has shown its key; a refused client tries again after that
QUEUED_MESSAGES = 1000
NAMES = ("ingest", "publish", "control")
FAREWELL = 500  # ms, for what is still to be sent when a socket closes


class Sockets:
    """The three sockets of `config`, bound, where there are `keys` for their owners only. Raises InputError.

    To be made on a running event loop, which serves the authenticator.
    """

    def __init__(self, config: Config, keys: ServerKeys | None):
        self._context = zmq.Context()
        self._keys = keys
        clients = Clients(keys.clients) if keys else None
        self.authenticator = MessageAuthenticator(clients)
        self._authenticator = start_authenticator(self._context, clients) if clients else None
        self.ingest = zmq.asyncio.Socket(self._context, zmq.PULL)
        self.publish: zmq.Socket[bytes] = zmq.Socket(self._context, zmq.XPUB)
        self.control = zmq.asyncio.Socket(self._context, zmq.ROUTER)
        try:
            self._bind(self.ingest, "ingest", config.ingest.bind, MAX_FRAME)
            self._bind(self.publish, "publish", config.publish.bind, MAX_SUBSCRIPTION)
            self._bind(self.control, "control", config.control.bind, MAX_FRAME)
        except InputError:
            self.close()
            raise

    @property
    def endpoints(self) -> dict[str, str]:
        """Where each listens, with the port that was chosen for `*`."""
        return {
            name: str(socket.getsockopt_string(zmq.LAST_ENDPOINT)).rstrip("\0")
            for name, socket in (
                ("ingest", self.ingest),
                ("publish", self.publish),
                ("control", self.control),
            )
        }

    def reload_clients(self) -> None:
        """Read the clients' keys again now; it is done every second anyway."""
        self.authenticator.refresh()

    def close(self) -> None:
        """Send what is still to be sent, for a moment, and close."""
        if self._authenticator is not None:
            self._authenticator.stop()
        for socket in (self.ingest, self.publish, self.control):
            socket.close(linger=FAREWELL)
        self._context.term()

    def _bind(self, socket: "zmq.Socket[Any]", name: str, endpoint: str, max_frame: int) -> None:
        is_foreign = asks_for_keys(endpoint, self._keys)
        socket.setsockopt(zmq.MAXMSGSIZE, min(max_frame, MAX_FOREIGN_FRAME) if is_foreign else max_frame)
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE)
        socket.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES)
        socket.setsockopt(zmq.SNDHWM, QUEUED_MESSAGES)
        socket.setsockopt(zmq.IPV6, 1 if "[" in endpoint else 0)
        secure_server(socket, endpoint, self._keys)
        try:
            socket.bind(endpoint)
            if is_foreign:
                self.authenticator.watch_over(int(self.endpoints[name].rpartition(":")[2]))
        except zmq.ZMQError as error:
            problem = f"[{name}] bind = {endpoint!r}"
            if error.errno == errno.EADDRINUSE:
                raise InputError(f"{problem} is in use; stop what uses it or choose another port") from None
            raise InputError(f"{problem} cannot be used: {error.strerror}; choose another") from None
