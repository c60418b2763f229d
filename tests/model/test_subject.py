from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.model.subject import SKIN, RefinedRig, Subject

CLOCK = np.array([0.0, 1.0, -2.0, 3.0, -4.0, 2.0]) * 1e-3


def moved(rig: Rig, turn: float, shift: float) -> Rig:
    """The rig with its cameras turned about the world's up axis, each by a little more than the one before, and
    shifted along it."""
    cameras = []
    for i, camera in enumerate(rig.cameras, start=1):
        rotation = cv2.Rodrigues(camera.rotation)[0] @ cv2.Rodrigues(np.array([0.0, 0.0, i * turn]))[0]
        centre = camera.centre + np.array([0.0, 0.0, i * shift])
        cameras.append(replace(camera, rotation=cv2.Rodrigues(rotation)[0][:, 0], translation=-rotation @ centre))
    return Rig(tuple(cameras), rig.up)


@pytest.fixture(scope="module")
def refined(rig) -> RefinedRig:
    return RefinedRig(("walk", "stand"), rig, moved(rig, 0.002, 0.003), CLOCK)


@pytest.fixture(scope="module")
def subject(skeleton, keypoints, refined):
    rng = np.random.default_rng(0)
    generic = Subject.generic(skeleton, keypoints, 1.87)
    count = len(keypoints.names)
    return replace(
        generic,
        offsets=rng.normal(0, 0.01, generic.offsets.shape),
        sta_sd=rng.uniform(0.003, 0.02, count),
        sta_rms=rng.uniform(0.02, 0.03, count),
        persistent=rng.uniform(0.0, 1.0, count),
        refined=(refined,),
        fit={"method": "bilevel", "steps": 3},
    )


def test_stature_scales_the_whole_body(subject):
    assert set(subject.scale.values()) == {1.1}


def test_text_round_trip(subject, skeleton, keypoints):
    again = Subject.from_toml(subject.to_toml(), skeleton, keypoints)
    assert again.scale == subject.scale
    assert again.fit == subject.fit
    assert (again.skeleton, again.keypoint_set, again.keypoints) == ("rajagopal", "halpe26", keypoints.names)
    for name in ("offsets", "noise", "sta_sd", "sta_rms", "persistent"):
        np.testing.assert_array_equal(getattr(again, name), getattr(subject, name))
    (one,), (before,) = again.refined, subject.refined
    assert one.sessions == ("walk", "stand")
    np.testing.assert_array_equal(one.clock, CLOCK)
    for kind in ("rig", "calibrated"):
        read, written = getattr(one, kind), getattr(before, kind)
        assert (read.names, read.up) == (written.names, written.up)
        for a, b in zip(read.cameras, written.cameras, strict=True):
            assert a.size == b.size
            for part in ("matrix", "distortions", "rotation", "translation"):
                np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
    assert again.to_toml() == subject.to_toml()


def test_a_subject_with_the_keys_of_before_can_be_read(subject, skeleton, keypoints):
    text = subject.to_toml().replace("sta_sd =", "wander =").replace("sta_rms =", "displacement =")
    again = Subject.from_toml(text, skeleton, keypoints)
    np.testing.assert_array_equal(again.sta_sd, subject.sta_sd)
    np.testing.assert_array_equal(again.sta_rms, subject.sta_rms)


def test_a_subject_of_before_both_were_noted_can_be_read(subject, skeleton, keypoints):
    text = "\n".join(line for line in subject.to_toml().splitlines() if not line.startswith("sta_rms"))
    again = Subject.from_toml(text.replace("sta_sd =", "wander ="), skeleton, keypoints)
    np.testing.assert_array_equal(again.sta_rms, subject.sta_sd)


def test_a_subject_without_refined_cameras_has_none_when_read_again(subject, skeleton, keypoints):
    assert Subject.from_toml(replace(subject, refined=()).to_toml(), skeleton, keypoints).refined == ()


def test_places_scale_with_the_body_and_offsets_do_not(subject, skeleton, keypoints):
    np.testing.assert_allclose(
        subject.places(skeleton, keypoints), 1.1 * keypoints.positions + subject.offsets, atol=1e-12
    )


def test_places_scale_with_their_own_body_and_no_width(subject, skeleton, keypoints):
    wide = replace(subject, scale=subject.scale | {"hip_width": 2.0, "head": 0.5})
    places, before = wide.places(skeleton, keypoints), subject.places(skeleton, keypoints)
    head = np.array([body == "head" for body in keypoints.bodies])
    np.testing.assert_allclose(places[~head], before[~head])
    np.testing.assert_allclose(places[head], 0.5 * keypoints.positions[head] + subject.offsets[head])


def test_says_how_far_each_camera_was_turned_and_shifted(refined):
    np.testing.assert_allclose(refined.turned, 0.002 * np.arange(1, 7), atol=1e-9)
    np.testing.assert_allclose(refined.shifted, 0.003 * np.arange(1, 7), atol=1e-9)


def assert_same(one: Rig, other: Rig) -> None:
    assert one.names == other.names
    for a, b in zip(one.cameras, other.cameras, strict=True):
        np.testing.assert_array_equal(a.rotation, b.rotation)
        np.testing.assert_array_equal(a.translation, b.translation)


def test_the_calibration_that_was_refined_is_replaced(subject, rig, refined):
    found, clock = subject.rig_for(rig)
    assert_same(found, refined.rig)
    np.testing.assert_array_equal(clock, CLOCK)


def test_also_when_it_was_read_from_a_file_again(subject, skeleton, keypoints, rig, refined):
    again = Subject.from_toml(subject.to_toml(), skeleton, keypoints)
    assert_same(again.rig_for(Rig.from_toml(rig.to_toml()))[0], refined.rig)


def test_the_refined_cameras_are_themselves_and_keep_their_clocks(subject, refined):
    found, clock = subject.rig_for(refined.rig)
    assert_same(found, refined.rig)
    np.testing.assert_array_equal(clock, CLOCK)


@pytest.mark.parametrize(
    "chosen",
    [[1, 4], [4, 1], [5, 3, 0, 1, 2, 4]],
)
def test_some_of_the_cameras_in_the_order_they_are_asked_for(subject, rig, refined, chosen):
    found, clock = subject.rig_for(Rig(tuple(rig.cameras[i] for i in chosen), rig.up))
    assert_same(found, Rig(tuple(refined.rig.cameras[i] for i in chosen), rig.up))
    np.testing.assert_array_equal(clock, CLOCK[chosen])


def test_another_calibration_is_taken_as_it_is(subject, rig):
    first, *rest = rig.cameras
    others = (
        moved(rig, 0.001, 0.0),
        Rig(rig.cameras, "y"),
        Rig((replace(first, matrix=first.matrix * 1.01), *rest)),
        Rig((replace(first, distortions=first.distortions + 1e-3), *rest)),
        Rig((replace(first, translation=first.translation + 1e-3), *rest)),
        Rig((replace(first, name="new"), *rest)),
    )
    for other in others:
        found, clock = subject.rig_for(other)
        assert found is other
        np.testing.assert_array_equal(clock, np.zeros(6))


def test_of_several_refinements_the_one_of_this_calibration(subject, rig, refined):
    recalibrated = moved(rig, 0.0, 0.05)
    other = RefinedRig(("later",), recalibrated, moved(recalibrated, 0.001, 0.0), 2.0 * CLOCK)
    both = replace(subject, refined=(other, refined))
    assert_same(both.rig_for(rig)[0], refined.rig)
    assert_same(both.rig_for(recalibrated)[0], other.rig)
    np.testing.assert_array_equal(both.rig_for(recalibrated)[1], 2.0 * CLOCK)


def without(table: str):
    """A change of a text that leaves one table of the refined rig out."""

    def change(text: str) -> str:
        head, _, rest = text.partition(f"\n[rig.{table}")
        assert rest
        following = rest.split("\n[")[1:]
        kept = [part for part in following if not part.startswith(f"rig.{table}")]
        return "\n[".join([head, *kept])

    return change


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda t: t.replace('skeleton = "rajagopal"', 'skeleton = "humanoid"'), "humanoid"),
        (lambda t: t.replace("pelvis = ", "hips = "), "scale"),
        (lambda t: t.replace("pelvis = 1.1", "pelvis = 1100"), "pelvis"),
        (lambda t: t.replace('name = "nose"', 'name = "head"'), "two .* named 'head'"),
        (lambda t: t.replace('name = "nose"', "name = 3"), "no 'name'"),
        (lambda t: t.replace("noise = 6.0", "noise = -1.0", 1), "noise"),
        (lambda t: t.replace("noise = 6.0", "noise = nan", 1), "noise"),
        (lambda t: t.replace("sta_sd = 0", "sta_sd = -0", 1), "sta_sd"),
        (lambda t: t.replace("persistent = 0", 'persistent = "long"  # 0', 1), "persistent"),
        (lambda t: t.replace("cam_3 = 0.003", 'cam_3 = "late"'), "clock.*cam_3"),
        (lambda t: t.replace("cam_3 = 0.003", ""), "clock.*cam_3"),
        (without("calibrated"), r"rig.*'calibrated'"),
        (without("clock"), r"rig.*'clock'"),
        (lambda t: t.replace('name = "cam_2"', 'name = "cam_9"', 1), "rig.*differ"),
        (lambda t: t[:40], "TOML|scale"),
    ],
)
def test_bad_files_are_one_line_that_names_the_place(subject, skeleton, keypoints, change, hint):
    changed = change(subject.to_toml())
    assert changed != subject.to_toml()
    with pytest.raises(InputError, match=hint) as error:
        Subject.from_toml(changed, skeleton, keypoints, "anna.toml")
    assert "anna.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_order_of_the_same_points_is_the_same_subject(subject, skeleton, keypoints):
    order = np.random.default_rng(2).permutation(len(keypoints.names))
    other = KeypointSet(
        "shuffled",
        tuple(keypoints.names[i] for i in order),
        tuple(keypoints.bodies[i] for i in order),
        keypoints.positions[order],
        keypoints.sd[order],
    )
    again = Subject.from_toml(subject.to_toml(), skeleton, other)
    assert again.keypoints == other.names
    for name in ("offsets", "noise", "sta_sd", "sta_rms", "persistent"):
        np.testing.assert_array_equal(getattr(again, name), getattr(subject, name)[order])
    np.testing.assert_allclose(again.places(skeleton, other), subject.places(skeleton, keypoints)[order])


def test_with_another_set_shared_points_keep_what_is_known_and_the_others_are_as_the_set_says(
    subject, skeleton, keypoints
):
    coco = KeypointSet.load("coco17")
    moved_body = replace(coco, bodies=("torso", *coco.bodies[1:]))  # the nose, on another body
    again = Subject.from_toml(subject.to_toml(), skeleton, moved_body, "anna.toml")
    assert again.scale == subject.scale
    assert again.refined
    for new, name in enumerate(coco.names):
        old = keypoints.names.index(name)
        if new == 0:
            np.testing.assert_array_equal(again.offsets[new], np.zeros(3))
            assert again.sta_sd[new] == pytest.approx(np.hypot(coco.sd[new], SKIN))
        else:
            np.testing.assert_array_equal(again.offsets[new], subject.offsets[old])
            assert again.persistent[new] == subject.persistent[old]
    strangers = replace(coco, names=tuple(f"other_{name}" for name in coco.names))
    none = Subject.from_toml(subject.to_toml(), skeleton, strangers)
    np.testing.assert_array_equal(none.places(skeleton, strangers), 1.1 * coco.positions)


def test_a_subject_of_before_bodies_were_noted_is_read_by_names(subject, skeleton, keypoints):
    text = "\n".join(line for line in subject.to_toml().splitlines() if not line.startswith("body = "))
    again = Subject.from_toml(text, skeleton, keypoints)
    np.testing.assert_array_equal(again.offsets, subject.offsets)
