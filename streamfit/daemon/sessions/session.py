"""A session of the daemon: its engine with its queue, recording and counters."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from streamfit.daemon.monitoring.histogram import Histogram
from streamfit.daemon.net.reputation import Sender
from streamfit.daemon.scheduling.backlog import Backlog
from streamfit.daemon.sessions.progress import Progress
from streamfit.daemon.sessions.recording import Recording
from streamfit.engine.answers import Answer
from streamfit.engine.engine import Engine, Turn
from streamfit.engine.frame_assembler import Instant
from streamfit.engine.setup import Setup
from streamfit.protocol.ingest import KeypointsMessage

RECENT_ANSWERS = 1024
MAX_MODELS = 64  # that a recording begins with; persons come and go
IN_USE = 1.0  # s after a message in which a session is one that somebody needs
STAGES = ("decode", "assemble", "queue", "fit", "smooth", "publish")
"""Of the way from a view's bytes to its answer; `smooth` comes when that is out."""


@dataclass(frozen=True, eq=False)
class SolverJob:
    """What the solver has begun for a session: the stages still to come, and of how many instants; 0 at its end."""

    stages: Iterator[list[Answer]]
    instants: int = 0


class Session:
    """Takes messages on the event loop; the solver takes instants from its `backlog`.

    `on_instants` is called when there is something to solve. `sender` is whose it is: who sent to it last, but
    nobody suspect while another does; `turn` is the number of the solver's last turn for it. Times are those of
    time.monotonic, s.
    """

    def __init__(self, name: str, setup: Setup, engine: Engine, on_instants: Callable[[], None]):
        self.name, self.setup, self.engine = name, setup, engine
        self.backlog = Backlog()
        self.recording: Recording | None = None
        self.models: dict[str, bytes] = {}
        self.calibration: Progress | None = None
        self.under_way: SolverJob | None = None
        self.ending: asyncio.Future[None] | None = None
        self.opened = time.monotonic()
        self.last_message = self.opened
        self.last_t = float("-inf")
        self.instants = 0
        self.answered = 0
        self.lost = 0
        """Times that instants or answers were lost on the way."""
        self.stages = {stage: Histogram() for stage in STAGES}
        self.latency = Histogram()
        self.latencies: deque[float] = deque(maxlen=RECENT_ANSWERS)
        self.turns: deque[tuple[float, int]] = deque(maxlen=RECENT_ANSWERS)
        """When the solver had answered how many instants."""
        self.sender: Sender | None = None
        self.turn = -1
        self._needed = float("-inf")
        self._on_instants = on_instants
        self._timer: asyncio.TimerHandle | None = None

    @property
    def suspect(self) -> bool:
        """Whether it is only of a sender most of whose messages cannot be read."""
        return self.sender is not None and self.sender.suspect

    def in_use(self, now: float) -> bool:
        """Whether others are to be held back for it."""
        return now - self._needed < IN_USE

    def take(self, message: KeypointsMessage, payload: bytes, arrival: float, sender: Sender | None) -> Counter[str]:
        """A message that arrived from `sender`, `payload` its bytes; what of it was not used: reason -> count."""
        self.stages["decode"].observe(time.monotonic() - arrival)
        if sender is None or not sender.suspect:
            self.sender, self._needed = sender, arrival
        elif not self.in_use(arrival):
            self.sender = sender
        self.last_message = arrival
        self.last_t = message.t
        if self.recording is not None:
            self.recording.put("keypoints", payload, message.t)
        turn = self.engine.take(message, arrival)
        self._go_on(turn)
        return turn.rejected

    def note(self, answer: Answer, payload: bytes, now: float) -> None:
        """Count and record what was published `now`."""
        if self.recording is not None:
            self.recording.put(answer.topic, payload, max(self.last_t, 0.0) if answer.t is None else answer.t)
        if answer.kind == "model":
            self.models[answer.topic] = payload
            if len(self.models) > MAX_MODELS:
                del self.models[next(iter(self.models))]
        elif answer.kind == "kinematics" and (latency := answer.latency(now)) is not None:
            self.latencies.append(latency)
            self.latency.observe(latency)

    def note_taken(self, instants: Iterable[Instant]) -> None:
        """Instants are about to be answered."""
        now = time.monotonic()
        for instant in instants:
            self.stages["assemble"].observe(max(0.0, instant.queued - instant.arrival))
            self.stages["queue"].observe(now - instant.queued)

    def note_answered(self, instants: int) -> None:
        """So many instants were answered."""
        self.answered += instants
        self.turns.append((time.monotonic(), self.answered))

    def end(self) -> asyncio.Future[None]:
        """No more messages: the future is done when the solver has answered all that is left."""
        if self.ending is None:
            self.ending = asyncio.get_running_loop().create_future()
            if self._timer is not None:
                self._timer.cancel()
            self._queue(self.engine.flush().instants)
            self._on_instants()
        return self.ending

    def _go_on(self, turn: Turn) -> None:
        self._queue(turn.instants)
        if turn.instants:
            self._on_instants()
        deadline = turn.deadline
        if self._timer is not None:
            if self._timer.when() == deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._tick)

    def _queue(self, instants: list[Instant]) -> None:
        self.instants += len(instants)
        for instant in instants:
            self.backlog.put(instant)

    def _tick(self) -> None:
        self._timer = None
        self._go_on(self.engine.due(time.monotonic()))
