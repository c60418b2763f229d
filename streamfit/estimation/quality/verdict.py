"""The verdict on a calibration, good, usable or poor, with reasons that a technician can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from streamfit.estimation.batch.result import Calibration
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.factors.shape_prior import Build
from streamfit.estimation.quality.check_body import (
    as_known,
    ended,
    movement,
    proportions,
    size,
    standing,
    stature,
    unknown,
)
from streamfit.estimation.quality.check_identity import one_person
from streamfit.estimation.quality.check_sides import sides_exchanged
from streamfit.estimation.quality.check_views import (
    agreement,
    angle_between_views,
    cameras_off,
    few_views,
    keypoints_off,
    missing_keypoints,
)
from streamfit.estimation.quality.check_world import evidence_findings
from streamfit.estimation.quality.diagnostics import Finding, gather
from streamfit.estimation.quality.input_findings import trial_findings
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject


@dataclass(frozen=True)
class Verdict:
    """The grade is that of the worst reason; notes do not lower it."""

    grade: Literal["good", "usable", "poor"]
    reasons: tuple[str, ...]
    """One sentence each: what, where, what to do. The worst first, causes before what comes of them."""
    notes: tuple[str, ...]

    def noted(self, subject: Subject, build: Build) -> Subject:
        """The subject with this verdict, and what was known of the person, among what is said of its fit."""
        known: dict[str, Any] = {"verdict": self.grade, "reasons": list(self.reasons), "notes": list(self.notes)}
        known |= {key: value for key, value in asdict(build).items() if value is not None}
        return replace(subject, fit=subject.fit | known)


def judge(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    keypoints: KeypointSet,
    calibration: Calibration,
    build: Build | None = None,
) -> Verdict:
    """Judge a calibration of these trials by a sample of their views, by what it found, and by what was known."""
    evidence = gather(trials, calibration)
    subject, tall = calibration.subject, stature(skeleton, keypoints, calibration)
    exchanged, trials_exchanged = sides_exchanged(evidence, skeleton, keypoints, subject)
    wrong = size(evidence, skeleton, keypoints, tall)
    findings = trial_findings(trials, skeleton, keypoints) or [
        *wrong,
        *([] if wrong else as_known(build or Build(), tall)),
        *evidence_findings(evidence, keypoints),
        *exchanged,
        *one_person(evidence, skeleton, keypoints, tall, trials_exchanged),
        *angle_between_views(evidence),
        *few_views(trials, evidence),
        *missing_keypoints(evidence, keypoints.names),
        *movement(evidence),
        *cameras_off(evidence, subject),
        *([] if _poor(wrong) else agreement(evidence, refined=bool(subject.refined))),
    ]
    if not _poor(findings):
        # else these come of it, and would only distract
        findings += keypoints_off(evidence, keypoints.names)
        findings += proportions(skeleton, keypoints, calibration)
        findings += unknown(skeleton, keypoints, calibration)
        findings += ended(calibration)
    findings += standing(skeleton, calibration)
    poor, usable, notes = (tuple(f.text for f in findings if f.level == level) for level in ("poor", "usable", "note"))
    return Verdict("poor" if poor else "usable" if usable else "good", poor + usable, notes)


def _poor(findings: Sequence[Finding]) -> bool:
    return any(finding.level == "poor" for finding in findings)
