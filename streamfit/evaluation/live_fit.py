"""The live engine over a recording, as fast as it goes."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from streamfit.estimation.estimate import View
from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.forward_times import ForwardTimes, Jump
from streamfit.recording.playback import Recording
from streamfit.terminal import ProgressCallback


@dataclass(frozen=True, eq=False)
class Motion:
    """T answers of one topic: `q` (T, D) rad or m, `sd` (T, D), `state` (T,)."""

    t: np.ndarray
    q: np.ndarray
    sd: np.ndarray
    state: np.ndarray


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the live engine, or the fit of the whole, made of a recording.

    `keypoints` (T, K, 3) m, world frame, at the times of `kinematics`; `smoothed` is the live engine's alone;
    `views` all views that were used; `subject` who was fitted, measured where nobody said how large; `seconds` (T,) the
    time each answer took, or (1,) all of them together.
    """

    kinematics: Motion
    smoothed: Motion | None
    keypoints: np.ndarray
    events: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    views: list[tuple[View, ...]]
    subject: Subject
    seconds: np.ndarray
    rejected: dict[str, int]
    jumps: list[Jump] = field(default_factory=list)
    """Where the times of the recording do not go on."""


def fit_recording(
    recording: Recording, skeleton: Skeleton, subject: Subject, lag: float, show: ProgressCallback
) -> Fitted:
    """Run the live engine over a recording."""
    engine = recording.engine(skeleton, subject, lag)
    show("compiling", 0.0)
    engine.prepare()
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    views, seconds, times = [], [], ForwardTimes()
    for instant in recording.played(engine, show, times):
        started = time.perf_counter()
        solved = list(chain.from_iterable(engine.solve([instant])))
        seconds.append(time.perf_counter() - started)
        views.append(instant.views)
        for answer in solved:
            answers[answer.kind].append(answer.payload)
    for answer in chain.from_iterable(engine.finish()):
        answers[answer.kind].append(answer.payload)
    snapshot = engine.snapshot()
    counts = dict(snapshot.rejected) | {"fit_failed": snapshot.fit.failures, "too_late": snapshot.fit.too_late}
    return Fitted(
        kinematics=_motion(answers["kinematics"], skeleton),
        smoothed=_motion(answers["smoothed"], skeleton),
        keypoints=np.array([body["keypoints"] for body in answers["bodies"]]),
        events=answers["gait"],
        steps=answers["steps"],
        views=views,
        subject=snapshot.fit.subjects.get(recording.person, subject),
        seconds=np.array(seconds),
        rejected={reason: count for reason, count in counts.items() if count},
        jumps=times.jumps,
    )


def _motion(answers: list[dict[str, Any]], skeleton: Skeleton) -> Motion:
    shape = (len(answers), len(skeleton.coordinates))
    return Motion(
        t=np.array([answer["t"] for answer in answers], float),
        q=np.array([answer["q"] for answer in answers], float).reshape(shape),
        sd=np.array([answer["sd"] for answer in answers], float).reshape(shape),
        state=np.array([answer["state"] for answer in answers], object),
    )
