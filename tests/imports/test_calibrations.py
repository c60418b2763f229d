"""Calibrations of other software: each format written by hand from a known rig, and read back as that rig."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfit.cameras import Camera, Rig
from streamfit.errors import InputError
from streamfit.imports import calibrations


def read_calibration(paths: list[Path], **said: str) -> Rig:
    return calibrations.read_calibration(paths, **said).rig


@pytest.fixture
def known(rig: Rig) -> Rig:
    return Rig(rig.cameras[:3], "z")


def same(found: Rig, known: Rig) -> None:
    assert found.names == known.names
    for one, other in zip(found.cameras, known.cameras, strict=True):
        assert one.size == other.size
        for field in ("matrix", "distortions", "rotation", "translation"):
            np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-9, atol=1e-9)


def qca(cameras: tuple[Camera, ...]) -> str:
    """As Qualisys states it: mm, 1/64 px, a camera that looks along -z."""
    out = []
    for camera in cameras:
        seen = np.diag([1.0, -1.0, -1.0]) @ cv2.Rodrigues(camera.rotation)[0]
        turn = " ".join(f'r{i + 1}{j + 1}="{float(seen[i, j])!r}"' for i in range(3) for j in range(3))
        place = " ".join(f'{axis}="{1000 * float(x)!r}"' for axis, x in zip("xyz", camera.centre, strict=True))
        k1, k2, p1, p2, _ = 64 * camera.distortions
        (fx, _, cx), (_, fy, cy), _ = (64 * camera.matrix).tolist()
        out.append(
            f'<camera serial="{camera.name}" viewrotation="0">'
            f'<fov_video left="0" top="0" right="{camera.size[0] - 1}" bottom="{camera.size[1] - 1}"/>'
            f"<transform {turn} {place}/>"
            f'<intrinsic focalLengthU="{fx}" focalLengthV="{fy}" centerPointU="{cx}" centerPointV="{cy}" '
            f'radialDistortion1="{k1}" radialDistortion2="{k2}" tangentalDistortion1="{p1}" '
            f'tangentalDistortion2="{p2}"/></camera>'
        )
    return f"<?xml version='1.0'?><calibration><cameras>{''.join(out)}</cameras></calibration>"


def test_qualisys(known: Rig, tmp_path):
    no_k3 = Rig(tuple(replace(c, distortions=c.distortions * (1, 1, 1, 1, 0)) for c in known.cameras), "z")
    path = tmp_path / "Calib.qca.txt"
    path.write_text(qca(no_k3.cameras))
    same(read_calibration([path]), no_k3)


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
