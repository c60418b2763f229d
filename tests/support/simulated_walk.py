"""The simulated walk, once for all tests."""

import pytest

from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject
from streamfit.sim.motions import walk
from streamfit.sim.person import Motion, motion, true_subject


@pytest.fixture(scope="session")
def keypoints() -> KeypointSet:
    return KeypointSet.load("movi87")


@pytest.fixture(scope="session")
def subject(skeleton: Skeleton, keypoints: KeypointSet) -> Subject:
    return true_subject(skeleton, keypoints)


@pytest.fixture(scope="session")
def walked(skeleton: Skeleton, keypoints: KeypointSet, subject: Subject) -> Motion:
    q, events = walk(skeleton, subject.scale, 10.0)
    q.setflags(write=False)
    return motion(q, skeleton, keypoints, subject, events)
