"""Messages as somebody might send who means harm, or whose program is broken: valid ones, damaged at random."""

import random
from collections.abc import Iterator, Sequence

import numpy as np

from streamfit.protocol.codec import VERSION, encode
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest

HEADS = (b"\xc0", b"\xc1", b"\xca\x7f\xc0\x00\x00", b"\xcb\x7f\xf8", b"\xcf" + b"\xff" * 8, b"\xd3\x80" + bytes(7))
LENGTHS = (b"\xc6\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\x00\xff\xff\xff")
NESTED = (b"\x91" * 600, b"\x81\xa1a" * 600, b"\xdc\x03\xe8" * 300, b"\xc7\x08\x05" + bytes(8), b"\xd4\xff\x00")
TREATS = (*HEADS, *LENGTHS, *NESTED, b"\xa3\xff\xfe\xfd", b"", b"\x00")
STRUCTURE = 200
"""Bytes at the beginning of a message in which most of its structure is."""
OPERATIONS = ("status", "sessions", "open", "calibrate", "record", "reload", "close")


def ingest_seeds(payloads: Sequence[bytes], session: str) -> list[bytes]:
    """The messages of a recording as those of another session: together, per camera, as lists; and its end."""
    seeds = [encode({"v": VERSION, "type": "end", "session": session})]
    for payload in payloads:
        message = decode_ingest(payload)
        assert isinstance(message, KeypointsMessage)
        head = {"v": VERSION, "type": "keypoints", "session": session, "t": message.t}
        views = [{"camera": v.camera, "person": v.person, "xyc": v.xyc.astype(np.float32)} for v in message.views]
        seeds.append(encode(head | {"views": views}))
        seeds.append(encode(head | {"views": [views[0] | {"t": message.t}]}))
        seeds.append(encode(head | {"views": [view | {"xyc": view["xyc"].tolist()} for view in views[:2]]}))
    return seeds


def control_seeds(session: str, cameras: str, keypoints: str, subject: str) -> list[bytes]:
    """A request of every operation but `shutdown`, which would do as it is told."""
    fields = {
        "open": {"cameras": cameras, "keypoints": keypoints, "subject": subject},
        "calibrate": {"seconds": 5.0},
        "record": {"on": True},
    }
    return [
        encode({"v": VERSION, "type": name, "id": 1, "session": session} | fields.get(name, {})) for name in OPERATIONS
    ]


def mutations(seeds: Sequence[bytes], random: random.Random) -> Iterator[bytes]:
    """Damaged copies of `seeds`, for ever."""
    while True:
        payload = bytearray(random.choice(seeds))
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            payload = _mutated(payload, seeds, random)
        yield bytes(payload)


def _mutated(payload: bytearray, seeds: Sequence[bytes], random: random.Random) -> bytearray:
    if not payload:
        return bytearray(random.choice(TREATS))
    at = random.randrange(min(len(payload), STRUCTURE) if random.random() < 0.7 else len(payload))
    kind = random.randrange(6)
    if kind == 0:
        payload[at] ^= 1 << random.randrange(8)
    elif kind == 1:
        payload[at] = random.randrange(256)
    elif kind == 2:
        treat = random.choice(TREATS)
        payload[at : at + random.choice((0, 1, len(treat)))] = treat
    elif kind == 3:
        del payload[at : at + random.choice((1, 2, 8, len(payload)))]
    elif kind == 4:
        payload[at:at] = payload[at : at + random.randrange(1, 64)]
    else:
        other = random.choice(seeds)
        payload[at:] = other[random.randrange(len(other)) :]
    return payload
