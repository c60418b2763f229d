"""The reputation of senders: whether what they send can be read."""

import math
from collections.abc import Callable, Hashable

FORGOTTEN = 10.0
"""s after which a message counts a third of what it did."""
ENOUGH = 50.0
"""Unreadable messages of late before a sender is suspect: somebody who tries things out sends fewer."""
MAX_SENDERS = 256


class Sender:
    """A connection or, where there are keys, the client of a `key` with all of its connections.

    `address` is that of the first.
    """

    def __init__(self, address: str, key: str | None = None) -> None:
        self.address, self.key = address, key
        self._read = self._unreadable = 0.0
        self._noted = 0.0

    def note(self, readable: bool, now: float) -> None:
        """A message of it came at `now`, s."""
        kept = math.exp((self._noted - now) / FORGOTTEN)
        self._read, self._unreadable, self._noted = kept * self._read, kept * self._unreadable, now
        if readable:
            self._read += 1.0
        else:
            self._unreadable += 1.0

    @property
    def suspect(self) -> bool:
        """Whether most of what it sent of late could not be read: then it is served after all others."""
        return self._unreadable > max(ENOUGH, self._read)


class Senders:
    """Those heard of late, by what tells them apart."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Sender] = {}

    def of(self, mark: Hashable, new: Callable[[], Sender]) -> Sender:
        """The sender of that mark; one that is not known is made by `new`."""
        sender = self._known.pop(mark, None) or new()
        self._known[mark] = sender
        if len(self._known) > MAX_SENDERS:
            del self._known[next(iter(self._known))]
        return sender
