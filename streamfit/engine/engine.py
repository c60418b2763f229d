"""One session, live, without any transport: keypoint messages in, answers out.

Assembling (`take`, `due`, `flush`) is cheap and belongs to the thread that receives; fitting (`prepare`, `solve`,
`finish`, `set_subject`) takes milliseconds and belongs to the one solver thread. What crosses between the two is
frozen: instants one way, a `FitSnapshot` after each turn the other way.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from streamfit.engine.active_persons import ActivePersons
from streamfit.engine.answers import Answer
from streamfit.engine.association import Association, Prediction, TrustSender
from streamfit.engine.frame_assembler import FrameAssembler, Instant, Sync
from streamfit.engine.history import History
from streamfit.engine.person_pipelines import PersonPipelines
from streamfit.engine.setup import Setup
from streamfit.engine.snapshot import CameraSnapshot, EngineSnapshot
from streamfit.estimation.estimate import Load, View
from streamfit.estimation.live.clock_sync import ClockState
from streamfit.estimation.live.tracker import WindowSolver
from streamfit.estimation.live_solver import SolverFactory
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage, has_several


@dataclass(frozen=True)
class IngestSettings:
    """How views become instants: [ingest] of the configuration; `wait` in s."""

    sync: Sync = "auto"
    wait: float = 0.02


@dataclass(frozen=True, eq=False)
class Turn:
    """What comes of a message, or of time that has passed.

    `instants` are to be solved now, in order; `rejected` counts what of the message was not used, by reason;
    `deadline` is when to ask `due` again if nothing comes in the meantime, s on the engine's clock.
    """

    instants: list[Instant]
    rejected: Counter[str] = field(default_factory=Counter)
    deadline: float | None = None


class Engine:
    """The engine of one session. `clock` is that of the arrivals, s; answers are dated with it."""

    def __init__(
        self,
        name: str,
        setup: Setup,
        ingest: IngestSettings | None = None,
        lag: float = 0.1,
        solver: SolverFactory = WindowSolver,
        association: Association | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        ingest = ingest or IngestSettings()
        self.name, self.rig, self.keypoints, self.clock = name, setup.rig, setup.keypoints, clock
        self._rejected: Counter[str] = Counter()
        self._details: dict[str, str] = {}
        self._several = 0
        self._assembler = FrameAssembler(len(setup.rig.names), ingest.sync, ingest.wait)
        self._apart, own = setup.subject.started_apart(setup.rig)
        self._persons = PersonPipelines(name, replace(setup, subject=own), lag, solver)
        self._association = association or TrustSender()
        self._active = ActivePersons()
        self._history = History()
        self._camera_index = {camera: i for i, camera in enumerate(setup.rig.names)}

    def take(self, message: KeypointsMessage, arrival: float) -> Turn:
        """Take a message that reached us at `arrival`, s on the clock."""
        rejected: Counter[str] = Counter()
        self._several += has_several(message)
        for rejection in message.rejected:
            self._refuse(rejected, rejection.reason, rejection.detail)
        usable = [self._admitted(view, message.t, arrival, rejected) for view in message.views]
        views = [view for view in usable if view is not None]
        if views or not (message.views or message.rejected):
            for reason, count in self._assembler.add(message.t, views, arrival).items():
                self._refuse(rejected, reason, f"at t = {message.t:.6f} s", count)
        for person in self._active.leave(arrival):
            self._assembler.forget(person)
        return self._turn(self._assembler.due(arrival), rejected)

    def due(self, now: float) -> Turn:
        """Instants that are complete or have waited long enough."""
        return self._turn(self._assembler.due(now), Counter())

    def deadline(self) -> float | None:
        """When to ask `due` again if nothing comes in the meantime."""
        return self._assembler.next_deadline()

    def flush(self) -> Turn:
        """The instants still waiting for views: there will be no more."""
        return self._turn(self._assembler.flush(), Counter())

    def reject(self, reason: str, detail: str) -> None:
        """Count a message for this session that could not be read."""
        self._refuse(Counter(), reason, detail)

    def snapshot(self, now: float | None = None) -> EngineSnapshot:
        """What has come in so far, and the fits after their last turn; on the thread that receives.

        Rates and silences are those `now`, s on the clock; its present time where none is given.
        """
        now = self.clock() if now is None else now
        streams = zip(self.rig.names, self._assembler.cameras, strict=True)
        return EngineSnapshot(
            cameras=tuple(CameraSnapshot.of(name, stream, now) for name, stream in streams),
            free=self._assembler.free,
            rejected=dict(self._rejected),
            details=dict(self._details),
            several=self._several,
            fit=self._persons.snapshot,
        )

    def instants_lately(self, seconds: float) -> list[Instant]:
        """The instants of the last `seconds`, as far as they are remembered."""
        return self._history.instants_lately(seconds)

    def lately(self, seconds: float) -> tuple[str, list[tuple[float, list[View]]]]:
        """The person most seen in the last `seconds` (as far as is remembered), and their views by instant."""
        return self._history.lately(seconds)

    def resume(self, free: bool, clocks: ClockState | None) -> None:
        """Go on from what was found out before a restart, and nothing was solved yet. Raises ValueError."""
        if free:
            self._assembler.run_free()
        if clocks is not None:
            self._persons.resume(clocks)

    def set_subject(self, subject: Subject) -> None:
        """Take another frozen subject from the next instant on; on the solver thread."""
        self._apart, own = subject.started_apart(self.rig)
        self._persons.set_subject(own)

    def prepare(self) -> None:
        """Compile everything this session will need; takes seconds the first time."""
        self._persons.prepare()

    def recipe(self) -> Callable[[], None]:
        """What compiles the same in another process, to which it can be sent."""
        return self._persons.recipe()

    def solve(self, instants: Sequence[Instant], load: Load = Load.NORMAL) -> Iterator[list[Answer]]:
        """The answers to instants as they are ready.

        Several are solved for together, and are of the same persons.
        """
        return self._persons.solve(instants, self._received(), load)

    def finish(self) -> Iterator[list[Answer]]:
        """The smoothed answers that are still to come; the next instant starts anew."""
        return self._finished(self._received())

    def _finished(self, received: float) -> Iterator[list[Answer]]:
        yield self._persons.finish(received)

    def _turn(self, due: list[Instant], rejected: Counter[str]) -> Turn:
        instants = [self._handed_out(instant, rejected) for instant in due]
        return Turn(instants, rejected, self.deadline())

    def _handed_out(self, instant: Instant, rejected: Counter[str]) -> Instant:
        """An instant with the views of the session's persons, by the association's word."""
        views = []
        for view in self._association.assign(instant.t, instant.views, self._predict):
            if self._active.admit(view.person, view.arrival):
                views.append(view)
            else:
                self._refuse(rejected, "too_many_persons", f"no place for person {view.person!r}")
                self._assembler.cameras[view.camera].dropped += 1
        whole = replace(instant, views=tuple(views), persons=self._active.persons, queued=self.clock())
        self._history.add(whole)
        return whole

    def _predict(self, t: float) -> Mapping[str, Prediction]:
        return self._persons.snapshot.predict(t)

    def _received(self) -> float:
        """The largest capture time of the views that came lately, s."""
        return max((c.last_t for c in self._assembler.cameras if c.last_t is not None), default=float("-inf"))

    def _refuse(self, rejected: Counter[str], reason: str, detail: str, count: int = 1) -> None:
        """Count something that was not used."""
        rejected[reason] += count
        self._rejected[reason] += count
        self._details[reason] = detail

    def _admitted(self, view: ViewMessage, t: float, arrival: float, rejected: Counter[str]) -> View | None:
        camera = self._camera_index.get(view.camera)
        if camera is None:
            self._refuse(rejected, "unknown_camera", f"{view.camera[:64]!r} is not in the calibration")
            return None
        if len(view.xyc) != len(self.keypoints.names):
            expected = f"{self.keypoints.name} has {len(self.keypoints.names)}"
            detail = f"{view.camera}: {len(view.xyc)} keypoints, but {expected}"
            self._refuse(rejected, "wrong_keypoints", detail)
            self._assembler.cameras[camera].dropped += 1
            return None
        if view.bad_points:
            detail = f"{view.camera}: not finite, or confidence outside 0..1"
            self._refuse(rejected, "bad_point", detail, view.bad_points)
        at = (t if view.t is None else view.t) + float(self._apart[camera])
        return View(camera, at, view.xyc, view.person, arrival)
