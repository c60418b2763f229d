"""Recordings of messages that a test writes itself: two cameras, coco17."""

from pathlib import Path

import numpy as np
from simulated import rig

from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionWriter

BOTH = (("cam_01", "0"), ("cam_02", "0"))
"""Views of both cameras: their names, and whom they see."""


def message(t: float, *views: tuple[str, str], count: int = 17) -> bytes:
    body = [{"camera": c, "person": p, "xyc": np.full((count, 3), 0.5)} for c, p in views]
    return encode({"v": 1, "type": "keypoints", "session": "s", "t": t, "views": body})


def session(path: Path, *payloads: tuple[bytes, float]) -> Path:
    """Messages with their arrivals (s)."""
    with SessionWriter(path, rig(2).to_toml(), 'name = "coco17"\n') as writer:
        for payload, arrival in payloads:
            writer.write("keypoints", payload, int(arrival * 1e9), 0)
    return path
