"""The alarms of the status: raised when a condition persists, cleared when it has gone."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from streamfit.daemon.monitoring.checks import WINDOW, Condition, Growth, session_conditions
from streamfit.daemon.monitoring.examination import Examination
from streamfit.daemon.monitoring.loop_lag import LoopLag
from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.scheduling.solver import Solver
from streamfit.daemon.sessions.registry import Sessions

log = logging.getLogger(__name__)
HEALED = 1.0
"""s that a condition must be gone before its alarm goes."""
STUCK = 1.0
"""s that the solver may be at one instant."""
STALLED = 0.25
"""s that the event loop may stand still."""


@dataclass
class Alarm:
    """A condition as it was seen last, since when it is so, and whether it has been told; times s, monotonic."""

    condition: Condition
    since: float
    seen: float
    told: bool = False

    def text(self) -> str:
        """One line."""
        return self.condition.text(self.seen - self.since)


@dataclass
class Watched:
    """One session, or (without a name) the daemon: its alarms by key, and how its counters grow."""

    session: str
    alarms: dict[str, Alarm] = field(default_factory=dict)
    growth: Growth = field(default_factory=Growth)
    examination: Examination = field(default_factory=Examination)

    @property
    def told(self) -> dict[str, Alarm]:
        """The alarms that there are."""
        return {key: alarm for key, alarm in self.alarms.items() if alarm.told}

    def take(self, conditions: Iterable[Condition], now: float) -> None:
        """What is wrong now; says in the log what is new and what is over."""
        for condition in conditions:
            alarm = self.alarms.setdefault(condition.key, Alarm(condition, now, now))
            alarm.condition, alarm.seen = condition, now
            if not alarm.told and now - alarm.since >= condition.after:
                alarm.told = True
                log.warning("%s%s", self.prefix, alarm.text(), extra=self._whose(alarm))
        for key, alarm in list(self.alarms.items()):
            if now - alarm.seen >= HEALED if alarm.told else alarm.seen < now:
                del self.alarms[key]
                if alarm.told:
                    log.info("%sno more: %s", self.prefix, alarm.text(), extra=self._whose(alarm))

    @property
    def prefix(self) -> str:
        """What the alarm's text begins with."""
        return f"session {self.session}: " if self.session else ""

    def _whose(self, alarm: Alarm) -> dict[str, str]:
        whose = {"session": self.session, "camera": alarm.condition.camera, "kind": alarm.condition.key}
        return {key: value for key, value in whose.items() if value}


class Alarms:
    """What somebody should look after, in words. `look` is to be called several times a second."""

    def __init__(self, health: Health, sessions: Callable[[], Sessions | None], solver: Solver, pulse: LoopLag):
        self._health, self._sessions, self._solver, self._pulse = health, sessions, solver, pulse
        self._daemon = Watched("")
        self._watched: dict[str, Watched] = {}

    @property
    def texts(self) -> list[str]:
        """A line for each."""
        told = (f"{watched.prefix}{alarm.text()}" for watched in self._all() for alarm in watched.told.values())
        return [*self._health.alarms.values(), *told]

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Changes when one comes or goes."""
        return (tuple(self._health.alarms), *((watched.session, *watched.told) for watched in self._all()))

    def count(self, session: str) -> int:
        """How many there are of a session; of the daemon itself for ""."""
        if not session:
            return len(self._health.alarms) + len(self._daemon.told)
        return len(self._watched[session].told) if session in self._watched else 0

    def look(self) -> None:
        """Compare the present with what is told."""
        if self._health.state != "ready":
            self._pulse.forget()  # while all is compiled the loop may be late
            return
        now, sessions = time.monotonic(), self._sessions()
        by_name = dict(sessions.by_name) if sessions else {}
        self._watched = {name: self._watched.get(name) or Watched(name) for name in by_name}
        for name, session in by_name.items():
            watched = self._watched[name]
            causes = watched.examination.look(session, now)
            watched.take(session_conditions(session, watched.told, watched.growth, now, causes), now)
        self._daemon.take(self._daemon_conditions(now), now)

    def _all(self) -> Iterator[Watched]:
        yield self._daemon
        yield from self._watched.values()

    def _daemon_conditions(self, now: float) -> Iterator[Condition]:
        health, growth = self._health, self._daemon.growth
        counts = {reason: growth.of(reason, count, now) for reason, count in health.rejected.items()}
        if rejected := sum(counts.values()):
            most = max(counts, key=lambda reason: counts[reason])
            what = f"{rejected} messages of no session dropped in the last {WINDOW:.0f} s"
            yield Condition("rejected", what, f"{most}: {health.details[most]}")
        if compiled := growth.of("compilations", health.late_compilations, now):
            what = f"{compiled} compilations while fitting in the last {WINDOW:.0f} s"
            yield Condition("compilations", what, "answers had to wait; please report it")
        stalled = self._pulse.worst(now)
        if stalled > STALLED:
            yield Condition("stalled", f"the event loop stood still for {stalled:.1f} s", "is the machine overloaded?")
        began = self._solver.began
        if began is not None and now - began > STUCK:
            yield Condition("stuck", f"the solver is at one instant for {now - began:.0f} s", "is it overloaded?")
