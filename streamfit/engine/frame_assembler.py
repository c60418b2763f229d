"""Views in, instants out: which times are answered, and with what. Pure: `now` is always passed in.

Triggered: views within 1 ms are one instant. Free: the capture times of the reference camera (the first of
the calibration that is sending) are the instants, and every view up to such a time goes with it. `auto`
starts as triggered and turns to free when a camera lies off another's grid for two of its views in a row.

An instant is answered once it is complete or `wait` after its first view, in order of time. Complete is
- triggered: every active camera whose frame period says so has sent its view; or as many messages have come
  as each of the last few instants came in, with nothing late since (so a detector that sends one message per
  instant is not waited for when it misses a view);
- free: no active camera has a view on its way, judged by its frame period and its slowest recent arrival.

A view for an instant that is answered already is late: it goes with the next instant, at its own time.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from streamfit.engine.camera_stream import CameraStream
from streamfit.engine.clock_jump import Timeline, Verdict
from streamfit.estimation.estimate import View

Sync = Literal["auto", "triggered", "free"]
TOGETHER = 1e-3  # s
ROUNDING = 1e-9
OFF_GRID_VIEWS = 2
STEADY_INSTANTS = 15
STEADY_WHOLE_INSTANTS = 3  # where one message brings all the views
REMEMBERED_VIEWS = 64  # per camera and person, to know one that comes twice
MAX_OPEN = 64
MAX_KEPT = 1024


@dataclass(frozen=True, eq=False)
class Instant:
    """A time to answer, `views` not handed out before, and when the last view of this instant arrived."""

    t: float
    views: tuple[View, ...]
    arrival: float
    persons: tuple[str, ...] = ()
    queued: float = 0.0
    """When it was handed out."""


@dataclass(eq=False)
class _Open:
    t: float
    first: float
    last: float
    views: list[View] = field(default_factory=list)
    messages: int = 0


class FrameAssembler:
    """Instants of one session with `cameras` cameras; `wait` in s. Everything it holds is bounded."""

    def __init__(self, cameras: int, sync: Sync = "auto", wait: float = 0.02):
        self.cameras = [CameraStream() for _ in range(cameras)]
        self.free = sync == "free"
        self._auto = sync == "auto"
        self._wait = wait
        self._timeline: Timeline[View] = Timeline()
        self._open: list[_Open] = []
        self._ready: list[Instant] = []
        self._kept: list[View] = []
        self._answered = float("-inf")
        self._known: dict[tuple[int, str], deque[float]] = {}
        self._off_grid = [0] * cameras
        self._usual_messages = 0
        self._steady = 0

    def add(self, t: float, views: Sequence[View], now: float) -> Counter[str]:
        """Take the views of one message of time `t`; what was not used: reason -> count."""
        dropped: Counter[str] = Counter()
        touched: set[_Open] = set()
        for view in views:
            off = self._timeline.off(view.t, now)
            if off is not None:
                self.cameras[view.camera].astray = (now, off)
            self._follow(self._timeline.judge(view, now), t, touched, dropped)
        if not views:
            self._take_empty(t, now, touched)
        for instant in touched:
            instant.messages += 1
        return dropped

    def due(self, now: float) -> list[Instant]:
        """The instants to answer now, in order of time."""
        while self._open and (len(self._open) > MAX_OPEN or self._is_due(self._open[0], now)):
            self._answer(self._open.pop(0))
        due, self._ready = self._ready, []
        return due

    def next_deadline(self) -> float | None:
        """When to ask `due` again if nothing comes in the meantime; on the clock of `now`."""
        return self._until(self._open[0]) if self._open else None

    def flush(self) -> list[Instant]:
        """All instants that are still open, complete or not: there will be no more."""
        self._follow(self._timeline.end(), float("nan"), set(), Counter())
        self._answer_all()
        return self.due(float("-inf"))

    def run_free(self) -> None:
        """Take the cameras as running free, as they were found to be before, unless the settings say otherwise."""
        self.free |= self._auto

    def forget(self, person: str) -> None:
        """Drop what is remembered of `person`'s views."""
        self._known = {key: times for key, times in self._known.items() if key[1] != person}

    def _follow(self, verdict: Verdict[View], sent: float, touched: set[_Open], dropped: Counter[str]) -> None:
        """Do with views of a message of time `sent` what was found about their times."""
        for lost in verdict.dropped:
            self._drop(lost, "time_jump", dropped)
        if verdict.restarted:
            self._restart()
        for usable in verdict.use:
            self._take(usable, sent, touched, dropped)

    def _take(self, view: View, sent: float, touched: set[_Open], dropped: Counter[str]) -> None:
        known = self._known.setdefault((view.camera, view.person), deque(maxlen=REMEMBERED_VIEWS))
        if view.t in known:
            return self._drop(view, "duplicate", dropped)
        known.append(view.t)
        self.cameras[view.camera].saw(view.t, view.arrival)
        if self._auto and not self.free:
            self._look_for_free_running(view)
        is_late = view.t <= self._answered + (0.0 if self.free else TOGETHER)
        if is_late:
            self.cameras[view.camera].late += 1
            self._steady = 0
        if self.free or is_late:
            self._keep(view)
            if self.free and not is_late and view.camera == self._reference(view.arrival):
                self._instant_at(view.t, view.t, view.arrival)
            return None
        instant = self._instant_at(view.t, sent, view.arrival)
        if any((v.camera, v.person) == (view.camera, view.person) for v in instant.views):
            return self._drop(view, "duplicate", dropped)
        instant.views.append(view)
        instant.last = view.arrival
        touched.add(instant)
        return None

    def _take_empty(self, t: float, now: float, touched: set[_Open]) -> None:
        """Nobody was seen at `t`: that too is an instant, where cameras are triggered together."""
        if self._timeline.runs_on(t, now):
            self._timeline.advance(t, now)
            if not self.free and t > self._answered + TOGETHER:
                touched.add(self._instant_at(t, t, now))

    def _instant_at(self, t: float, sent: float, arrival: float) -> _Open:
        """The open instant of time `t`, a new one if there is none; its time is the one that was sent."""
        tolerance = ROUNDING + (0.0 if self.free else TOGETHER)
        for instant in reversed(self._open):
            if abs(instant.t - t) <= tolerance:
                return instant
        as_sent = abs(sent - t) <= tolerance and sent > self._answered
        instant = _Open(sent if as_sent else t, arrival, arrival)
        self._open.append(instant)
        self._open.sort(key=lambda o: o.t)
        return instant

    def _is_due(self, instant: _Open, now: float) -> bool:
        if now >= self._until(instant):
            return True
        if self.free:
            return False
        enough = STEADY_WHOLE_INSTANTS if self._usual_messages == 1 and len(instant.views) > 1 else STEADY_INSTANTS
        if self._steady >= enough and instant.messages >= self._usual_messages:
            return True
        sent = {view.camera for view in instant.views}
        return not any(
            camera.active(now) and camera.may_see(instant.t) for i, camera in enumerate(self.cameras) if i not in sent
        )

    def _until(self, instant: _Open) -> float:
        """How long to wait for the views of `instant`."""
        if not self.free:
            return instant.first + self._wait
        expected = max(camera.expected_by(instant.t, instant.first) for camera in self.cameras)
        return min(instant.first + self._wait, expected)

    def _answer(self, instant: _Open) -> None:
        views = [view for view in self._kept if view.t <= instant.t + ROUNDING] + instant.views
        self._kept = [view for view in self._kept if view.t > instant.t + ROUNDING]
        arrival = max((view.arrival for view in views), default=instant.last) if self.free else instant.last
        self._steady = self._steady + 1 if instant.messages == self._usual_messages else 1
        self._usual_messages = instant.messages
        self._answered = instant.t
        self._ready.append(Instant(instant.t, tuple(sorted(views, key=lambda v: v.t)), arrival))

    def _answer_all(self) -> None:
        for instant in self._open:
            self._answer(instant)
        self._open.clear()

    def _keep(self, view: View) -> None:
        """Until an instant takes it."""
        self._kept.append(view)
        if len(self._kept) > MAX_KEPT:
            self.cameras[self._kept.pop(0).camera].dropped += 1

    def _reference(self, now: float) -> int:
        return next(i for i, camera in enumerate(self.cameras) if camera.active(now))

    def _look_for_free_running(self, view: View) -> None:
        mine, t = self.cameras[view.camera], view.t
        off = False
        for other in self.cameras if mine.short_period else ():
            if other.last_t is None or not other.short_period or abs(t - other.last_t) <= TOGETHER + ROUNDING:
                continue
            # nearer than 3/4 of a period: a triggered camera that missed a picture is a whole one away
            off |= abs(t - other.last_t) < 0.75 * min(mine.short_period or 0.0, other.short_period)
        self._off_grid[view.camera] = self._off_grid[view.camera] + 1 if off else 0
        if self._off_grid[view.camera] >= OFF_GRID_VIEWS:
            self._answer_all()
            self.free = True

    def _restart(self) -> None:
        self._answer_all()
        self._kept.clear()
        self._known.clear()
        self._answered = float("-inf")
        self._off_grid = [0] * len(self.cameras)
        for camera in self.cameras:
            camera.restart()

    def _drop(self, view: View, reason: str, dropped: Counter[str]) -> None:
        self.cameras[view.camera].dropped += 1
        dropped[reason] += 1
