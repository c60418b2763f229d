"""A person who is suddenly elsewhere begins a new piece of a trial; one who moves, however fast, does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamfit.estimation.batch.leaps import leaps
from streamfit.estimation.batch.trial import Trial, lay_out
from streamfit.estimation.estimate import View
from streamfit.model.camera import Rig

Instants = list[tuple[float, list[View]]]
STEP = 0.02


def seen(rig: Rig, places: np.ndarray, t: np.ndarray, rng: np.random.Generator) -> Instants:
    """Views of a cloud of points the size of a person, whose middle is at `places` (N, 3; world, m) at the times."""
    cloud = rng.normal(size=(24, 3)) * [0.2, 0.2, 0.45]
    out = []
    for time, place in zip(t, places, strict=True):
        views = []
        for index in range(len(rig.cameras)):
            pixels = camera_pixels(rig, index, cloud + place) + 4.0 * rng.normal(size=(24, 2))
            views.append(View(index, float(time), np.concatenate([pixels, np.ones((24, 1))], 1)))
        out.append((float(time), views))
    return out


def camera_pixels(rig: Rig, index: int, points: np.ndarray) -> np.ndarray:
    """Where a camera sees points (K, 3; world), by OpenCV."""
    c = rig.cameras[index]
    return cv2.projectPoints(points, c.rotation, c.translation, c.matrix, c.distortions)[0][:, 0]


@pytest.fixture
def walk(rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) and places (N, 3) of somebody who runs 7 m/s to and fro through the middle of the room."""
    t = np.arange(100) * STEP
    return t, np.stack([0.5 * np.sin(14.0 * t), np.zeros_like(t), np.full_like(t, 1.0)], 1)


def test_a_looped_recording_is_cut_where_it_begins_again(rig: Rig, walk: tuple[np.ndarray, np.ndarray]) -> None:
    t, places = walk
    leap = np.where(np.arange(100) >= 60, 1.5, 0.0)
    for direction in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.7, 0.7, 0.0]):
        instants = seen(rig, places + leap[:, None] * direction, t, np.random.default_rng(2))
        assert leaps(rig, instants) == {60}


def test_who_runs_fast_does_not_leap(rig: Rig, walk: tuple[np.ndarray, np.ndarray]) -> None:
    t, places = walk
    assert not leaps(rig, seen(rig, places, t, np.random.default_rng(2)))


def test_a_camera_that_takes_up_somebody_else_is_no_leap(rig: Rig, walk: tuple[np.ndarray, np.ndarray]) -> None:
    t, places = walk
    instants = seen(rig, places, t, np.random.default_rng(2))
    other = seen(rig, places + np.array([1.5, 0.0, 0.0]), t, np.random.default_rng(2))
    mixed = [(time, [other[i][1][0] if i >= 60 else views[0], *views[1:]]) for i, (time, views) in enumerate(instants)]
    assert not leaps(rig, mixed)


def test_points_at_random_are_not_cut_to_pieces(rig: Rig) -> None:
    rng = np.random.default_rng(3)
    t = np.arange(60) * STEP
    places = rng.uniform(-2.0, 2.0, (60, 3)) * [1.0, 1.0, 0.0] + [0.0, 0.0, 1.0]
    assert not leaps(rig, seen(rig, places, t, rng))


def test_what_lies_before_and_after_a_leap_are_trajectories_of_their_own(
    rig: Rig, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    t, places = walk
    leap = np.where(np.arange(100) >= 60, 1.5, 0.0)[:, None] * [1.0, 0.0, 0.0]
    layout = lay_out([Trial("looped", rig, seen(rig, places + leap, t, np.random.default_rng(2)))], 24, 0.04, 0.08)
    assert [round(spline.start, 3) for spline in layout.splines] == [0.0, pytest.approx(1.2, abs=1e-3)]
