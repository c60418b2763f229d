"""When a sender is suspect, and which session is whose."""

import time
from collections.abc import Hashable

import numpy as np
import pytest
from daemon_process import CONFIGS
from fake_solver import FakeSolver
from watched_session import WatchedSession

from streamfit.daemon.net.reputation import ENOUGH, FORGOTTEN, MAX_SENDERS, Sender, Senders
from streamfit.daemon.sessions.session import IN_USE
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage


def heard(pattern: str, rate: float = 60.0, sender: Sender | None = None, since: float = 0.0) -> Sender:
    """A sender after messages that can be read (r) or not (x)."""
    sender = sender or Sender("a")
    for i, one in enumerate(pattern):
        sender.note(one == "r", since + i / rate)
    return sender


@pytest.mark.parametrize(
    ("pattern", "rate", "suspect"),
    [
        ("", 60.0, False),
        (40 * "x", 60.0, False),
        (60 * "x", 60.0, True),
        (200 * "xxr", 60.0, True),
        (200 * "xrr", 60.0, False),
        (600 * "x", 1.0, False),  # by hand
        (300 * "r" + 120 * "x", 60.0, False),
        (300 * "r" + 400 * "x", 60.0, True),
    ],
)
def test_who_sends_mostly_what_cannot_be_read_is_suspect(pattern, rate, suspect):
    assert heard(pattern, rate).suspect is suspect


def test_a_sender_that_has_mended_its_ways_is_suspect_no_more():
    sender = heard(600 * "x")
    assert sender.suspect
    after = FORGOTTEN
    for again in range(2):
        heard(600 * "r", sender=sender, since=10.0 + after + 10.0 * again)
    assert not sender.suspect


def test_the_senders_remembered_are_bounded_and_those_heard_of_late_stay():
    senders = Senders()
    asked: list[Hashable] = []

    def of(key: Hashable) -> Sender:
        return senders.of(key, lambda: asked.append(key) or Sender(str(key)))

    first = of("first")
    for other in range(3 * MAX_SENDERS):
        of(other)
        assert of("first") is first
    assert of(3 * MAX_SENDERS - 1).address == str(3 * MAX_SENDERS - 1)
    assert asked.count("first") == 1
    assert not heard(int(ENOUGH) * "x", sender=of(0)).suspect


async def test_a_session_is_whose_messages_can_be_read_as_long_as_such_come(skeleton: Skeleton) -> None:
    session = WatchedSession(
        skeleton, Rig.load(CONFIGS / "cameras.toml"), KeypointSet.load("coco17"), FakeSolver
    ).session
    good, bad, began = Sender("b"), heard(100 * "x"), time.monotonic()

    def take(sender: Sender, after: float) -> None:
        view = ViewMessage("cam_01", None, "0", np.ones((17, 3)))
        session.take(KeypointsMessage("s", after, None, (view,)), b"", began + after, sender)

    take(bad, 0.0)
    assert session.suspect
    assert not session.in_use(began)
    take(good, 0.1)
    take(bad, 0.2)
    assert session.sender is good
    assert session.in_use(began + 0.2)
    take(bad, 0.3 + IN_USE)
    assert session.sender is bad
    assert not session.in_use(began + 0.3 + IN_USE)
    session.end()
