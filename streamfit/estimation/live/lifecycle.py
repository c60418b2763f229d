"""How a track begins, is doubted and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamfit.estimation.estimate import USABLE_CONFIDENCE, USABLE_POINTS, Estimate, Sighting, View
from streamfit.estimation.init.initial_scale import CLEARLY
from streamfit.estimation.live.explained import LATELY
from streamfit.estimation.live.reinitialise import DOUBT, GAIN, mean_weight
from streamfit.estimation.live.settle import finish, look_back
from streamfit.estimation.live.track_state import ROUNDING, TrackBuilder, Tracking
from streamfit.model.root import Frame, rotation_of

TOGETHER = 0.05
"""s within which views may start a track together."""
LEAP, TOP_SPEED = 0.15, 10.0
"""m, and m/s: who is elsewhere by more than the first, and farther than at that speed, has not moved there."""
SURPRISES = 3
"""Instants in a row that a running fit does not explain at which it is looked whether the person has leapt."""
START_RETRY = 0.05
"""s after a start that explained nothing before the next is tried."""


def start_pose(builder: TrackBuilder, t: float, views: Sequence[View]) -> np.ndarray | None:
    """A pose to start a track from at the instant t; None where nobody can be made out, or was just now."""
    seen, cameras = seen_together(builder, t, views)
    if cameras < 2 or t - builder.refused < START_RETRY - ROUNDING:
        return None
    points = builder.model.reinitialiser.points(seen)
    search = builder.size
    if search is not None:
        search.note(t, np.asarray(points.position), np.asarray(points.valid))
        size = search.found()
        if size is not None and abs(size - search.assumed) > CLEARLY * size:
            search.assumed = size
            builder.set_subject(builder.model.subject.sized(size))
    pose, valid = builder.model.reinitialiser.pose_for(points, near=builder.last.q)
    if valid >= USABLE_POINTS:
        return pose
    builder.refused = t
    builder.explained.note(t, 0, int(np.count_nonzero(seen[..., 2] >= USABLE_CONFIDENCE)))
    return None


def begin(builder: TrackBuilder, t: float, pose: np.ndarray) -> None:
    """Start a track at rest in that pose (ground frame), its turns continuing those answered last."""
    setup = builder.setup
    builder.buffer.clear()
    frame = Frame.regular_at(rotation_of(pose[3:6]))
    spline = setup.spline_from(t)
    window = setup.window.empty(frame.enter(pose, np.array([0.0, 0.0, builder.last.q[5]])))
    builder.track = Tracking(
        since=t,
        seen=t,
        frame=frame,
        model=builder.model.seen_from(frame),
        spline=spline,
        prior=setup.window.eliminate(window, builder.buffer.places(spline)),
        running_mean=setup.no_mean,
    )
    builder.consistency.since = None


def lost(builder: TrackBuilder, shown: Sequence[Sighting]) -> list[Estimate]:
    """Answer instants at which nobody is followed."""
    told = builder.explained.since(shown[-1][0] - LATELY)
    answered = [
        replace(builder.last, t=t, state="lost", views=seen_together(builder, t, views)[1], explained=told)
        for t, views in shown
    ]
    builder.done += answered
    return answered


def give_up(builder: TrackBuilder, instants: Sequence[Sighting]) -> list[Estimate]:
    """End a track that does not explain what is seen; what of it is not smoothed yet is told as lost."""
    end_look_back(builder)
    unexplained, builder.refused = list(builder.unsmoothed), instants[-1][0]
    builder.unsmoothed.clear()
    builder.done += finish(builder)
    builder.done += [replace(builder.last, t=one.t, state="lost", views=one.views) for one in unexplained]
    return lost(builder, instants)


def end_look_back(builder: TrackBuilder) -> None:
    """Look back now, and tell what is found with the next answers that come a lag later."""
    builder.done += look_back(builder)


def has_leapt(
    builder: TrackBuilder, instant: Sighting, estimate: Estimate, explained: bool, weight: np.ndarray, newest: int
) -> bool:
    """Whether the person is suddenly where nobody gets so fast: by what was found, or else by a fresh start."""
    t, views = instant
    if _is_far(builder, estimate.keypoints, t):
        return True
    if explained or builder.tracking.surprises > SURPRISES:
        return False
    seen, cameras = seen_together(builder, t, views)
    if cameras < 2:
        return False
    reinitialiser = builder.model.reinitialiser
    pose, valid = reinitialiser.pose(seen, near=builder.last.q)
    if valid < USABLE_POINTS or not _is_far(builder, builder.model.placing.at(pose)["keypoints"], t):
        return False
    agreed = max(mean_weight(weight, builder.buffer.seen[newest]), DOUBT)
    return reinitialiser.agreement(seen, pose) > agreed + GAIN


def restart_in_doubt(builder: TrackBuilder, t: float, weight: np.ndarray, newest: int | None) -> np.ndarray | None:
    """Where the views and the fit have disagreed for a while: a pose that agrees better, if a fresh start finds one."""
    consistency = builder.consistency
    if newest is None:
        consistency.tells(t, None)
        return None
    seen = builder.buffer.seen[newest].astype(float)
    agreed = mean_weight(weight, seen)
    if not consistency.tells(t, agreed):
        return None
    pose = builder.model.reinitialiser.better(seen, builder.last.q, agreed)
    if pose is None:
        consistency.in_vain()
    return pose


def seen_together(builder: TrackBuilder, t: float, views: Sequence[View]) -> tuple[np.ndarray, int]:
    """The latest usable view of each camera as one instant (C, K, 3), and how many there are."""
    recent = {v.camera: v for v in views if v.t > t - TOGETHER and v.usable}
    seen = np.zeros(builder.buffer.seen.shape[1:])
    for camera, view in recent.items():
        seen[camera] = view.xyc
    return seen, len(recent)


def _is_far(builder: TrackBuilder, points: np.ndarray, t: float) -> bool:
    """Whether the middle of keypoints (K, 3) of the instant t is farther from the last answer's than people get."""
    moved = np.linalg.norm((points - builder.last.keypoints).mean(0))
    return bool(moved > LEAP + TOP_SPEED * (t - builder.last.t))
