"""One person, live: views in, an estimate per instant out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

from streamfit.arrays import Array
from streamfit.estimation.estimate import USABLE_CONFIDENCE, USABLE_POINTS, Estimate, Feed, Load, View, robust_rms
from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.initial_pose import InitialPose
from streamfit.estimation.init.initial_scale import CLEARLY, SizeSearch
from streamfit.estimation.live.clock_sync import Clocks, RunningMean
from streamfit.estimation.live.course import Course
from streamfit.estimation.live.explained import JUDGED, LATELY, Allowance, Explained, explains
from streamfit.estimation.live.left_right import Sides
from streamfit.estimation.live.measurement_buffer import EMPTY, JOIN, MeasurementBuffer
from streamfit.estimation.live.reinitialise import DOUBT, GAIN, ConsistencyMonitor, Reinitialiser, mean_weight
from streamfit.estimation.live.systematic_error import Excursion
from streamfit.estimation.live.window import Window
from streamfit.estimation.live.window_types import (
    Model,
    Prior,
    Reading,
    SmoothedResult,
    StepResult,
    SystematicInputs,
    Update,
)
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.host_kinematics import Placing
from streamfit.model.root import TURN, UPRIGHT, Frame, rotation_of
from streamfit.model.spline import SUPPORT, UniformSpline
from streamfit.model.subject import Subject

FAR, STEPS = 0.03, 3
"""m from where it was linearised that a keypoint may end without another step from there; how many steps at most."""
COAST = 1.0
"""s without two usable views after which a person is lost."""
TOGETHER = 0.05
"""s within which views may start a track together."""
SETTLING = 0.3
"""s at the start of a track, from rest, in which residuals tell nothing of clocks."""
ROUNDING = 1e-6
"""s."""
LEAP, FASTEST = 0.15, 10.0
"""m, and m/s: who is elsewhere by more than the first, and farther than at that speed, has not moved there."""
SURPRISED = 3
"""Instants in a row that a running fit does not explain at which it is looked whether the person has leapt."""
RETRY = 0.05
"""s after a start that explained nothing before the next is tried."""
SPARE = 0.035
"""s that the window is longer than the lag, for rates down to 30 Hz."""


@lru_cache(maxsize=16)
def _compiled(
    skeleton: Skeleton, bodies: tuple[int, ...], settings: FitSettings, lag: float
) -> tuple[Window, InitialPose]:
    """The compiled functions, shared by all persons of one skeleton and keypoint layout."""
    kinematics = Kinematics(skeleton, np.array(bodies))
    intervals = int(np.ceil((lag + SPARE) / settings.spacing)) + 1
    window = Window(kinematics, MotionPrior.of(skeleton, settings), settings, intervals + SUPPORT - 1, settings.active)
    return window, InitialPose(kinematics)


Sighting: TypeAlias = tuple[float, Sequence[View]]
"""An instant's time (s) and the views that come with it, each at its own time."""


class _Step(NamedTuple):
    """A step that the window has not taken over yet: to the time t, `gap` s after the instant before."""

    found: Update
    systematic_inputs: SystematicInputs | None
    t: float
    gap: float


class _Behind(NamedTuple):
    """What the window finds by looking back: `found` is a `SmoothedResult` of the window at `spline`, to `until`."""

    found: Array
    spline: UniformSpline
    until: float


class Tracker:
    """The sliding window of one person. Not thread-safe: one thread calls it.

    `clocks` are those of the cameras, which all persons before them share.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        rig: Rig,
        keypoints: KeypointSet,
        subject: Subject,
        lag: float = 0.1,
        settings: FitSettings | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self.settings = settings or FitSettings()
        self.clocks = clocks or Clocks(len(rig.cameras))
        self.skeleton, self.rig, self.keypoints, self.lag = skeleton, rig, keypoints, lag
        bodies = keypoints.body_indices(skeleton.bodies)
        self._window, self._initial = _compiled(skeleton, tuple(int(b) for b in bodies), self.settings, lag)
        self.too_late = 0
        self._explained = Explained()
        self._frame = Frame.ground()
        self._sides = Sides(skeleton, keypoints, len(rig.cameras))
        self.swap(subject)
        self._slots = MeasurementBuffer(self.settings, len(rig.cameras), len(keypoints.names))
        self._feeds = [Feed() for _ in rig.cameras]
        self._spline = self._spline_from(0.0)
        self._prior: Prior | None = None
        self._unchanged = self._window.unchanged(len(skeleton.coordinates))
        self._early: list[View] = []
        self._unsmoothed: deque[Estimate] = deque()
        self._previous = self._tracked = self._since = -np.inf
        self._running_mean = self._no_mean = jax.device_put(
            jax.tree.map(self.settings.real, RunningMean.none(len(rig.cameras), len(keypoints.names)))
        )
        self._behind: _Behind | None = None
        self._course: Course | None = None
        self._step: _Step | None = None
        self._load = Load.NORMAL
        self._linearised = -np.inf
        self._tells_clocks = False
        self._list = 0.0
        self._consistency = ConsistencyMonitor()
        self._surprises = 0
        self._refused = -np.inf
        self._looked: tuple[float, np.ndarray] | None = None
        self._restart: np.ndarray | None = None
        self._done: list[Estimate] = []
        self._last_estimate = self._nowhere()
        self._systematic_variance: np.ndarray | None = None
        self._excursion = Excursion(skeleton.neutral)
        self._systematic_inputs: SystematicInputs | None = None
        self._gap = np.inf

    def swap(self, subject: Subject) -> None:
        """Take another frozen scale, offsets and noise from the next instant on.

        A subject of unknown size is soon exchanged for one that is as large as the person seen.
        """
        self._size = SizeSearch(self.skeleton, self.keypoints) if subject.of_unknown_size else None
        self._frozen(subject)

    def _frozen(self, subject: Subject) -> None:
        self.subject = subject
        known = (subject.noise, subject.sta_sd, self.settings.dof, self.settings.confidence_power)
        noise = Noise(*(np.asarray(x, float) for x in known))
        refined, self._clock = subject.rig_for(self.rig)
        self._lenses = refined.lenses()
        self._model = Model(
            lenses=self._lenses,
            scale=subject.factors(self.skeleton),
            places=subject.places(self.skeleton, self.keypoints),
            noise=noise,
            sta_rms=subject.sta_rms,
            persistent=subject.persistent,
        )
        self._placing = Placing(self.skeleton, subject, self.keypoints, self.rig)
        in_world = self._lenses._replace(rotation=self._lenses.rotation @ self.rig.to_ground)
        self._sides.look_through(in_world, noise)
        self._allowance = Allowance(in_world, noise)
        self._look_from(self._frame)
        self._reinitialiser = Reinitialiser(self._initial, self._model._replace(lenses=self._lenses), subject.sta_sd)

    @property
    def exchanged(self) -> np.ndarray:
        """Share of each camera's views (C,) of the last seconds that had left and right exchanged."""
        return self._sides.swap_rate

    def warm_up(self) -> None:
        """Compile everything (seconds, or less from the compilation cache); the track is not touched."""
        other = Tracker(self.skeleton, self.rig, self.keypoints, self.subject, self.lag, self.settings)
        seen = np.zeros_like(other._slots.seen[0], float)
        other._reinitialiser.pose(seen, self.skeleton.neutral)
        other._reinitialiser.agreement(seen, self.skeleton.neutral)
        other._begin(0.0, self.skeleton.neutral)
        for t in (0.01, 0.02):
            other._advance([(t, [])])
            other._list = TURN
        other._linearise(other._unchanged, 0, 0.02)
        other._window.accept_update(other._prior, other._unchanged)
        other.settled()
        other.finish()

    def update(self, t: float, views: Sequence[View]) -> tuple[Estimate, list[Estimate]]:
        """Answer the instant `t`; also the earlier instants that are now one lag old, smoothed."""
        return self.answer([(t, views)])[0], self.settled()

    def answer(self, instants: Sequence[Sighting], load: Load = Load.NORMAL) -> list[Estimate]:
        """Answer instants, without lag. Times must increase; views are all that have not been passed before.

        Instants that wait together are solved for together, at hardly more than the cost of one: the earlier then know
        of the later ones' views too, and their residuals and standard deviations are those of the last.

        `settled` is to be called before the next: it learns from these instants of clocks and of where keypoints will
        be seen, and gets the window ready. Under a busy `load` it only takes over what was found, where the next can
        do with that, and looks back every few instants; where the next can not, the window is made ready at once or,
        overloaded, together with the views of the next, in one call less.
        """
        times = [self._previous, *(t for t, _ in instants)]
        for before, t in pairwise(times):
            if not t > before:
                raise ValueError(f"instant {t} is not after {before}")
        goes_on = self._prior is not None and self._restart is None and times[-1] - self._tracked <= COAST
        if goes_on or len(instants) == 1:
            return self._answer(instants, load)
        answered: list[Estimate] = []
        for one in instants:
            if answered:
                self._done = self.settled()
            answered += self._answer([one], Load.NORMAL)
        return answered

    def settled(self) -> list[Estimate]:
        """The smoothed estimates of the instants that have become one lag old."""
        if not self._followed() and self._load is not Load.OVERLOADED:
            self._take_over()
        smoothed = self._look_back()
        self._sides.follow(self._last_estimate)
        self._take_measure()
        if self._systematic_inputs is not None:
            self._systematic_variance, self._systematic_inputs = (
                np.asarray(self._window.systematic_variance(self._model, self._systematic_inputs)),
                None,
            )
        done, self._done = self._done + smoothed, []
        return done

    def finish(self) -> list[Estimate]:
        """The smoothed estimates still owed, read from the window as it stands; the track ends."""
        self._take_over()
        owed = self._look_back() + self._settle(np.inf)
        self._prior = self._course = None
        self._slots.clear()
        self._sides.forget()
        nan = np.full_like(self._last_estimate.sd, np.nan)
        self._last_estimate = replace(self._last_estimate, sd=nan, rms_px=np.nan, qd=np.zeros_like(nan))
        return owed

    def course(self) -> Course | None:
        """The trajectory as it was last looked back at; None while the person is lost."""
        return self._course

    def _answer(self, instants: Sequence[Sighting], load: Load) -> list[Estimate]:
        """Answer instants of one track, or a single one with which a track may end and another begin."""
        self._load = load
        shown = [(t, self._shown(t, views)) for t, views in instants]
        t = shown[-1][0]
        if self._prior is not None and t - self._tracked > COAST:
            self._done += self.finish()
        if self._restart is not None:
            self._done += self.finish()
            self._begin(t, self._restart)
            self._restart = None
        return self._followed_or_begun(shown)

    def _followed_or_begun(self, shown: Sequence[Sighting]) -> list[Estimate]:
        """Answer instants of one track, or a single one at which there is none."""
        if self._prior is None:
            t, views = shown[-1]
            pose = self._start(t, views)
            if pose is None:
                self._previous = t
                return self._lost(shown)
            self._begin(t, pose)
        return self._advance(shown)

    def _start(self, t: float, views: Sequence[View]) -> np.ndarray | None:
        """A pose to start a track from at the instant t; None where nobody can be made out, or was just now."""
        seen, cameras = self._together(t, views)
        if cameras < 2 or t - self._refused < RETRY - ROUNDING:
            return None
        points = self._reinitialiser.points(seen)
        if self._size is not None:
            self._size.note(t, np.asarray(points.position), np.asarray(points.valid))
            size = self._size.found()
            if size is not None and abs(size - self._size.assumed) > CLEARLY * size:
                self._size.assumed = size
                self._frozen(self.subject.sized(size))
        pose, valid = self._reinitialiser.pose_for(points, near=self._last_estimate.q)
        if valid >= USABLE_POINTS:
            return pose
        self._refused = t
        self._explained.note(t, 0, int(np.count_nonzero(seen[..., 2] >= USABLE_CONFIDENCE)))
        return None

    def _take_measure(self) -> None:
        """See how large the person is, where that is not known yet."""
        if self._size is None or self._looked is None:
            return
        (t, seen), self._looked = self._looked, None
        points = self._reinitialiser.points(seen)
        self._size.note(t, np.asarray(points.position), np.asarray(points.valid))
        size = self._size.found() if self._size.settled else None
        if size is not None:
            self._frozen(self.subject.sized(size))
        if size is not None or self._size.in_vain:
            self._size = None

    def _lost(self, shown: Sequence[Sighting]) -> list[Estimate]:
        """Answer instants at which nobody is followed."""
        told = self._explained.since(shown[-1][0] - LATELY)
        lost = [
            replace(self._last_estimate, t=t, state="lost", views=self._together(t, views)[1], explained=told)
            for t, views in shown
        ]
        self._done += lost
        return lost

    def _shown(self, t: float, views: Sequence[View]) -> list[View]:
        """The views up to the instant t by the right clock; those of later times wait for it."""
        clock = (self._clock + self.clocks.applied).tolist()
        views = [*self._early, *(View(v.camera, v.t + clock[v.camera], v.xyc) for v in views)]
        self._early = [v for v in views if v.t > t + JOIN][-len(self._feeds) :]
        return [v for v in views if v.t <= t + JOIN]

    def _advance(self, instants: Sequence[Sighting]) -> list[Estimate]:
        """One step of the window to the last of these instants."""
        t, slots = instants[-1][0], self._slots
        if self._step is not None and (self._turns or self._unsmoothed_from(self._step.t) < self._start_for(t)):
            self._take_over()
            self._done += self._look_back()
        if self._turns:
            self._keep_regular()
        spline, shift = self._spline, self._shift_for(t)
        open_from = spline.shifted(shift).start + self._window.eliminated * spline.spacing
        slots.give_up(open_from, spline)
        followed, newest, late = [], None, False
        room = 1 if self._step is None else 1 + self.settings.room
        for at, views in instants:
            views = self._sides.put_right(views)
            late |= newest is not None
            slots.make_room(spline, room)
            newest = slots.open_for(at, (view.t for view in views if view.t >= open_from))
            used = set()
            for view in views:
                usable, feed = view.usable, self._feeds[view.camera]
                alone = feed.note(view.t) if usable else feed.period
                slot = None if view.t < open_from else slots.place(view.camera, view.t, view.xyc, alone, spline)
                if slot is None:
                    self.too_late += 1
                    continue
                late |= slot != newest
                if usable and view.t > at - TOGETHER:
                    used.add(view.camera)
            alive = {c for c, feed in enumerate(self._feeds) if feed.current(at)}
            followed.append((at, len(used), len(used | alive) >= 2))
        if self._step is not None:
            self._take_over(shift, newest)
        elif late or shift or slots.has_left:
            self._done += self._settle(spline.shifted(shift).start)
            self._linearise(self._unchanged, shift, t, newest)
        found, outcome, systematic_inputs = self._stepped(t, newest)
        if self._systematic_variance is None:
            self._systematic_variance = np.asarray(self._window.systematic_variance(self._model, systematic_inputs))
        estimates = self._estimates(followed, outcome, newest)
        explained, started = True, self._since < t
        if newest is not None and len(used) >= 2:
            seen, visible = self._slots.seen[newest], outcome.weight > 0.0
            count, of = self._allowance.count(outcome.error, seen, estimates[-1].keypoints, visible)
            explained = explains(count / max(of, 1), len(used), started)
            self._surprises = 0 if explained else self._surprises + 1
            if started and self._leapt(instants[-1], estimates[-1], explained, outcome.weight, newest):
                return self._begin_anew(instants)
            self._explained.note(t, count, of)
            if not explains(self._explained.since(max(self._since, t - JUDGED)), len(used), started):
                self._previous = t
                return self._give_up(instants)
        gap, self._previous = (t - self._previous) / len(instants), t
        told = self._explained.since(t - LATELY)
        estimates = [replace(estimate, explained=told) for estimate in estimates]
        self._step = _Step(found, systematic_inputs if used else None, t, gap)
        self._last_estimate = estimates[-1]
        if self._size is not None and newest is not None and self._size.wants(t):
            self._looked = (t, self._slots.seen[newest].astype(float))
        for estimate in estimates:
            if estimate.state == "tracking":
                self._tracked = estimate.t
                self._excursion.note(estimate.t, estimate.q)
        self._unsmoothed += estimates
        self._start_anew_in_doubt(t, outcome.weight, newest)
        settling = t - self._since < SETTLING
        if settling:
            self._running_mean = self._no_mean
        self._tells_clocks = explained and not settling and self._consistency.since is None and len(used) > 2
        self._list = float(outcome.reading.q[4])
        return estimates

    def _leapt(self, instant: Sighting, estimate: Estimate, explained: bool, weight: np.ndarray, newest: int) -> bool:
        """Whether the person is suddenly where nobody gets so fast: by what was found, or else by a fresh start."""
        t, views = instant
        if self._is_far(estimate.keypoints, t):
            return True
        if explained or self._surprises > SURPRISED:
            return False
        seen, cameras = self._together(t, views)
        if cameras < 2:
            return False
        pose, valid = self._reinitialiser.pose(seen, near=self._last_estimate.q)
        if valid < USABLE_POINTS or not self._is_far(self._placing.at(pose)["keypoints"], t):
            return False
        return (
            self._reinitialiser.agreement(seen, pose) > max(mean_weight(weight, self._slots.seen[newest]), DOUBT) + GAIN
        )

    def _is_far(self, points: np.ndarray, t: float) -> bool:
        """Whether the middle of keypoints (K, 3) of the instant t is farther from the last answer's than people get."""
        moved = np.linalg.norm((points - self._last_estimate.keypoints).mean(0))
        return bool(moved > LEAP + FASTEST * (t - self._last_estimate.t))

    def _begin_anew(self, instants: Sequence[Sighting]) -> list[Estimate]:
        """End the track before these instants, among which the person has leapt, and answer them one by one."""
        self._done += self.finish()
        answered: list[Estimate] = []
        for one in instants:
            if answered:
                self._done = self.settled()
            answered += self._followed_or_begun([one])
        return answered

    def _give_up(self, instants: Sequence[Sighting]) -> list[Estimate]:
        """End a track that does not explain what is seen; what is still owed of it is told as lost."""
        self._done += self._look_back()
        unexplained, self._refused = list(self._unsmoothed), instants[-1][0]
        self._unsmoothed.clear()
        self._done += self.finish()
        self._done += [replace(self._last_estimate, t=one.t, state="lost", views=one.views) for one in unexplained]
        return self._lost(instants)

    def _stepped(self, t: float, newest: int | None) -> tuple[Update, StepResult, SystematicInputs]:
        """The step to the instant t, which is in the slot `newest`; again from where it has led, while that is far."""
        laid, running_mean = self._slots.lay_out_newest(newest, self._spline, t).packed(), self._running_mean
        active = (self._window.controls - self._window.eliminated, len(self._last_estimate.q))
        for further in reversed(range(STEPS)):
            assert self._prior is not None
            found, solved, systematic_inputs = self._window.measurement_update(self._model, self._prior, laid)
            outcome = StepResult.unpacked(np.asarray(solved), active, self._slots.seen.shape[1:3])
            if newest is None or outcome.moved < FAR or not further:
                break
            self._linearise(found, 0, t, newest)
            self._running_mean = running_mean  # has been told already of what is linearised again
        return found, outcome, systematic_inputs

    @property
    def _turns(self) -> bool:
        """Whether the root has come near the singularity of the window's frame."""
        return abs(self._list) >= TURN

    def _start_for(self, t: float) -> float:
        """Where the window begins once it holds the time t."""
        return self._spline.shifted(self._shift_for(t)).start

    def _shift_for(self, t: float) -> int:
        """Knots by which the window must move on to hold the time t in its last interval."""
        return max(0, int(self._spline.place(t)) - self._spline.intervals + 1)

    def _unsmoothed_from(self, t: float) -> float:
        """The first instant that is to be answered again once the window has looked back from the instant t."""
        return next((estimate.t for estimate in self._unsmoothed if estimate.t > t - self.lag + ROUNDING), t)

    def _take_over(self, shift: int | None = None, but: int | None = None) -> None:
        """Take over what the last step has found, and linearise again all but the slot `but`.

        The window moves on by `shift` knots, else as far as the next instant needs if that comes as soon as lately.
        """
        if self._step is None:
            return
        step, self._step = self._step, None
        spline, soon = self._spline, self._soon(step)
        self._gap, self._linearised = step.gap, step.t
        if shift is None:
            shift = min(self._shift_for(soon), max(0, int(spline.place(self._unsmoothed_from(step.t)))))
            self._slots.make_room(spline, 1 + self.settings.room)
            self._slots.give_up(spline.shifted(shift).start + self._window.eliminated * spline.spacing, spline)
        due = [estimate.t for estimate in self._unsmoothed if estimate.t <= step.t - self.lag + ROUNDING]
        found = self._linearise(step.found, shift, due[-1] if due else step.t, but)
        found.copy_to_host_async()
        self._behind = _Behind(found, spline, step.t)
        self._systematic_inputs = step.systematic_inputs if shift else None

    def _followed(self) -> bool:
        """Where time is short, and the next instant can do with no more: take over what the last step has found."""
        step, room = self._step, self._slots.has_room
        if self._load is Load.NORMAL or step is None or self._prior is None or self._turns or not room:
            return False
        if step.t - self._linearised >= self.settings.followed or self._shift_for(self._soon(step)) > 0:
            return False
        self._step, self._gap = None, step.gap
        self._prior = self._window.accept_update(self._prior, step.found)
        return True

    def _soon(self, step: _Step) -> float:
        """When the instant after that step comes, s, if it does so as soon as lately."""
        return step.t + min(step.gap, self._gap, self._spline.spacing)

    def _linearise(self, found: Update, shift: int, back: float, but: int | None = None) -> Array:
        """Let the window wait for an instant in the slot `but`, with all else that it holds; it may move on first.

        A `SmoothedResult` of before, at the time `back`.
        """
        assert self._prior is not None
        after = self._spline.shifted(shift)
        laid = self._slots.lay_out(after, shift, self._spline.place(back), but).packed()
        self._prior, self._running_mean, found_behind = self._window.relinearise_and_shift(
            self._model, self._prior, found, self._running_mean, laid
        )
        self._spline = after
        return found_behind

    def _look_back(self) -> list[Estimate]:
        """What the window has found of the instants that are now one lag old, of the clocks and of the course.

        Of several instants all are as certain as the latest.
        """
        if self._behind is None:
            return []
        (found, spline, until), self._behind = self._behind, None
        seen = SmoothedResult.unpacked(
            np.asarray(found), len(self._feeds), (spline.controls, len(self._last_estimate.q))
        )
        if self._tells_clocks:
            self.clocks.note(until, seen.clock_information, seen.clock_eta)
        controls = np.asarray(seen.controls, float)
        self._course = Course(
            self._since, until, self._tracked, spline, controls, self._frame, self._last_estimate.q[3:6]
        )
        out = []
        while self._unsmoothed and self._unsmoothed[0].t <= until - self.lag + ROUNDING:
            first = self._unsmoothed.popleft()
            reading = Reading(*spline.read(controls, first.t), seen.variance)
            out.append(replace(first, **self._grounded(reading, self._last_estimate)))
        return out

    def _start_anew_in_doubt(self, t: float, weight: np.ndarray, newest: int | None) -> None:
        """Where the views and the fit have disagreed for a while, see whether a fresh start agrees better."""
        if newest is None:
            self._consistency.tells(t, None)
            return
        seen = self._slots.seen[newest].astype(float)
        agreed = mean_weight(weight, seen)
        if not self._consistency.tells(t, agreed):
            return
        self._restart = self._reinitialiser.better(seen, self._last_estimate.q, agreed)
        if self._restart is None:
            self._consistency.in_vain()

    def _settle(self, before: float) -> list[Estimate]:
        """Smoothed estimates of the owed instants before that time, from the window as it stands."""
        out = []
        while self._unsmoothed and self._unsmoothed[0].t <= before and self._prior is not None:
            first = self._unsmoothed.popleft()
            at = self.settings.real(self._spline.place(first.t))
            reading = Reading.unpacked(np.asarray(self._window.read(self._prior, at)))
            out.append(replace(first, **self._grounded(reading, self._last_estimate)))
        return out

    def _begin(self, t: float, pose: np.ndarray) -> None:
        """Start a track at rest in that pose (ground frame), its turns continuing those answered last."""
        self._slots.clear()
        self._look_from(Frame.regular_at(rotation_of(pose[3:6])))
        self._spline = self._spline_from(t)
        state = self._window.empty(self._frame.enter(pose, np.array([0.0, 0.0, self._last_estimate.q[5]])))
        self._prior = self._window.eliminate(state, self._slots.places(self._spline))
        self._systematic_variance, self._systematic_inputs, self._list = None, None, 0.0
        self._linearised = -np.inf
        self._tracked = self._since = t
        self._consistency.since, self._surprises = None, 0
        self._course = None

    def _spline_from(self, t: float) -> UniformSpline:
        intervals = self._window.controls - SUPPORT + 1
        spacing = self.settings.spacing
        return UniformSpline(t - (intervals - 0.5) * spacing, spacing, intervals)

    def _together(self, t: float, views: Sequence[View]) -> tuple[np.ndarray, int]:
        """The latest usable view of each camera as one instant (C, K, 3), and how many there are."""
        recent = {v.camera: v for v in views if v.t > t - TOGETHER and v.usable}
        seen = np.zeros(self._slots.seen.shape[1:])
        for camera, view in recent.items():
            seen[camera] = view.xyc
        return seen, len(recent)

    def _estimates(
        self, followed: Sequence[tuple[float, int, bool]], outcome: StepResult, newest: int | None
    ) -> list[Estimate]:
        """Of instants followed: time, how many views, whether tracking. `newest` is the slot of what was seen last."""
        used = outcome.weight > 0.0 if newest is not None else np.zeros(outcome.weight.shape, bool)
        rms_px = float(robust_rms(outcome.error.reshape(1, -1), used.reshape(1, -1))[0])
        rms_px_camera = robust_rms(outcome.error, used)
        active = self._spline.from_knot(self._window.eliminated)
        out: list[Estimate] = []
        for t, views, tracking in followed:
            found = outcome.reading
            if t < followed[-1][0]:
                found = Reading(*active.read(np.asarray(outcome.controls, float), t), found.variance)
            last = out[-1] if out else self._last_estimate
            reading = self._grounded(found, last)
            if not (tracking or views):
                # between two knots a spline is better known than on them; that is no news of the person
                reading["sd"] = np.fmax(reading["sd"], last.sd)
            one = Estimate(
                t=t,
                **reading,
                rms_px=rms_px,
                rms_px_camera=rms_px_camera,
                views=views,
                state="tracking" if tracking else "coasting",
                **self._placing.at(reading["q"]),
                explained=np.nan,
            )
            out.append(one)
        return out

    def _grounded(self, reading: Reading, last: Estimate) -> dict[str, Any]:
        """A reading in the ground frame, continuous with what was answered last: q, qd, sd."""
        assert self._systematic_variance is not None
        found = Reading(*(np.array(x, float) for x in reading))
        sd = np.sqrt(self._decorrelation() * found.variance + self.settings.varying * self._systematic_variance)
        q, qd, sd = self._frame.leave(found.q, found.qd, sd, last.q[3:6])
        model = self.skeleton.model_error.variance(self._excursion.square(q))
        return {"q": q, "qd": qd, "sd": np.sqrt(np.square(sd) + model)}

    def _decorrelation(self) -> float:
        """What views count with: errors that come and go are smaller by as much than the window has them."""
        period = self._period()
        return period / (period + 2.0 * self.settings.persistence)

    def _period(self) -> float:
        """s between the instants, usually."""
        return median(feed.period for feed in self._feeds)

    def _look_from(self, frame: Frame) -> None:
        """Let the window work in that frame."""
        self._frame = frame
        turned = self._lenses._replace(rotation=self._lenses.rotation @ frame.turn.T)
        self._model = jax.device_put(jax.tree.map(self.settings.real, self._model._replace(lenses=turned)))

    def _keep_regular(self) -> None:
        """Choose another frame for the window, in which its root is regular."""
        assert self._prior is not None
        controls, before = np.asarray(self._prior.state.controls), self._frame.turn
        rotation = before.T @ rotation_of(controls[-2, 3:6])
        frame = Frame.regular_at(rotation, UPRIGHT)
        near = self._last_estimate.q[3:6] if frame.is_ground else np.zeros(3)
        at = [self._spline.start if t == EMPTY else t for t in self._slots.t]
        poses = self._spline.weights(np.array(at)) @ controls
        state = self._window.turned(self._prior.state, frame.turn @ before.T, near, poses)
        self._prior = self._window.eliminate(state, self._slots.places(self._spline))
        self._look_from(frame)

    def _nowhere(self) -> Estimate:
        """What is answered before the first fit: the neutral pose, of unknown certainty."""
        q = self.skeleton.neutral
        return Estimate(
            t=np.nan,
            q=q,
            qd=np.zeros_like(q),
            sd=np.full_like(q, np.nan),
            rms_px=np.nan,
            rms_px_camera=np.full(len(self._feeds), np.nan),
            views=0,
            state="lost",
            **self._placing.at(q),
            explained=np.nan,
        )
