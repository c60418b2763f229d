"""What the solver leaves for later where time is short."""

import asyncio
import time
from collections import defaultdict
from types import SimpleNamespace

import pytest

from streamfit.daemon.backlog import REACH, Backlog
from streamfit.daemon.durations import Durations
from streamfit.daemon.instants import Instant
from streamfit.daemon.solver import Solver
from streamfit.fit.estimate import Haste

WORK = 0.01  # s that each turn takes


class Patient:
    """Of a session what the solver needs; notes the haste in which it is to answer."""

    def __init__(self) -> None:
        self.name = self.source = "a"
        self.turn, self.ending = -1, None
        self.backlog, self.stages = Backlog(), defaultdict(Durations)
        self.haste: list[Haste] = []
        self.live = SimpleNamespace(solve=self.solve, fits=SimpleNamespace(failures=0))

    def solve(self, *instants, haste):
        self.haste.append(haste)
        time.sleep(WORK)
        return iter([[]])

    def note_taken(self, instants): ...

    def note_answered(self, instants): ...


async def hastes(gap: float, turns: int, at_once: int = 1) -> list[Haste]:
    """Of that many turns, whose instants come `gap` s apart."""
    session = Patient()
    solver = Solver(lambda: [session], lambda *_: None)
    running = asyncio.create_task(solver.run())
    for turn in range(turns):
        for one in range(at_once):
            session.backlog.put(Instant(t=turn + one * 2 * REACH, views=(), arrival=0.0))
        solver.wake()
        await asyncio.sleep(gap)
    await solver.call(lambda: None)
    running.cancel()
    solver.close()
    assert session.live.fits.failures == 0
    return session.haste


@pytest.mark.parametrize(("gap", "expected"), [(5 * WORK, Haste.NONE), (1.2 * WORK, Haste.SOME)])
async def test_a_solver_that_works_most_of_the_time_is_in_some_haste(gap, expected):
    found = await hastes(gap, 60)
    alone = [haste for haste in found if haste is not Haste.MUCH]
    assert alone[0] is Haste.NONE
    assert alone[-1] is expected


async def test_where_others_wait_there_is_much_haste():
    assert await hastes(8 * WORK, 3, at_once=2) == 3 * [Haste.MUCH, Haste.NONE]
