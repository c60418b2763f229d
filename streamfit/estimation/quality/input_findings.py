"""What recorded views say of themselves: the causes that `InputCheck` finds, as findings about a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.estimate import View
from streamfit.estimation.quality.check_inputs import Cause, InputCheck
from streamfit.estimation.quality.check_names import Seen, named_anew, named_apart
from streamfit.estimation.quality.diagnostics import Finding
from streamfit.estimation.quality.input_faults import SIDES
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject

WINDOWS, SPAN = 6, 1.5
"""Stretches of a recording that are looked at, and how long they are (s)."""
FEWEST = 3
"""Instants in a stretch."""
OFTEN = 0.4
"""Share of the stretches in which a cause is found that holds for the recording."""


def input_findings(
    instants: Sequence[tuple[float, Sequence[View]]],
    skeleton: Skeleton,
    rig: Rig,
    keypoints: KeypointSet,
    subject: Subject,
    named: str = "the subject",
) -> list[Finding]:
    """What is wrong with one person's views of a recording, in words; at most one."""
    cause = _cause(instants, skeleton, rig, keypoints, subject, named)
    return [] if cause is None else [finding(cause)]


def _cause(
    instants: Sequence[tuple[float, Sequence[View]]],
    skeleton: Skeleton,
    rig: Rig,
    keypoints: KeypointSet,
    subject: Subject,
    named: str = "the subject",
) -> Cause | None:
    check = InputCheck(skeleton, rig, keypoints, subject, named)
    stretches = _stretches(instants, len(rig.names), len(keypoints.names))
    found = [check.cause(seen, thorough=i == 0) for i, seen in enumerate(stretches)]
    counts = Counter(cause.key for cause in found if cause is not None)
    if not counts:
        return None
    key, count = counts.most_common(1)[0]
    if count < OFTEN * len(found):
        return None
    return next(cause for cause in reversed(found) if cause is not None and cause.key == key)


def trial_findings(trials: Sequence[Trial], skeleton: Skeleton, keypoints: KeypointSet) -> list[Finding]:
    """The same of each trial of somebody whose body is not known yet, each said once.

    Left and right that are exchanged are left to those who know the fit: it tells in which trials and cameras.
    """
    generic = Subject.generic(skeleton, keypoints)
    found = [_cause(trial.instants, skeleton, trial.rig, keypoints, generic) for trial in trials]
    causes = [cause for cause in found if cause is not None and cause.key != SIDES]
    return list(dict.fromkeys(finding(cause) for cause in causes))


def name_findings(
    instants: Sequence[tuple[float, Sequence[Seen]]], skeleton: Skeleton, rig: Rig, keypoints: KeypointSet
) -> list[Finding]:
    """Whether the names of several people, in some seconds of a recording, mean anything."""
    cause = named_anew(instants)
    if cause is None:
        generic = Subject.generic(skeleton, keypoints)
        cause = named_apart(instants, InputCheck(skeleton, rig, keypoints, generic))
    return [] if cause is None else [finding(cause)]


def finding(cause: Cause) -> Finding:
    """A cause as one sentence."""
    return Finding("poor", cause.text)


def _stretches(instants: Sequence[tuple[float, Sequence[View]]], cameras: int, keypoints: int) -> list[np.ndarray]:
    """Views (N, C, K, 3) of stretches spread evenly over the instants that have any."""
    seen = [(t, views) for t, views in instants if views]
    if not seen:
        return []
    t = np.array([time for time, _ in seen])
    begins = t[np.unique(np.round(np.linspace(0, len(t) - 1, WINDOWS)).astype(int))]
    rows = [np.flatnonzero((t >= begin) & (t < begin + SPAN)) for begin in np.minimum(begins, t[-1] - SPAN)]
    out: dict[int, np.ndarray] = {}
    for own in rows:
        if len(own) >= FEWEST and own[0] not in out:
            views = np.zeros((len(own), cameras, keypoints, 3))
            for row, index in zip(views, own, strict=True):
                for view in seen[index][1]:
                    row[view.camera] = view.xyc
            out[int(own[0])] = views
    return list(out.values())
