"""Answer instants: place their views into the window, solve for the newest, and see whether that explains them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from streamfit.estimation.estimate import Estimate, Load, Sighting, View
from streamfit.estimation.live.explained import JUDGED, LATELY, explains
from streamfit.estimation.live.frame_change import is_near_singular, keep_regular
from streamfit.estimation.live.lifecycle import (
    TOGETHER,
    begin,
    end_look_back,
    give_up,
    has_leapt,
    lost,
    restart_in_doubt,
    start_pose,
)
from streamfit.estimation.live.measurement_buffer import JOIN
from streamfit.estimation.live.readout import Followed, estimates
from streamfit.estimation.live.settle import (
    finish,
    linearise,
    settle,
    shift_for,
    smoothed_before,
    take_over,
    unsmoothed_from,
)
from streamfit.estimation.live.sliding_window.window_types import StepResult, SystematicInputs, Update
from streamfit.estimation.live.track_state import Pending, TrackBuilder

RELINEARISE_BEYOND, MAX_STEPS = 0.03, 3
"""Re-linearise while a keypoint moved more than this, m; how many steps at most."""
COAST = 1.0
"""s without two usable views after which a person is lost."""
SETTLING = 0.3
"""s at the start of a track, from rest, in which residuals tell nothing of clocks."""


def measure(
    builder: TrackBuilder, instants: Sequence[Sighting], clocks: np.ndarray, load: Load = Load.NORMAL
) -> list[Estimate]:
    """Answer instants, without lag.

    Instants that wait together are solved for together, at hardly more than the cost of one: the earlier then know
    of the later ones' views too, and their residuals and standard deviations are those of the last.

    Under a busy `load` what follows only takes over what was found, where the next can do with that, and looks back
    every few instants; where the next can not, the window is made ready at once or, overloaded, together with the
    views of the next, in one call less.
    """
    times = [builder.previous, *(t for t, _ in instants)]
    for before, t in pairwise(times):
        if not t > before:
            raise ValueError(f"instant {t} is not after {before}")
    track = builder.track
    goes_on = track is not None and track.restart is None and times[-1] - track.seen <= COAST
    if goes_on or len(instants) == 1:
        return _measure(builder, instants, clocks, load)
    return _one_by_one(builder, instants, lambda one: _measure(builder, [one], clocks, Load.NORMAL))


def _measure(builder: TrackBuilder, instants: Sequence[Sighting], clocks: np.ndarray, load: Load) -> list[Estimate]:
    """Answer instants of one track, or a single one with which a track may end and another begin."""
    builder.load = load
    shown = [(t, _by_right_clock(builder, t, views, clocks)) for t, views in instants]
    t, track = shown[-1][0], builder.track
    if track is not None and (track.restart is not None or t - track.seen > COAST):
        builder.done += finish(builder)
        if track.restart is not None:
            begin(builder, t, track.restart)
    return _followed_or_begun(builder, shown)


def _one_by_one(
    builder: TrackBuilder, instants: Sequence[Sighting], answer: Callable[[Sighting], list[Estimate]]
) -> list[Estimate]:
    """Answer instants each by itself, settling in between."""
    answered: list[Estimate] = []
    for one in instants:
        if answered:
            builder.done = settle(builder)
        answered += answer(one)
    return answered


def _followed_or_begun(builder: TrackBuilder, shown: Sequence[Sighting]) -> list[Estimate]:
    """Answer instants of one track, or a single one at which there is none."""
    if builder.track is None:
        t, views = shown[-1]
        pose = start_pose(builder, t, views)
        if pose is None:
            builder.previous = t
            return lost(builder, shown)
        begin(builder, t, pose)
    return _advance(builder, shown)


def _by_right_clock(builder: TrackBuilder, t: float, views: Sequence[View], clocks: np.ndarray) -> list[View]:
    """The views up to the instant t by the right clock; those of later times wait for it."""
    clock = (builder.model.clock + clocks).tolist()
    known = [*builder.early, *(View(v.camera, v.t + clock[v.camera], v.xyc) for v in views)]
    builder.early = tuple([v for v in known if v.t > t + JOIN][-len(builder.intervals) :])
    return [v for v in known if v.t <= t + JOIN]


def _advance(builder: TrackBuilder, instants: Sequence[Sighting]) -> list[Estimate]:
    """One step of the window to the last of these instants."""
    t = instants[-1][0]
    _move_on(builder, t)
    track = builder.tracking
    shift = shift_for(track.spline, t)
    followed, newest, late, used = _place(builder, instants, shift)
    if track.pending is not None:
        take_over(builder, shift, newest)
    elif late or shift or builder.buffer.has_left:
        builder.done += smoothed_before(builder, track.spline.shifted(shift).start)
        linearise(builder, builder.setup.unchanged, shift, t, newest)
    found, outcome, systematic_inputs = _stepped(builder, t, newest)
    track = builder.tracking
    if track.systematic_variance is None:
        variance = builder.setup.window.systematic_variance(track.model, systematic_inputs)
        builder.note(systematic_variance=np.asarray(variance))
    answered = estimates(builder, followed, outcome, newest)
    explained, started = True, track.since < t
    if newest is not None and len(used) >= 2:
        seen, visible = builder.buffer.seen[newest], outcome.weight > 0.0
        count, of = builder.model.tolerance.count(outcome.error, seen, answered[-1].keypoints, visible)
        explained = explains(count / max(of, 1), len(used), started)
        builder.note(surprises=0 if explained else track.surprises + 1)
        if started and has_leapt(builder, instants[-1], answered[-1], explained, outcome.weight, newest):
            builder.done += finish(builder)
            return _one_by_one(builder, instants, lambda one: _followed_or_begun(builder, [one]))
        builder.explained.note(t, count, of)
        if not explains(builder.explained.since(max(track.since, t - JUDGED)), len(used), started):
            builder.previous = t
            return give_up(builder, instants)
    gap, builder.previous = (t - builder.previous) / len(instants), t
    told = builder.explained.since(t - LATELY)
    answered = [replace(estimate, explained=told) for estimate in answered]
    pending = Pending(found, systematic_inputs if used else None, t, gap)
    _note(builder, answered, pending, outcome, newest, explained and len(used) > 2)
    return answered


def _move_on(builder: TrackBuilder, t: float) -> None:
    """Have the window take over the last step where the instant t cannot do without, and keep its frame regular."""
    track = builder.tracking
    turns = is_near_singular(track)
    if track.pending is not None:
        starts = track.spline.shifted(shift_for(track.spline, t)).start
        if turns or unsmoothed_from(builder, track.pending.t) < starts:
            take_over(builder)
            end_look_back(builder)
    if turns:
        keep_regular(builder)


def _place(
    builder: TrackBuilder, instants: Sequence[Sighting], shift: int
) -> tuple[list[Followed], int | None, bool, set[int]]:
    """Put the views of instants into the measurement buffer.

    How each instant is followed; the slot of the newest; whether a view came later than it; the cameras whose views
    count for the newest.
    """
    track, buffer, setup = builder.tracking, builder.buffer, builder.setup
    spline = track.spline
    open_from = spline.shifted(shift).start + setup.window.eliminated * spline.spacing
    buffer.give_up(open_from, spline)
    followed: list[Followed] = []
    newest, late, used = None, False, set[int]()
    room = 1 if track.pending is None else 1 + setup.settings.room
    for at, views in instants:
        views = builder.sides.put_right(views)
        late |= newest is not None
        buffer.make_room(spline, room)
        newest = buffer.open_for(at, (view.t for view in views if view.t >= open_from))
        used = set()
        for view in views:
            usable, interval = view.usable, builder.intervals[view.camera]
            alone = interval.note(view.t) if usable else interval.period
            slot = None if view.t < open_from else buffer.place(view.camera, view.t, view.xyc, alone, spline)
            if slot is None:
                builder.too_late += 1
                continue
            late |= slot != newest
            if usable and view.t > at - TOGETHER:
                used.add(view.camera)
        alive = {c for c, interval in enumerate(builder.intervals) if interval.current(at)}
        followed.append(Followed(at, len(used), len(used | alive) >= 2))
    return followed, newest, late, used


def _stepped(builder: TrackBuilder, t: float, newest: int | None) -> tuple[Update, StepResult, SystematicInputs]:
    """The step to the instant t, which is in the slot `newest`; again from where it has led, while that is far."""
    buffer, window, running_mean = builder.buffer, builder.setup.window, builder.tracking.running_mean
    laid = buffer.lay_out_newest(newest, builder.tracking.spline, t).packed()
    active = (window.controls - window.eliminated, len(builder.last.q))
    for further in reversed(range(MAX_STEPS)):
        track = builder.tracking
        found, solved, systematic_inputs = window.measurement_update(track.model, track.prior, laid)
        outcome = StepResult.unpacked(np.asarray(solved), active, buffer.seen.shape[1:3])
        if newest is None or outcome.moved < RELINEARISE_BEYOND or not further:
            break
        linearise(builder, found, 0, t, newest)
        builder.note(running_mean=running_mean)  # has been told already of what is linearised again
    return found, outcome, systematic_inputs


def _note(
    builder: TrackBuilder,
    answered: Sequence[Estimate],
    pending: Pending,
    outcome: StepResult,
    newest: int | None,
    explained: bool,
) -> None:
    """Remember what was answered, and see whether a fresh start would agree better with the views."""
    t, seen = pending.t, builder.tracking.seen
    builder.last = answered[-1]
    if builder.size is not None and newest is not None and builder.size.wants(t):
        builder.looked = (t, builder.buffer.seen[newest].astype(float))
    for estimate in answered:
        if estimate.state == "tracking":
            seen = estimate.t
            builder.excursion.note(estimate.t, estimate.q)
    builder.unsmoothed += answered
    restart = restart_in_doubt(builder, t, outcome.weight, newest)
    settling = t - builder.tracking.since < SETTLING
    builder.note(
        pending=pending,
        seen=seen,
        restart=restart,
        running_mean=builder.setup.no_mean if settling else builder.tracking.running_mean,
        tells_clocks=explained and not settling and builder.consistency.since is None,
        list_angle=float(outcome.reading.q[4]),
    )
