"""Who cannot stand straight is calibrated as they are."""

import csv
from pathlib import Path

import numpy as np
import pytest

from streamfit.cli.calibrate import calibrate_sessions
from streamfit.errors import InputError
from streamfit.evaluation.live_fit import fit_recording
from streamfit.model import Skeleton
from streamfit.recording.playback import open_recording

pytestmark = pytest.mark.slow

WITHIN = {"knee_angle": 3.0, "hip_flexion": 3.0, "ankle_angle": 5.0}
"""Degrees of mean difference."""


def truth(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Times, and angles (deg) by name."""
    names, *rows = csv.reader(path.read_text().splitlines())
    values = np.array(rows, float)
    return values[:, 0], dict(zip(names[1:], values.T[1:], strict=True))


def test_a_crouch_is_standing_and_reads_as_one(faults, tmp_path):
    crouch = faults / "crouch"
    found = calibrate_sessions([crouch / "static.mcap", crouch / "walk.mcap"], tmp_path / "subject.toml")
    assert found.calibration.converged
    assert found.calibration.standing == ("static",)
    stands = found.calibration.movements[0]
    skeleton = Skeleton.load()
    coordinates = list(skeleton.coordinates)
    recording = open_recording(crouch / "walk.mcap", skeleton)
    walks = fit_recording(recording, skeleton, found.calibration.subject, 0.1, lambda what, share: None).kinematics
    for motion, name in ((stands, "static"), (walks, "walk")):
        t, angles = truth(crouch / f"{name}.truth.csv")
        for coordinate, angle in angles.items():
            if (within := WITHIN.get(coordinate[:-2])) is not None:
                own = np.degrees(motion.q[:, coordinates.index(coordinate)]) - np.interp(motion.t, t, angle)
                assert abs(np.nanmean(own)) < within, f"{name}: {coordinate}"
    (note,) = [note for note in found.verdict.notes if "Quiet standing" in note]
    assert "knee angle 24 and 2" in note


def test_a_trial_that_is_named_as_standing_must_be_one(faults, tmp_path):
    path = faults / "crouch" / "walk.mcap"
    with pytest.raises(InputError, match="walk is said to be of quiet standing, but the person moves by"):
        calibrate_sessions([path], tmp_path / "subject.toml", static=path)
