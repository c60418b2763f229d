"""What the window solver knows of one person, as values: what is frozen, what was seen, and how the track stands."""

from __future__ import annotations

from collections import deque
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from streamfit.arrays import Array
from streamfit.estimation.estimate import Estimate, Load, View, ViewInterval
from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.initial_pose import InitialPose
from streamfit.estimation.init.initial_scale import SizeSearch
from streamfit.estimation.live.clock_sync import RunningMean
from streamfit.estimation.live.course import Course
from streamfit.estimation.live.explained import Explained, PixelTolerance
from streamfit.estimation.live.left_right import Sides
from streamfit.estimation.live.measurement_buffer import MeasurementBuffer
from streamfit.estimation.live.reinitialise import ConsistencyMonitor, Reinitialiser
from streamfit.estimation.live.sliding_window.window import Window
from streamfit.estimation.live.sliding_window.window_types import Model, Prior, SystematicInputs, Update
from streamfit.estimation.live.systematic_error import Excursion
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.camera import Lenses, Rig
from streamfit.model.host_kinematics import Placing
from streamfit.model.root import Frame
from streamfit.model.spline import SUPPORT, UniformSpline
from streamfit.model.subject import Subject

ROUNDING = 1e-6
"""s."""
WINDOW_MARGIN = 0.035
"""s that the window is longer than the lag, for rates down to 30 Hz."""


class TrackSetup:
    """What all persons of a session are fitted with: the compiled functions and their constants."""

    def __init__(self, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, lag: float, settings: FitSettings) -> None:
        self.skeleton, self.rig, self.keypoints, self.lag, self.settings = skeleton, rig, keypoints, lag, settings
        bodies = keypoints.body_indices(skeleton.bodies)
        self.window, self.initial = _compiled(skeleton, tuple(int(b) for b in bodies), settings, lag)
        self.unchanged = self.window.unchanged(len(skeleton.coordinates))
        self.no_mean = jax.device_put(
            jax.tree.map(settings.real, RunningMean.none(len(rig.cameras), len(keypoints.names)))
        )

    def spline_from(self, t: float) -> UniformSpline:
        """Knots of a window in whose last interval the time t is."""
        intervals, spacing = self.window.controls - SUPPORT + 1, self.settings.spacing
        return UniformSpline(t - (intervals - 0.5) * spacing, spacing, intervals)


@lru_cache(maxsize=16)
def _compiled(
    skeleton: Skeleton, bodies: tuple[int, ...], settings: FitSettings, lag: float
) -> tuple[Window, InitialPose]:
    """The compiled functions, shared by all persons of one skeleton and keypoint layout."""
    kinematics = Kinematics(skeleton, np.array(bodies))
    intervals = int(np.ceil((lag + WINDOW_MARGIN) / settings.spacing)) + 1
    window = Window(kinematics, MotionPrior.of(skeleton, settings), settings, intervals + SUPPORT - 1, settings.active)
    return window, InitialPose(kinematics)


class TrackModel:
    """What is frozen while one body is fitted: `subject`, and what follows from it.

    `in_ground` has the lenses that look from the ground frame, `clock` (C,) s the calibration's offsets.
    """

    def __init__(self, setup: TrackSetup, subject: Subject) -> None:
        self.setup, self.subject = setup, subject
        known = (subject.noise, subject.sta_sd, setup.settings.dof, setup.settings.confidence_power)
        self.noise = Noise(*(np.asarray(x, float) for x in known))
        refined, self.clock = subject.rig_for(setup.rig)
        lenses = refined.lenses()
        fitted = Model(
            lenses=lenses,
            scale=subject.factors(setup.skeleton),
            places=subject.places(setup.skeleton, setup.keypoints),
            noise=self.noise,
            sta_rms=subject.sta_rms,
            persistent=subject.persistent,
        )
        self._on_device = jax.device_put(jax.tree.map(setup.settings.real, fitted))
        self.in_ground = self._on_device._replace(lenses=lenses)
        self.in_world: Lenses = lenses._replace(rotation=lenses.rotation @ setup.rig.to_ground)
        self.placing = Placing(setup.skeleton, subject, setup.keypoints, setup.rig)
        self.tolerance = PixelTolerance(self.in_world, self.noise)
        self.reinitialiser = Reinitialiser(setup.initial, self.in_ground, subject.sta_sd)

    def keypoints_ahead(self, q: np.ndarray) -> np.ndarray:
        """Keypoints (K, 3) m, world frame, of a pose (D,), on the thread that asks for predictions."""
        return self._placing_ahead.at(q)["keypoints"]

    @cached_property
    def _placing_ahead(self) -> Placing:
        """Apart from `placing`, which is the solver thread's and works in place."""
        setup = self.setup
        return Placing(setup.skeleton, self.subject, setup.keypoints, setup.rig)

    def seen_from(self, frame: Frame) -> Model:
        """The window's model, on the device, its lenses looking from `frame`."""
        lenses = self.in_ground.lenses
        turned = lenses._replace(rotation=lenses.rotation @ frame.turn.T)
        return self._on_device._replace(lenses=jax.device_put(jax.tree.map(self.setup.settings.real, turned)))


class Pending(NamedTuple):
    """An update that the window has not taken over yet: to the time t, `gap` s after the instant before."""

    found: Update
    systematic_inputs: SystematicInputs | None
    t: float
    gap: float


class LookBack(NamedTuple):
    """What the window finds by looking back: `found` is a `SmoothedResult` of the window at `spline`, to `until`."""

    found: Array
    spline: UniformSpline
    until: float


class Tracking(NamedTuple):
    """A track: the window and what goes with it. Times are capture times, s."""

    since: float
    """When it began, from rest."""
    seen: float
    """The last instant at which it was tracked, and not coasting."""
    frame: Frame
    model: Model
    """On the device, in `frame`."""
    spline: UniformSpline
    prior: Prior
    running_mean: RunningMean
    pending: Pending | None = None
    look_back: LookBack | None = None
    course: Course | None = None
    systematic_variance: np.ndarray | None = None
    systematic_inputs: SystematicInputs | None = None
    linearised: float = -np.inf
    """When all was linearised again last."""
    gap: float = np.inf
    """s between the last two instants."""
    list_angle: float = 0.0
    """rad, of the root in `frame`."""
    surprises: int = 0
    """Instants in a row that the fit does not explain."""
    restart: np.ndarray | None = None
    """The pose from which the next instant is to start a track."""
    tells_clocks: bool = False


class TrackState(NamedTuple):
    """All that is known of one person. `phase` is None while they are lost.

    `unsmoothed` are the answers that are less than one lag old, `done` smoothed ones that were found early, `early`
    the views of later times than the last instant's.
    """

    model: TrackModel
    phase: Tracking | None
    buffer: MeasurementBuffer
    intervals: tuple[ViewInterval, ...]
    sides: Sides
    explained: Explained
    excursion: Excursion
    consistency: ConsistencyMonitor
    size: SizeSearch | None
    early: tuple[View, ...]
    unsmoothed: tuple[Estimate, ...]
    done: tuple[Estimate, ...]
    previous: float
    """The last instant, s."""
    refused: float
    """When a start explained nothing, s."""
    looked: tuple[float, np.ndarray] | None
    """An instant in which the person's size is to be measured: its time, and its views (C, K, 3)."""
    last: Estimate
    load: Load = Load.NORMAL
    too_late: int = 0
    evidence: tuple[ClockEvidence, ...] = ()
    """What the clocks have not been told yet."""

    @property
    def subject(self) -> Subject:
        """The body that is fitted."""
        return self.model.subject

    @property
    def exchanged(self) -> np.ndarray:
        """Fraction of each camera's views (C,) of the last seconds that had left and right exchanged."""
        return self.sides.swap_rate

    def course(self) -> Course | None:
        """The trajectory as it was last looked back at; None while the person is lost."""
        return None if self.phase is None else self.phase.course

    def predict(self, t: float) -> np.ndarray | None:
        """Where the keypoints will be at the time t, (K, 3) m in the world frame; None while the person is lost."""
        course = self.course()
        return None if course is None else self.model.keypoints_ahead(course.at(t)[0])

    @staticmethod
    def unseen(setup: TrackSetup, subject: Subject) -> TrackState:
        """That of a person of whom nothing was seen yet."""
        cameras, keypoints = len(setup.rig.cameras), setup.keypoints
        model, q = TrackModel(setup, subject), setup.skeleton.neutral
        nowhere = Estimate(
            t=np.nan,
            q=q,
            qd=np.zeros_like(q),
            sd=np.full_like(q, np.nan),
            rms_px=np.nan,
            rms_px_camera=np.full(cameras, np.nan),
            views=0,
            state="lost",
            **model.placing.at(q),
            explained=np.nan,
        )
        sides = Sides(setup.skeleton, keypoints, cameras)
        sides.look_through(model.in_world, model.noise)
        return TrackState(
            model=model,
            phase=None,
            buffer=MeasurementBuffer(setup.settings, cameras, len(keypoints.names)),
            intervals=tuple(ViewInterval() for _ in range(cameras)),
            sides=sides,
            explained=Explained(),
            excursion=Excursion(q),
            consistency=ConsistencyMonitor(),
            size=SizeSearch(setup.skeleton, keypoints) if subject.of_unknown_size else None,
            early=(),
            unsmoothed=(),
            done=(),
            previous=-np.inf,
            refused=-np.inf,
            looked=None,
            last=nowhere,
        )


class TrackBuilder:
    """A state that the next one is made of: everything that is written is its own."""

    def __init__(self, state: TrackState) -> None:
        self.model, self.track = state.model, state.phase
        self.size = None if state.size is None else state.size.copy()
        self.buffer, self.sides = state.buffer.copy(), state.sides.copy()
        self.explained, self.excursion = state.explained.copy(), state.excursion.copy()
        self.consistency = state.consistency.copy()
        self.intervals = [interval.copy() for interval in state.intervals]
        self.early, self.unsmoothed, self.done = state.early, deque(state.unsmoothed), list(state.done)
        self.previous, self.refused, self.looked = state.previous, state.refused, state.looked
        self.last, self.load, self.too_late = state.last, state.load, state.too_late
        self.evidence = state.evidence

    @property
    def setup(self) -> TrackSetup:
        """That of all persons."""
        return self.model.setup

    @property
    def tracking(self) -> Tracking:
        """The track, where there is one."""
        assert self.track is not None
        return self.track

    def note(self, **changes: Any) -> None:
        """Change the track."""
        self.track = self.tracking._replace(**changes)

    def set_subject(self, subject: Subject) -> None:
        """Take another body from the next instant on."""
        self.model = TrackModel(self.setup, subject)
        self.sides.look_through(self.model.in_world, self.model.noise)
        if self.track is not None:
            self.note(model=self.model.seen_from(self.track.frame))

    def taken_evidence(self) -> list[ClockEvidence]:
        """What the clocks are to be told now."""
        taken, self.evidence = list(self.evidence), ()
        return taken

    def state(self) -> TrackState:
        """The state as it is now."""
        return TrackState(
            model=self.model,
            phase=self.track,
            buffer=self.buffer,
            intervals=tuple(self.intervals),
            sides=self.sides,
            explained=self.explained,
            excursion=self.excursion,
            consistency=self.consistency,
            size=self.size,
            early=self.early,
            unsmoothed=tuple(self.unsmoothed),
            done=tuple(self.done),
            previous=self.previous,
            refused=self.refused,
            looked=self.looked,
            last=self.last,
            load=self.load,
            too_late=self.too_late,
            evidence=self.evidence,
        )
