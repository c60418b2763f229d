from dataclasses import replace

import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.skeleton import KeypointSet
from streamfit.subject import Subject


@pytest.fixture(scope="module")
def subject(skeleton, keypoints, rig):
    rng = np.random.default_rng(0)
    generic = Subject.generic(skeleton, keypoints, 1.87)
    return replace(
        generic, offsets=rng.normal(0, 0.01, generic.offsets.shape), cameras=rig, fit={"method": "bilevel", "steps": 3}
    )


def test_stature_scales_the_whole_body(subject):
    assert set(subject.scale.values()) == {1.1}


def test_text_round_trip(subject, skeleton, keypoints):
    again = Subject.from_toml(subject.to_toml(), skeleton, keypoints)
    assert again.scale == subject.scale
    assert again.fit == subject.fit
    np.testing.assert_array_equal(again.offsets, subject.offsets)
    np.testing.assert_array_equal(again.noise, subject.noise)
    np.testing.assert_array_equal(again.wander, subject.wander)
    assert again.cameras.names == subject.cameras.names
    np.testing.assert_allclose(again.cameras.cameras[2].translation, subject.cameras.cameras[2].translation)


def test_places_scale_with_the_body_and_offsets_do_not(subject, skeleton, keypoints):
    np.testing.assert_allclose(
        subject.places(skeleton, keypoints), 1.1 * keypoints.positions + subject.offsets, atol=1e-12
    )


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda t: t.replace('skeleton = "rajagopal"', 'skeleton = "humanoid"'), "humanoid"),
        (lambda t: t.replace("pelvis = ", "hips = "), "scale"),
        (lambda t: t.replace("pelvis = 1.1", "pelvis = 1100"), "pelvis"),
        (lambda t: t.replace('name = "nose"', 'name = "snout"'), "keypoint set"),
        (lambda t: t.replace("noise = 6.0", "noise = -1.0", 1), "noise"),
        (lambda t: t.replace("noise = 6.0", "noise = nan", 1), "noise"),
        (lambda t: t[:40], "TOML|scale"),
    ],
)
def test_bad_files_are_one_line_that_names_the_place(subject, skeleton, keypoints, change, hint):
    with pytest.raises(InputError, match=hint) as error:
        Subject.from_toml(change(subject.to_toml()), skeleton, keypoints, "anna.toml")
    assert "anna.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_keypoint_set_is_refused(subject, skeleton):
    with pytest.raises(InputError, match="coco17"):
        Subject.from_toml(subject.to_toml(), skeleton, KeypointSet.load("coco17"))
