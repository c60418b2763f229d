"""What the publisher remembers of its topics: as much as it must, and no more."""

from collections.abc import Iterator

import msgpack
import pytest
import zmq

from streamfit.daemon.publisher import MAX_TOPICS, Publisher


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        yield Publisher(socket)


def send(publisher: Publisher, kind: str, person: str) -> int:
    return int(msgpack.unpackb(publisher.send(f"{kind}/s/{person}", {"type": kind}))["seq"])


def test_people_who_are_gone_are_forgotten_and_those_who_stay_are_not(publisher: Publisher) -> None:
    first = send(publisher, "model", "stays")
    for i in range(2 * MAX_TOPICS):
        assert send(publisher, "kinematics", "stays") == send(publisher, "kinematics", "stays") - 1
        send(publisher, "model", f"p{i}")
        send(publisher, "kinematics", f"p{i}")
    assert len(publisher._sequence) == MAX_TOPICS
    assert len(publisher._models) <= MAX_TOPICS
    assert "model/s/stays" in publisher._models
    assert send(publisher, "model", "stays") == first + 1


def test_a_topic_that_was_forgotten_goes_on_above(publisher: Publisher) -> None:
    last = send(publisher, "kinematics", "back")
    for i in range(MAX_TOPICS):
        send(publisher, "kinematics", f"p{i}")
    assert send(publisher, "kinematics", "back") > last
