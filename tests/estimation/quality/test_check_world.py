from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfit.cli.level import triangulated
from streamfit.estimation.init.upright import upright
from streamfit.estimation.quality.check_world import person_size, world_findings
from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.recording.playback import open_recording
from streamfit.recording.trials import load_trial
from streamfit.rig.level import levelled, turned
from streamfit.sim.motions import walk as walk_of
from streamfit.sim.person import motion


@pytest.fixture(scope="module")
def walk(scene) -> np.ndarray:
    """Keypoints (T, K, 3) of two seconds, world frame."""
    return np.array([scene.points(t) for t in np.arange(0.0, 2.0, 0.1)]) @ scene.rig.to_ground


@pytest.mark.parametrize(
    ("metres", "unit", "said"),
    [
        (0.1, "dm", 'decimetres; say units = "dm"'),
        (0.01, "cm", 'centimetres; say units = "cm"'),
        (0.001, "mm", 'millimetres; say units = "mm"'),
        (0.0254, "in", 'inches; say units = "in"'),
        (10.0, "", "centimetres taken for millimetres?); say units = 10"),
        (1000.0, "", "metres taken for millimetres?); say units = 1000"),
        (0.06, "", "cm (squares of the board?); say units = 0.05"),
    ],
)
def test_a_person_who_is_too_large_tells_the_units(scene, walk, metres, unit, said):
    found = person_size(walk / metres, scene.keypoints, scene.skeleton)
    assert found.unit == unit
    assert found.metres == pytest.approx(metres, rel=0.1)
    assert found.text is not None
    assert found.stature == pytest.approx(1.75 / metres, rel=0.05)
    assert said in found.text


def test_a_person_of_a_persons_size_tells_nothing(scene, walk):
    for factor in (0.6, 1.0, 1.2):
        found = person_size(factor * walk, scene.keypoints, scene.skeleton)
        assert found.text is None
        assert found.stature == pytest.approx(1.75 * factor, rel=0.05)


def test_points_that_are_no_persons_have_no_size(scene):
    noise = np.random.default_rng(1).normal(0.0, 3.0, (60, len(scene.keypoints.names), 3))
    assert np.isnan(person_size(noise, scene.keypoints, scene.skeleton).stature)


@pytest.mark.parametrize(("units", "metres"), [('"cm"', 0.01), ('"in"', 0.0254), ("0.06", 0.06)])
def test_the_units_that_are_named_are_read(scene, units, metres):
    text = scene.rig.to_toml().replace('units = "m"', f"units = {units}")
    rig = Rig.from_toml(text)
    ratio = [a.translation / b.translation for a, b in zip(rig.cameras, scene.rig.cameras, strict=True)]
    np.testing.assert_allclose(ratio, metres, rtol=1e-9)


@pytest.fixture(scope="module")
def walked(skeleton) -> tuple[np.ndarray, KeypointSet]:
    """Keypoints (T, K, 3; world with z up) of somebody who walks, and stands at first; with their set."""
    keypoints = KeypointSet.load("halpe26")
    subject = Subject.generic(skeleton, keypoints, 1.75)
    q, _ = walk_of(skeleton, subject.scale, 3.0)
    return motion(q[::8], skeleton, keypoints, subject).keypoints, keypoints


def turned_by(rig: Rig, points: np.ndarray, axis: int, degrees: float) -> tuple[Rig, np.ndarray]:
    """The same room in a world that is turned about one of its axes."""
    turn = cv2.Rodrigues(np.radians(degrees) * np.eye(3)[axis])[0]
    return turned(rig, turn, np.zeros(3)), points @ turn.T


def noisy(points: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(5)
    points = points + rng.normal(0.0, 0.01, points.shape)
    points[rng.random(points.shape[:2]) < 0.1] = np.nan
    return points


def test_a_world_as_it_should_be_is_not_spoken_of(rig, walked):
    points, keypoints = walked
    assert world_findings(noisy(points), keypoints, rig) == []
    assert world_findings(noisy(points[:25]), keypoints, rig) == []
    assert world_findings(np.full_like(points, np.nan), keypoints, rig) == []


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("degrees", [-12.0, 20.0])
def test_a_tilted_world_is_said_with_its_degrees_and_mended(rig, walked, axis, degrees):
    other, points = turned_by(rig, noisy(walked[0]), axis, degrees)
    (finding,) = world_findings(points, walked[1], other)
    said = int(finding.text.partition(" degrees")[0].rpartition(" ")[2])
    assert abs(said - abs(degrees)) <= 2
    assert "streamfit rig --level" in finding.text
    stands = upright(points, walked[1])
    assert stands is not None
    level = levelled(other, stands.direction, "z", np.array([1.0, 2.0, 0.0]))
    for one, was in zip(level.cameras, rig.cameras, strict=True):
        turn = cv2.Rodrigues(one.rotation)[0].T @ cv2.Rodrigues(was.rotation)[0]
        assert np.degrees(np.arccos(np.clip(turn[2, 2], -1, 1))) < 2.0
    distance = np.linalg.norm(level.cameras[0].centre - level.cameras[3].centre)
    assert distance == pytest.approx(np.linalg.norm(rig.cameras[0].centre - rig.cameras[3].centre))


@pytest.mark.parametrize(("degrees", "up", "words"), [(90.0, "-y", "turned by"), (180.0, "-z", "upside down")])
def test_a_world_with_another_up_is_said_with_the_axis(rig, walked, degrees, up, words):
    other, points = turned_by(rig, noisy(walked[0]), 0, degrees)
    (finding,) = world_findings(points, walked[1], other)
    assert finding.level == "poor"
    assert words in finding.text
    assert f'say up = "{up}"' in finding.text
    mended = Rig(other.cameras, up)
    assert world_findings(points, walked[1], mended) == []


def test_who_lies_or_goes_up_a_ramp_says_nothing(rig, walked):
    points, keypoints = walked
    _, lying = turned_by(rig, noisy(points[:6]).repeat(5, 0), 0, 90.0)
    assert world_findings(lying, keypoints, rig) == []
    ramp = noisy(points)
    ramp[..., 2] += 0.2 * np.nanmean(ramp[..., 0], axis=1, keepdims=True)
    assert world_findings(ramp, keypoints, rig) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("right", None), ("tilted12", "upright 12 degrees from"), ("y_up_said_z", 'say up = "y" under')],
)
def test_a_recording_says_whether_its_world_is_upright(faults, skeleton, name, words):
    recording = open_recording(faults / "world-tilted" / f"{name}.mcap", skeleton)
    trial = load_trial(recording, skeleton)
    points = triangulated(replace(trial, instants=trial.instants[::3]), recording.keypoints)
    found = world_findings(points, recording.keypoints, recording.rig)
    assert [words in finding.text for finding in found] == ([True] if words else [])
