"""Readings of the window as estimates: in the ground frame, with all that is uncertain in `sd`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from streamfit.estimation.estimate import Estimate, robust_rms
from streamfit.estimation.live.sliding_window.window_types import Reading, StepResult
from streamfit.estimation.live.track_state import TrackBuilder


class Followed(NamedTuple):
    """An instant that was answered: its time (s), how many views it had, and whether that counts as tracking."""

    t: float
    views: int
    tracking: bool


def estimates(
    builder: TrackBuilder, followed: Sequence[Followed], outcome: StepResult, newest: int | None
) -> list[Estimate]:
    """Those of instants that were answered together; `newest` is the slot of what was seen last."""
    used = outcome.weight > 0.0 if newest is not None else np.zeros(outcome.weight.shape, bool)
    rms_px = float(robust_rms(outcome.error.reshape(1, -1), used.reshape(1, -1))[0])
    rms_px_camera = robust_rms(outcome.error, used)
    active = builder.tracking.spline.from_knot(builder.setup.window.eliminated)
    out: list[Estimate] = []
    for t, views, tracking in followed:
        found = outcome.reading
        if t < followed[-1].t:
            found = Reading(*active.read(np.asarray(outcome.controls, float), t), found.variance)
        last = out[-1] if out else builder.last
        reading = grounded(builder, found, last)
        if not (tracking or views):
            # between two knots a spline is better known than on them; that is no news of the person
            reading["sd"] = np.fmax(reading["sd"], last.sd)
        one = Estimate(
            t=t,
            **reading,
            rms_px=rms_px,
            rms_px_camera=rms_px_camera,
            views=views,
            state="tracking" if tracking else "coasting",
            **builder.model.placing.at(reading["q"]),
            explained=np.nan,
        )
        out.append(one)
    return out


def grounded(builder: TrackBuilder, reading: Reading, last: Estimate) -> dict[str, Any]:
    """A reading in the ground frame, continuous with what was answered last: q, qd, sd."""
    track, settings = builder.tracking, builder.setup.settings
    assert track.systematic_variance is not None
    found = Reading(*(np.array(x, float) for x in reading))
    sd = np.sqrt(_decorrelation(builder) * found.variance + settings.varying * track.systematic_variance)
    q, qd, sd = track.frame.leave(found.q, found.qd, sd, last.q[3:6])
    model = builder.setup.skeleton.model_error.variance(builder.excursion.square(q))
    return {"q": q, "qd": qd, "sd": np.sqrt(np.square(sd) + model)}


def _decorrelation(builder: TrackBuilder) -> float:
    """What views count with: errors that come and go are smaller by as much than the window has them."""
    period = median(interval.period for interval in builder.intervals)
    return period / (period + 2.0 * builder.setup.settings.persistence)
