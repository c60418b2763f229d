"""The descent of the joint fit: Gauss-Newton steps with the noise from wide to narrow, until nothing moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.batch.linearise import Data, Shared
from streamfit.estimation.batch.schur_step import Bilevel, SharedPrior, Step
from streamfit.estimation.factors.reprojection import Noise

WIDENING = (16.0, 16.0, 12.0, 8.0, 8.0, 6.0, 4.0, 4.0, 3.0, 2.0, 2.0, 1.5)
"""The noise is taken this many times larger in the first steps: from wide to narrow."""
STEPS = 30
CONVERGED = 2e-3
"""Largest change of a scale factor, an offset (m) or a camera's place (m) in a step at which the fit has converged."""
LEVEL, LATELY = 3e-4, 4
"""It has converged too where the cost changes by less than this share over so many steps: what still moves then is
what the recordings cannot tell."""


class State(NamedTuple):
    """A descent after `number` steps."""

    step: Step
    noise: Noise
    number: int
    converged: bool


def descend(
    model: Bilevel,
    data: Callable[[np.ndarray], Data],
    controls: np.ndarray,
    shared: Shared,
    noise: Noise,
    prior: Callable[[float], SharedPrior],
    learn: Callable[[Step, Noise], Noise],
    widening: Sequence[float] = WIDENING,
    steps: int = STEPS,
) -> Iterator[State]:
    """The states after each step, until the fit has converged or `steps` are done.

    `data` is asked before each step, with the control points, `prior` at each widening; `learn` makes the noise of the
    next step once it is no longer widened.
    InputError where the fit diverges.
    """
    costs: list[float] = []
    widths = [*widening, *[1.0] * (steps - len(widening))]
    for number, width in enumerate(widths, start=1):
        step = model.step(data(controls), noise._replace(sd=noise.sd * width), controls, shared, prior(width))
        changed = [
            (step.shared.scale, shared.scale),
            (step.shared.offsets, shared.offsets),
            (step.shared.cameras.translation, shared.cameras.translation),
        ]
        if not model.linearise.border:
            changed = [(step.controls, controls)]
        moved = max(float(np.abs(a - b).max()) for a, b in changed)
        if not np.isfinite(moved):
            raise InputError(
                "calibration: the fit diverged; check that the keypoint set and the cameras belong to this recording"
            )
        controls, shared = step.controls, step.shared
        if width == 1.0:
            noise = learn(step, noise)
            costs.append(float(step.cost))
        level = len(costs) > LATELY and np.ptp(costs[-LATELY:]) < LEVEL * abs(costs[-1])
        converged = width == 1.0 and (moved < CONVERGED or bool(level))
        yield State(step, noise, number, converged)
        if converged:
            break
