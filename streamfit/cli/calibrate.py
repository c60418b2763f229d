"""`streamfit calibrate`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.baselines.seed.fit import FirstOrderSettings, fit_first_order
from streamfit.estimation.baselines.two_stage import fit_two_stage
from streamfit.estimation.batch.calibrate import fit_bilevel
from streamfit.estimation.batch.result import Calibration, Fit, Progress, finish
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.factors.shape_prior import Build
from streamfit.estimation.quality.verdict import Verdict, judge
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import RefinedRig, Subject
from streamfit.recording.playback import open_recording
from streamfit.recording.trials import Loaded, load_trials, with_clocks

Method = Literal["bilevel", "mlp", "spline", "two-stage"]
METHODS: tuple[Method, ...] = ("bilevel", "mlp", "spline", "two-stage")


@dataclass(frozen=True)
class CalibrateOptions:
    """How to calibrate. `minutes` ends a fit that takes longer, with the best it has by then."""

    method: Method = "bilevel"
    build: Build = field(default_factory=Build)
    bundle_adjust: bool = False
    minutes: float | None = None
    first_order: FirstOrderSettings = field(default_factory=FirstOrderSettings)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A person's calibration, what it is worth, and the files it was written to."""

    calibration: Calibration
    verdict: Verdict
    files: tuple[Path, ...]
    said: tuple[str, ...] = ()
    """What is to be known of the recordings' times, a line each."""


def calibrate_sessions(
    sessions: Sequence[Path],
    output: Path,
    options: CalibrateOptions | None = None,
    static: Path | None = None,
    cameras: Sequence[str] | None = None,
    person: str | None = None,
    skeleton: str = "rajagopal",
    progress: Progress = lambda what, share: None,
    offsets: Sequence[str] = (),
) -> Calibrated:
    """Fit one person to their sessions and write subject.toml to `output`; refined cameras beside it. InputError.

    `static` is a session of quiet standing, one of `sessions` or another one. `offsets` are `CAMERA=S`, to add to the
    capture times of that camera. Where cameras are refined, clocks that nobody started together are found first.
    """
    options = options or CalibrateOptions()
    _check_options(options, static)
    if static is not None and static.resolve() not in [path.resolve() for path in sessions]:
        sessions = [*sessions, static]
    _check_output(output, sessions)
    body = Skeleton.load(skeleton)
    recordings = [open_recording(path, body, cameras, person, offsets) for path in sessions]
    keypoints = recordings[0].keypoints
    for other in recordings[1:]:
        if (other.keypoints.names, other.keypoints.bodies) != (keypoints.names, keypoints.bodies):
            raise InputError(
                f"{other.file.path}: its keypoint set {other.keypoints.name} is not that of "
                f"{recordings[0].file.path}, {keypoints.name}; calibrate each set on its own"
            )
    loaded = _named_apart(load_trials(recordings, body, options.bundle_adjust, progress))
    trials = [one.trial for one in loaded]
    standing = [trials[i].name for i, path in enumerate(sessions) if static and path.resolve() == static.resolve()]
    fit = _fit(options, trials, body, keypoints, standing)
    calibration = finish(_within(fit, options.minutes), progress)
    timed, said = with_clocks(calibration.subject, loaded)
    _write(output, timed)  # kept, should the judging be interrupted
    verdict = judge(trials, body, keypoints, calibration, options.build)  # by the trials as they were put right
    subject = verdict.noted(timed, options.build)
    said = tuple(line for one in loaded for line in one.said) + said
    return Calibrated(replace(calibration, subject=subject), verdict, _write(output, subject), said)


def report(result: Calibrated) -> dict[str, Any]:
    """The same for programs: figures with their units in the names."""
    calibration, verdict = result.calibration, result.verdict
    subject = calibration.subject
    offsets = dict(zip(subject.keypoints, (1000 * subject.offsets).round(1).tolist(), strict=True))
    return {
        "converged": calibration.converged,
        "steps": calibration.steps,
        "scale": {group: float(factor) for group, factor in subject.scale.items()},
        "offsets_mm": offsets,
        "standing": list(calibration.standing),
        "cameras": [
            {
                "sessions": list(rig.sessions),
                "turned_deg": dict(zip(rig.rig.names, np.degrees(rig.turned).tolist(), strict=True)),
                "moved_mm": dict(zip(rig.rig.names, (1000 * rig.shifted).tolist(), strict=True)),
                "clock_ms": dict(zip(rig.rig.names, (1000 * rig.clock).tolist(), strict=True)),
            }
            for rig in subject.refined
        ],
        "verdict": verdict.grade,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "said": list(result.said),
        "files": [str(path) for path in result.files],
    }


def summary(result: Calibrated) -> str:
    """The calibration in a few lines."""
    calibration, verdict = result.calibration, result.verdict
    subject = calibration.subject
    state = "converged" if calibration.converged else "stopped before it converged"
    scale = ", ".join(f"{group} {factor:.3f}" for group, factor in subject.scale.items())
    largest = int(np.argmax(np.linalg.norm(subject.offsets, axis=1)))
    offset = 1000 * np.linalg.norm(subject.offsets[largest])
    lines = [
        f"{state} after {calibration.steps} steps",
        f"scale: {scale}",
        f"largest offset: {subject.keypoints[largest]} {offset:.0f} mm",
        *(f"quiet standing: {name}" for name in calibration.standing),
        *result.said,
        *(line for rig in subject.refined for line in _moves(rig)),
        f"verdict: {verdict.grade}",
        *(f"  - {reason}" for reason in verdict.reasons),
        *(f"  note: {note}" for note in verdict.notes),
        *(f"written to {path}" for path in result.files),
    ]
    return "\n".join(lines)


def _moves(rig: RefinedRig) -> list[str]:
    """How far the cameras moved, and how the rig as a whole was held."""
    rows = zip(rig.rig.names, np.degrees(rig.turned), 1000 * rig.shifted, 1000 * rig.clock, strict=True)
    line = "  {}: turned {:.2f} deg, moved {:.0f} mm, clock {:+.1f} ms"
    return [
        f"cameras of {', '.join(rig.sessions)}; as a whole the rig keeps its place, its size and its clock:",
        *(line.format(*row) for row in rows),
    ]


def _check_options(options: CalibrateOptions, static: Path | None) -> None:
    if options.bundle_adjust and options.method != "bilevel":
        raise InputError(f"--bundle-adjust: the method {options.method} keeps the cameras; use it with bilevel")
    if static is not None and options.method != "bilevel":
        raise InputError(f"--static: the method {options.method} has no use for quiet standing; use it with bilevel")


def _check_output(output: Path, sessions: Sequence[Path]) -> None:
    if not os.access(output.parent, os.W_OK) or output.is_dir():
        raise InputError(f"{output}: cannot be written; name a file in a folder that exists")
    if output.resolve() in [path.resolve() for path in sessions]:
        raise InputError(f"{output}: is one of the sessions; name another file for the subject")


def _named_apart(loaded: Sequence[Loaded]) -> list[Loaded]:
    """Trials of the same file name get a number."""
    seen: dict[str, int] = {}
    out = []
    for one in loaded:
        name = one.trial.name
        seen[name] = count = seen.get(name, 0) + 1
        out.append(one if count == 1 else replace(one, trial=replace(one.trial, name=f"{name} ({count})")))
    return out


def _fit(
    options: CalibrateOptions, trials: list[Trial], skeleton: Skeleton, keypoints: KeypointSet, static: Sequence[str]
) -> Fit:
    if options.method == "two-stage":
        return fit_two_stage(trials, skeleton, keypoints, options.build)
    if options.method == "bilevel":
        return fit_bilevel(trials, skeleton, keypoints, options.build, static=static, refine=options.bundle_adjust)
    settings = replace(options.first_order, trajectory=options.method)
    return fit_first_order(trials, skeleton, keypoints, settings, options.build.stature)


def _within(fit: Fit, minutes: float | None) -> Fit:
    """The fit, left when the time is over and it has a result."""
    end = np.inf if minutes is None else monotonic() + 60.0 * minutes
    for stage in fit:
        yield stage
        if stage.result is not None and monotonic() > end:
            return


def _write(output: Path, subject: Subject) -> tuple[Path, ...]:
    files = {output: subject.to_toml()}
    for index, rig in enumerate(subject.refined):
        name = "cameras.refined.toml" if index == 0 else f"cameras.refined.{rig.sessions[0]}.toml"
        files[output.with_name(name)] = rig.rig.to_toml()
    for path, text in files.items():
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    return tuple(files)
