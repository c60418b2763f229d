"""A client's sockets."""

from pathlib import Path
from typing import Any

import zmq

from streamfit.errors import InputError
from streamfit.transport.curve import secure_client


def connect(context: zmq.Context[Any], kind: int, address: str, keys: Path | None = None) -> zmq.Socket[bytes]:
    """A connected socket; `keys` is the client's secret key file, with `server.key` beside it.

    Raises InputError for an address or a key that cannot be used.
    """
    socket = context.socket(kind)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.IMMEDIATE, 1)  # nothing is sent to where nobody listens
    try:
        if keys is not None:
            secure_client(socket, keys, keys.with_name("server.key"))
        socket.connect(address)
    except zmq.ZMQError as error:
        socket.close()
        raise InputError(f"{address}: no address to connect to ({error.strerror})") from None
    except InputError:
        socket.close()
        raise
    return socket
