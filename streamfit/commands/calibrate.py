"""`streamfit calibrate`."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamfit.commands.recording import Recording, open_recording
from streamfit.errors import InputError
from streamfit.fit.calibrate import Calibration, Progress, calibrate
from streamfit.fit.estimate import View
from streamfit.fit.trial import Trial
from streamfit.skeleton import Skeleton
from streamfit.subject import Subject


def calibrate_sessions(
    sessions: Sequence[Path],
    output: Path,
    stature: float | None = None,
    cameras: Sequence[str] | None = None,
    person: str | None = None,
    skeleton: str = "rajagopal",
    progress: Progress = lambda what, share: None,
) -> Calibration:
    """Fit one person's size to their sessions and write it to `output`. InputError."""
    if not os.access(output.parent, os.W_OK) or output.is_dir():
        raise InputError(f"{output}: cannot be written; name a file in a folder that exists")
    body = Skeleton.load(skeleton)
    recordings = [open_recording(path, body, cameras, person) for path in sessions]
    keypoints = recordings[0].keypoints
    for other in recordings[1:]:
        if (other.keypoints.names, other.keypoints.bodies) != (keypoints.names, keypoints.bodies):
            raise InputError(
                f"{other.file.path}: its keypoint set {other.keypoints.name} is not that of "
                f"{recordings[0].file.path}, {keypoints.name}; calibrate each set on its own"
            )
    trials = [load_trial(recording, body) for recording in recordings]
    result = calibrate(trials, body, keypoints, stature=stature, progress=progress)
    try:
        output.write_text(result.subject.to_toml(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    return result


def load_trial(recording: Recording, skeleton: Skeleton) -> Trial:
    """The instants of a recording as the live engine makes them."""
    live = recording.live(skeleton, Subject.generic(skeleton, recording.keypoints))
    instants = [
        (instant.t, [View(view.camera, view.t, view.xyc) for view in instant.views])
        for instant in recording.played(live)
    ]
    return Trial(recording.name, recording.rig, instants)


def summary(result: Calibration, output: Path) -> str:
    """The calibration in a few lines."""
    subject = result.subject
    scale = ", ".join(f"{group} {factor:.3f}" for group, factor in subject.scale.items())
    largest = int(np.argmax(np.linalg.norm(subject.offsets, axis=1)))
    offset = 1000 * np.linalg.norm(subject.offsets[largest])
    state = "converged" if result.converged else "stopped before it converged"
    return (
        f"{state} after {result.steps} steps\nscale: {scale}\n"
        f"largest offset: {subject.keypoints[largest]} {offset:.0f} mm\nwritten to {output}"
    )
