"""Recordings as they come: which folder, whose, when, in what, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfit.model.camera import Camera, Rig

FRAMES = 12


def seen(camera: Camera, confidence: float = 0.8) -> np.ndarray:
    """17 points of somebody in the middle of the room, (17, 3)."""
    points = np.random.default_rng(3).uniform((-0.3, -0.3, 0.0), (0.3, 0.3, 1.7), (17, 3))
    pixels = cv2.projectPoints(points, camera.rotation, camera.translation, camera.matrix, camera.distortions)[0]
    return np.column_stack([pixels[:, 0], np.full(17, confidence)])


def write(folder: Path, names: list[str], people: list[np.ndarray], encoding: str = "utf-8") -> None:
    folder.mkdir(parents=True)
    entries = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in people]
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps({"people": entries}), encoding=encoding)


@pytest.fixture
def trial(rig: Rig, tmp_path) -> Path:
    """An empty trial of a project at 60 Hz with the rig's first four cameras."""
    folder = tmp_path / "of" / "project" / "Trial_1"
    (folder / "calibration").mkdir(parents=True)
    (folder / "calibration" / "Calib.toml").write_text(Rig(rig.cameras[:4]).to_toml())
    (folder / "Config.toml").write_text('[project]\nframe_rate = 60\n[pose]\npose_model = "COCO_17"\n')
    return folder


def fill(trial: Path, rig: Rig, place: str = "pose", pattern: str = "cam{}_json", encoding: str = "utf-8") -> None:
    for k, camera in enumerate(rig.cameras[:4]):
        write(trial / place / pattern.format(k), [f"a_{n:06d}" for n in range(FRAMES)], [seen(camera)], encoding)


def test_what_was_made_of_detections_goes_before_them(trial, rig, tmp_path, imported, messages):
    fill(trial, rig)
    output = tmp_path / "walk.mcap"
    assert "read: pose/;" in imported(trial, "-o", output)
    for place, others in (("pose-sync", "pose/"), ("pose-associated", "pose-sync/ or pose/")):
        fill(trial, rig, place)
        output.unlink()
        assert f"read: {place}/ (not {others})" in imported(trial, "-o", output)
    output.unlink()
    assert f"read: {trial / 'pose-sync'};" in imported(trial / "pose-sync", "-o", output)


def test_who_is_not_seen_is_an_empty_entry_of_what_was_associated(trial, rig, tmp_path, imported, messages):
    fill(trial, rig, "pose-associated")
    (trial / "pose-associated" / "cam2_json" / "a_000003.json").write_text('{"people": [{}]}')
    imported(trial, "-o", tmp_path / "walk.mcap")
    assert [view.camera for view in messages(tmp_path / "walk.mcap")[3].views] == ["cam_0", "cam_1", "cam_3"]


def test_an_offset_is_added_to_a_cameras_times(trial, rig, tmp_path, imported, refused, messages):
    fill(trial, rig)
    for shift in (0.05, 0.004, -0.1):
        output = tmp_path / f"walk{shift}.mcap"
        said = imported(trial, "--offset", f"cam_1={shift}", "-o", output)
        assert f"{shift:+g} s added to the times of cam_1" in said
        times: dict[str, list[float]] = {}
        for message in messages(output):
            for view in message.views:
                assert view.t is not None or view.camera != "cam_1"
                times.setdefault(view.camera, []).append(message.t if view.t is None else view.t)
        assert {len(own) for own in times.values()} == {FRAMES}
        np.testing.assert_allclose(np.array(times["cam_1"]) - times["cam_0"], shift, atol=1e-9)
        assert min(map(min, times.values())) == 0.0
    assert "there are cam_0, cam_1, cam_2, cam_3" in refused(trial, "--offset", "cam_9=1")
    assert "must be CAMERA=S" in refused(trial, "--offset", "cam_1=nan")


def test_names_may_be_times(trial, rig, tmp_path, imported, messages):
    start = 1699999999123
    numbers = [start + round(1000 * n / 60) for n in range(FRAMES)]
    for k, camera in enumerate(rig.cameras[:4]):
        write(trial / "pose" / f"{k}_json", [f"{number}_keypoints" for number in numbers], [seen(camera)])
    assert "the names of the pictures are their times in ms" in imported(trial, "-o", tmp_path / "walk.mcap")
    found = messages(tmp_path / "walk.mcap")
    np.testing.assert_allclose([message.t for message in found], np.array(numbers) * 1e-3)
    assert all(len(message.views) == 4 for message in found)


def test_shares_of_the_picture_are_refused_or_multiplied(trial, rig, tmp_path, imported, refused, messages):
    names = [f"a_{n:06d}" for n in range(FRAMES)]
    for k, camera in enumerate(rig.cameras[:4]):
        share = (seen(camera) + np.array([0.5, 0.5, 0.0])) / np.array([*camera.size, 1.0])
        write(trial / "pose" / f"cam{k}_json", names, [share])
    assert "shares of the picture" in refused(trial)
    imported(trial, "--shares", "-o", tmp_path / "walk.mcap")
    for view in messages(tmp_path / "walk.mcap")[0].views:
        camera = next(camera for camera in rig.cameras if camera.name == view.camera)
        np.testing.assert_allclose(view.xyc, seen(camera), rtol=1e-5)
    shutil.rmtree(trial / "pose")
    fill(trial, rig)
    assert "no shares of the picture" in refused(trial, "--shares")
    shutil.rmtree(trial / "pose")
    for k, camera in enumerate(rig.cameras[:4]):
        share = (seen(camera) + np.array([0.5, 0.5, 0.0])) / np.array([*camera.size, 1.0])
        half = share * np.array([2.0, 2.0, 1.0]) - np.array([1.0, 1.0, 0.0])
        write(trial / "pose" / f"cam{k}_json", names, [half])
    assert "shares of the picture" in refused(trial)
    assert "shares of half the picture" in refused(trial, "--shares")


def test_points_outside_the_picture_are_of_another_one(trial, rig, refused):
    for k, camera in enumerate(rig.cameras[:4]):
        write(trial / "pose" / f"cam{k}_json", ["a_1", "a_2"], [seen(camera) * (2.0, 2.0, 1.0)])
    assert "of its points lie outside the picture of 2048 x 1536 px" in refused(trial)


def test_another_unit_is_seen_by_how_large_the_person_is(trial, rig, tmp_path, imported, refused):
    """Cameras too near to each other to tell by the room that they see."""
    small = [replace(camera, translation=0.24 * camera.translation) for camera in rig.cameras[:4]]
    (trial / "calibration" / "Calib.toml").write_text(Rig(tuple(small)).to_toml().replace('units = "m"', ""))
    fill(trial, rig)
    assert "kit" not in imported(trial, "-o", tmp_path / "walk.mcap")
    smaller = [replace(camera, translation=0.15 * camera.translation) for camera in rig.cameras[:4]]
    (trial / "calibration" / "Calib.toml").write_text(Rig(tuple(smaller)).to_toml().replace('units = "m"', ""))
    assert "--units" in refused(trial)
    imported(trial, "--units", "m", "-o", tmp_path / "small.mcap")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_detections_and_settings_with_a_byte_order_mark(trial, rig, tmp_path, imported, encoding):
    fill(trial, rig, encoding=encoding)
    for path in (trial / "Config.toml", trial / "calibration" / "Calib.toml"):
        path.write_text(path.read_text(), encoding=encoding)
    assert "12 instants at 60 Hz, coco17, 4 cameras" in imported(trial, "-o", tmp_path / "walk.mcap")


def test_folders_of_the_wrong_cameras_are_noticed(trial, rig, tmp_path, imported):
    fill(trial, rig)
    pairs = [f"--map=cam{k}_json=cam_{(k + 1) % 4}" for k in range(4)]
    assert "warning: the cameras agree" in imported(trial, *pairs, "-o", tmp_path / "walk.mcap")
    assert "warning" not in imported(trial, "-o", tmp_path / "right.mcap")


def test_several_calibrations_are_asked_about(trial, rig, refused):
    fill(trial, rig)
    (trial / "calibration" / "Other.toml").write_text(Rig(rig.cameras[:4]).to_toml())
    assert "several calibrations (Calib.toml, Other.toml)" in refused(trial)


def test_a_single_picture_is_an_instant(trial, rig, tmp_path, imported, messages):
    for k, camera in enumerate(rig.cameras[:4]):
        write(trial / "pose" / f"cam{k}_json", ["a_000007"], [seen(camera)])
    assert "1 instants" in imported(trial, "-o", tmp_path / "walk.mcap")
    assert [(message.t, message.frame) for message in messages(tmp_path / "walk.mcap")] == [(0.0, 7)]
