"""Calibrations of other software: each format written by hand from a known rig, and read back as that rig."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.importers.calibrations import read
from streamfit.model.camera import Camera, Rig


def read_calibration(paths: list[Path], **said: Any) -> Rig:
    return read.read_calibration(paths, **said).rig


@pytest.fixture
def known(rig: Rig) -> Rig:
    return Rig(rig.cameras[:3], "z")


def same(found: Rig, known: Rig) -> None:
    assert found.names == known.names
    for one, other in zip(found.cameras, known.cameras, strict=True):
        assert one.size == other.size
        assert one.fisheye == other.fisheye
        for field in ("matrix", "distortions", "rotation", "translation"):
            np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-9, atol=1e-9)


def qca(cameras: tuple[Camera, ...], said: str = 'model="Miqus Video"') -> str:
    """As Qualisys states it: mm, 1/64 px, a camera that looks along -z."""
    out = []
    for camera in cameras:
        seen = np.diag([1.0, -1.0, -1.0]) @ cv2.Rodrigues(camera.rotation)[0]
        turn = " ".join(f'r{i + 1}{j + 1}="{float(seen[i, j])!r}"' for i in range(3) for j in range(3))
        place = " ".join(f'{axis}="{1000 * float(x)!r}"' for axis, x in zip("xyz", camera.centre, strict=True))
        k1, k2, p1, p2, k3 = 64 * camera.distortions
        (fx, _, cx), (_, fy, cy), _ = (64 * camera.matrix).tolist()
        out.append(
            f'<camera serial="{camera.name}" viewrotation="0" {said}>'
            f'<fov_video left="0" top="0" right="{camera.size[0] - 1}" bottom="{camera.size[1] - 1}"/>'
            f"<transform {turn} {place}/>"
            f'<intrinsic focalLengthU="{fx}" focalLengthV="{fy}" centerPointU="{cx}" centerPointV="{cy}" '
            f'radialDistortion1="{k1}" radialDistortion2="{k2}" tangentalDistortion1="{p1}" '
            f'tangentalDistortion2="{p2}" radialDistortion3="{k3}"/></camera>'
        )
    return f"<?xml version='1.0'?><calibration><cameras>{''.join(out)}</cameras></calibration>"


def test_qualisys(known: Rig, tmp_path):
    path = tmp_path / "Calib.qca.txt"
    path.write_text(qca(known.cameras))
    same(read_calibration([path]), known)
    same(read_calibration([path], units="mm"), known)
    assert "third radial term of cam_0" in " ".join(read.read_calibration([path]).notes)
    with pytest.raises(InputError, match="its units are known"):
        read_calibration([path], units="m")


@pytest.mark.parametrize(("resolution", "part"), [("1080p", 1.0), ("720p", 2 / 3), ("540p", 0.5), ("N/A", 1.0)])
def test_qualisys_at_a_lower_resolution(known: Rig, tmp_path, resolution, part):
    """The sensor is stated; the picture has the resolution's share of its pixels, whose centres move with them."""
    sensor = [replace(camera, size=(1920, 1088)) for camera in known.cameras]
    path = tmp_path / "Calib.qca.txt"
    path.write_text(qca(tuple(sensor), f'video_resolution="{resolution}"'))
    found = read_calibration([path])
    for camera, whole in zip(found.cameras, sensor, strict=True):
        assert camera.size == (round(1920 * part), round(1088 * part))
        np.testing.assert_allclose(camera.matrix[:2, :2], part * whole.matrix[:2, :2])
        np.testing.assert_allclose(camera.matrix[:2, 2] + 0.5, part * (whole.matrix[:2, 2] + 0.5))
        np.testing.assert_allclose(camera.distortions, whole.distortions)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('model="Miqus M3"', "Miqus M3, a camera for markers"),
        ('model="Arqus A12"', "Arqus A12, a camera for markers"),
        ('model="Miqus Video" calibrated="false"', "not calibrated"),
        ('model="Miqus Video" point-count="0"', "not calibrated"),
        ('model="Miqus Video" active="0"', "not active"),
    ],
)
def test_qualisys_cameras_that_film_nothing_are_left_out_and_said(known: Rig, tmp_path, said, why):
    path = tmp_path / "Calib.qca.txt"
    video, other = qca(known.cameras), qca((replace(known.cameras[0], name="other"),), said)
    inside = other[other.index("<camera ") : other.index("</cameras>")]
    path.write_text(video.replace("</cameras>", f"{inside}</cameras>"))
    found = read.read_calibration([path])
    same(found.rig, known)
    assert f"left out: other ({why})" in found.notes
    path.write_text(other)
    with pytest.raises(InputError, match="no calibrated video camera"):
        read_calibration([path])


def caliscope(cameras: tuple[Camera, ...], extra: str = "ignore = false") -> str:
    return "\n".join(
        f'[cameras.{i}]\ncam_id = {i}\nrotation_count = 0\nexposure = "null"\n{extra}\nsize = {list(camera.size)}\n'
        f"matrix = {camera.matrix.tolist()}\ndistortions = {camera.distortions.tolist()}\n"
        f"rotation = {cv2.Rodrigues(camera.rotation)[0].tolist()}\ntranslation = {camera.translation.tolist()}\n"
        for i, camera in enumerate(cameras)
    )


def test_caliscopes_own_file(known: Rig, tmp_path):
    path = tmp_path / "camera_array.toml"
    text = caliscope(known.cameras)
    path.write_text(text)
    same(read_calibration([path]), known)
    last = text.rindex("ignore = false")
    path.write_text(text[:last] + "ignore = true" + text[last + 14 :])
    found = read.read_calibration([path])
    assert found.rig.names == ("cam_0", "cam_1")
    assert "left out, as the file says (ignore): 2" in found.notes
    path.write_text(text[: text.rindex("translation")] + 'translation = "null"\n')
    with pytest.raises(InputError, match="not camera 2 yet"):
        read_calibration([path])


def toml(cameras: tuple[Camera, ...], metres: float, extra: str = "", matrix_rotation: bool = False) -> str:
    tables = []
    for i, camera in enumerate(cameras):
        rotation = cv2.Rodrigues(camera.rotation)[0] if matrix_rotation else camera.rotation
        tables.append(
            f'[cam_{i}]\nname = "{camera.name}"\nsize = {list(camera.size)}\nmatrix = {camera.matrix.tolist()}\n'
            f"distortions = {camera.distortions.tolist()}\nrotation = {rotation.tolist()}\n"
            f"translation = {(camera.translation / metres).tolist()}\n{extra}\n"
        )
    return "\n".join(tables)


@pytest.mark.parametrize(
    "text",
    [
        lambda c: toml(c, 1.0, "fisheye = false") + "[metadata]\nadjusted = false\nerror = 0.0\n",  # Pose2Sim
        lambda c: toml(c, 1e-3) + "[metadata]\nadjusted = true\nerror = 0.4\n",  # Anipose, FreeMoCap: millimetres
        lambda c: toml(c, 1.0, "port = 1\nignore = false\nerror = 0.3", matrix_rotation=True),  # Caliscope
        lambda c: toml(c, 1.0) + toml(c[:1], 1.0, "ignore = true").replace("cam_0", "left_out"),
    ],
)
def test_toml_of_several_programs(known: Rig, tmp_path, text):
    path = tmp_path / "calibration.toml"
    path.write_text(text(known.cameras))
    same(read_calibration([path]), known)


@pytest.mark.parametrize("suffix", [".yml", ".xml", ".json"])
@pytest.mark.parametrize("matrix_rotation", [True, False])
def test_opencv_a_file_each(known: Rig, tmp_path, suffix, matrix_rotation):
    paths = []
    for camera in known.cameras:
        paths.append(tmp_path / f"{camera.name}{suffix}")
        storage = cv2.FileStorage(str(paths[-1]), cv2.FILE_STORAGE_WRITE)
        storage.write("image_width", camera.size[0])
        storage.write("image_height", camera.size[1])
        storage.write("camera_matrix", camera.matrix)
        storage.write("distortion_coefficients", camera.distortions[None])
        if matrix_rotation:
            storage.write("R", cv2.Rodrigues(camera.rotation)[0])
        else:
            storage.write("rvec", camera.rotation[:, None])
        storage.write("T", camera.translation[:, None])
        storage.release()
    same(read_calibration(paths), known)


def test_opencv_a_map_of_cameras(known: Rig, tmp_path):
    path = tmp_path / "rig.yml"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for camera in known.cameras:
        storage.startWriteStruct(camera.name, cv2.FileNode_MAP)
        for name, value in {"K": camera.matrix, "D": camera.distortions, "rvec": camera.rotation}.items():
            storage.write(name, value)
        storage.write("tvec", camera.translation)
        storage.write("width", camera.size[0])
        storage.write("height", camera.size[1])
        storage.endWriteStruct()
    storage.release()
    same(read_calibration([path], up="y"), known)
    assert read_calibration([path], up="y").up == "y"


@pytest.mark.parametrize(
    "said", ["fisheye_model: 1", "fisheye: true", 'distortion_model: "equidistant"', "camera_model: KANNALA_BRANDT4"]
)
def test_a_fisheye_is_read_as_what_it_is(known: Rig, tmp_path, said):
    camera = replace(known.cameras[0], distortions=np.array([0.045, -0.011, 0.006, -0.003]), fisheye=True)
    path = tmp_path / "cam_0.yml"
    lens = f"image_width: 2048\nimage_height: 1536\nK: {camera.matrix.ravel().tolist()}\n"
    place = f"rvec: {camera.rotation.tolist()}\ntvec: {camera.translation.tolist()}\n"
    path.write_text(f"%YAML:1.0\n---\n{said}\n{lens}{place}D: [0.045, -0.011, 0.006, -0.003]\n")
    same(read_calibration([path]), Rig((camera,)))
    path.write_text(f"%YAML:1.0\n---\n{said}\n{lens}{place}D: [0.045, -0.011, 0.006, -0.003, 0.1]\n")
    with pytest.raises(InputError, match="5 coefficients of distortion; only k1, k2, k3, k4 of a fisheye"):
        read_calibration([path])
    path.write_text(f"%YAML:1.0\n---\n{lens}{place}D: [0.045, -0.011, 0.006, -0.003]\n")
    assert "taken as k1, k2, p1, p2" in read.read_calibration([path]).notes[0]
    path.write_text(f"%YAML:1.0\n---\ncamera_model: omni\n{lens}{place}D: [0.045, -0.011, 0.006, -0.003]\n")
    with pytest.raises(InputError, match="lens model 'omni' is not supported"):
        read_calibration([path])


ROS = """image_width: 2048
image_height: 1536
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: {matrix}
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: {distortions}
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
"""


def test_ros_says_how_a_lens_sees_and_not_where_the_camera_stands(known: Rig, tmp_path):
    camera, path = known.cameras[0], tmp_path / "cam_0.yaml"
    text = ROS.format(matrix=camera.matrix.ravel().tolist(), distortions=camera.distortions.tolist())
    path.write_text(text)
    with pytest.raises(InputError, match="not where the camera stands"):
        read_calibration([path])
    path.write_text(text + "R: [1, 0, 0, 0, 1, 0, 0, 0, 1]\nT: [0, 0, 1]\n")  # which rectifies
    with pytest.raises(InputError, match="its rotation"):
        read_calibration([path])
    path.write_text(text + f"rvec: {camera.rotation.tolist()}\ntvec: {camera.translation.tolist()}\n")
    same(read_calibration([path]), Rig((camera,)))


@pytest.fixture
def easymocap(known: Rig, tmp_path):
    """EasyMocap's two files of the known rig, as it writes them."""

    def matrix(name: str, values: np.ndarray) -> str:
        rows, columns = np.atleast_2d(values).shape
        data = ", ".join(f"{value:.17e}" for value in np.ravel(values))
        return f"{name}: !!opencv-matrix\n   rows: {rows}\n   cols: {columns}\n   dt: d\n   data: [ {data} ]\n"

    names = "names:\n" + "".join(f'   - "{camera.name}"\n' for camera in known.cameras)
    intri = extri = f"%YAML:1.0\n---\n{names}"
    for camera in known.cameras:
        intri += matrix(f"K_{camera.name}", camera.matrix) + matrix(f"dist_{camera.name}", camera.distortions)
        extri += matrix(f"R_{camera.name}", camera.rotation[:, None])
        extri += matrix(f"Rot_{camera.name}", cv2.Rodrigues(camera.rotation)[0])
        extri += matrix(f"T_{camera.name}", camera.translation[:, None])
    (tmp_path / "intri.yml").write_text(intri)
    (tmp_path / "extri.yml").write_text(extri)
    return tmp_path


def test_easymocap(known: Rig, easymocap):
    both = [easymocap / "intri.yml", easymocap / "extri.yml"]
    with pytest.raises(InputError, match="--size 1920x1080"):
        read_calibration(both)
    for paths in (both, both[::-1], both[:1], both[1:]):
        same(read_calibration(paths, size=(2048, 1536)), known)
    sizes = "".join(f"H_{camera.name}: 1536\nW_{camera.name}: 2048\n" for camera in known.cameras)
    both[0].write_text(both[0].read_text() + sizes)
    same(read_calibration(both[:1]), known)
    both[1].write_text(both[1].read_text().replace("T_cam_1", "gone_cam_1"))
    with pytest.raises(InputError, match=r"camera cam_1: .*calibrated alone"):
        read_calibration(both)
    both[1].unlink()
    with pytest.raises(InputError, match=r"extri\.yml is needed"):
        read_calibration(both[:1])


@pytest.mark.parametrize("unit", [1e-2, 1e-1, 0.06])
def test_units_are_asked_for_where_they_make_no_room(known: Rig, tmp_path, unit):
    """Centimetres taken as millimetres, decimetres and board squares as metres."""
    path = tmp_path / "Calib.toml"
    path.write_text(toml(known.cameras, unit))
    with pytest.raises(InputError, match="--units"):
        read_calibration([path])
    same(read_calibration([path], units={1e-2: "cm"}.get(unit, str(unit))), known)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["Calib.toml", "Calib.qca.txt", "Calib.json"])
def test_byte_order_marks(known: Rig, tmp_path, name, encoding):
    texts = {
        "Calib.toml": toml(known.cameras, 1.0),
        "Calib.qca.txt": qca(known.cameras).replace("version='1.0'", "version='1.0' encoding='UTF-16'"),
        "Calib.json": json.dumps(
            {
                camera.name: {
                    "K": camera.matrix.tolist(),
                    "D": camera.distortions.tolist(),
                    "rvec": camera.rotation.tolist(),
                    "tvec": camera.translation.tolist(),
                    "size": camera.size,
                }
                for camera in known.cameras
            }
        ),
    }
    path = tmp_path / name
    path.write_text(texts[name], encoding=encoding)
    same(read_calibration([path]), known)


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("a.qca.txt", "<calibration><camera></calibration>", "not XML"),
        ("a.qca.txt", "<calibration><camera serial='1'/></calibration>", "<fov_video> is missing"),
        ("a.yml", "%YAML:1.0\n---\nhello: 1\n", "no camera in it"),
        ("a.yml", "no yaml: [", "a.yml"),
        ("a.json", '{"camera_matrix": [1, 2]}', "camera_matrix has 2 finite numbers"),
        ("a.toml", "[metadata]\n", "no camera in it"),
        ("a.toml", "[c]\nmatrix = 1\nrotation = [[1]]\n", "[c]"),
        ("a.txt", "anything", "a.txt"),
    ],
)
def test_bad_files_are_one_line_that_names_the_place(tmp_path, name, text, hint):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_calibration([path])
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
