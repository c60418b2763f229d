"""Recordings that are no good: `streamfit calibrate` says so in a line, or in a verdict that gives the reason."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from simulated import NOISE, Walk, project, rig, walk

from streamfit.cli.calibrate import Calibrated, calibrate_sessions, summary
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionWriter

SECONDS = 1.2

View = Callable[[int, np.ndarray], np.ndarray | None]
"""What a camera, by its index, sends of the (K, 3) that it saw; None: nothing."""


@pytest.fixture(scope="module")
def motion(skeleton: Skeleton, keypoints: KeypointSet) -> Walk:
    return walk(skeleton, keypoints, SECONDS)


read_skeleton, read_keypoints = lru_cache(Skeleton.load), lru_cache(KeypointSet.from_toml)


@pytest.fixture(autouse=True)
def nothing_is_compiled_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is compiled for one skeleton and one keypoint set, as objects."""
    monkeypatch.setattr(Skeleton, "load", staticmethod(read_skeleton))
    monkeypatch.setattr(KeypointSet, "from_toml", staticmethod(lambda text, source="": read_keypoints(text)))


def record(
    path: Path,
    keypoints: KeypointSet,
    motion: Walk,
    view: View = lambda camera, xyc: xyc,
    true: Rig | None = None,
    said: Rig | None = None,
) -> Path:
    """A recording by the cameras `true` which says that they are `said`."""
    true = true or rig()
    rng = np.random.default_rng(4)
    with SessionWriter(path, (said or true).to_toml(), keypoints.to_toml()) as writer:
        for i, t in enumerate(motion.t.tolist()):
            views = []
            for c, camera in enumerate(true.cameras):
                pixels = project(camera, motion.points[i])
                pixels += NOISE * rng.standard_normal(pixels.shape)
                xyc = view(c, np.column_stack([pixels, np.full(len(pixels), 0.9)]))
                if xyc is not None:
                    views.append({"camera": camera.name, "person": "0", "xyc": xyc})
            message = {"v": 1, "type": "keypoints", "session": path.stem, "t": t, "frame": i, "views": views}
            writer.write("keypoints", encode(message), int(t * 1e9), int(t * 1e9))
    return path


def calibrated(folder: Path, keypoints: KeypointSet, one: Walk, other: Walk | None = None, **how) -> Calibrated:
    """Of two recordings, so that all are of one shape."""
    paths = [record(folder / f"{name}.mcap", keypoints, m, **how) for name, m in (("a", one), ("b", other or one))]
    return calibrate_sessions(paths, folder / "subject.toml")


def refused(folder: Path, keypoints: KeypointSet, motion: Walk, **how) -> str:
    """The one line with which it is refused; nothing is written."""
    with pytest.raises(InputError) as error:
        calibrated(folder, keypoints, motion, **how)
    assert not (folder / "subject.toml").exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def scaled(by: float) -> Rig:
    cameras = rig().cameras
    return Rig(tuple(replace(camera, translation=by * camera.translation) for camera in cameras), "z")


@pytest.mark.slow
def test_a_sound_recording_is_not_poor(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    result = calibrated(tmp_path, keypoints, motion)
    assert result.verdict.grade != "poor", result.verdict.reasons


def test_a_single_camera(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    assert "two cameras" in refused(tmp_path, keypoints, motion, true=rig(1))


def test_cameras_that_stand_side_by_side(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    """Two of them see the person, from 20 cm apart; the others look elsewhere."""
    cameras = list(rig().cameras)
    cameras[1] = replace(cameras[0], name="cam_02", translation=cameras[0].translation + np.array([0.2, 0.0, 0.0]))
    result = calibrated(
        tmp_path, keypoints, motion, true=Rig(tuple(cameras), "z"), view=lambda c, xyc: xyc if c < 2 else None
    )
    assert result.verdict.grade == "poor"
    assert "along nearly one line (3 degrees" in result.verdict.reasons[0]


def test_nobody_moves(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    still = replace(motion, points=np.broadcast_to(motion.points[10], motion.points.shape))
    result = calibrated(tmp_path, keypoints, still)
    assert result.verdict.grade == "poor"
    assert "hardly moves" in result.verdict.reasons[0]


def test_most_keypoints_are_missing(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    rng = np.random.default_rng(6)

    def few(camera: int, xyc: np.ndarray) -> np.ndarray:
        xyc[rng.random(len(xyc)) < 0.9] = [np.nan, np.nan, 0.0]
        return xyc

    result = calibrated(tmp_path, keypoints, motion, view=few)
    assert result.verdict.grade == "poor"
    assert any("of the keypoints are seen by two cameras that agree" in reason for reason in result.verdict.reasons)


def test_nearly_all_keypoints_are_missing(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    def one(camera: int, xyc: np.ndarray) -> np.ndarray:
        xyc[1:, 2] = 0.0
        return xyc

    assert "calibration: " in refused(tmp_path, keypoints, motion, view=one)


def test_another_keypoint_set_of_that_size(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    order = np.random.default_rng(5).permutation(len(keypoints.names))
    result = calibrated(tmp_path, keypoints, motion, view=lambda camera, xyc: xyc[order])
    assert result.verdict.grade == "poor"
    assert "keypoint set" in " ".join(result.verdict.reasons)
    written = (tmp_path / "subject.toml").read_text(encoding="utf-8")
    assert 'verdict = "poor"' in written
    assert f"  - {result.verdict.reasons[0]}" in summary(result).splitlines()


def test_another_keypoint_set_of_another_size(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    assert "sent 25 keypoints" in refused(tmp_path, keypoints, motion, view=lambda camera, xyc: xyc[:-1])


def test_a_rig_in_millimetres(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    assert 'units = "mm"' in refused(tmp_path, keypoints, motion, said=scaled(1000.0))


@pytest.mark.parametrize(
    ("by", "said"),
    [(3.28, "3.3 times too large (in feet, not in metres)"), (0.1, "10 times too small (in centimetres")],
)
def test_a_rig_in_other_units_that_could_be_a_room(
    tmp_path: Path, keypoints: KeypointSet, motion: Walk, by: float, said: str
) -> None:
    result = calibrated(tmp_path, keypoints, motion, said=scaled(by))
    assert result.verdict.grade == "poor"
    assert f"the translations of cameras.toml are {said}" in result.verdict.reasons[0]


def test_the_cameras_of_another_room(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    said = Rig(
        tuple(replace(c, name=d.name) for c, d in zip(rig(5, 0.5).cameras[::-1], rig().cameras, strict=True)), "z"
    )
    result = calibrated(tmp_path, keypoints, motion, said=said)
    assert result.verdict.grade == "poor"
    assert "cameras' calibration" in " ".join(result.verdict.reasons)


def test_trials_of_two_people(tmp_path: Path, keypoints: KeypointSet, motion: Walk) -> None:
    result = calibrated(tmp_path, keypoints, motion, replace(motion, points=0.93 * motion.points))
    assert result.verdict.grade == "poor"
    assert "a and b are of two people (1." in result.verdict.reasons[0]
