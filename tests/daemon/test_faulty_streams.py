"""Streams of nobody, of nonsense and of names that change, played into a session without sockets."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.playback import open_recording

NOBODY = ("empty-room/iid", "empty-room/ghost")
NONSENSE = tuple(f"garbage-tracking/{kind}" for kind in ("normalised", "centimetres", "half_resolution"))


def played(file: Path, skeleton: Skeleton, everybody: bool = False, most: int | None = None) -> dict[str, list[Any]]:
    """What a session answers to a recording, by kind of topic; of one person or of all who are in it."""
    recording = open_recording(file, skeleton)
    engine = recording.engine(skeleton, Subject.generic(skeleton, recording.keypoints))
    if everybody:
        object.__setattr__(recording, "_used", lambda message: message)
    out = defaultdict(list)
    for instant in islice(recording.played(engine), most):
        for answer in chain.from_iterable(engine.solve([instant])):
            out[answer.kind].append(answer.payload)
    for answer in chain.from_iterable(engine.finish()):
        out[answer.kind].append(answer.payload)
    snapshot = engine.snapshot()
    assert snapshot.fit.failures == 0
    assert not snapshot.rejected
    return out


@pytest.mark.parametrize("name", [*NOBODY, *NONSENSE])
def test_nobody_is_never_followed_and_never_walks(faults, skeleton, name):
    said = played(faults / f"{name}.mcap", skeleton, most=60)
    assert {p["state"] for p in [*said["kinematics"], *said["smoothed"]]} == {"lost"}
    assert not said["gait"]
    assert not said["steps"]
    assert all(np.isnan(p["contact_left"]) for p in said["kinematics"])


@pytest.mark.slow
def test_two_cameras_that_agree_follow_as_before(faults, skeleton):
    said = played(faults / "two-cameras/right.mcap", skeleton)
    states = [p["state"] for p in said["kinematics"]]
    assert set(states) == {"tracking", "coasting"}
    assert states.count("tracking") > 0.99 * len(states)


@pytest.mark.parametrize("name", ["churn", "per_camera"])
@pytest.mark.slow
def test_names_that_change_all_the_time_take_nobodys_place(faults, skeleton, name):
    said = played(faults / f"identities/{name}.mcap", skeleton, everybody=True)
    answered = {p["t"] for p in said["kinematics"]}
    assert len(answered) > 90
    if name == "churn":
        seen = {p["t"] for p in said["kinematics"] if p["state"] == "tracking"}
        assert len(seen) > 0.95 * len(answered)
