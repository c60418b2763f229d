"""Recorded trials of one person, laid out for the fit of whole trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfit.cameras import Lenses, Rig
from streamfit.fit.estimate import View
from streamfit.trajectory import SUPPORT, UniformSpline

GAP = 0.5
"""s without a usable instant at which a trajectory is cut in two."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One recording of one person: its cameras, and instants in order of time, each with its views."""

    name: str
    rig: Rig
    instants: Sequence[tuple[float, Sequence[View]]]


@dataclass(frozen=True, eq=False)
class Layout:
    """All trials as one chain of splines with M control points in total and S slots in each knot interval.

    Interval m is that between control points m .. m + 3. Empty slots have share 0.
    """

    splines: tuple[UniformSpline, ...]
    first: tuple[int, ...]
    """First control point of each spline."""
    t: np.ndarray
    """(M, S) s, NaN where empty."""
    seen: np.ndarray
    """(M, S, C, K, 3)."""
    weights: np.ndarray
    """(M, S, 4)."""
    ahead: np.ndarray
    """(M, S, C, 4): weights at each view's own time minus those at the slot's."""
    share: np.ndarray
    """(M, S, C)."""
    joined: np.ndarray
    """(M,) true where a control point continues the spline of the three before it."""
    trial: np.ndarray
    """(M,) index of the trial of each interval."""
    lenses: Lenses
    """(T, C, ...): the cameras of each trial; where it has fewer than C, the last is repeated and sees nothing."""

    @property
    def controls(self) -> int:
        return len(self.joined)


def lay_out(
    trials: Sequence[Trial], keypoints: int, spacing: float, persistence: float, slots: int | None = None
) -> Layout:
    """Bin the instants of all trials into knot intervals, at most `slots` in each (all of them if None).

    Where there are more, those nearest to evenly spaced places in the interval are taken.
    """
    cameras = max(len(trial.rig.cameras) for trial in trials)
    pieces = [(index, piece) for index, trial in enumerate(trials) for piece in _pieces(trial)]
    bins: list[tuple[int, UniformSpline, list[list[tuple[float, Sequence[View]]]]]] = []
    for index, piece in pieces:
        start, end = piece[0][0], piece[-1][0]
        spline = UniformSpline(start - 1e-6, spacing, max(1, int(np.ceil((end - start) / spacing + 1e-6))))
        rows: list[list[tuple[float, Sequence[View]]]] = [[] for _ in range(spline.intervals)]
        for instant in piece:
            rows[int(spline.interval(instant[0]))].append(instant)
        if slots is not None:
            rows = [_thin(row, slots) for row in rows]
        bins.append((index, spline, rows))
    depth = max((len(row) for _, _, rows in bins for row in rows), default=1)
    total = sum(spline.controls for _, spline, _ in bins)
    t = np.full((total, depth), np.nan)
    seen = np.zeros((total, depth, cameras, keypoints, 3), np.float32)
    weights = np.zeros((total, depth, SUPPORT))
    ahead = np.zeros((total, depth, cameras, SUPPORT))
    share = np.zeros((total, depth, cameras))
    joined = np.zeros(total, bool)
    owner = np.zeros(total, int)
    first, at = [], 0
    for index, spline, rows in bins:
        first.append(at)
        joined[at + SUPPORT - 1 : at + spline.controls] = True
        owner[at : at + spline.controls] = index
        last = np.full(cameras, np.nan)
        for m, row in enumerate(rows):
            for s, (time, views) in enumerate(row):
                t[at + m, s] = time
                weights[at + m, s] = _weights(spline, m, time)
                for view in views:
                    seen[at + m, s, view.camera] = view.xyc
                    ahead[at + m, s, view.camera] = _weights(spline, m, view.t) - weights[at + m, s]
                    gap = np.clip(np.nan_to_num(view.t - last[view.camera], nan=spacing), 1e-3, 0.1)
                    share[at + m, s, view.camera] = gap / (gap + 2.0 * persistence)
                    last[view.camera] = view.t
        at += spline.controls
    return Layout(
        tuple(b[1] for b in bins),
        tuple(first),
        t,
        seen,
        weights,
        ahead,
        share,
        joined,
        owner,
        _stack(trials, cameras),
    )


def _stack(trials: Sequence[Trial], cameras: int) -> Lenses:
    def pad(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x, np.repeat(x[-1:], cameras - len(x), 0)])

    return Lenses(*(np.stack([pad(x) for x in field]) for field in zip(*(t.rig.lenses() for t in trials), strict=True)))


def _pieces(trial: Trial) -> list[list[tuple[float, Sequence[View]]]]:
    """The instants with at least one view, cut where there is a gap."""
    pieces: list[list[tuple[float, Sequence[View]]]] = []
    for instant in trial.instants:
        if not instant[1]:
            continue
        if not pieces or instant[0] - pieces[-1][-1][0] > GAP:
            pieces.append([])
        pieces[-1].append(instant)
    return pieces


def _thin(row: list, slots: int) -> list:
    if len(row) <= slots:
        return row
    keep = np.unique(np.round((np.arange(slots) + 0.5) * len(row) / slots - 0.5).astype(int))
    return [row[i] for i in keep]


def _weights(spline: UniformSpline, interval: int, t: float) -> np.ndarray:
    """Weights of the control points of that interval at t, the interval's cubic going on a little beyond it."""
    alone = UniformSpline(spline.start + interval * spline.spacing, spline.spacing, 1)
    return alone.local_weights(t)
