"""A client's sockets."""

from pathlib import Path
from typing import Any

import zmq

from streamfit.errors import InputError
from streamfit.transport.curve import secure_client


def connect(
    context: zmq.Context[Any], kind: int, address: str, keys: Path | None = None, queue: int | None = None
) -> zmq.Socket[bytes]:
    """A connected socket.

    Args:
        context: the socket's context.
        kind: `zmq.SUB`, `zmq.PUSH` and so on.
        address: where to connect to.
        keys: the client's secret key file, with `server.key` beside it.
        queue: how many messages may wait to be read; None for ZeroMQ's default.

    Raises:
        InputError: an address or a key that cannot be used.
    """
    socket = context.socket(kind)
    socket.set(zmq.LINGER, 0)
    if kind != zmq.SUB:
        socket.set(zmq.IMMEDIATE, 1)  # nothing is sent to where nobody listens
    if queue is not None:
        socket.set(zmq.RCVHWM, queue)
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
