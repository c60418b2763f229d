"""Cameras that have moved since they were calibrated, and how they are found."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfit.estimation.batch.bundle_adjust import CLOCK, SHIFT, TURN, calibrated_cameras, camera_prior, refined_rigs
from streamfit.estimation.batch.calibrate import calibrate
from streamfit.estimation.batch.linearise import CAMERA
from streamfit.estimation.batch.trial import Trial, lay_out
from streamfit.estimation.estimate import View
from streamfit.model.camera import Rig

pytestmark = pytest.mark.slow

LATE = np.array([[-4.0, 6, -1, 4, -3, -2], [3.0, 5, -6, 0, 4, -6]]) * 1e-3
"""s that the cameras of each trial see later than they say: zero on average."""


def turn_of(camera) -> np.ndarray:
    return cv2.Rodrigues(camera.rotation)[0]


def centres(rig: Rig) -> np.ndarray:
    return np.array([camera.centre for camera in rig.cameras])


def size_of(rig: Rig) -> float:
    """Root mean square distance of the cameras from their middle."""
    away = centres(rig) - centres(rig).mean(0)
    return float(np.sqrt((away**2).sum(1).mean()))


def turned(camera, vector: np.ndarray, centre: np.ndarray):
    """The camera, turned in the world by a rotation vector, at another place."""
    rotation = turn_of(camera) @ cv2.Rodrigues(vector)[0].T
    return replace(camera, rotation=cv2.Rodrigues(rotation)[0][:, 0], translation=-rotation @ centre)


def perturbed(rig: Rig, rng: np.random.Generator) -> Rig:
    """A calibration of the rig that is wrong by half a degree and 15 mm for each camera."""
    cameras = []
    for camera in rig.cameras:
        turn, shift = rng.normal(size=(2, 3))
        turn, shift = np.radians(0.5) * turn / np.linalg.norm(turn), 0.015 * shift / np.linalg.norm(shift)
        cameras.append(turned(camera, turn, camera.centre + shift))
    return Rig(tuple(cameras), rig.up)


def from_first(rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """The cameras' rotations (C, 3, 3) and centres (C, 3) as the first camera sees them."""
    first = turn_of(rig.cameras[0])
    return np.array([first @ turn_of(c).T for c in rig.cameras]), (centres(rig) - centres(rig)[0]) @ first.T


def wrong_by(rig: Rig, true: Rig) -> tuple[float, float]:
    """Largest error of the cameras relative to the first one (deg, m), after one common factor of size."""
    (turn, place), (true_turn, true_place) = from_first(rig), from_first(true)
    factor = np.sum(place * true_place) / np.sum(place**2)
    angles = [np.linalg.norm(cv2.Rodrigues(a @ b.T)[0]) for a, b in zip(turn, true_turn, strict=True)]
    return np.degrees(max(angles)), np.linalg.norm(factor * place - true_place, axis=1).max()


@pytest.fixture(scope="module")
def calibrations(scene) -> list[Rig]:
    rng = np.random.default_rng(4)
    return [perturbed(scene.rig, rng) for _ in range(2)]


@pytest.fixture(scope="module")
def trials(scene, calibrations) -> list[Trial]:
    """Two trials, each with a calibration and clocks of its own. Their shape is that of `test_bilevel`."""
    rng = np.random.default_rng(5)
    out = []
    for name, start, rig, late in zip(("one", "two"), (0.0, 4.0), calibrations, LATE, strict=True):
        times = start + np.arange(114) / 75.0
        seen = [(t, [View(v.camera, t, v.xyc) for v in scene.views(t, 0.5, rng, offsets=late)]) for t in times]
        out.append(Trial(name, rig, seen))
    return out


@pytest.fixture(scope="module")
def adjusted(scene, trials):
    before = [trial.rig.to_toml() for trial in trials]
    result = calibrate(trials, scene.skeleton, scene.keypoints, refine=True)
    assert [trial.rig.to_toml() for trial in trials] == before
    return result


def test_finds_where_the_cameras_are(scene, calibrations, adjusted):
    assert adjusted.converged
    for calibrated, one in zip(calibrations, adjusted.subject.refined, strict=True):
        degrees, metres = wrong_by(calibrated, scene.rig)
        assert degrees > 0.7
        assert metres > 0.04
        degrees, metres = wrong_by(one.rig, scene.rig)
        assert degrees < 0.15
        assert metres < 0.012


def test_finds_the_clocks(adjusted):
    for late, one in zip(LATE, adjusted.subject.refined, strict=True):
        np.testing.assert_allclose(one.clock, late, atol=3e-4)


def test_a_rig_for_each_calibration_and_the_trials_it_was_found_with(trials, calibrations, adjusted):
    assert [one.sessions for one in adjusted.subject.refined] == [("one",), ("two",)]
    for calibrated, one, movement in zip(calibrations, adjusted.subject.refined, adjusted.movements, strict=True):
        assert one.calibrated is calibrated
        assert movement.rig is one.rig
        for camera, refined in zip(calibrated.cameras, one.rig.cameras, strict=True):
            assert (refined.name, refined.size) == (camera.name, camera.size)
            assert refined.matrix is camera.matrix
            assert refined.distortions is camera.distortions


def test_the_rig_as_a_whole_stays_where_it_was(adjusted):
    for one in adjusted.subject.refined:
        assert one.turned.min() > 1e-3
        turns = [turn_of(a).T @ turn_of(b) for a, b in zip(one.rig.cameras, one.calibrated.cameras, strict=True)]
        assert np.linalg.norm(np.mean([cv2.Rodrigues(turn)[0] for turn in turns], 0)) < 1e-5
        assert np.linalg.norm((centres(one.rig) - centres(one.calibrated)).mean(0)) < 2e-4
        assert size_of(one.rig) == pytest.approx(size_of(one.calibrated), rel=1e-4)
        assert abs(one.clock.mean()) < 1e-6


def test_the_person_is_found_in_the_refined_room(scene, adjusted):
    """The calibration's frame has moved by as much as its cameras on average; the movement is right in it."""
    assert all(value["median_px"] < 0.8 for value in adjusted.subject.fit["residuals"].values())
    for name, factor in adjusted.subject.scale.items():
        if name == "hip_width":  # of which anatomy says that it is another than drawn
            continue
        assert factor == pytest.approx(scene.subject.scale[name], rel=0.03)
    movement = adjusted.movements[0]
    inner = [i for i, n in enumerate(scene.skeleton.coordinates) if n.startswith(("hip_flex", "knee", "elbow"))]
    error = (movement.q - np.array([scene.q(t) for t in movement.t]))[:, inner]
    assert np.degrees((error - error.mean(0)).std()) < 0.5
    assert np.degrees(np.abs(error).mean()) < 4.0


# what is known beforehand, without any fit


def blank(scene, *rigs: Rig):
    """The layout of a trial in each rig, in which all cameras see something."""
    count = len(scene.keypoints.names)
    trials = [
        Trial(f"t{i}", rig, [(float(i), [View(c, float(i), np.ones((count, 3))) for c in range(len(rig.cameras))])])
        for i, rig in enumerate(rigs)
    ]
    return trials, lay_out(trials, count, 0.04, 0.08, slots=1)


def moves_to(rig: Rig, other: Rig, clock=0.0) -> np.ndarray:
    """The numbers (7C,) of the cameras of `rig` when they are as in `other`."""
    moves = np.zeros((len(rig.cameras), CAMERA))
    for row, a, b in zip(moves, rig.cameras, other.cameras, strict=True):
        turn = turn_of(b) @ turn_of(a).T
        row[:3] = cv2.Rodrigues(turn)[0][:, 0]
        row[3:6] = b.translation - turn @ a.translation
    moves[:, 6] = clock
    return moves.reshape(-1)


SMALL = 1e-4


@pytest.mark.parametrize("axis", range(3))
def test_moving_the_whole_rig_is_ruled_out(scene, axis):
    _, layout = blank(scene, scene.rig)
    information = camera_prior(layout)
    middle, vector = centres(scene.rig).mean(0), SMALL * np.eye(3)[axis]
    spin = cv2.Rodrigues(vector)[0]
    whole = {
        "shift": Rig(tuple(turned(c, np.zeros(3), c.centre + vector) for c in scene.rig.cameras)),
        "turn": Rig(tuple(turned(c, vector, middle + spin @ (c.centre - middle)) for c in scene.rig.cameras)),
        "size": Rig(
            tuple(turned(c, np.zeros(3), middle + (1.0 + SMALL) * (c.centre - middle)) for c in scene.rig.cameras)
        ),
    }
    for rig in whole.values():
        moves = moves_to(scene.rig, rig)
        # a tenth of a millimetre or of a milliradian costs ten standard deviations
        assert moves @ information @ moves > 100.0
    clock = moves_to(scene.rig, scene.rig, clock=SMALL)
    assert clock @ information @ clock > 100.0


def test_cameras_may_move_against_each_other_as_far_as_rigs_do(scene):
    """Two cameras of one height, one moved up and the other down, and so their turns and their clocks."""
    _, layout = blank(scene, scene.rig)
    against = np.zeros((6, CAMERA))
    for c, sign in ((0, 1.0), (2, -1.0)):
        up = turn_of(scene.rig.cameras[c])[:, 2]
        against[c] = sign * SMALL * np.concatenate([up, up, [1.0]])
    against = against.reshape(-1)
    for held in (1.0, 100.0):
        information = camera_prior(layout, held)
        np.testing.assert_allclose(information, information.T, rtol=1e-9, atol=1e-6)
        assert np.linalg.eigvalsh(information).min() > 0.0
        expected = 2.0 * held * sum((SMALL / sd) ** 2 for sd in (TURN, SHIFT, CLOCK))
        assert against @ information @ against == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("up", ["z", "y", "-x"])
def test_cameras_that_have_not_moved_are_as_calibrated(scene, up):
    """Whatever axis of the world points up, and where rigs have different numbers of cameras."""
    rigs = (Rig(scene.rig.cameras, up), Rig(scene.rig.cameras[:4], up))
    trials, layout = blank(scene, *rigs)
    information = camera_prior(layout)
    assert np.linalg.eigvalsh(information).min() > 0.0
    found = refined_rigs(layout, trials, calibrated_cameras(layout))
    assert [one.calibrated for one in found] == list(rigs)
    for one in found:
        np.testing.assert_allclose(one.turned, 0.0, atol=1e-7)
        np.testing.assert_allclose(one.shifted, 0.0, atol=1e-9)
        assert not one.clock.any()
        assert one.rig.up == up
        assert len(one.clock) == len(one.calibrated.cameras)


def test_trials_in_one_rig_have_one_refinement(scene):
    trials, layout = blank(scene, scene.rig, Rig(scene.rig.cameras[:4]), Rig(scene.rig.cameras))
    found = refined_rigs(layout, trials, calibrated_cameras(layout))
    assert [one.sessions for one in found] == [("t0", "t2"), ("t1",)]
