"""Files of other software that were once read as something else, each with what is right."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfit.model.camera import Rig


def in_recording(recordings: Path, messages) -> list[dict[str, np.ndarray]]:
    """The views of the recording from which the detections were cut, by camera."""
    found = messages(recordings / "real_a_balance.mcap")
    return [{view.camera: view.xyc for view in message.views} for message in found]


def test_ten_cameras_are_paired_by_name(faults, recordings, tmp_path, imported, messages):
    imported(faults / "ten-cameras" / "Trial_1", "-o", tmp_path / "s.mcap")
    known, of = (
        in_recording(recordings, messages),
        {"cam1": "cam_01", "cam2": "cam_02", "cam3": "cam_03", "cam10": "cam_04"},
    )
    found = messages(tmp_path / "s.mcap")
    assert len(found) == 10
    for message in found:
        assert {view.camera for view in message.views} == of.keys()
        for view in message.views:
            same = [np.allclose(view.xyc, views[of[view.camera]], atol=1e-2) for views in known[:20]]
            assert any(same), view.camera


def test_two_people_are_refused(faults, refused):
    said = refused(faults / "two-people-mixed")
    assert "several people: up to 3 in a picture" in said
    assert "pose-associated/" in said


def test_synchronised_detections_are_read(faults, recordings, tmp_path, imported, messages):
    assert "read: pose-sync/ (not pose/)" in imported(faults / "pose-sync" / "Trial_1", "-o", tmp_path / "s.mcap")
    known = in_recording(recordings, messages)
    for k, message in enumerate(messages(tmp_path / "s.mcap")):
        third = next(view for view in message.views if view.camera == "cam_03")
        np.testing.assert_allclose(third.xyc, known[k]["cam_03"], atol=1e-2)


def test_names_in_milliseconds_are_times(faults, tmp_path, imported, messages):
    said = imported(faults / "openpose-named-by-milliseconds", "-o", tmp_path / "s.mcap")
    assert "the names of the pictures are their times in ms" in said
    found = messages(tmp_path / "s.mcap")
    assert len(found) == 12
    assert found[-1].t - found[0].t == pytest.approx(0.183, abs=1e-6)


def test_normalised_coordinates_are_refused(faults, refused):
    assert "shares of the picture and not pixels" in refused(faults / "openpose-normalised")


def test_fisheyes_are_read_as_that(faults, tmp_path, imported):
    one, *others = sorted((faults / "fisheye-opencv").glob("*.yml"))
    more = [argument for path in others for argument in ("--calibration", path)]
    assert "4 with fisheye lenses" in imported(one, *more, "-o", tmp_path / "cameras.toml")
    for camera in Rig.load(tmp_path / "cameras.toml").cameras:
        assert camera.fisheye
        np.testing.assert_allclose(camera.distortions, [0.045, -0.011, 0.006, -0.003])
    imported(faults / "fisheye-opencv", "-o", tmp_path / "again.toml")
    assert (tmp_path / "again.toml").read_text() == (tmp_path / "cameras.toml").read_text()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("4_cam_recording", 4),
        ("charuco_calibration_2_cam", 2),
        ("larger_calibration_post_monocal", 11),
        ("post_optimization", 4),
    ],
)
def test_caliscopes_own_calibrations(faults, tmp_path, imported, name, count):
    imported(faults / "caliscope" / f"{name}.camera_array.toml", "-o", tmp_path / "cameras.toml")
    assert len(Rig.load(tmp_path / "cameras.toml").cameras) == count


def test_cameras_that_caliscope_has_not_placed_are_refused(faults, refused):
    said = refused(faults / "caliscope" / "unlinked_camera.camera_array.toml", output="cameras.toml")
    assert "rotation and translation are missing" in said


def test_qualisys_at_540p_has_half_the_pixels(faults, tmp_path, imported):
    for name in ("0-demo", "1-540p"):
        imported(faults / "qualisys-540p" / f"{name}.qca.txt", "-o", tmp_path / f"{name}.toml")
    whole, half = (Rig.load(tmp_path / f"{name}.toml").cameras for name in ("0-demo", "1-540p"))
    for one, other in zip(whole, half, strict=True):
        assert other.size == (one.size[0] // 2, one.size[1] // 2)
        np.testing.assert_allclose(other.matrix[:2, :2], 0.5 * one.matrix[:2, :2])
        np.testing.assert_allclose(other.matrix[:2, 2], 0.5 * one.matrix[:2, 2], atol=0.26)
        np.testing.assert_allclose(other.translation, one.translation)


def test_qualisys_third_radial_term_is_used(faults, tmp_path, imported):
    path = faults / "qualisys-third-radial" / "5-third-radial.qca.txt"
    assert "third radial term of cam_01" in imported(path, "-o", tmp_path / "cameras.toml")
    assert [camera.distortions[4] for camera in Rig.load(tmp_path / "cameras.toml").cameras] == [0.021 / 64] * 4


def test_a_fisheye_session_projects_as_opencv_does(faults, tmp_path, imported):
    path = faults / "fisheye-opencv" / "cam01.yml"
    imported(path, "-o", tmp_path / "cameras.toml")
    camera = Rig.load(tmp_path / "cameras.toml").cameras[0]
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (9, 3)) + np.array([0.0, 0.0, 1.0])
    seen = cv2.fisheye.projectPoints(
        points[:, None], camera.rotation, camera.translation, camera.matrix, camera.distortions
    )[0][:, 0]
    rays = camera.rays(seen)
    there = points @ cv2.Rodrigues(camera.rotation)[0].T + camera.translation
    np.testing.assert_allclose(rays, there / np.linalg.norm(there, axis=1, keepdims=True), atol=1e-4)
