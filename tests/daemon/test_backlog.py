from dataclasses import replace

import numpy as np
import pytest

from streamfit.daemon.monitoring.status import _fps
from streamfit.daemon.scheduling.backlog import MAX_INSTANTS, MAX_VIEWS, Backlog
from streamfit.engine.frame_assembler import Instant
from streamfit.estimation.estimate import View


def instant(t: float) -> Instant:
    return Instant(t, (View(0, t, np.zeros((1, 3)), "0", t),), t)


def test_the_oldest_make_way_and_leave_their_views() -> None:
    backlog = Backlog()
    for i in range(MAX_INSTANTS + 3):
        backlog.put(instant(i / 100))
    assert len(backlog) == MAX_INSTANTS
    assert backlog.skipped == 3
    first, second, *_ = backlog.take()
    assert first.t == 0.03
    assert [view.t for view in first.views] == [0.0, 0.01, 0.02, 0.03]
    assert len(second.views) == 1


def times(backlog: Backlog) -> list[list[float]]:
    """Those of what is taken until nothing is left."""
    return [[one.t for one in taken] for taken in iter(backlog.take, [])]


def test_who_waits_together_is_taken_together() -> None:
    backlog = Backlog()
    for i in range(6):
        backlog.put(instant(i / 100))
    assert times(backlog) == [[0.0, 0.01, 0.02, 0.03], [0.04, 0.05]]


def test_what_does_not_fit_one_window_is_taken_by_itself() -> None:
    backlog = Backlog()
    for one in (
        instant(0.0),
        instant(0.1),
        instant(0.12),
        replace(instant(0.13), persons=("0", "1")),
        instant(0.05),
        instant(0.06),
    ):
        backlog.put(one)
    assert times(backlog) == [[0.0], [0.1, 0.12], [0.13], [0.05, 0.06]]


@pytest.mark.parametrize(("rate", "together"), [(30, 1), (50, 2), (60, 3), (100, 4), (240, 4)])
def test_no_more_are_taken_than_one_step_reaches(rate: int, together: int) -> None:
    backlog = Backlog()
    for i in range(12):
        backlog.put(instant(i / rate))
    assert {len(taken) for taken in times(backlog)} == {together}


def test_views_that_are_handed_on_do_not_pile_up() -> None:
    backlog = Backlog()
    for i in range(10_000):
        backlog.put(instant(i / 100))
    first, *_ = backlog.take()
    assert len(first.views) == 51  # half a second
    assert times(backlog)
    for i in range(10_000):
        backlog.put(instant(200 + i / 1e5))
    first, *_ = backlog.take()
    assert len(first.views) <= MAX_VIEWS


def test_the_rate_of_answers_is_that_of_instants_however_many_are_answered_at_once() -> None:
    assert _fps([], 1.0) == _fps([(0.5, 4)], 1.0) == 0.0
    assert _fps([(0.5 + i / 25, 4 * i) for i in range(10)], 1.0) == pytest.approx(100.0)
    assert np.isfinite(_fps([(0.5, 4), (0.5, 8)], 1.0))
