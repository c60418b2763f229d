"""What a calibration is judged by: some instants of its trials, what was seen at them, and where the fit has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.estimation.batch.initialise_trial import triangulate_slots
from streamfit.estimation.batch.result import Calibration, Movement, Stage
from streamfit.estimation.batch.smooth import refined_trial
from streamfit.estimation.batch.trial import Layout, Trial, lay_out
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.quality.metrics import CONFIDENT
from streamfit.estimation.settings import FitSettings
from streamfit.model.camera import REFERENCE_WIDTH, Lenses, Rig, project
from streamfit.model.subject import Subject

SAMPLED, FEWEST = 96, 16
"""Instants that are looked at: of all trials together, but of each trial so many."""

Level = Literal["note", "usable", "poor"]


class Finding(NamedTuple):
    """One sentence about a calibration: what, where, what to do; and the best grade that it leaves."""

    level: Level
    text: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """N instants of all trials, seen by up to C cameras each. Points are in the ground frame, m.

    Where the fit has no pose, what comes of it is NaN.
    """

    names: tuple[str, ...]
    """Of the trials."""
    rigs: tuple[Rig, ...]
    """As the fit left them; rigs that are the same are one."""
    trial: np.ndarray
    rig: np.ndarray
    """(N,) indices."""
    seen: np.ndarray
    """(N, C, K, 3) px, px, confidence."""
    expected: np.ndarray
    """(N, C, K, 2) px: the fit's keypoints at each view's own time; infinite behind the camera."""
    q: np.ndarray
    """(N, D)"""
    fitted: np.ndarray
    """(N, K, 3) the fit's keypoints."""
    points: np.ndarray
    """(N, K, 3) what the views agree on without a skeleton, NaN where they do not."""
    agreed: np.ndarray
    """(N, C, K, 2) px: those points at each view's own time."""

    @property
    def enlarged(self) -> np.ndarray:
        """(N, C, 1) px of an image 2048 wide for each native px."""
        width = np.full((len(self.rigs), self.seen.shape[1]), float(REFERENCE_WIDTH))
        for row, rig in zip(width, self.rigs, strict=True):
            row[: len(rig.cameras)] = [camera.size[0] for camera in rig.cameras]
        return REFERENCE_WIDTH / width[self.rig][..., None]

    def camera(self, rig: int, index: int) -> str:
        """What a camera is called; where there are several rigs, with one of its trials."""
        name = self.rigs[rig].cameras[index].name
        return name if len(self.rigs) == 1 else f"{name} of {self.names[self.trial[self.rig == rig][0]]}"

    @property
    def error(self) -> np.ndarray:
        """(N, C, K) reprojection error of the confident points, px at 2048 wide, an image's width at most; NaN where
        there is none."""
        return self._errors_of(self.expected)

    @property
    def disagreement(self) -> np.ndarray:
        """(N, C, K) the same of the points that the views agree on, which no skeleton binds."""
        return self._errors_of(self.agreed)

    def _errors_of(self, pixels: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(self.seen[..., :2] - pixels, axis=-1) * self.enlarged
        return np.where(self.seen[..., 2] >= CONFIDENT, np.minimum(distance, REFERENCE_WIDTH), np.nan)


def gather(trials: Sequence[Trial], calibration: Calibration) -> Evidence:
    """Look at instants spread evenly over each trial, with the cameras and clocks that the calibration ended with."""
    subject, movements, settings = calibration.subject, calibration.movements, FitSettings()
    each = max(FEWEST, SAMPLED // max(1, len(trials)))
    sample = [_thinned(refined_trial(trial, subject), each) for trial in trials]
    layout = lay_out(sample, len(subject.keypoints), settings.spacing, settings.persistence, slots=1)
    at = np.flatnonzero(np.isfinite(layout.t[:, 0]))
    trial, rig, t = layout.trial[at], layout.rig[at], layout.t[at, 0]
    times = np.concatenate([t[:, None], _view_times(layout)[at]], 1)
    fitted = np.zeros((*times.shape, len(subject.keypoints), 3))
    q = np.zeros((len(at), movements[0].q.shape[1]))
    for index, movement in enumerate(movements):
        mine = trial == index
        if mine.any():
            fitted[mine] = keypoints_at(movement, times[mine]) @ sample[index].rig.to_ground.T
            q[mine] = movement.q[np.abs(movement.t - t[mine, None]).argmin(1)]
    lenses = Lenses(*(x[rig] for x in layout.lenses))
    seen = layout.seen[at, 0].astype(float)

    def projected(points: np.ndarray) -> np.ndarray:
        return np.asarray(_projected(lenses, np.broadcast_to(points, (*seen.shape[:3], 3))))

    expected = projected(fitted[:, 1:])
    with np.errstate(invalid="ignore"):
        moved = projected(fitted[:, :1]) - expected
    moved = np.where(np.isfinite(moved), moved, 0.0)
    points = _triangulated(layout, at, moved, subject)
    names = tuple(one.name for one in trials)
    agreed = projected(points[:, None]) - moved
    return Evidence(names, layout.rigs, trial, rig, seen, expected, q, fitted[:, 0], points, agreed)


def keypoints_at(movement: Movement, times: np.ndarray) -> np.ndarray:
    """A movement's keypoints (..., K, 3) at other times (...), on straight lines which go on beyond its ends."""
    t, x = movement.t, movement.keypoints
    if len(t) == 1:
        return np.broadcast_to(x[0], (*times.shape, *x.shape[1:]))
    after = np.clip(np.searchsorted(t, times), 1, len(t) - 1)
    fraction = ((times - t[after - 1]) / (t[after] - t[after - 1]))[..., None, None]
    return (1.0 - fraction) * x[after - 1] + fraction * x[after]


def median(values: np.ndarray) -> float:
    """Of the values that are known (not NaN); NaN where there is none."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else np.nan


def _thinned(trial: Trial, count: int) -> Trial:
    """At most `count` of the instants that have a view, evenly spread."""
    seen = [instant for instant in trial.instants if instant[1]]
    keep = np.unique(np.round(np.linspace(0, len(seen) - 1, min(count, len(seen)))).astype(int))
    return replace(trial, instants=[seen[i] for i in keep])


def _view_times(layout: Layout) -> np.ndarray:
    """(M, C) s, when each view was taken."""
    begin = np.zeros(layout.controls)
    for first, spline in zip(layout.first, layout.splines, strict=True):
        begin[first : first + spline.controls] = spline.start + np.arange(spline.controls) * spline.spacing
    return begin[:, None] + layout.view_place[:, 0] * layout.splines[0].spacing


def _triangulated(layout: Layout, at: np.ndarray, moved: np.ndarray, subject: Subject) -> np.ndarray:
    """Points (N, K, 3) of the views, each `moved` (N, C, K, 2; px) from its own time to that of its instant."""
    settings = FitSettings()
    known = (subject.noise, subject.sta_sd, settings.dof, settings.confidence_power)
    views = layout.seen.copy()
    views[at, 0, ..., :2] += moved
    noise = Noise(*(np.asarray(value, float) for value in known))
    *_, found = triangulate_slots(replace(layout, seen=views), noise)
    assert not isinstance(found, Stage), "triangulation ends with its result"
    return np.where(found.valid[at, 0][..., None], found.position[at, 0], np.nan)


@jax.jit
def _projected(lenses: Lenses, points: Float[Array, "N C K 3"]) -> Float[Array, "N C K 2"]:
    """Pixels, infinite where a point is behind the camera, NaN where it is."""

    def one(lens: Lenses, points: Array) -> Array:
        there = project(lens, points)
        known = jnp.where(there.visible[:, None], there.pixels, jnp.inf)
        return jnp.where(jnp.isnan(points).any(-1, keepdims=True), jnp.nan, known)

    return jax.vmap(jax.vmap(one))(lenses, points)
