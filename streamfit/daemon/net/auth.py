"""Authenticate each message; revoking a key closes its connections."""

import asyncio
import logging
from collections import Counter

import zmq

from streamfit.daemon.net.reputation import Sender, Senders
from streamfit.transport.client_keys import Clients
from streamfit.transport.peers import accepted, address, cut, descriptor, identity, key_of

log = logging.getLogger(__name__)
KEYS_POLL_S = 1.0  # s between two looks into the folder of keys
MAX_PEERS = 64
OTHERS = "others"


class MessageAuthenticator:
    """Knows the clients of the TCP `ports` that ask for keys; without `clients` everybody may do everything.

    `rejected` counts what was not used by sender and reason, of the 64 senders whose trouble is newest; the others
    are one. A sender is a client's name, or where it connects from.
    """

    def __init__(self, clients: Clients | None):
        self.rejected: dict[str, Counter[str]] = {}
        self._clients = clients
        self._ports: list[int] = []
        self._keys: dict[int, str] = {}
        self._senders = Senders()

    def watch_over(self, port: int) -> None:
        """Connections to this port need a key."""
        self._ports.append(port)

    def sender(self, frame: zmq.Frame) -> Sender:
        """Who sent a message: the same for all of one."""
        number = descriptor(frame)
        key = key_of(frame) if self._clients else None
        if key is not None:
            self._keys[number] = key
        return self._senders.of(key or identity(number), lambda: Sender(address(number), key))

    def admits(self, frame: zmq.Frame, sender: Sender) -> bool:
        """Whether `sender` may send this message; if it may not any more the connection is cut."""
        if sender.key is None or self._client(sender):  # without a key nothing comes but through `ipc://`
            return True
        cut(descriptor(frame))
        return False

    def reject(self, sender: Sender, reasons: Counter[str]) -> None:
        """Count what was not used of a sender's."""
        who = self.name(sender)
        counts = self.rejected.pop(who, Counter())
        counts.update(reasons)
        self.rejected[who] = counts
        if len(self.rejected) > MAX_PEERS:
            oldest = next(name for name in self.rejected if name != OTHERS)
            lost = self.rejected.pop(oldest)
            self.rejected = {OTHERS: self.rejected.pop(OTHERS, Counter()) + lost} | self.rejected

    @property
    def refused(self) -> int:
        """Connections that had no known key."""
        return self._clients.refused if self._clients else 0

    def refresh(self) -> None:
        """Read the folder of keys again; cut every connection but those of the clients that are known to be allowed."""
        if self._clients is None:
            return
        gone = self._clients.refresh()
        if not gone:
            return
        for port in self._ports:
            for number in accepted(port):
                if self._clients.name(self._keys.get(number, "")) is None:
                    cut(number)
        log.info("the keys of %s are gone: their connections are cut", ", ".join(sorted(gone)))

    async def run(self) -> None:
        """Look after the folder, for ever."""
        while True:
            self.refresh()
            await asyncio.sleep(KEYS_POLL_S)

    def status(self) -> dict[str, dict[str, int]]:
        """What the status says of the senders."""
        return {who: dict(counts) for who, counts in self.rejected.items()}

    def name(self, sender: Sender) -> str:
        """The client's, or where it connects from."""
        return self._client(sender) or sender.address

    def _client(self, sender: Sender) -> str | None:
        return self._clients.name(sender.key) if self._clients and sender.key else None
