"""`streamfit serve` with a fake tracker: ready at once, and fails on request."""

from functools import partial
from pathlib import Path
from typing import Any

import zmq
from fake_solver import FakeSolver

from streamfit.daemon import app
from streamfit.daemon.net import sockets

SHALLOW = 100  # messages


def run_fake(config: Path) -> int:
    """Run it in this process; the exit code."""
    app.serve = partial(app.serve, solver=FakeSolver)
    return app.run(config)


def run_shallow(config: Path) -> int:
    """Run one whose queues, ZeroMQ's and the kernel's, are full after some hundred messages."""
    secure_server = sockets.secure_server

    def shallow(socket: Any, *rest: Any) -> None:
        socket.setsockopt(zmq.SNDBUF, 4096)
        secure_server(socket, *rest)

    sockets.QUEUED_MESSAGES = SHALLOW
    sockets.secure_server = shallow
    return run_fake(config)
