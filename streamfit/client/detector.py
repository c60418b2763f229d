"""The sending side of a detector, which never waits for the daemon."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zmq
from numpy.typing import ArrayLike

from streamfit.client.connect import connect
from streamfit.errors import InputError
from streamfit.protocol.codec import VERSION, encode
from streamfit.protocol.ingest import is_name

INGEST = "tcp://127.0.0.1:5570"
QUEUE = 256
"""Messages that wait for a daemon that does not take them; then the newest are dropped."""
LAST = 1.0
"""s that the last messages may take to leave."""


class Detector:
    """Sends one session's keypoints to a daemon, of one camera or of several. For one thread at a time.

    Nothing here blocks: while no daemon takes them, messages are dropped; `sent` and `dropped` count. The first goes
    out when the connection stands, some milliseconds after the start.
    """

    def __init__(self, session: str, address: str = INGEST, keys: Path | None = None) -> None:
        """`keys`: this client's secret key file, with `server.key` beside it, for a daemon that asks for keys.

        Raises InputError for a name, an address or a key that cannot be used.
        """
        if not is_name(session):
            raise InputError(f"session {session!r}: a name is 1 to 64 of A-Za-z0-9._-")
        self.session = session
        self.sent = self.dropped = 0
        self._context = zmq.Context()
        try:
            self._socket = connect(self._context, zmq.PUSH, address, keys)
        except InputError:
            self._context.term()
            raise
        self._socket.set(zmq.SNDHWM, QUEUE)

    def send(self, t: float, views: Mapping[str, ArrayLike], person: str = "0", frame: int | None = None) -> bool:
        """Send what cameras saw at the capture time `t` (s, on the clock of all senders); whether it was taken.

        `views`: for each camera of the calibration an array (K, 3) of x px, y px and confidence 0..1, in the order of
        the keypoint set. Leave out a camera that saw nobody, or send none at all.
        """
        entries = [{"camera": c, "person": person, "xyc": np.asarray(xyc, np.float32)} for c, xyc in views.items()]
        message: dict[str, Any] = {"v": VERSION, "type": "keypoints", "session": self.session, "t": t, "views": entries}
        return self._push(message if frame is None else message | {"frame": frame})

    def end(self) -> bool:
        """Say that no more will come: the daemon answers what is left and closes the session."""
        return self._push({"v": VERSION, "type": "end", "session": self.session})

    def close(self) -> None:
        """Close the connection; what has not left within a second is lost."""
        self._socket.close(linger=int(1000 * LAST))
        self._context.term()

    def _push(self, message: dict[str, Any]) -> bool:
        try:
            self._socket.send(encode(message), zmq.DONTWAIT)
        except zmq.Again:
            self.dropped += 1
            return False
        self.sent += 1
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
