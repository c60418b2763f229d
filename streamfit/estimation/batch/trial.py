"""Recorded trials of one person, laid out for the fit of whole trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfit.estimation.batch.leaps import leaps
from streamfit.estimation.estimate import View
from streamfit.model.camera import Lenses, Rig, stack_lenses
from streamfit.model.spline import SUPPORT, UniformSpline

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

    Interval m is that between control points m .. m + 3. Empty slots have decorrelation 0. Trials whose cameras are the
    same have one rig.
    """

    splines: tuple[UniformSpline, ...]
    first: tuple[int, ...]
    """First control point of each spline."""
    t: np.ndarray
    """(M, S) s, NaN where empty."""
    seen: np.ndarray
    """(M, S, C, K, 3)."""
    place: np.ndarray
    """(M, S) where in its interval each slot's time is, 0..1."""
    view_place: np.ndarray
    """(M, S, C) the same for each view's own time; may lie a little beyond."""
    decorrelation: np.ndarray
    """(M, S, C)."""
    joined: np.ndarray
    """(M,) true where a control point continues the spline of the three before it."""
    trial: np.ndarray
    """(M,) index of the trial of each interval."""
    rigs: tuple[Rig, ...]
    rig: np.ndarray
    """(M,) index of the rig of each interval."""
    lenses: Lenses
    """(R, C, ...): the cameras of each rig; where it has fewer than C, the last is repeated and sees nothing."""

    @property
    def controls(self) -> int:
        """Number of control points."""
        return len(self.joined)

    @property
    def independent(self) -> float:
        """How many instants of errors that persist are worth as much as all of these."""
        return float(self.decorrelation.max(-1).sum())


def lay_out(
    trials: Sequence[Trial], keypoints: int, spacing: float, persistence: float, slots: int | None = None
) -> Layout:
    """Bin the instants of all trials into knot intervals, at most `slots` in each (all of them if None).

    Where there are more, those nearest to evenly spaced places in the interval are taken.
    """
    rigs: dict[str, Rig] = {}
    keys = [_known(rigs, trial.rig) for trial in trials]
    rig_of = [list(rigs).index(key) for key in keys]
    cameras = max(len(rig.cameras) for rig in rigs.values())
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
    place = np.zeros((total, depth))
    view_place = np.zeros((total, depth, cameras))
    decorrelation = np.zeros((total, depth, cameras))
    joined = np.zeros(total, bool)
    owner = np.zeros(total, int)
    first, at = [], 0
    for index, spline, rows in bins:
        first.append(at)
        joined[at + SUPPORT - 1 : at + spline.controls] = True
        owner[at : at + spline.controls] = index
        last = np.full(cameras, np.nan)
        for m, row in enumerate(rows):
            begin = spline.start + m * spacing
            for s, (time, views) in enumerate(row):
                t[at + m, s] = time
                place[at + m, s] = view_place[at + m, s] = (time - begin) / spacing
                for view in views:
                    seen[at + m, s, view.camera] = view.xyc
                    view_place[at + m, s, view.camera] = (view.t - begin) / spacing
                    gap = np.clip(np.nan_to_num(view.t - last[view.camera], nan=spacing), 1e-3, 0.1)
                    decorrelation[at + m, s, view.camera] = gap / (gap + 2.0 * persistence)
                    last[view.camera] = view.t
        at += spline.controls
    return Layout(
        splines=tuple(b[1] for b in bins),
        first=tuple(first),
        t=t,
        seen=seen,
        place=place,
        view_place=view_place,
        decorrelation=decorrelation,
        joined=joined,
        trial=owner,
        rigs=tuple(rigs.values()),
        rig=np.array(rig_of)[owner],
        lenses=stack_lenses([rig.lenses() for rig in rigs.values()], cameras),
    )


def _known(rigs: dict[str, Rig], rig: Rig) -> str:
    """The key of a rig among those known, where it is put if it is new."""
    key = rig.to_toml()
    rigs.setdefault(key, rig)
    return key


def _pieces(trial: Trial) -> list[list[tuple[float, Sequence[View]]]]:
    """The instants with at least one view, cut where there is a gap or the person leaps."""
    pieces: list[list[tuple[float, Sequence[View]]]] = []
    leapt = leaps(trial.rig, trial.instants)
    for index, instant in enumerate(trial.instants):
        if not instant[1]:
            continue
        if not pieces or instant[0] - pieces[-1][-1][0] > GAP or index in leapt:
            pieces.append([])
        pieces[-1].append(instant)
    return pieces


def _thin(row: list, slots: int) -> list:
    if len(row) <= slots:
        return row
    keep = np.unique(np.round((np.arange(slots) + 0.5) * len(row) / slots - 0.5).astype(int))
    return [row[i] for i in keep]
