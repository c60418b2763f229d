"""What the tools share: the options for a daemon's addresses and keys, and connected sockets."""

import time
from pathlib import Path
from typing import Any

import click
import zmq

from streamfit.errors import InputError
from streamfit.protocol.codec import Rejected, decode_map

INGEST, PUBLISH, CONTROL = (f"tcp://127.0.0.1:{port}" for port in (5570, 5571, 5572))
HELLO = 3.0  # s to wait for a daemon; it sends `status` every second

ingest_option = click.option("--ingest", default=INGEST, show_default=True, help="Where the daemon takes keypoints.")
publish_option = click.option("--publish", default=PUBLISH, show_default=True, help="Where it publishes.")
keys_option = click.option(
    "--keys",
    metavar="CLIENT.key_secret",
    type=click.Path(path_type=Path),
    help="This client's secret key, with server.key beside it, for a daemon that asks for keys.",
)


def wait_for_daemon(subscriber: zmq.Socket[bytes], address: str) -> list[tuple[bytes, bytes]]:
    """What is heard up to the first `status`; no later answer is missed. InputError if none comes."""
    heard: list[tuple[bytes, bytes]] = []
    subscriber.subscribe("status")
    end = time.monotonic() + HELLO
    while subscriber.poll(max(0, int(1000 * (end - time.monotonic())))):
        topic, payload = subscriber.recv_multipart()
        heard.append((topic, payload))
        if topic == b"status":
            return heard
    raise InputError(f"{address}: no daemon publishes there; start `streamfit serve`, or name its address")


def message_of(payload: bytes) -> dict[str, Any] | None:
    """The map in a payload, None where there is none."""
    try:
        return decode_map(payload)
    except Rejected:
        return None
