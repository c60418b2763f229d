"""The demo's detector process: sends the keypoints of a recording in real time, as a camera system would."""

import sys
import time
from pathlib import Path

import zmq

from streamfit.protocol.codec import VERSION, Rejected, decode_map, encode
from streamfit.recording.mcap_file import read_session

_DEADLINE = 5000
"""ms that the daemon has to take a message, and the last ones at the end."""


def send(recording: Path, ingest: str) -> None:
    """Push every message when it is due, counted from the first, then `end` for each session."""
    messages = [
        (message.payload, message.log_time / 1e9) for message in read_session(recording).messages({"keypoints"})
    ]
    sessions = dict.fromkeys(_session(payload) for payload, _ in messages)
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.set(zmq.SNDTIMEO, _DEADLINE)
        push.set(zmq.LINGER, _DEADLINE)
        push.connect(ingest)
        start = time.monotonic()
        for payload, due in messages:
            time.sleep(max(0.0, start + due - messages[0][1] - time.monotonic()))
            push.send(payload)
        for session in sessions:
            if session is not None:
                push.send(encode({"v": VERSION, "type": "end", "session": session}))


def _session(payload: bytes) -> str | None:
    try:
        return decode_map(payload).get("session")
    except Rejected:
        return None


if __name__ == "__main__":
    send(Path(sys.argv[1]), sys.argv[2])
