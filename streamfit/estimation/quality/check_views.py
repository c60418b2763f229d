"""Check the views of a calibration: whether there are enough, and which of them do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.estimate import USABLE_CONFIDENCE, USABLE_POINTS
from streamfit.estimation.quality.diagnostics import Evidence, Finding, Level, median
from streamfit.estimation.quality.metrics import CONFIDENT
from streamfit.model.camera import REFERENCE_WIDTH
from streamfit.model.subject import Subject

NEARLY_ONE_PLACE, CLOSE = 8.0, 15.0
"""Degrees between viewing directions below which distance from the cameras is hardly seen, and seen badly."""
MOSTLY, HALF = 0.9, 0.5
"""Share of the instants that enough cameras should, and must, see."""
FOUND, HARDLY_FOUND = 0.5, 0.25
"""Share of keypoints on which two views agree that there should, and must, be."""
RARELY = 0.1
"""Share of the instants below which a camera, or a keypoint, adds nothing."""
CAMERA_OFF, KEYPOINT_OFF = (2.0, 8.0), (3.0, 20.0)
"""A camera or keypoint disagrees whose median error is so many times that of the others, and so many px (at 2048
wide) above it. The cameras of real rooms differ by 2 times and 6 px; shoulder markers are 4 times and 15 px off."""
FITS, HARDLY_FITS = (7.0, 0.7), (15.0, 0.3)
"""Median error (px at 2048 wide) and share within 10 px (GC_10): well fitted people on calibrated cameras have 3 to
5 px and 0.8 to 0.9; a rig that was bumped, 13 px and 0.4."""
SKELETON_ERRS = 0.35
"""Median error of free points, as a share of that of the skeleton, below which it is not the cameras that err."""
MOVED = (3.0, 0.15)
"""Degrees and m by which a camera is refined only where it was moved, or never calibrated well: a good room's cameras
are refined by up to 1.6 degrees and 0.12 m, bad webcams by 4 to 8 degrees."""
LISTED = 4
"""Names that are listed."""


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; after the first few, how many more there are."""
    shown = list(names[:LISTED])
    rest = len(names) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def angle_between_views(evidence: Evidence) -> list[Finding]:
    """The largest angle between the directions from which the cameras see the person, of the worst trial."""
    angles: list[float] = []
    for index in sorted(set(evidence.trial.tolist())):
        mine = evidence.trial == index
        person = np.array([median(evidence.fitted[mine][..., axis]) for axis in range(3)])
        sees = np.flatnonzero(_on_person(evidence)[mine].mean(0) >= RARELY)
        if len(sees) < 2 or np.isnan(person).any():
            continue
        rig = evidence.rigs[evidence.rig[mine][0]]
        ways = [rig.to_ground @ rig.cameras[c].centre - person for c in sees]
        lines = [way / np.linalg.norm(way) for way in ways]
        sine = max(float(np.linalg.norm(np.cross(a, b))) for a, b in combinations(lines, 2))
        angles.append(float(np.degrees(np.arcsin(min(1.0, sine)))))
    worst = min(angles, default=90.0)
    if worst >= CLOSE:
        return []
    where = f"The cameras see the person along nearly one line ({worst:.0f} degrees apart at most)"
    if worst < NEARLY_ONE_PLACE:
        return [Finding("poor", f"{where}: depth cannot be told; place them round the person and calibrate again.")]
    return [Finding("usable", f"{where}: depth is uncertain; place them further apart, 60 to 120 degrees.")]


def few_views(trials: Sequence[Trial], evidence: Evidence) -> list[Finding]:
    """Whether enough cameras see the person whenever one does, and cameras that never do."""
    views = np.array([len({v.camera for v in views if v.usable}) for trial in trials for _, views in trial.instants])
    views = views[views > 0]
    two, three = (float((views >= count).sum() / max(1, views.size)) for count in (2, 3))
    out = []
    if two < MOSTLY:
        advice = "turn the cameras to where the person moves, or add some"
        level: Level = "poor" if two < HALF else "usable"
        out.append(Finding(level, f"Two cameras or more see the person in only {two:.0%} of the instants: {advice}."))
    elif three < HALF:
        advice = "add a third, or turn them to where the person moves"
        text = f"Three cameras or more see the person in only {three:.0%} of the instants, and of two nobody can tell"
        out.append(Finding("usable", f"{text} which errs: {advice}."))
    on_person = _on_person(evidence)
    for r, rig in enumerate(evidence.rigs):
        share = on_person[evidence.rig == r].mean(0)[: len(rig.cameras)]
        if blind := [evidence.camera(r, c) for c in np.flatnonzero(share < RARELY).tolist()]:
            text = f"(Almost) nothing of the person in the views of {listed(blind)}"
            out.append(Finding("usable", f"{text}: does each run, look there, and have the right clock?"))
    return out


def missing_keypoints(evidence: Evidence, names: Sequence[str]) -> list[Finding]:
    """Keypoints on which hardly ever two views agree."""
    found = np.isfinite(evidence.points[..., 0])
    if (share := float(found.mean())) < FOUND:
        level: Level = "poor" if share < HARDLY_FOUND else "usable"
        text = f"Only {share:.0%} of the keypoints are seen by two cameras that agree"
        return [Finding(level, f"{text}: check the detector's confidences, the light and cameras.toml.")]
    if rare := [name for name, s in zip(names, found.mean(0), strict=True) if s < RARELY]:
        text = f"Two cameras hardly ever see {listed(rare)}: where they are on the body is a guess"
        return [Finding("usable", f"{text}; turn or add a camera so that they are seen.")]
    return []


def cameras_off(evidence: Evidence, subject: Subject) -> list[Finding]:
    """Cameras whose views the fit misses by more than those of the others, and cameras that have been moved."""
    out = []
    error = evidence.error
    for r, rig in enumerate(evidence.rigs):
        off = _median_by(error[evidence.rig == r], 1)[: len(rig.cameras)]
        for c, camera in enumerate(rig.cameras):
            usual = median(np.delete(off, c))
            if _far(off[c], usual, CAMERA_OFF):
                native = off[c] * camera.size[0] / REFERENCE_WIDTH
                name = evidence.camera(r, c)
                text = f"{name} is {native:.0f} px off, {off[c]:.0f} at 2048 wide, the others {usual:.0f}"
                if subject.refined:
                    advice = "it was refined and still disagrees; calibrate it again"
                else:
                    advice = "calibrate it again or use --bundle-adjust"
                out.append(Finding("usable", f"{text}: {advice}."))
    for one in subject.refined:
        turned, shifted = np.degrees(one.turned), one.shifted
        if (far := (turned > MOVED[0]) | (shifted > MOVED[1])).any():
            names = listed([name for name, moved in zip(one.rig.names, far, strict=True) if moved])
            most = f"up to {turned[far].max():.1f} degrees and {1000 * shifted[far].max():.0f} mm"
            text = f"--bundle-adjust moved {names} by {most} from where calibration has them"
            out.append(Finding("usable", f"{text}: calibrate the cameras again."))
    return out


def keypoints_off(evidence: Evidence, names: Sequence[str]) -> list[Finding]:
    """Keypoints that the fit misses by more than the others."""
    # of one that hardly anyone sees, nobody knows where it is: see `missing_keypoints`
    seen = np.isfinite(evidence.points[..., 0]).mean(0) >= RARELY
    error = np.where(seen, _median_by(evidence.error, 2), np.nan)
    usual = median(error)
    off = [k for k in np.argsort(-np.nan_to_num(error)).tolist() if _far(error[k], usual, KEYPOINT_OFF)]
    if not off:
        return []
    most = f"up to {error[off[0]]:.0f} px at 2048 wide, the others {usual:.0f}"
    advice = "check their bodies and order in the keypoint set"
    text = f"Out of place on the skeleton: {listed([names[k] for k in off])} ({most})"
    return [Finding("usable", f"{text}; {advice}.")]


def agreement(evidence: Evidence, refined: bool) -> list[Finding]:
    """How well the fit explains the views as a whole."""
    error = evidence.error[~np.isnan(evidence.error)]
    if not error.size:
        return [Finding("poor", f"No keypoint has a confidence of {CONFIDENT} or more: check the detector.")]
    off, within = float(np.median(error)), float((error < 10.0).mean())
    if off < FITS[0] and within >= FITS[1]:
        return []
    level: Level = "poor" if off > HARDLY_FITS[0] or within < HARDLY_FITS[1] else "usable"
    text = f"The views are explained to {off:.0f} px at 2048 wide in the median ({within:.0%} within 10 px)"
    free = median(evidence.disagreement)
    if free < min(FITS[0], SKELETON_ERRS * off):
        advice = f"they agree among themselves to {free:.0f} px, so check the keypoint set"
    else:
        advice = "check the cameras' calibration and clocks" + ("" if refined else ", or use --bundle-adjust")
    return [Finding(level, f"{text}: {advice}.")]


def _on_person(evidence: Evidence) -> np.ndarray:
    """(N, C) whether a camera shows enough of the person to count as a view."""
    return (evidence.seen[..., 2] >= USABLE_CONFIDENCE).sum(-1) >= USABLE_POINTS


def _far(value: float, usual: float, limits: tuple[float, float]) -> bool:
    return bool(value > limits[0] * usual and value > usual + limits[1])


def _median_by(error: np.ndarray, axis: int) -> np.ndarray:
    return np.array([median(part) for part in np.moveaxis(error, axis, 0)])
