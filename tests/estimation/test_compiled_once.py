"""What is compiled depends on what a skeleton and a keypoint set say, not on which object says it."""

from dataclasses import replace

import numpy as np

from streamfit.estimation.batch.calibrate import compiled
from streamfit.estimation.live.sliding_window.window import Window
from streamfit.estimation.live.tracker import Tracker
from streamfit.estimation.settings import FitSettings
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.kinematics import Kinematics


def test_skeletons_of_one_file_are_alike():
    one, other = Skeleton.load(), Skeleton.load()
    assert one is not other
    assert (one, hash(one)) == (other, hash(other))
    assert one != replace(one, name="another")
    changed = Skeleton.load()
    changed.model.body_pos[3] += 0.01
    assert one != changed


def test_keypoint_sets_are_alike_that_say_the_same():
    one, other = KeypointSet.load("halpe26"), KeypointSet.load("halpe26")
    assert (one, hash(one)) == (other, hash(other))
    assert one != replace(one, positions=one.positions + 0.001)
    assert one != KeypointSet.load("coco17")


def test_loading_the_same_again_compiles_nothing(scene):
    def followed() -> np.ndarray:
        keypoints = KeypointSet.from_toml(scene.keypoints.to_toml())
        tracker = Tracker(Skeleton.load(), scene.rig, keypoints, scene.subject)
        for t in (0.0, 0.01, 0.02):
            estimate, _ = tracker.update(t, scene.views(t))
        return estimate.q

    before = followed()
    steps = (Window.measurement_update, Window.relinearise_and_shift, Window.eliminate)
    sizes = [step._cache_size() for step in steps]
    np.testing.assert_array_equal(followed(), before)
    assert [step._cache_size() for step in steps] == sizes


def test_a_calibration_of_the_same_again_compiles_nothing():
    def fit() -> object:
        return compiled(Skeleton.load(), KeypointSet.load("halpe26"), FitSettings())

    assert fit() is fit()
    halpe26 = KeypointSet.load("halpe26")
    assert Kinematics.of(Skeleton.load(), halpe26) is Kinematics.of(Skeleton.load(), halpe26)
