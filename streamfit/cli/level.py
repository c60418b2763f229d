"""`streamfit rig --level`: turn an existing rig upright by the people who walk in it."""

from pathlib import Path

import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.batch.initialise_trial import triangulate_slots
from streamfit.estimation.batch.trial import Trial, lay_out
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.triangulate import Points
from streamfit.estimation.init.upright import upright
from streamfit.estimation.quality.check_world import WALKED, nearest_axis
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import DEFAULT_NOISE, SKIN
from streamfit.recording.mcap_file import SessionWriter, read_session
from streamfit.recording.playback import open_recording
from streamfit.recording.trials import load_trial
from streamfit.rig.level import levelled


def level_session(session: Path, output: Path, cameras: Path | None = None) -> str:
    """Turn the rig of a session (or of `cameras`, with the same names) by its person; what was done, in words.

    Writes a cameras.toml, or where `output` is an .mcap the session with it. InputError where no one walks in it.
    """
    if output.exists():
        raise InputError(f"{output} exists already: name another file, or move it away")
    skeleton = Skeleton.load()
    recording = open_recording(session, skeleton)
    trial = load_trial(recording, skeleton)
    rig = recording.rig
    if cameras is not None:
        rig = Rig.load(cameras)
        if rig.names != recording.rig.names:
            raise InputError(f"{cameras}: its cameras are not those of {session}, {', '.join(recording.rig.names)}")
    points = triangulated(Trial(trial.name, rig, trial.instants), recording.keypoints)
    stands = upright(points, recording.keypoints)
    if stands is None or np.linalg.eigvalsh(stands.cov)[1] > WALKED**2:
        raise InputError(f"{session}: nobody walks in it whose feet are seen; up is told by steps on the floor")
    axis, _ = nearest_axis(stands.direction)
    tilt = np.degrees(np.arccos(np.clip(stands.direction @ (rig.to_ground.T @ [0.0, 1.0, 0.0]), -1.0, 1.0)))
    about = np.nanmedian(points.reshape(-1, 3), axis=0)
    new = levelled(rig, stands.direction, axis, about)
    _write(output, new, session)
    return f'{output}: turned by {tilt:.1f} degrees, up = "{axis}"'


def triangulated(trial: Trial, keypoints: KeypointSet) -> np.ndarray:
    """Keypoints (T, K, 3; world, m) of a trial's instants on which its views agree, NaN where they do not."""
    settings = FitSettings()
    count = len(keypoints.names)
    layout = lay_out([trial], count, settings.spacing, settings.persistence, slots=1)
    spread = np.hypot(keypoints.sd, SKIN)
    noise = Noise(np.full(count, DEFAULT_NOISE), spread, np.float64(settings.dof), np.float64(0.0))
    *_, found = triangulate_slots(layout, noise, depth=None)
    assert isinstance(found, Points), "triangulation ends with its result"
    there = np.isfinite(layout.t[:, 0])
    return np.where(found.valid[there, 0][..., None], found.position[there, 0], np.nan) @ trial.rig.to_ground


def _write(output: Path, rig: Rig, session: Path) -> None:
    try:
        if output.suffix != ".mcap":
            output.write_text(rig.to_toml(), encoding="utf-8")
            return
        recorded = read_session(session)
        with SessionWriter(output, rig.to_toml(), recorded.keypoints_toml, recorded.subject_toml) as file:
            for message in recorded.messages():
                file.write(*message)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
