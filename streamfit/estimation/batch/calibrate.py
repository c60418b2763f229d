"""The calibration phase: a person's scale and keypoint offsets from recorded trials (bilevel fit).

Second order: every step solves for the body, the trajectories of all trials and, with bundle adjustment, the
cameras together (see `bilevel`), with robust weights from wide to narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeVar

import jax
import numpy as np
import scipy.linalg

from streamfit.errors import InputError
from streamfit.estimation.batch.bundle_adjust import calibrated_cameras, camera_prior, refined_rigs
from streamfit.estimation.batch.compile_ahead import compile_ahead
from streamfit.estimation.batch.gauss_newton import STEPS, State, descend
from streamfit.estimation.batch.initialise_trial import first_controls, triangulate_slots
from streamfit.estimation.batch.linearise import CAMERA, Data, Linearise, Measure, Shared
from streamfit.estimation.batch.noise_em import keypoint_noise, keypoint_sta_sd, persistent_share
from streamfit.estimation.batch.result import Calibration, Fit, Progress, ShapePosterior, Stage, finish
from streamfit.estimation.batch.schur_step import Bilevel, SharedPrior, Step
from streamfit.estimation.batch.trajectories import movements_of
from streamfit.estimation.batch.trial import Layout, Trial, lay_out
from streamfit.estimation.factors.motion_prior import MotionPrior
from streamfit.estimation.factors.posture_prior import Posture, Stand
from streamfit.estimation.factors.reprojection import Noise, view_terms
from streamfit.estimation.factors.shape_prior import Build, shape_prior
from streamfit.estimation.init.initial_scale import overall_scale
from streamfit.estimation.init.static_trial import pose_of, stands
from streamfit.estimation.init.triangulate import Points
from streamfit.estimation.quality.metrics import CONFIDENT, Consistency
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Kinematics, Skeleton
from streamfit.model.subject import DEFAULT_NOISE, SKELETON_STATURE, SKIN, Subject

T = TypeVar("T")

REFINING = 4
"""Instants of each knot interval that bundle adjustment looks at; without it one says enough."""
CAMERAS_FROM = 4.0
"""Widening at which the cameras begin to move; before, they are held."""
HELD = 1e4
"""How often the cameras' prior counts while they are held."""
SETTLING = 16
"""Steps after the cameras have been found."""
TRACE = 1e-4
"""Information (1/rad^2, 1/m^2) that keeps control points proper which no view and no neighbour ties."""
LANDMARK = 0.025
"""m: keypoints whose place on the body is known so well need not be found by movement."""
FEWEST_POINTS = 80
"""Triangulated keypoints of all instants without which there is nothing to fit."""


def calibrate(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    keypoints: KeypointSet,
    build: Build | None = None,
    settings: FitSettings | None = None,
    static: Sequence[str] | None = None,
    refine: bool = False,
    progress: Progress = lambda what, fraction: None,
) -> Calibration:
    """`fit_bilevel` from its start to its end."""
    return finish(fit_bilevel(trials, skeleton, keypoints, build, settings, static, refine), progress)


def fit_bilevel(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    keypoints: KeypointSet,
    build: Build | None = None,
    settings: FitSettings | None = None,
    static: Sequence[str] | None = None,
    refine: bool = False,
) -> Fit:
    """Fit scale, offsets, noise and the trajectories of all trials together; with `refine` the cameras too.

    Everything starts from robust triangulation: the overall scale from the distances between keypoints, the
    poses from single-instant fits. Trials named in `static`, or by themselves those of quiet standing, are
    taken to stand as people do. `InputError` where there is nothing to fit, or nobody stands in one that is named.
    """
    settings = settings or FitSettings()
    layout = checked_layout(trials, keypoints, settings, slots=REFINING if refine else 1)
    model = compiled(skeleton, keypoints, settings, refine=refine)
    kinematics = model.linearise.kinematics
    noise = first_noise(keypoints, settings)
    points = yield from last(triangulate_slots(layout, noise))
    check_points(points)
    compiling = _compile_ahead(model, skeleton, keypoints, layout, noise)
    generic, size = first_guess(build or Build(), skeleton, keypoints, points)
    controls, placed = yield from last(first_controls(kinematics, keypoints, layout, points, generic))
    standing, resting = stands(layout, trials, skeleton, controls, placed, generic.scale, static)
    mean, shape = shape_prior(skeleton, keypoints, layout.independent, *size)
    people = Posture.of(skeleton)
    postures = {i: people.holding(skeleton, pose_of(controls[(layout.trial == i) & placed])) for i in standing}
    stand = Stand(layout, data_of(layout, model.prior), postures)
    shared = Shared(generic.factors(skeleton), np.zeros_like(keypoints.positions), calibrated_cameras(layout))
    free = _with_cameras(mean, shape, layout, 1.0) if refine else SharedPrior(mean, shape)
    held = _with_cameras(mean, shape, layout, HELD) if refine else free
    found = _Found(trials, layout, model, keypoints, generic, free, standing, resting)

    def learn(step: Step, noise: Noise) -> Noise:
        return noise._replace(sd=keypoint_noise(layout, step, noise))

    def learn_both(step: Step, noise: Noise) -> Noise:
        return learn(step, noise)._replace(sta_sd=keypoint_sta_sd(layout, step, noise))

    compiling()
    start, what = (controls, shared, noise), "bundle adjustment" if refine else "fitting"
    last_learnt = learn_both if refine else learn
    for state in descend(model, stand, *start, lambda width: held if width > CAMERAS_FROM else free, last_learnt):
        # before the cameras are held and the body has settled, nothing is at its end
        yield Stage(
            what, state.number / STEPS, partial(found, state._replace(converged=state.converged and not refine))
        )
    if refine:
        # the cameras were found with keypoints that wander as much as they seem to; with the cameras where they
        # now are, the body is fitted as ever
        cameras = jax.device_get(state.step.shared.cameras)
        moved = stand.data.lenses._replace(rotation=cameras.rotation, translation=cameras.translation)
        stand = replace(stand, data=stand.data._replace(lenses=moved))
        pinned = _with_cameras(mean, shape, layout, HELD, cameras.clock)
        again = (state.step.controls, state.step.shared, state.noise._replace(sta_sd=noise.sta_sd))
        done = state.number
        for state in descend(model, stand, *again, lambda width: pinned, learn, (), SETTLING):
            yield Stage("fitting", state.number / SETTLING, partial(found, state._replace(number=done + state.number)))
        state = state._replace(number=done + state.number)
    yield Stage("fitting", 1.0, partial(found, state))


def _compile_ahead(
    model: Bilevel, skeleton: Skeleton, keypoints: KeypointSet, layout: Layout, noise: Noise
) -> Callable[[], None]:
    """Compile the step while the trials are triangulated, on numbers of no meaning."""
    mean, shape = shape_prior(skeleton, keypoints, 1.0)
    prior = _with_cameras(mean, shape, layout, 1.0) if model.linearise.refine else SharedPrior(mean, shape)
    data = data_of(layout, model.prior)
    ones = np.ones(len(skeleton.groups))
    shared = Shared(ones, np.zeros_like(keypoints.positions), calibrated_cameras(layout))
    return compile_ahead(model.step, data, noise, np.zeros_like(data.toward), shared, prior)


def checked_layout(
    trials: Sequence[Trial], keypoints: KeypointSet, settings: FitSettings, slots: int | None = 1
) -> Layout:
    """The layout of trials that hold views. InputError."""
    if not any(views for trial in trials for _, views in trial.instants):
        raise InputError("calibration: the recordings hold no views of this person; record again or name another")
    for trial in trials:
        seeing = {view.camera for _, views in trial.instants for view in views}
        if len(seeing) == 1:
            name = trial.rig.names[min(seeing)]
            raise InputError(
                f"calibration: in {trial.name} {name} alone sees the person; at least two cameras must, better three"
            )
    return lay_out(trials, len(keypoints.names), settings.spacing, settings.persistence, slots=slots)


def first_guess(
    build: Build, skeleton: Skeleton, keypoints: KeypointSet, points: Points
) -> tuple[Subject, tuple[float, float]]:
    """The generic person as large as is known, or as triangulated points (M, S, K) tell; the overall scale's prior."""
    flat = points.position.reshape(-1, *points.position.shape[2:])
    measured = overall_scale(skeleton, keypoints, flat, points.valid.reshape(-1, points.valid.shape[2]))
    return Subject.generic(skeleton, keypoints, build.stature or measured * SKELETON_STATURE), build.size(measured)


def check_points(points: Points) -> None:
    """InputError where almost nothing could be triangulated."""
    if points.valid.sum() < FEWEST_POINTS:
        raise InputError(
            "calibration: almost no keypoint is seen by two cameras that agree; check cameras.toml and the clocks"
        )


def first_noise(keypoints: KeypointSet, settings: FitSettings) -> Noise:
    """The noise of a detector that nobody has measured."""
    count = len(keypoints.names)
    known = (np.full(count, DEFAULT_NOISE), np.full(count, SKIN), settings.dof, settings.confidence_power)
    return Noise(*(np.asarray(x, float) for x in known))


def data_of(layout: Layout, prior: MotionPrior) -> Data:
    """What the steps work on."""
    bands = prior.bands(layout.joined)
    diagonal = np.arange(bands.shape[-1])
    bands[:, 0, diagonal, diagonal] += TRACE
    toward = np.zeros((len(bands), bands.shape[-1]))
    return Data(
        layout.lenses, layout.rig, layout.seen, layout.place, layout.view_place, layout.decorrelation, bands, toward
    )


def _with_cameras(
    mean: np.ndarray, shape: np.ndarray, layout: Layout, held: float, clock: np.ndarray | None = None
) -> SharedPrior:
    """The prior of shape with that of the cameras, counted `held` times, about the clocks (R, C) s or zero."""
    cameras = camera_prior(layout, held)
    about = np.zeros((*layout.lenses.rotation.shape[:2], CAMERA))
    if clock is not None:
        about[..., -1] = clock
    return SharedPrior(np.concatenate([mean, about.reshape(-1)]), scipy.linalg.block_diag(shape, cameras))


@dataclass(frozen=True, eq=False)
class _Found:
    """What a step has found, made into a calibration where one asks for it."""

    trials: Sequence[Trial]
    layout: Layout
    model: Bilevel
    keypoints: KeypointSet
    generic: Subject
    prior: SharedPrior
    standing: list[int]
    resting: tuple[str, ...]

    def __call__(self, state: State) -> Calibration:
        step = jax.device_get(state.step)
        linearise = self.model.linearise
        kinematics = linearise.kinematics
        skeleton, shared = kinematics.skeleton, step.shared
        refined = refined_rigs(self.layout, self.trials, shared.cameras) if linearise.refine else ()
        standing = tuple(self.trials[i].name for i in self.standing)
        persistent = persistent_share(self.layout, step, state.noise, linearise.spacing)
        subject = replace(
            self.generic,
            scale=dict(zip(skeleton.groups, shared.scale.tolist(), strict=True)),
            offsets=shared.offsets,
            noise=np.asarray(state.noise.sd),
            sta_sd=np.asarray(state.noise.sta_sd),
            sta_rms=np.maximum(keypoint_sta_sd(self.layout, step, state.noise), state.noise.sta_sd),
            persistent=np.where(np.isnan(persistent), self.generic.persistent, persistent),
            refined=refined,
            fit={
                "method": "bilevel",
                "trials": [trial.name for trial in self.trials],
                "standing": list(standing),
                "steps": state.number,
                "converged": state.converged,
                "instants": int(np.isfinite(self.layout.t).sum()),
                "residuals": _residuals(self.trials, self.layout, step),
            },
        )
        places = np.asarray(kinematics.places(shared.scale, linearise.positions)) + shared.offsets
        rigs = [one.rig for one in refined] or None
        return Calibration(
            subject,
            movements_of(self.trials, self.layout, step.controls, kinematics, shared.scale, places, rigs),
            state.number,
            state.converged,
            self._posterior(skeleton, step),
            standing,
            self.resting,
        )

    def _posterior(self, skeleton: Skeleton, step: Step) -> ShapePosterior:
        groups, count = len(skeleton.groups), len(self.generic.keypoints)

        def spread(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            covariance = np.linalg.inv(information)[: groups + 3 * count, : groups + 3 * count]
            spots = covariance[groups:, groups:].reshape(count, 3, count, 3)[np.arange(count), :, np.arange(count)]
            return np.sqrt(np.diag(covariance)[:groups]), np.sqrt(np.linalg.eigvalsh(spots)[:, -1])

        # landmarks are trusted as in the fit; of other keypoints, what counts again and again there is known once
        loose = np.repeat(self.keypoints.sd > LANDMARK, 3)
        known = self.prior.information.copy()
        once = np.diag(np.repeat(self.keypoints.sd**-2.0, 3) * np.where(loose, 1.0, max(1.0, self.layout.independent)))
        known[groups : groups + 3 * count, groups : groups + 3 * count] = once
        after, before = spread(step.information - self.prior.information + known), spread(known)
        return ShapePosterior(skeleton.groups, after[0], before[0], after[1], before[1])


def last(work: Iterator[Stage | T]) -> Generator[Stage, None, T]:
    """Pass the stages of some work on; its last word is the result."""
    for item in work:
        if isinstance(item, Stage):
            yield item
        else:
            return item
    raise AssertionError("the work ended without a result")


def _residuals(trials: Sequence[Trial], layout: Layout, step: Step) -> dict[str, dict[str, float]]:
    """Of each trial: median reprojection error (native px), and GC_5/10/20 of the confident points."""
    out = {}
    for index, trial in enumerate(trials):
        own = layout.trial == index
        error = np.linalg.norm(step.said.residual[own], axis=-1)
        seen = layout.seen[own][..., 2]
        behind = (seen > 0) & (step.said.weight[own] == 0)
        error = np.where(seen >= CONFIDENT, np.where(behind, np.inf, error), np.nan)
        width = [camera.size[0] for camera in trial.rig.cameras]
        consistency = Consistency(error.reshape(-1, *error.shape[2:])[:, : len(width)], np.array(width, float))
        shares = {f"gc_{x}": round(consistency.share_within(x), 4) for x in (5, 10, 20)}
        out[trial.name] = {"median_px": round(consistency.median(), 3), **shares}
    return out


@lru_cache(maxsize=8)
def compiled(
    skeleton: Skeleton,
    keypoints: KeypointSet,
    settings: FitSettings,
    measure: Measure = view_terms,
    border: bool = True,
    refine: bool = False,
) -> Bilevel:
    """The step of a fit, so that a second fit of the same kind does not compile it again."""
    linearise = Linearise(
        Kinematics.of(skeleton, keypoints), keypoints.positions, settings.spacing, measure, border, refine
    )
    return Bilevel(linearise, MotionPrior.of(skeleton, settings))
