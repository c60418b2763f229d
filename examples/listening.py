"""What the examples share: one person's instants, decoded."""

from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import zmq

PUBLISH = "tcp://127.0.0.1:5571"


def array(value: Any) -> np.ndarray:
    """An array as it is on the wire: {dtype, shape, data}, or nested lists."""
    if isinstance(value, dict):
        return np.frombuffer(value["data"], value["dtype"]).reshape(value["shape"])
    return np.array(value, float)


def instants(address: str = PUBLISH, topic: str = "kinematics/") -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    """Each message of a topic, and where each coordinate is in its vectors."""
    places: dict[str, dict[str, int]] = {}
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.subscribe("model/")
        socket.subscribe(topic)
        socket.connect(address)
        while True:
            name, payload = socket.recv_multipart()
            message, who = msgpack.unpackb(payload), name.decode().partition("/")[2]
            if message["type"] == "model":
                places[who] = {coordinate: i for i, coordinate in enumerate(message["coordinates"])}
            elif who in places:
                yield message, places[who]
