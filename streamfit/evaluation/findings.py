"""What `fit` and `evaluate` say of a recording's input and of a fit to it, each in one sentence."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit.estimation.estimate import View
from streamfit.estimation.quality.check_world import world_findings
from streamfit.estimation.quality.diagnostics import Finding
from streamfit.estimation.quality.input_findings import input_findings, name_findings
from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.playback import Recording

MEASURES = 0.3
"""GC_20 below which a fit is no measurement: people with a rig that is off by a degree have 0.7."""
NAMES_SPAN = 10.0
"""s of names that are looked at."""
SEVERAL = Finding(
    "poor",
    "Several people are seen, and nobody says who is who: send each person's name as `person`, the same in all "
    "cameras, or one person only.",
)


def findings(
    recording: Recording,
    views: Sequence[tuple[View, ...]],
    skeleton: Skeleton,
    subject: Subject,
    named: str,
    points: np.ndarray,
    measured: float | None,
) -> list[Finding]:
    """What is wrong with a recording, or with the fit of it.

    `views` are those used at each instant, `points` (T, K, 3; m, world) where the person was followed, NaN where not,
    `measured` the fit's GC_20. The cause stands alone: what comes of it is not said beside it.
    """
    causes = _causes(recording, views, skeleton, subject, named)
    if measured is None or measured < MEASURES:
        return [*causes, Finding("poor", f"{unmeasured(measured)}.")]
    return causes or world_findings(points, recording.keypoints, recording.rig)


def unmeasured(share: float | None) -> str:
    """That a fit is no measurement; `share` is its GC_20."""
    within = "no confident point" if not share else f"only {100 * share:.0f} % of the confident points"
    return f"Not a measurement: {within} within 20 px of the fit (GC_20)"


def as_maps(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """As they stand in JSON."""
    return [one._asdict() for one in found]


def _causes(
    recording: Recording, views: Sequence[tuple[View, ...]], skeleton: Skeleton, subject: Subject, named: str
) -> list[Finding]:
    parts = skeleton, recording.rig, recording.keypoints
    if recording.several > 2:
        return [SEVERAL]
    if len(recording.views) > 1 and (names := name_findings(recording.named(NAMES_SPAN), *parts)):
        return names
    instants = [(own[-1].t, list(own)) for own in views if own]
    return input_findings(instants, *parts, subject, named)
