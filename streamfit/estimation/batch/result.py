"""What every way of calibrating gives, and how it is run: with progress, and so that it can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from streamfit.model.camera import Rig
from streamfit.model.subject import Subject


@dataclass(frozen=True, eq=False)
class Movement:
    """One trial as a fit has it, at T instants in order of time."""

    name: str
    rig: Rig
    """The cameras it was fitted with: the trial's own, or as refined."""
    t: np.ndarray
    """(T,) s."""
    q: np.ndarray
    """(T, D) rad or m, NaN where the trial has no view nearby."""
    keypoints: np.ndarray
    """(T, K, 3) m, world frame of the cameras; NaN likewise."""


@dataclass(frozen=True, eq=False)
class ShapePosterior:
    """How well a person's shape is known: standard deviations before and after the recordings were seen."""

    groups: tuple[str, ...]
    scale: np.ndarray
    scale_before: np.ndarray
    """(G,) of the factors."""
    offsets: np.ndarray
    offsets_before: np.ndarray
    """(K,) m, of the offsets along their worst direction."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The subject, and the movements it was found with (one for each trial, in their order)."""

    subject: Subject
    movements: tuple[Movement, ...]
    steps: int
    converged: bool
    shape: ShapePosterior | None = None
    """None where the way of fitting does not know."""
    standing: tuple[str, ...] = ()
    """The trials that were taken for quiet standing."""
    resting: tuple[str, ...] = ()
    """Sentences about trials in which the person keeps still without standing: which, and why not."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a fit has got to: what it does, what fraction of that is done (0..1), and what it has so far."""

    what: str
    fraction: float
    result: Callable[[], Calibration] | None = None
    """The best so far; None before there is any."""


Fit = Iterator[Stage]
"""A calibration under way: it works as it is iterated and can be left at any stage that has a result."""

Progress = Callable[[str, float], None]
"""Told what is being done and what fraction of it is."""


def finish(fit: Fit, progress: Progress = lambda what, fraction: None) -> Calibration:
    """Run a fit to its end, or, from Ctrl-C on, take the best it has. KeyboardInterrupt if it has nothing yet."""
    latest = None
    try:
        for stage in fit:
            latest = stage.result or latest
            progress(stage.what, stage.fraction)
    except KeyboardInterrupt:
        if latest is None:
            raise
    assert latest is not None, "a fit ends with a result or an error"
    return latest()
