"""What a soak looks at, and what it calls growth."""

from dataclasses import replace

import psutil
import pytest

from benchmarks.chaos.soaked import PARTS, Listener, Part, Soaked

STEADY = [Part(i / 10, 100, 20.0, 30.0, 500.0, 23, 23) for i in range(PARTS)]


def test_nothing_is_missed_where_nothing_grows() -> None:
    assert Soaked(STEADY, 0, 0, 0, 5).missed == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"memory_mb": 520.0}, "memory grows by 4.0%"),
        ({"latency_p50": 40.0}, "latency grows from 20 to 40 ms"),
        ({"descriptors": 40}, "17 descriptors more"),
        ({"threads": 30}, "7 threads more"),
    ],
)
def test_what_grows_is_missed(more: dict[str, float], said: str) -> None:
    parts = [*STEADY[:-1], replace(STEADY[-1], **more)]
    assert Soaked(parts, 0, 0, 0, 0).missed == [said]


def test_what_is_lost_or_compiled_is_missed() -> None:
    assert Soaked(STEADY, 1, 2, 3, 0).missed == ["1 gaps", "2 instants skipped", "3 compilations"]


def test_the_listener_counts_gaps_and_ends_each_part() -> None:
    listener = Listener(psutil.Process(), "s", 1e-9)
    seq = 7
    while not listener.done:
        listener.take({"type": "kinematics", "seq": seq, "latency": 0.01})
        seq += 2
    listener.take({"type": "status", "sessions": {"s": {"skipped": 4}}})
    assert listener.gaps == listener.answers - 1 == PARTS - 1
    assert listener.skipped == 4
    assert [part.latency_p50 for part in listener.parts] == [10.0] * PARTS
    assert all(part.memory_mb > 1 and part.descriptors > 2 and part.threads > 0 for part in listener.parts)
