"""The views of all trials as arrays of one shape, from which a first-order fit draws its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.batch.trial import GAP, Trial
from streamfit.estimation.estimate import View
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.triangulate import triangulate
from streamfit.estimation.settings import FitSettings
from streamfit.model.camera import Lenses, stack_lenses
from streamfit.model.subject import DEFAULT_NOISE, SKIN

TOGETHER = 1e-3
"""s: views of an instant that are no further apart are taken as of one time, their mean."""
LOOKED_AT = 24
"""Instants of a trial that are triangulated to find where the person is."""
SEEN = 40
"""Triangulated points over all of these without which there is nothing to fit."""


@dataclass(frozen=True, eq=False)
class Sightings:
    """T trials, each with its times of capture; R is the most that any has, C the most cameras.

    Each time that cameras saw the person at is a row of its own: where cameras run free, a row has one view.
    """

    t: np.ndarray
    """(T, R) s; rows that a trial does not have repeat its last."""
    count: np.ndarray
    """(T,) rows that it has."""
    seen: np.ndarray
    """(T, R, C, K, 3): px, px, confidence; 0 where there is no view."""
    lenses: Lenses
    """(T, C, ...): where a trial has fewer cameras, the last is repeated and sees nothing."""


def sightings(trials: Sequence[Trial], keypoints: int) -> Sightings:
    """Every view of every trial, each of which must have one."""
    rows = [[row for _, views in trial.instants for row in _by_time(views)] for trial in trials]
    cameras = max(len(trial.rig.cameras) for trial in trials)
    longest = max(len(own) for own in rows)
    seen = np.zeros((len(trials), longest, cameras, keypoints, 3), np.float32)
    t = np.zeros((len(trials), longest))
    for index, own in enumerate(rows):
        t[index] = own[-1][0]
        for r, (time, views) in enumerate(own):
            t[index, r] = time
            for view in views:
                seen[index, r, view.camera] = np.where(view.xyc[:, 2:] > 0.0, view.xyc, 0.0)
    lenses = stack_lenses([trial.rig.lenses() for trial in trials], cameras)
    return Sightings(t, np.array([len(own) for own in rows]), seen, lenses)


def centres(trials: Sequence[Trial], data: Sightings) -> np.ndarray:
    """Where the person is in each trial (T, 3; ground frame, m): the median of points triangulated throughout it.

    `InputError` where almost none can be. A trial without any takes the median of the others.
    """
    count = data.seen.shape[3]
    noise = Noise(*(np.asarray(x, float) for x in _usual_noise(count)))
    found: list[np.ndarray] = []
    for index, trial in enumerate(trials):
        lenses = Lenses(*(x[index] for x in data.lenses))
        usable = [views for _, views in trial.instants if len(views) > 1]
        chosen = np.unique(np.linspace(0, max(len(usable) - 1, 0), LOOKED_AT).astype(int))[: len(usable)]
        own = [np.zeros((0, 3))]
        for i in chosen:
            seen = np.zeros(data.seen.shape[2:])
            for view in usable[i]:
                seen[view.camera] = view.xyc
            points = jax.device_get(triangulate(lenses, seen, noise))
            own.append(points.position[points.valid])
        found.append(np.concatenate(own))
    everything = np.concatenate(found)
    if len(everything) < SEEN:
        raise InputError(
            "calibration: almost no keypoint is seen by two cameras that agree; check cameras.toml and the clocks"
        )
    return np.array([np.median(own if len(own) else everything, 0) for own in found])


def near_views(trial: Trial) -> np.ndarray:
    """(N,) whether each instant lies among views: not before the first, after the last, or in a gap."""
    t = np.array([instant for instant, _ in trial.instants])
    seen = np.array([instant for instant, views in trial.instants if views])
    if not len(seen):
        return np.zeros(len(t), bool)
    after = np.searchsorted(seen, t)
    inside = (t >= seen[0]) & (t <= seen[-1])
    following, before = seen[np.minimum(after, len(seen) - 1)], seen[np.maximum(after - 1, 0)]
    return inside & ((following == t) | (following - before <= GAP))


def _by_time(views: Sequence[View]) -> list[tuple[float, list[View]]]:
    groups: list[list[View]] = []
    for view in sorted(views, key=lambda view: view.t):
        if not groups or view.t - groups[-1][0].t > TOGETHER:
            groups.append([])
        groups[-1].append(view)
    return [(float(np.mean([view.t for view in group])), group) for group in groups]


def _usual_noise(count: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    usual = FitSettings()
    return np.full(count, DEFAULT_NOISE), np.full(count, SKIN), usual.dof, usual.confidence_power
