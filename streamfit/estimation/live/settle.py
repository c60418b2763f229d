"""What comes behind an answer: the window takes over what was found, looks back, moves on and is linearised again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamfit.arrays import Array
from streamfit.estimation.estimate import Estimate, Load
from streamfit.estimation.live.course import Course
from streamfit.estimation.live.frame_change import is_near_singular
from streamfit.estimation.live.readout import grounded
from streamfit.estimation.live.sliding_window.window_types import Reading, SmoothedResult, Update
from streamfit.estimation.live.track_state import ROUNDING, LookBack, Pending, TrackBuilder
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.model.spline import UniformSpline


def settle(builder: TrackBuilder) -> list[Estimate]:
    """The smoothed estimates of the instants that have become one lag old."""
    if not _accepted(builder) and builder.load is not Load.OVERLOADED:
        take_over(builder)
    smoothed = look_back(builder)
    builder.sides.follow(builder.last)
    _measure_size(builder)
    track = builder.track
    if track is not None and track.systematic_inputs is not None:
        variance = np.asarray(builder.setup.window.systematic_variance(track.model, track.systematic_inputs))
        builder.note(systematic_variance=variance, systematic_inputs=None)
    done, builder.done = builder.done + smoothed, []
    return done


def finish(builder: TrackBuilder) -> list[Estimate]:
    """The smoothed estimates still to come, read from the window as it stands; the track ends."""
    take_over(builder)
    smoothed = look_back(builder) + smoothed_before(builder, np.inf)
    builder.track = None
    builder.unsmoothed.clear()
    builder.buffer.clear()
    builder.sides.forget()
    nan = np.full_like(builder.last.sd, np.nan)
    builder.last = replace(builder.last, sd=nan, rms_px=np.nan, qd=np.zeros_like(nan))
    return smoothed


def take_over(builder: TrackBuilder, shift: int | None = None, but: int | None = None) -> None:
    """Take over what the last step has found, and linearise again all but the slot `but`.

    The window moves on by `shift` knots, else as far as the next instant needs if that comes as soon as lately.
    """
    track = builder.track
    if track is None or track.pending is None:
        return
    pending, spline, window = track.pending, track.spline, builder.setup.window
    soon = _soon(builder, pending)
    if shift is None:
        until = int(spline.place(unsmoothed_from(builder, pending.t)))
        shift = min(shift_for(spline, soon), max(0, until))
        builder.buffer.make_room(spline, 1 + builder.setup.settings.room)
        builder.buffer.give_up(spline.shifted(shift).start + window.eliminated * spline.spacing, spline)
    old = pending.t - builder.setup.lag + ROUNDING
    due = [estimate.t for estimate in builder.unsmoothed if estimate.t <= old]
    builder.note(pending=None, gap=pending.gap, linearised=pending.t)
    found = linearise(builder, pending.found, shift, due[-1] if due else pending.t, but)
    found.copy_to_host_async()
    builder.note(
        look_back=LookBack(found, spline, pending.t), systematic_inputs=pending.systematic_inputs if shift else None
    )


def linearise(builder: TrackBuilder, found: Update, shift: int, back: float, but: int | None = None) -> Array:
    """Let the window wait for an instant in the slot `but`, with all else that it holds; it may move on first.

    A `SmoothedResult` of before, at the time `back`.
    """
    track = builder.tracking
    after = track.spline.shifted(shift)
    laid = builder.buffer.lay_out(after, shift, track.spline.place(back), but).packed()
    prior, running_mean, found_behind = builder.setup.window.relinearise_and_shift(
        track.model, track.prior, found, track.running_mean, laid
    )
    builder.note(prior=prior, running_mean=running_mean, spline=after)
    return found_behind


def look_back(builder: TrackBuilder) -> list[Estimate]:
    """What the window has found of the instants that are now one lag old, of the clocks and of the course.

    Of several instants all are as certain as the latest.
    """
    track = builder.track
    if track is None or track.look_back is None:
        return []
    found, spline, until = track.look_back
    size = len(builder.last.q)
    seen = SmoothedResult.unpacked(np.asarray(found), len(builder.intervals), (spline.controls, size))
    if track.tells_clocks:
        builder.evidence += (ClockEvidence(until, seen.clock_information, seen.clock_eta),)
    controls = np.asarray(seen.controls, float)
    course = Course(track.since, until, track.seen, spline, controls, track.frame, builder.last.q[3:6])
    builder.note(look_back=None, course=course)
    out, unsmoothed, last = [], builder.unsmoothed, builder.last
    while unsmoothed and unsmoothed[0].t <= until - builder.setup.lag + ROUNDING:
        first = unsmoothed.popleft()
        reading = Reading(*spline.read(controls, first.t), seen.variance)
        out.append(replace(first, **grounded(builder, reading, last)))
    return out


def smoothed_before(builder: TrackBuilder, t: float) -> list[Estimate]:
    """Smoothed estimates of the unsmoothed instants before that time, from the window as it stands."""
    out, track, setup = [], builder.track, builder.setup
    while builder.unsmoothed and builder.unsmoothed[0].t <= t and track is not None:
        first = builder.unsmoothed.popleft()
        at = setup.settings.real(track.spline.place(first.t))
        reading = Reading.unpacked(np.asarray(setup.window.read(track.prior, at)))
        out.append(replace(first, **grounded(builder, reading, builder.last)))
    return out


def shift_for(spline: UniformSpline, t: float) -> int:
    """Knots by which the window must move on to hold the time t in its last interval."""
    return max(0, int(spline.place(t)) - spline.intervals + 1)


def unsmoothed_from(builder: TrackBuilder, t: float) -> float:
    """The first instant that is to be answered again once the window has looked back from the instant t."""
    old = t - builder.setup.lag + ROUNDING
    return next((estimate.t for estimate in builder.unsmoothed if estimate.t > old), t)


def _accepted(builder: TrackBuilder) -> bool:
    """Where time is short, and the next instant can do with no more: take over what the last step has found."""
    track, settings = builder.track, builder.setup.settings
    if builder.load is Load.NORMAL or track is None or track.pending is None:
        return False
    pending = track.pending
    if is_near_singular(track) or not builder.buffer.has_room:
        return False
    if pending.t - track.linearised >= settings.followed or shift_for(track.spline, _soon(builder, pending)) > 0:
        return False
    prior = builder.setup.window.accept_update(track.prior, pending.found)
    builder.note(pending=None, gap=pending.gap, prior=prior)
    return True


def _soon(builder: TrackBuilder, pending: Pending) -> float:
    """When the instant after that step comes, s, if it does so as soon as lately."""
    track = builder.tracking
    return pending.t + min(pending.gap, track.gap, track.spline.spacing)


def _measure_size(builder: TrackBuilder) -> None:
    """See how large the person is, where that is not known yet."""
    search = builder.size
    if search is None or builder.looked is None:
        return
    (t, seen), builder.looked = builder.looked, None
    points = builder.model.reinitialiser.points(seen)
    search.note(t, np.asarray(points.position), np.asarray(points.valid))
    size = search.found() if search.has_enough else None
    if size is not None:
        builder.set_subject(builder.model.subject.sized(size))
    if size is not None or search.in_vain:
        builder.size = None
