"""One session, live, without any transport: keypoint messages in, answers out.

Assembling (`feed`, `due`, `flush`) is cheap and belongs to the event loop; fitting (`prepare`, `solve`,
`finish`) takes milliseconds and belongs to the one solver thread. The two sides share nothing that changes
but counters.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from streamfit.engine.active_persons import ActivePersons
from streamfit.engine.answers import Answer
from streamfit.engine.frame_assembler import Arrival, FrameAssembler, Instant, Sync
from streamfit.engine.history import History
from streamfit.engine.person_pipelines import Equipment, PersonPipelines, TrackerFactory
from streamfit.estimation.estimate import Load, View
from streamfit.estimation.live.tracker import Tracker
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage, has_several


@dataclass(frozen=True)
class IngestSettings:
    """How views become instants: [ingest] of the configuration; `wait` in s."""

    sync: Sync = "auto"
    wait: float = 0.02


class LiveSession:
    """The engine of one session. `clock` is that of the arrivals, s; answers are dated with it.

    `rejected` counts what was not used by reason, `details` says for each what it was last; `several` counts the
    messages with people whom nobody tells apart.
    """

    def __init__(
        self,
        name: str,
        skeleton: Skeleton,
        rig: Rig,
        keypoints: KeypointSet,
        subject: Subject,
        ingest: IngestSettings,
        lag: float = 0.1,
        tracker_factory: TrackerFactory = Tracker,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.name, self.rig, self.keypoints = name, rig, keypoints
        self.rejected: Counter[str] = Counter()
        self.details: dict[str, str] = {}
        self.several = 0
        self.assembler = FrameAssembler(len(rig.names), ingest.sync, ingest.wait)
        self._apart, own = subject.started_apart(rig)
        equipment = Equipment(skeleton, rig, keypoints, own)
        received = partial(_received, self.assembler)
        self.fits = PersonPipelines(name, equipment, lag, tracker_factory, clock, received)
        self.clock = clock
        self._roster = ActivePersons()
        self._history = History()
        self._camera_index = {camera: i for i, camera in enumerate(rig.names)}

    def feed(self, message: KeypointsMessage, arrival: float) -> None:
        """Take a message that reached us at `arrival`, s on the clock."""
        self.several += has_several(message)
        for rejection in message.rejected:
            self.reject(rejection.reason, rejection.detail)
        usable = [self._admitted(view, message.t, arrival) for view in message.views]
        views = [view for view in usable if view is not None]
        if views or not (message.views or message.rejected):
            for reason, count in self.assembler.add(message.t, views, arrival).items():
                self.reject(reason, f"at t = {message.t:.6f} s", count)
        for person in self._roster.leave(arrival):
            self.assembler.forget(person)

    def due(self, now: float) -> list[Instant]:
        """Instants that are complete or have waited long enough, in order of time."""
        return self._handed_out(self.assembler.due(now))

    def next_deadline(self) -> float | None:
        """When to ask `due` again if nothing comes in the meantime."""
        return self.assembler.next_deadline()

    def flush(self) -> list[Instant]:
        """The instants still waiting for views: there will be no more."""
        return self._handed_out(self.assembler.flush())

    def reject(self, reason: str, detail: str, count: int = 1) -> None:
        """Count something that was not used."""
        self.rejected[reason] += count
        self.details[reason] = detail

    def instants_lately(self, seconds: float) -> list[Instant]:
        """The instants of the last `seconds`, as far as they are remembered."""
        return self._history.instants_lately(seconds)

    def lately(self, seconds: float) -> tuple[str, list[tuple[float, list[View]]]]:
        """The person most seen in the last `seconds` (as far as is remembered), and their views by instant."""
        return self._history.lately(seconds)

    def swap(self, subject: Subject) -> None:
        """Take another frozen subject from the next instant on; on the solver thread."""
        self._apart, own = subject.started_apart(self.rig)
        self.fits.swap(own)

    def prepare(self) -> None:
        """Compile everything this session will need; takes seconds the first time."""
        self.fits.prepare()

    def solve(self, *instants: Instant, load: Load = Load.NORMAL) -> Iterator[list[Answer]]:
        """The answers to instants as they are ready: topics and payloads, which lack only `seq`.

        Several are solved for together, and are of the same persons.
        """
        return self.fits.solve(instants, load)

    def finish(self) -> Iterator[list[Answer]]:
        """The smoothed answers still owed; the next instant starts anew."""
        yield self.fits.finish()

    def _handed_out(self, instants: list[Instant]) -> list[Instant]:
        for instant in instants:
            self._history.add(instant)
        persons, now = self._roster.persons, self.clock()
        return [replace(instant, persons=persons, queued=now) for instant in instants]

    def _admitted(self, view: ViewMessage, t: float, arrival: float) -> Arrival | None:
        camera = self._camera_index.get(view.camera)
        if camera is None:
            self.reject("unknown_camera", f"{view.camera[:64]!r} is not in the calibration")
            return None
        counters = self.assembler.cameras[camera]
        if len(view.xyc) != len(self.keypoints.names):
            expected = f"{self.keypoints.name} has {len(self.keypoints.names)}"
            self.reject("wrong_keypoints", f"{view.camera}: {len(view.xyc)} keypoints, but {expected}")
            counters.dropped += 1
            return None
        if not self._roster.admit(view.person, arrival):
            self.reject("too_many_persons", f"no place for person {view.person!r}")
            counters.dropped += 1
            return None
        if view.bad_points:
            self.reject("bad_point", f"{view.camera}: not finite, or confidence outside 0..1", view.bad_points)
        at = (t if view.t is None else view.t) + float(self._apart[camera])
        return Arrival(camera, view.person, at, view.xyc, arrival)


def _received(assembler: FrameAssembler) -> float:
    """The largest capture time of the views that came lately, s."""
    return max((c.last_t for c in assembler.cameras if c.last_t is not None), default=float("-inf"))
