"""What is wrong with views is named, of each kind of fault, in few cameras and in many; of right ones nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamfit.estimation.quality.check_inputs import InputCheck
from streamfit.estimation.quality.check_names import named_anew, named_apart
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.estimation.quality.input_findings import input_findings
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject

RIGS = {2: (0, 1), 3: (0, 1, 3), 6: (0, 1, 2, 3, 4, 5)}
TIMES = np.linspace(0.3, 1.5, 6)
WIDTH, HEIGHT = 2048, 1536


@pytest.fixture(scope="module")
def seen(scene: Any) -> np.ndarray:
    """The scene's views (N, 6, K, 3), with some noise."""
    pixels = np.array([scene.pixels(t) for t in TIMES])
    pixels = pixels + 4.0 * np.random.default_rng(0).normal(size=pixels.shape)
    return np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], -1)


@pytest.fixture(scope="module")
def checks(scene: Any) -> dict[int, InputCheck]:
    """The check of someone of unknown size, for rigs of so many cameras."""
    return {
        count: InputCheck(scene.skeleton, some(scene.rig, own), scene.keypoints, generic(scene))
        for count, own in RIGS.items()
    }


def some(rig: Rig, cameras: tuple[int, ...]) -> Rig:
    return Rig(tuple(rig.cameras[c] for c in cameras), rig.up)


def generic(scene: Any) -> Subject:
    return Subject.generic(scene.skeleton, scene.keypoints)


def pixels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda seen: np.concatenate([change(seen[..., :2]), seen[..., 2:]], -1)


FAULTS: dict[str, tuple[str | None, Callable[[np.ndarray], np.ndarray]]] = {
    "right": (None, lambda seen: seen),
    "shares": ("shares", pixels(lambda xy: xy / [WIDTH, HEIGHT])),
    "half": ("resolution", pixels(lambda xy: 0.5 * xy)),
    "double": ("resolution", pixels(lambda xy: 2.0 * xy)),
    "three quarters": ("resolution", pixels(lambda xy: 0.75 * xy)),
    "square": ("resolution", pixels(lambda xy: xy * 640.0 / np.array([WIDTH, HEIGHT]))),
    "clockwise": ("turned", pixels(lambda xy: np.stack([HEIGHT - 1 - xy[..., 1], xy[..., 0]], -1))),
    "anticlockwise": ("turned", pixels(lambda xy: np.stack([xy[..., 1], WIDTH - 1 - xy[..., 0]], -1))),
    "upside down": ("turned", pixels(lambda xy: np.array([WIDTH - 1, HEIGHT - 1]) - xy)),
    "noise": ("nobody", pixels(lambda xy: np.random.default_rng(1).uniform(0, [WIDTH, HEIGHT], xy.shape))),
}


@pytest.mark.parametrize("cameras", RIGS)
@pytest.mark.parametrize("fault", FAULTS)
def test_pictures_that_are_not_the_calibrations(
    checks: dict[int, InputCheck], seen: np.ndarray, fault: str, cameras: int
) -> None:
    key, change = FAULTS[fault]
    cause = checks[cameras].cause(change(seen[:, list(RIGS[cameras])]))
    assert (cause and cause.key) == key


@pytest.mark.parametrize("cameras", RIGS)
def test_left_and_right_exchanged(checks: dict[int, InputCheck], scene: Any, seen: np.ndarray, cameras: int) -> None:
    views, twin = seen[:, list(RIGS[cameras])], mirrored(scene.keypoints)
    everywhere = checks[cameras].cause(views[:, :, twin])
    assert everywhere is not None
    assert (everywhere.key, everywhere.camera) == ("sides", None)
    views = views.copy()
    views[:, 1] = views[:, 1][:, twin]
    one = checks[cameras].cause(views)
    assert one is not None
    assert (one.key, one.camera) == ("sides", "cam_1")


@pytest.mark.parametrize("cameras", RIGS)
def test_cameras_under_each_others_names(checks: dict[int, InputCheck], seen: np.ndarray, cameras: int) -> None:
    order = [1, 0, *range(2, cameras)]
    cause = checks[cameras].cause(seen[:, list(RIGS[cameras])][:, order])
    assert cause is not None
    assert cause.what == "cam_0 and cam_1 send under each other's names"


@pytest.mark.parametrize("cameras", [3, 6])
def test_a_single_camera_at_half_the_resolution(checks: dict[int, InputCheck], seen: np.ndarray, cameras: int) -> None:
    views = seen[:, list(RIGS[cameras])].copy()
    views[:, 1, :, :2] *= 0.5
    cause = checks[cameras].cause(views)
    assert cause is not None
    assert (cause.key, cause.camera) == ("resolution", "cam_1")
    assert "0.5 times the calibration's size (1024 x 768, not 2048 x 1536)" in cause.what


@pytest.mark.parametrize(
    ("factor", "says"),
    [
        (10.0, "10 times too large"),
        (1000.0, "in millimetres"),
        (33.3, "times too large (in squares of a board"),
        (0.1, "10 times too small"),
    ],
)
def test_a_rig_in_other_units(scene: Any, seen: np.ndarray, factor: float, says: str) -> None:
    cameras = tuple(replace(camera, translation=factor * camera.translation) for camera in scene.rig.cameras)
    cause = InputCheck(scene.skeleton, Rig(cameras), scene.keypoints, generic(scene)).cause(seen)
    assert cause is not None
    assert cause.key == "units"
    assert says in cause.what


def test_two_cameras_that_disagree(checks: dict[int, InputCheck], seen: np.ndarray) -> None:
    views = seen[:, :2].copy()
    views[:, 1, :, 1] += 40.0
    cause = checks[2].cause(views)
    assert cause is not None
    assert cause.key == "two"
    assert cause.what.startswith("cam_0 and cam_1 disagree by 4")


def test_somebody_elses_subject(scene: Any, seen: np.ndarray) -> None:
    def cause(size: float) -> str | None:
        known = Subject.generic(scene.skeleton, scene.keypoints, 1.75 * size)
        found = InputCheck(
            scene.skeleton, scene.rig, scene.keypoints, replace(known, fit={"method": "bilevel"}), "anna.toml"
        ).cause(seen)
        return found and found.what

    assert cause(1.0) is None
    assert cause(1.16) == "the person does not fit anna.toml: 14 % shorter"
    assert cause(0.9) == "the person does not fit anna.toml: 11 % taller"


def test_too_little_to_tell(checks: dict[int, InputCheck], seen: np.ndarray) -> None:
    assert checks[6].cause(np.zeros_like(seen)) is None
    alone = seen.copy()
    alone[:, 1:] = 0.0
    assert checks[6].cause(alone) is None


def test_names_that_differ_between_cameras(checks: dict[int, InputCheck], seen: np.ndarray) -> None:
    def named(names: str) -> list:
        return [(t, [(c, name, xyc[c]) for c, name in enumerate(names)]) for t, xyc in zip(TIMES, seen, strict=True)]

    assert named_apart(named("000000"), checks[6]) is None
    cause = named_apart(named("112334"), checks[6])
    assert cause is not None
    assert "cam_0 says '1', cam_1 says '1', cam_2 says '2'" in cause.what


def test_names_that_are_given_anew(seen: np.ndarray) -> None:
    def named(seconds: float) -> list:
        return [(t, [(0, str(int(t / seconds)), seen[0, 0])]) for t in np.arange(0.0, 6.0, 0.1)]

    assert named_anew(named(10.0)) is None
    assert named_anew(named(1.0)) is not None


def test_a_recording_says_the_same(scene: Any) -> None:
    instants = [(t, scene.views(t)) for t in np.arange(0.0, 3.0, 0.1)]
    parts = scene.skeleton, scene.rig, scene.keypoints, generic(scene)
    assert input_findings(instants, *parts) == []
    half = [(t, [replace(view, xyc=view.xyc * [0.5, 0.5, 1.0]) for view in views]) for t, views in instants]
    (found,) = input_findings(half, *parts)
    assert found.level == "poor"
    assert found.text.startswith("The coordinates are those of pictures 0.5 times")
