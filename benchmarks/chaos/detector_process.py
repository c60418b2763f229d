"""One camera's detector as a process: sends its views of a recording there and back, in real time, until stdin ends.

Lines on stdin are JSON maps that change how: `clock` s that its capture times are ahead, `delay` s that messages take
longer and `jitter` s, of which each takes a random share more, so that they overtake each other. The first message is
told on stdout, at its time on the machine's monotonic clock, which is that of the capture times.
"""

import heapq
import json
import os
import random
import select
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from streamfit.protocol.codec import VERSION, decode_array, decode_map, encode
from streamfit.recording.mcap_file import read_session

SESSION = "chaos"
QUEUED = 100
"""Messages that wait where the daemon does not take them; later ones are dropped, as a live detector should."""


def views_of(path: Path, camera: str) -> list[np.ndarray]:
    """The camera's views (K, 3) in a recording, there and back again."""
    messages = [decode_map(message.payload) for message in read_session(path).messages({"keypoints"})]
    seen = [decode_array(v["xyc"]) for message in messages for v in message["views"] if v["camera"] == camera]
    return seen + seen[-2:0:-1]


class Detector:
    """Sends frame k at k / `rate` on the monotonic clock."""

    def __init__(self, socket: "zmq.Socket[bytes]", camera: str, views: list[np.ndarray], rate: float) -> None:
        self._socket, self._camera, self._views, self._rate = socket, camera, views, rate
        self._how = {"clock": 0.0, "delay": 0.0, "jitter": 0.0}
        self._under_way: list[tuple[float, bytes]] = []
        self._frame = int(time.monotonic() * rate) + 1
        self._sent = 0

    def run(self) -> None:
        """Until stdin ends."""
        while True:
            due = min([self._frame / self._rate, *(at for at, _ in self._under_way[:1])])
            if select.select([0], [], [], max(0.0, due - time.monotonic()))[0]:
                told = os.read(0, 65536)
                if not told:
                    return
                for line in told.splitlines():
                    self._how |= json.loads(line)
            now = time.monotonic()
            while self._frame / self._rate <= now:
                self._see(now)
            while self._under_way and self._under_way[0][0] <= now:
                self._send(heapq.heappop(self._under_way)[1])

    def _see(self, now: float) -> None:
        xyc = self._views[self._frame % len(self._views)]
        message: dict[str, Any] = {"v": VERSION, "type": "keypoints", "session": SESSION, "frame": self._frame}
        message["t"] = self._frame / self._rate + self._how["clock"]
        message["views"] = [{"camera": self._camera, "xyc": xyc}]
        arrives = now + self._how["delay"] + random.random() * self._how["jitter"]
        heapq.heappush(self._under_way, (arrives, encode(message)))
        self._frame += 1

    def _send(self, payload: bytes) -> None:
        try:
            self._socket.send(payload, zmq.DONTWAIT)
        except zmq.Again:
            return
        if not self._sent:
            print(time.monotonic(), flush=True)
        self._sent += 1


def main() -> None:
    """`detector_process.py RECORDING CAMERA INGEST RATE`"""
    path, camera, ingest, rate = sys.argv[1:]
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.set(zmq.LINGER, 0)
        push.set(zmq.SNDHWM, QUEUED)
        push.set(zmq.IMMEDIATE, 1)
        push.connect(ingest)
        Detector(push, camera, views_of(Path(path), camera), float(rate)).run()


if __name__ == "__main__":
    main()
