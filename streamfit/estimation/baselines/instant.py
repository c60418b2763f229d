"""A plain live solver: damped Gauss-Newton on one instant, warm-started from the one before, without a window.

It shows what a live solver takes, and is what the sliding window is compared with. Each instant is solved for by itself
(Levenberg-Marquardt; Marquardt 1963) from the latest view of each camera, with the window's residuals and priors as one
instant has them. `qd` is the change since the answer before; the smoothed answers are the answers themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.estimate import USABLE_POINTS, Estimate, Load, Sighting, View, robust_rms
from streamfit.estimation.factors.reprojection import view_terms
from streamfit.estimation.init.initial_scale import SizeSearch
from streamfit.estimation.live.explained import JUDGED, LATELY, Explained, explains
from streamfit.estimation.live.lifecycle import TOGETHER
from streamfit.estimation.live.measure import COAST
from streamfit.estimation.live.measurement_buffer import JOIN
from streamfit.estimation.live.sliding_window.window_types import Model
from streamfit.estimation.live.track_state import ROUNDING, TrackModel, TrackSetup, TrackState
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.root import TURN, UPRIGHT, Frame, rotation_of
from streamfit.model.skeleton import ROOT_COORDINATES
from streamfit.model.subject import Subject

ITERATIONS = 4
DAMPING = 1e-3
"""At first, relative to the information matrix's diagonal."""
SHORTEST, LONGEST = 0.002, 0.1
"""s between two instants, at least and at most, as the priors have them."""
REMEMBERED = 0.5
"""s of answers that the course is read from."""


class _Look(NamedTuple):
    """The problem at a pose: cost, information matrix and vector, and each point's robust weight and error (px)."""

    q: Float[Array, " D"]
    cost: Float[Array, ""]
    information: Float[Array, "D D"]
    eta: Float[Array, " D"]
    weight: Float[Array, "C K"]
    error: Float[Array, "C K"]


@dataclass(frozen=True, eq=False)
class InstantStep:
    """The compiled fit of one instant for one skeleton and keypoint set."""

    kinematics: Kinematics
    settings: FitSettings

    @partial(jax.jit, static_argnums=0)
    def solve(self, model: Model, seen: Float[Array, "C K 3"], before: Float[Array, " D"], dt: Array) -> _Look:
        """The pose that the views `seen` show `dt` s after the pose `before`.

        Each round looks at what the last one proposes, so that the kinematics are compiled once.
        """

        def iterate(carry: tuple[_Look, Array, Array], _: None) -> tuple[tuple[_Look, Array, Array], None]:
            best, damping, proposed = carry
            new = self._look(model, seen, before, dt, proposed)
            better = new.cost < best.cost
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), new, best)
            damping = jnp.where(better, damping / 5.0, damping * 5.0)
            damped = best.information + damping * jnp.diag(jnp.diag(best.information))
            return (best, damping, best.q + jax.scipy.linalg.solve(damped, best.eta, assume_a="pos")), None

        unseen, worst = jnp.zeros(seen.shape[:2], before.dtype), jnp.asarray(jnp.inf, before.dtype)
        nothing = _Look(before, worst, jnp.eye(len(before), dtype=before.dtype), 0.0 * before, unseen, unseen)
        carry = (nothing, jnp.asarray(DAMPING, before.dtype), before)
        (best, _, _), _ = jax.lax.scan(iterate, carry, None, length=ITERATIONS + 1)
        return best

    def _look(self, model: Model, seen: Array, before: Array, dt: Array, q: Array) -> _Look:
        settings, kinematics, skeleton = self.settings, self.kinematics, self.kinematics.skeleton
        pose = kinematics.pose(q, model.scale)
        points, screws = kinematics.keypoints(pose, model.places), kinematics.screws(pose)
        terms = view_terms(model.lenses, jnp.broadcast_to(points, seen.shape), seen, model.noise)
        decorrelation = dt / (dt + 2.0 * settings.persistence)
        per_point, eta_per_point = terms.reduced()
        information, eta = kinematics.condense(screws, points, decorrelation * per_point, decorrelation * eta_per_point)
        loss = -(model.noise.dof + 2.0) * jnp.sum(jnp.log(jnp.where(terms.weight > 0.0, terms.weight, 1.0)))
        misfit = loss + jnp.sum(terms.stiffness[:, None] * terms.sta**2)

        coordinate = np.arange(len(skeleton.coordinates))
        velocity = np.minimum(settings.angle_velocity, skeleton.calm)
        velocity = np.where(coordinate < 3, settings.root_velocity, velocity)
        stays = jnp.asarray(velocity**-2.0, q.dtype) / dt
        neutral = dt * jnp.asarray(np.where(coordinate < ROOT_COORDINATES, 0.0, settings.pose**-2.0), q.dtype)
        lower, upper = (jnp.asarray(bound, q.dtype) for bound in (skeleton.lower, skeleton.upper))
        beyond = jnp.where(q > upper, q - upper, 0.0) + jnp.where(q < lower, q - lower, 0.0)
        stiff = jnp.where(beyond != 0.0, dt / settings.limit**2, 0.0)
        prior = jnp.sum(stays * (q - before) ** 2 + neutral * q**2 + stiff * beyond**2)
        return _Look(
            q,
            0.5 * (decorrelation * misfit + prior),
            information + jnp.diag(stays + neutral + stiff),
            eta - stays * (q - before) - neutral * q - stiff * beyond,
            terms.weight,
            jnp.sqrt(jnp.sum(terms.residual**2, -1)),
        )


@lru_cache(maxsize=16)
def _compiled(skeleton: Skeleton, bodies: tuple[int, ...], settings: FitSettings) -> InstantStep:
    return InstantStep(Kinematics(skeleton, np.array(bodies)), settings)


class Answered(NamedTuple):
    """The answers of the last moments: a trajectory. Times in s."""

    since: float
    seen: float
    t: tuple[float, ...]
    q: tuple[np.ndarray, ...]

    @property
    def until(self) -> float:
        """The last instant, s."""
        return self.t[-1]

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (D,) and their rates at a time, on the line through the two answers next to it."""
        if len(self.t) == 1:
            return self.q[0], np.zeros_like(self.q[0])
        after = int(np.clip(np.searchsorted(self.t, t), 1, len(self.t) - 1))
        rate = (self.q[after] - self.q[after - 1]) / (self.t[after] - self.t[after - 1])
        return self.q[after] + (t - self.t[after]) * rate, rate

    def followed_by(self, t: float, q: np.ndarray, seen: float) -> Answered:
        """With one answer more."""
        first = int(np.searchsorted(self.t, t - REMEMBERED))
        return Answered(self.since, seen, (*self.t[first:], t), (*self.q[first:], q))


@dataclass(frozen=True, eq=False)
class InstantState:
    """What is known of one person; `track` is None while they are lost."""

    model: TrackModel
    last: Estimate
    explained: Explained
    exchanged: np.ndarray
    size: SizeSearch | None
    frame: Frame
    track: Answered | None = None
    fitted: Model | None = None
    """On the device, in `frame`."""
    recent: tuple[View, ...] = ()
    """The latest usable view of each camera."""
    early: tuple[View, ...] = ()
    """Views of later times than the last instant's."""
    unsmoothed: tuple[Estimate, ...] = ()
    previous: float = -np.inf
    too_late: int = 0

    @property
    def subject(self) -> Subject:
        """The body that is fitted."""
        return self.model.subject

    def course(self) -> Answered | None:
        """The answers of the last moments; None while the person is lost."""
        return self.track

    def predict(self, t: float) -> np.ndarray | None:
        """Where the keypoints will be at the time t, (K, 3) m in the world frame; None while the person is lost."""
        return None if self.track is None else self.model.keypoints_ahead(self.track.at(t)[0])


class InstantSolver:
    """A `LiveSolver` of `InstantState`s. Sides that are exchanged stay so, and nothing is learnt of the clocks."""

    def __init__(
        self, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, lag: float, settings: FitSettings | None = None
    ) -> None:
        self.setup = TrackSetup(skeleton, rig, keypoints, lag, settings or FitSettings())
        bodies = tuple(int(b) for b in keypoints.body_indices(skeleton.bodies))
        self._step = _compiled(skeleton, bodies, self.setup.settings)

    def warm_up(self) -> None:
        """Compile everything (seconds, or less from the compilation cache)."""
        setup = self.setup
        state = self.begin(Subject.generic(setup.skeleton, setup.keypoints))
        seen, neutral = np.zeros((len(setup.rig.cameras), len(setup.keypoints.names), 3)), setup.skeleton.neutral
        state.model.reinitialiser.pose(seen, neutral)
        self._solved(self._started(state, 0.0, neutral), 0.01, seen)

    def begin(self, subject: Subject) -> InstantState:
        """The state of a person of whom nothing was seen yet."""
        unseen = TrackState.unseen(self.setup, subject)
        return InstantState(unseen.model, unseen.last, unseen.explained, unseen.exchanged, unseen.size, Frame.ground())

    def measure(
        self, state: InstantState, instants: Sequence[Sighting], clocks: np.ndarray, load: Load = Load.NORMAL
    ) -> tuple[InstantState, list[Estimate]]:
        """Answer instants, one after the other: see `LiveSolver.measure`. The load changes nothing."""
        answered = []
        for t, views in instants:
            if not t > state.previous:
                raise ValueError(f"instant {t} is not after {state.previous}")
            state = self._answered(state, t, views, state.model.clock + clocks)
            answered.append(state.last)
        return state, answered

    def settle(self, state: InstantState) -> tuple[InstantState, list[Estimate], list[ClockEvidence]]:
        """The answers of the instants that have become one lag old; the clocks are told nothing."""
        state = self._sized(state)
        old = state.previous - self.setup.lag + ROUNDING
        count = sum(estimate.t <= old for estimate in state.unsmoothed)
        return replace(state, unsmoothed=state.unsmoothed[count:]), list(state.unsmoothed[:count]), []

    def finish(self, state: InstantState) -> tuple[InstantState, list[Estimate]]:
        """The answers that have not been given as smoothed ones yet; the track ends."""
        return replace(state, unsmoothed=(), track=None, recent=()), list(state.unsmoothed)

    def set_subject(self, state: InstantState, subject: Subject) -> InstantState:
        """Take another body from the next instant on."""
        setup, model = self.setup, TrackModel(self.setup, subject)
        size = SizeSearch(setup.skeleton, setup.keypoints) if subject.of_unknown_size else None
        return replace(
            state, model=model, size=size, fitted=None if state.track is None else model.seen_from(state.frame)
        )

    def _answered(self, state: InstantState, t: float, views: Sequence[View], clock: np.ndarray) -> InstantState:
        """The state after the instant t."""
        known = [*state.early, *(View(v.camera, v.t + clock[v.camera], v.xyc) for v in views)]
        now = sorted((v for v in known if v.t <= t + JOIN), key=lambda view: view.t)
        new = [v for v in now if v.usable and v.t > t - TOGETHER]
        recent = {v.camera: v for v in (*state.recent, *new) if v.t > t - TOGETHER}
        state = replace(
            state,
            recent=tuple(recent.values()),
            early=tuple([v for v in known if v.t > t + JOIN][-len(clock) :]),
            too_late=state.too_late + sum(1 for v in now if v.t <= t - TOGETHER),
            explained=state.explained.copy(),
        )
        used, seen = len({v.camera for v in new}), self._together(state)
        if state.track is not None and t - state.track.seen > COAST:
            state = replace(state, track=None)
        if state.track is None and used >= 2:
            pose, valid = state.model.reinitialiser.pose(seen, near=state.last.q)
            state = self._started(state, t, pose) if valid >= USABLE_POINTS else state
        if state.track is not None:
            estimate, state = self._followed(state, t, seen, used)
        if state.track is None:
            nan = np.full_like(state.last.sd, np.nan)
            still = np.zeros_like(nan)
            estimate = replace(state.last, t=t, qd=still, sd=nan, rms_px=np.nan, views=used, state="lost")
        estimate = replace(estimate, explained=state.explained.since(t - LATELY))
        return replace(state, last=estimate, previous=t, unsmoothed=(*state.unsmoothed, estimate))

    def _started(self, state: InstantState, t: float, pose: np.ndarray) -> InstantState:
        """At the start of a track from that pose (ground frame)."""
        last = replace(state.last, q=np.asarray(pose, float))
        return replace(state, last=last, track=Answered(t, t, (t,), (last.q,)), fitted=None)

    def _followed(self, state: InstantState, t: float, seen: np.ndarray, used: int) -> tuple[Estimate, InstantState]:
        """The answer to the instant t, and the state after it: without a track where that does not explain it."""
        state, q, sd, found = self._solved(state, t, seen)
        track, last, placing = state.track, state.last, state.model.placing
        assert track is not None
        weight, error = np.asarray(found.weight), np.asarray(found.error)
        tracking, started = len(state.recent) >= 2, t > track.since
        estimate = Estimate(
            t=t,
            q=q,
            qd=(q - last.q) / (t - last.t) if started else np.zeros_like(q),
            sd=sd,
            rms_px=float(robust_rms(error.reshape(1, -1), weight.reshape(1, -1) > 0.0)[0]),
            rms_px_camera=robust_rms(error, weight > 0.0),
            views=used,
            state="tracking" if tracking else "coasting",
            **placing.at(q),
            explained=np.nan,
        )
        if tracking:
            state.explained.note(t, *state.model.tolerance.count(error, seen, estimate.keypoints, weight > 0.0))
            if not explains(state.explained.since(max(track.since, t - JUDGED)), len(state.recent), started):
                return estimate, replace(state, track=None)
        after = track if started else track._replace(t=(), q=())
        return estimate, replace(state, track=after.followed_by(t, q, t if tracking else track.seen))

    def _solved(
        self, state: InstantState, t: float, seen: np.ndarray
    ) -> tuple[InstantState, np.ndarray, np.ndarray, _Look]:
        """The state with the frame that was solved in, coordinates and their sd (D,) in the ground frame, and more."""
        last, real, frame, fitted = state.last.q, self.setup.settings.real, state.frame, state.fitted
        before = frame.enter(last, last[3:6])
        if fitted is None or abs(before[4]) >= TURN:
            frame = Frame.regular_at(rotation_of(last[3:6]), UPRIGHT)
            fitted, before = state.model.seen_from(frame), frame.enter(last, last[3:6])
        dt = np.clip(np.nan_to_num(t - state.previous, posinf=LONGEST), SHORTEST, LONGEST)
        found = self._step.solve(fitted, real(seen), real(before), real(dt))
        q = np.asarray(found.q, float) if state.recent else before
        # the views of an instant have erred alike before: their weight is small, but not what they say of its pose
        decorrelation = dt / (dt + 2.0 * self.setup.settings.persistence)
        variance = decorrelation * np.diag(np.linalg.inv(np.asarray(found.information, float)))
        q, _, sd = frame.leave(q, np.zeros_like(q), np.sqrt(variance), last[3:6])
        return replace(state, frame=frame, fitted=fitted), q, sd, found

    def _together(self, state: InstantState) -> np.ndarray:
        """The recent views as those of one instant, (C, K, 3)."""
        seen = np.zeros((len(self.setup.rig.cameras), len(self.setup.keypoints.names), 3))
        for view in state.recent:
            seen[view.camera] = view.xyc
        return seen

    def _sized(self, state: InstantState) -> InstantState:
        """With a body as large as the person, once that is seen."""
        if state.size is None or state.track is None or not state.size.wants(state.previous):
            return state
        search, points = state.size.copy(), state.model.reinitialiser.points(self._together(state))
        search.note(state.previous, np.asarray(points.position), np.asarray(points.valid))
        size = search.found() if search.has_enough else None
        if size is not None:
            state = self.set_subject(state, state.subject.sized(size))
        return replace(state, size=None if size is not None or search.in_vain else search)
