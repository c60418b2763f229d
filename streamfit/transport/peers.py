"""Who is at the other end of a connection, and how to cut one: what ZeroMQ itself does not offer.

A message says over which file descriptor it came and, with CURVE, by whose key. The descriptors are our own process's:
a duplicate of one names the same connection for as long as we hold it, whatever ZeroMQ does meanwhile.
"""

import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import zmq

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what was not sent yet is not sent any more


def descriptor(frame: zmq.Frame) -> int:
    """The file descriptor over which a message came; -1 where that is not known."""
    return int(_property(frame, "__fd") or -1)


def key_of(frame: zmq.Frame) -> str | None:
    """The public key (Z85) of the sender; None without CURVE."""
    return _property(frame, "User-Id")


def address(number: int) -> str:
    """Where a descriptor leads: HOST:PORT, "local" for `ipc://`, "gone" where it is closed already."""
    try:
        with _duplicate(number) as connection:
            return _address(connection)
    except OSError:
        return "gone"


def cut(number: int) -> None:
    """End the connection of a descriptor at once; what waits in either direction is lost."""
    try:
        with _duplicate(number) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself


def unsent(number: int) -> int:
    """Bytes that the other end of a descriptor has not taken yet; 0 where it is closed."""
    try:
        return int.from_bytes(fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


def identity(number: int) -> int:
    """What tells the connection of a descriptor from a later one of the same number; -1 where it is closed."""
    try:
        return os.fstat(number).st_ino
    except OSError:
        return -1


def accepted(port: int) -> list[int]:
    """The descriptors of this process's connections to its own TCP `port`."""
    found = []
    for number in (int(name) for name in os.listdir("/proc/self/fd")):
        try:
            with _duplicate(number) as connection:
                is_tcp = connection.family in (socket.AF_INET, socket.AF_INET6)
                if is_tcp and connection.getsockname()[1] == port and connection.getpeername():
                    found.append(number)
        except OSError:
            continue  # no socket, not connected, or closed meanwhile
    return found


def _property(frame: zmq.Frame, name: str) -> str | None:
    try:
        return str(frame.get(name)) or None
    except zmq.ZMQError:
        return None  # a message that ZeroMQ made itself has no sender


@contextmanager
def _duplicate(number: int) -> Iterator[socket.socket]:
    own = os.dup(number)
    try:
        connection = socket.socket(fileno=own)
    except OSError:  # it leads to no socket
        os.close(own)
        raise
    with connection:
        yield connection


def _address(connection: socket.socket) -> str:
    if connection.family == socket.AF_UNIX:
        return "local"
    host, port = connection.getpeername()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
