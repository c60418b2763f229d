"""A session in time that is told, not waited for, with its alarms."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamfit.daemon.monitoring.alarms import Watched
from streamfit.daemon.monitoring.checks import session_conditions
from streamfit.daemon.monitoring.examination import Examination
from streamfit.daemon.sessions.session import Session
from streamfit.engine.engine import Engine
from streamfit.engine.frame_assembler import Instant
from streamfit.engine.setup import Setup
from streamfit.engine.snapshot import EngineSnapshot
from streamfit.estimation.live.tracker import WindowSolver
from streamfit.estimation.live_solver import SolverFactory
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest
from streamfit.recording.mcap_file import read_session

LOOK = 0.25  # s


class WatchedSession:
    """`now` is its time, s; `came` says when each alarm was told first, by key."""

    def __init__(
        self, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, solver: SolverFactory = WindowSolver
    ) -> None:
        self.now = self._looked = 0.0
        self.came: dict[str, float] = {}
        subject = Subject.generic(skeleton, keypoints)
        setup = Setup(skeleton, rig, keypoints, subject)
        self.engine = Engine("s", setup, solver=solver, clock=lambda: self.now)
        self.pretended: dict[str, Any] = {}
        """What the snapshots of the fits say instead of what was found."""
        self.engine.snapshot = self._snapshot  # type: ignore[method-assign]
        self.session = Session("s", setup, self.engine, lambda: None)
        self.session.opened = self.session.last_message = 0.0
        self._watched = Watched("s", examination=Examination(lambda job: job()))

    @property
    def told(self) -> dict[str, str]:
        """The alarms that there are, by key."""
        return {key: alarm.text() for key, alarm in self._watched.told.items()}

    def pass_to(self, now: float) -> None:
        """Time passes; instants are answered when they are due."""
        while self._looked + LOOK <= now:
            self._looked += LOOK
            self._pass_to(self._looked)
            causes = self._watched.examination.look(self.session, self.now)
            found = session_conditions(self.session, self._watched.told, self._watched.growth, self.now, causes)
            self._watched.take(found, self.now)
            for key in self._watched.told:
                self.came.setdefault(key, self.now)
        self._pass_to(now)

    def take(self, message: KeypointsMessage, arrival: float) -> None:
        """A message arrives."""
        self.pass_to(arrival)
        self.session.last_message, self.session.last_t = arrival, message.t
        self._solve(self.engine.take(message, arrival).instants)

    def _snapshot(self, now: float | None = None) -> EngineSnapshot:
        true = Engine.snapshot(self.engine, now)
        return replace(true, fit=replace(true.fit, **self.pretended))

    def _pass_to(self, now: float) -> None:
        self.now = now
        self._solve(self.engine.due(now).instants)

    def _solve(self, instants: list[Instant]) -> None:
        for instant in instants:
            list(self.engine.solve([instant]))


def recorded(path: Path) -> tuple[Rig, KeypointSet, Callable[[], Iterator[tuple[float, KeypointsMessage]]]]:
    """The rig and keypoints of a recording, and what gives its messages with their arrivals (s)."""
    file = read_session(path)

    def messages() -> Iterable[tuple[float, KeypointsMessage]]:
        for message in file.messages({"keypoints"}):
            decoded = decode_ingest(message.payload)
            if isinstance(decoded, KeypointsMessage):
                yield message.log_time / 1e9, decoded

    return Rig.from_toml(file.cameras_toml, str(path)), KeypointSet.from_toml(file.keypoints_toml), messages
