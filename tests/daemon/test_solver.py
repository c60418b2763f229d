"""What the solver leaves for later where time is short, and to whom it gives way."""

import asyncio
import time
from collections import defaultdict
from types import SimpleNamespace

import pytest

from streamfit.daemon.monitoring.histogram import Histogram
from streamfit.daemon.net.reputation import Sender
from streamfit.daemon.scheduling.backlog import REACH, Backlog
from streamfit.daemon.scheduling.solver import Solver
from streamfit.engine.frame_assembler import Instant
from streamfit.estimation.estimate import Load

WORK = 0.01  # s that each stage takes


class Patient:
    """Of a session what the solver needs; notes the load at which it is to answer, and in `log` each of its stages."""

    def __init__(self, name: str, stages: int = 1, log: list[str] | None = None) -> None:
        self.name, self.sender, self.suspect = name, Sender(name), False
        self.turn, self.ending, self.under_way = -1, None, None
        self.backlog, self.stages = Backlog(), defaultdict(Histogram)
        self.load: list[Load] = []
        self.answered = asyncio.Event()
        self.log = [] if log is None else log
        self.engine, self.lost = SimpleNamespace(solve=self.solve, finish=self.finish), 0
        self._count = stages

    def put(self, *times: float) -> None:
        """Instants of these times wait."""
        for t in times:
            self.backlog.put(Instant(t=t, views=(), arrival=0.0))

    def solve(self, instants, load):
        self.load.append(load)
        for _ in range(self._count):
            time.sleep(WORK)
            self.log.append(self.name)
            yield []

    def finish(self):
        self.log.append(f"end of {self.name}")
        yield []

    def in_use(self, now: float) -> bool:
        return not self.suspect

    def note_taken(self, instants): ...

    def note_answered(self, instants):
        if not self.backlog:
            self.answered.set()


async def loads(pause: float, turns: int, at_once: int = 1) -> list[Load]:
    """Of that many turns, each beginning `pause` s after the one before has ended."""
    session = Patient("a")
    solver = Solver(lambda: [session], lambda *_: None)
    running = asyncio.create_task(solver.run())
    for turn in range(turns):
        session.put(*(turn + one * 2 * REACH for one in range(at_once)))
        solver.wake()
        await session.answered.wait()
        session.answered.clear()
        await asyncio.sleep(pause)
    running.cancel()
    solver.close()
    assert session.lost == 0
    return session.load


@pytest.mark.parametrize(("pause", "expected"), [(4 * WORK, Load.NORMAL), (0.1 * WORK, Load.BUSY)])
async def test_a_solver_that_works_most_of_the_time_is_busy(pause, expected):
    found = await loads(pause, 80)
    assert found[0] is Load.NORMAL
    assert found[-1] is expected


async def test_where_others_wait_it_is_overloaded():
    assert await loads(8 * WORK, 3, at_once=2) == 3 * [Load.OVERLOADED, Load.NORMAL]


async def test_who_comes_while_many_persons_of_another_session_are_answered_waits_for_one_of_them():
    log: list[str] = []
    many, one = Patient("many", stages=8, log=log), Patient("one", log=log)
    solver = Solver(lambda: [many, one], lambda *_: None)
    running = asyncio.create_task(solver.run())
    many.put(0.0)
    solver.wake()
    await asyncio.sleep(2.5 * WORK)
    one.put(0.0)
    solver.wake()
    many.ending = asyncio.get_running_loop().create_future()
    await asyncio.wait_for(many.ending, 5.0)
    running.cancel()
    solver.close()
    assert log[-1] == "end of many"
    assert log.count("many") == 8
    assert 1 <= log.index("one") <= 4
    assert many.lost == one.lost == 0


async def test_a_suspect_session_hardly_gets_a_turn_while_another_is_in_use_and_all_of_them_when_that_is_gone():
    log: list[str] = []
    rubbish, one = Patient("rubbish", log=log), Patient("one", log=log)
    rubbish.suspect = True
    solver = Solver(lambda: [rubbish, one], lambda *_: None)
    running = asyncio.create_task(solver.run())
    for turn in range(40):
        for many in range(4):
            rubbish.put(turn + 0.1 * many)
        one.put(turn)
        solver.wake()
        await one.answered.wait()
        one.answered.clear()
        await asyncio.sleep(0.3 * WORK)
    assert log.count("one") == 40
    assert 1 <= log.count("rubbish") <= 3
    one.in_use = lambda now: False
    rubbish.ending = asyncio.get_running_loop().create_future()
    await asyncio.wait_for(rubbish.ending, 10.0)  # nobody wakes the solver
    running.cancel()
    solver.close()
    assert log[-1] == "end of rubbish"
    assert log.count("rubbish") > 20
