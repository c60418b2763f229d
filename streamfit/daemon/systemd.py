"""Notify systemd of the daemon's state (sd_notify)."""

import os
import socket


def notify(state: str) -> None:
    """Send `state` (such as "READY=1") to the socket in NOTIFY_SOCKET, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a name in the abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)  # a manager that does not listen just now is no reason to stand still
        try:
            sender.connect(address)
            sender.sendall(state.encode())
        except OSError:
            pass  # nobody listens, or not now: nothing to be done about it here


def watchdog_interval() -> float | None:
    """Seconds within which WATCHDOG=1 is expected; None without a watchdog."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() and int(microseconds) > 0 else None
