"""The streams that the benchmarks measure with: the demo's walk as any rig and detector would send it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.codec import VERSION, encode
from streamfit.recording.mcap_file import SessionWriter
from streamfit.sim.detector import detect
from streamfit.sim.motions import RATE, walk
from streamfit.sim.person import Motion, motion, true_subject
from streamfit.sim.room import room

SESSION = "bench"
SEED = 11
SHORTEST = 2.0
"""s that the demo can plan a walk of."""
SETTLED = 100
"""Instants of a stream that are not measured: the first fit is made there, and caches fill."""
MARKERS = "movi47"
"""A marker set of the usual size: the first five points of `movi87`, which are in the middle, and 21 pairs."""


@dataclass(frozen=True)
class Shape:
    """The size of a stream; `keypoints` is a built-in set or MARKERS, `rate` in Hz, `people` are seen by every view."""

    cameras: int = 8
    keypoints: str = MARKERS
    rate: float = 100.0
    people: int = 1
    sessions: int = 1


@dataclass(frozen=True, eq=False)
class Stream:
    """`payloads`: the messages (T) of one session at times `t` (T,) s, and what a daemon needs to answer them."""

    rig: Rig
    keypoints: KeypointSet
    subject: Subject
    truth: Motion
    t: np.ndarray
    payloads: list[bytes]

    def write(self, path: Path) -> None:
        """The stream as a session file, its person attached."""
        attached = (self.rig.to_toml(), self.keypoints.to_toml(), self.subject.to_toml())
        with SessionWriter(path, *attached) as file:
            for t, payload in zip(self.t, self.payloads, strict=True):
                file.write("keypoints", payload, round(t * 1e9), round(t * 1e9))


def simulate(skeleton: Skeleton, shape: Shape, instants: int) -> Stream:
    """A walk from standing, as the shape's cameras see it; several people walk in step."""
    keypoints, rig = keypoint_set(shape.keypoints), rig_of(shape.cameras)
    subject = true_subject(skeleton, keypoints)
    t = np.arange(instants) / shape.rate
    q, events = walk(skeleton, subject.scale, max(t[-1] + 2.0 / RATE, SHORTEST))
    q = CubicSpline(np.arange(len(q)) / RATE, q)(t)
    truth = replace(motion(q, skeleton, keypoints, subject, events), t=t)
    views = detect(truth, rig, skeleton, keypoints, subject, SEED)
    people = [str(person) for person in range(shape.people)]
    payloads = [_message(frame, at, seen, rig, people) for frame, (at, seen) in enumerate(zip(t, views, strict=True))]
    return Stream(rig, keypoints, subject, truth, t, payloads)


def rig_of(cameras: int) -> Rig:
    """The demo's room with that many cameras; two look from a right angle."""
    return Rig(room(max(cameras, 4)).cameras[:cameras], "z")


def keypoint_set(name: str) -> KeypointSet:
    """A built-in set, or MARKERS."""
    if name != MARKERS:
        return KeypointSet.load(name)
    whole = KeypointSet.load("movi87")
    first = np.arange(26)
    kept = np.union1d(first, mirrored(whole)[first])
    return KeypointSet(
        name,
        tuple(whole.names[i] for i in kept),
        tuple(whole.bodies[i] for i in kept),
        whole.positions[kept],
        whole.sd[kept],
    )


def _message(frame: int, t: float, seen: np.ndarray, rig: Rig, people: list[str]) -> bytes:
    views = [
        {"camera": camera, "person": person, "xyc": xyc}
        for person in people
        for camera, xyc in zip(rig.names, seen, strict=True)
    ]
    head = {"v": VERSION, "type": "keypoints", "session": SESSION, "t": float(t), "frame": frame}
    return encode(head | {"views": views})
