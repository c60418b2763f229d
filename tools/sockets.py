"""Options that the tools share: a daemon's addresses and keys."""

from pathlib import Path
from typing import Any

import click

from streamfit.protocol.codec import Rejected, decode_map

INGEST, PUBLISH, CONTROL = (f"tcp://127.0.0.1:{port}" for port in (5570, 5571, 5572))

ingest_option = click.option("--ingest", default=INGEST, show_default=True, help="Where the daemon takes keypoints.")
publish_option = click.option("--publish", default=PUBLISH, show_default=True, help="Where it publishes.")
keys_option = click.option(
    "--keys",
    metavar="CLIENT.key_secret",
    type=click.Path(path_type=Path),
    help="This client's secret key, with server.key beside it, for a daemon that asks for keys.",
)


def message_of(payload: bytes) -> dict[str, Any] | None:
    """The map in a payload, None where there is none."""
    try:
        return decode_map(payload)
    except Rejected:
        return None
