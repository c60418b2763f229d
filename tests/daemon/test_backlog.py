import numpy as np

from streamfit.daemon.backlog import MAX_INSTANTS, MAX_VIEWS, Backlog
from streamfit.daemon.instants import Arrival, Instant


def instant(t: float) -> Instant:
    return Instant(t, (Arrival(0, "0", t, np.zeros((1, 3)), t),), t)


def test_the_oldest_make_way_and_leave_their_views() -> None:
    backlog = Backlog()
    for i in range(MAX_INSTANTS + 3):
        backlog.put(instant(i / 100))
    assert len(backlog) == MAX_INSTANTS
    assert backlog.skipped == 3
    first = backlog.take()
    assert first is not None
    assert first.t == 0.03
    assert [view.t for view in first.views] == [0.0, 0.01, 0.02, 0.03]
    second = backlog.take()
    assert second is not None
    assert len(second.views) == 1


def test_who_waits_hurries_those_before() -> None:
    backlog = Backlog()
    for i in range(3):
        backlog.put(instant(i / 100))
    taken = [backlog.take() for _ in range(4)]
    assert [one and one.hurried for one in taken] == [True, True, False, None]


def test_views_that_are_handed_on_do_not_pile_up() -> None:
    backlog = Backlog()
    for i in range(10_000):
        backlog.put(instant(i / 100))
    first = backlog.take()
    assert first is not None
    assert len(first.views) == 51  # half a second
    for i in range(10_000):
        backlog.put(instant(200 + i / 1e5))
    first = backlog.take()
    assert first is not None
    assert len(first.views) <= MAX_VIEWS
