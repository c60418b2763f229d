"""The calibration phase: a person's scale and keypoint offsets from recorded trials (bilevel fit)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import jax
import numpy as np

from streamfit.cameras import Lenses
from streamfit.errors import InputError
from streamfit.fit.bilevel import Bilevel, Data, Shared, SharedPrior, Step
from streamfit.fit.initial import InitialPose
from streamfit.fit.metrics import CONFIDENT, Consistency
from streamfit.fit.prior import MotionPrior
from streamfit.fit.residuals import Noise
from streamfit.fit.settings import FitSettings
from streamfit.fit.stature import overall_scale
from streamfit.fit.trial import Layout, Trial, lay_out
from streamfit.fit.triangulate import Points, triangulate
from streamfit.skeleton import KeypointSet, Kinematics, Skeleton
from streamfit.subject import DEFAULT_NOISE, SKELETON_STATURE, SKIN, Subject

WIDENING = (16.0, 16.0, 12.0, 8.0, 8.0, 6.0, 4.0, 4.0, 3.0, 2.0, 2.0, 1.5)
"""The noise is taken this many times larger in the first steps: from wide to narrow."""
STEPS = 30
CONVERGED = 1e-3
"""Largest change of a scale factor or offset (m) between two steps at which the fit has converged."""
COMMON, PAIR, SIDE = 0.3, 0.05, 0.015
"""Standard deviations of scale factors: of all together, of one segment, of one side against the other."""

TRACE = 1e-4
"""Information (1/rad^2, 1/m^2) that keeps control points proper which no view and no neighbour ties."""

Progress = Callable[[str, float], None]
"""Told what is being done and which share of it is."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The subject, and the trajectories it was found with."""

    subject: Subject
    layout: Layout
    controls: np.ndarray
    step: Step
    steps: int
    converged: bool


def calibrate(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    keypoints: KeypointSet,
    stature: float | None = None,
    settings: FitSettings | None = None,
    progress: Progress = lambda what, share: None,
) -> Calibration:
    """Fit scale, offsets, noise and the trajectories of all trials together.

    Everything starts from robust triangulation: the overall scale from the distances between keypoints, the
    poses from single-instant fits. `InputError` where there is nothing to fit.
    """
    settings = settings or FitSettings()
    if not any(views for trial in trials for _, views in trial.instants):
        raise InputError("calibration: the recordings hold no views of this person; record again or name another")
    layout = lay_out(trials, len(keypoints.names), settings.spacing, settings.persistence, slots=1)
    model = _compiled(skeleton, keypoints, settings)
    count = len(keypoints.names)
    known = (np.full(count, DEFAULT_NOISE), np.full(count, SKIN), settings.freedom, settings.confidence_power)
    noise = Noise(*(np.asarray(x, float) for x in known))
    progress("triangulating", 0.0)
    points = _triangulate_all(layout, noise, progress)
    if points.valid.sum() < 10 * 8:
        raise InputError(
            "calibration: almost no keypoint is seen by two cameras that agree; check cameras.toml and the clocks"
        )
    overall = (
        stature / SKELETON_STATURE if stature else overall_scale(skeleton, keypoints, points.position, points.valid)
    )
    generic = Subject.generic(skeleton, keypoints, overall * SKELETON_STATURE)
    controls = _first_controls(model, layout, points, generic, skeleton, keypoints, progress)
    prior = shared_prior(skeleton, keypoints, overall, 0.03 if stature else COMMON)
    shared = Shared(generic.factors(skeleton), np.zeros_like(keypoints.positions))
    bands = model.prior.bands(layout.joined)
    bands[:, 0] += TRACE * np.eye(bands.shape[-1])
    data = Data(layout.lenses, layout.trial, layout.seen, layout.weights, layout.ahead, layout.share, bands)
    widths = [*WIDENING, *[1.0] * (STEPS - len(WIDENING))]
    converged, step = False, None
    for number, width in enumerate(widths):
        progress("fitting", number / len(widths))
        step = model.step(data, noise._replace(sd=noise.sd * width), controls, shared, prior)
        moved = max(float(np.abs(a - b).max()) for a, b in zip(step.shared, shared, strict=True))
        controls, shared = step.controls, step.shared
        if not np.isfinite(moved):
            raise InputError(
                "calibration: the fit diverged; check that the keypoint set and the cameras belong to this recording"
            )
        if width == 1.0:
            noise = noise._replace(sd=keypoint_noise(layout, step, settings, noise))
            converged = moved < CONVERGED
            if converged:
                break
    progress("fitting", 1.0)
    assert step is not None
    subject = replace(
        generic,
        scale=dict(zip(skeleton.groups, np.asarray(shared.scale).tolist(), strict=True)),
        offsets=np.asarray(shared.offsets),
        noise=np.asarray(noise.sd),
        wander=np.asarray(noise.wander),
        fit={
            "method": "bilevel",
            "trials": [trial.name for trial in trials],
            "steps": number + 1,
            "converged": converged,
            "instants": int(np.isfinite(layout.t).sum()),
            "residuals": _residuals(trials, layout, step),
        },
    )
    return Calibration(subject, layout, np.asarray(controls), jax.device_get(step), number + 1, converged)


def shared_prior(skeleton: Skeleton, keypoints: KeypointSet, overall: float, common: float = COMMON) -> SharedPrior:
    """Scale factors about the overall one, alike on both sides; offsets about nothing, with the set's sd."""
    names = [group.removesuffix("_r").removesuffix("_l") for group in skeleton.groups]
    pair = np.array([[a == b for b in names] for a in names], float)
    covariance = common**2 + PAIR**2 * pair + SIDE**2 * np.eye(len(names))
    count = len(keypoints.names)
    information = np.zeros((len(names) + 3 * count,) * 2)
    information[: len(names), : len(names)] = np.linalg.inv(covariance * overall**2)
    information[len(names) :, len(names) :] = np.diag(np.repeat(keypoints.sd, 3) ** -2.0)
    mean = np.concatenate([np.full(len(names), overall), np.zeros(3 * count)])
    return SharedPrior(mean, information)


def keypoint_noise(layout: Layout, step: Step, settings: FitSettings, noise: Noise) -> np.ndarray:
    """Noise (K,) px at 2048 wide: the Student-t scale of each keypoint's residuals (one EM step)."""
    confidence = np.clip(layout.seen[..., 2], 1e-3, 1.0) ** settings.confidence_power
    weight, error = (
        np.asarray(step.weight),
        np.asarray(step.error) / layout.lenses.pixel[layout.trial][:, None, :, None],
    )
    used = weight > 0
    robust = weight * (settings.freedom + 2.0) / settings.freedom
    square = np.where(used, robust * error**2 * confidence, 0.0).sum((0, 1, 2))
    count = used.sum((0, 1, 2))
    measured = np.sqrt(square / np.maximum(2.0 * count, 1.0))
    return np.where(count > 20, np.clip(measured, 0.5, 50.0), noise.sd)


def _residuals(trials: Sequence[Trial], layout: Layout, step: Step) -> dict[str, dict[str, float]]:
    """Of each trial: median reprojection error (native px), and GC_5/10/20 of the confident points."""
    out = {}
    for index, trial in enumerate(trials):
        own = layout.trial == index
        confident = np.where(layout.seen[own][..., 2] >= CONFIDENT, np.asarray(step.error)[own], np.nan)
        width = [camera.size[0] for camera in trial.rig.cameras]
        error = Consistency(confident[:, 0, : len(width)], np.array(width, float))
        shares = {f"gc_{x}": round(error.share_within(x), 4) for x in (5, 10, 20)}
        out[trial.name] = {"median_px": round(error.median(), 3), **shares}
    return out


@lru_cache(maxsize=4)
def _compiled(skeleton: Skeleton, keypoints: KeypointSet, settings: FitSettings) -> Bilevel:
    kinematics = Kinematics(skeleton, keypoints.body_indices(skeleton.bodies))
    return Bilevel(kinematics, MotionPrior.of(skeleton, settings), keypoints.positions, settings.spacing)


def _triangulate_all(layout: Layout, noise: Noise, progress: Progress) -> Points:
    """Robust triangulation of the first slot of every interval: arrays over (M, K)."""
    out = []
    for m in range(layout.controls):
        lenses = Lenses(*(x[layout.trial[m]] for x in layout.lenses))
        out.append(triangulate(lenses, layout.seen[m, 0].astype(float), noise))
        progress("triangulating", (m + 1) / layout.controls)
    return Points(*(np.array(jax.device_get(x)) for x in zip(*out, strict=True)))


def _first_controls(
    model: Bilevel,
    layout: Layout,
    points: Points,
    subject: Subject,
    skeleton: Skeleton,
    keypoints: KeypointSet,
    progress: Progress,
) -> np.ndarray:
    """Control points (M, D) through poses fitted instant by instant, each started from the one before."""
    initial = InitialPose(model.kinematics)
    scale, places = subject.factors(skeleton), subject.places(skeleton, keypoints)
    controls = np.zeros((layout.controls, len(skeleton.coordinates)))
    for first, spline in zip(layout.first, layout.splines, strict=True):
        times: list[float] = []
        poses: list[np.ndarray] = []
        q = skeleton.neutral
        for m in range(first, first + spline.intervals):
            sd = np.where(points.valid[m], np.hypot(keypoints.sd, points.sd[m]), np.inf)
            if points.valid[m].sum() < 6:
                continue
            target = (points.position[m], sd, scale, places, q)
            q = initial.follow(*target) if poses else initial(*target, thorough=True)
            times.append(layout.t[m, 0])
            poses.append(np.asarray(q))
            progress("first poses", m / layout.controls)
        if not poses:
            continue
        stacked = np.array(poses)
        stacked[:, 3:6] = np.unwrap(stacked[:, 3:6], axis=0)
        centres = spline.start + (np.arange(spline.controls) - 1.0) * spline.spacing
        for d in range(controls.shape[1]):
            controls[first : first + spline.controls, d] = np.interp(centres, times, stacked[:, d])
    return controls
