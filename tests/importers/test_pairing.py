"""Folders and cameras are paired by their names, all of them one to one, or not at all."""

import pytest

from streamfit.errors import InputError
from streamfit.importers.detections.pairing import pair
from streamfit.importers.natural_order import natural


def cameras(pattern: str, *numbers: int | str) -> list[str]:
    return [pattern.format(number) for number in numbers]


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (cameras("cam{}_json", 1, 2, 3, 10), cameras("cam{}", 1, 2, 3, 10)),
        (cameras("cam0{}_json", 1, 2), cameras("int_cam{}_img", 1, 2)),
        (cameras("{}_json", 1, 2, 10), cameras("cam_{}", "01", "02", 10)),
        (cameras("{}", 1, 2), cameras("camera-{}", 1, 2)),
        (cameras("c{}", 1, 10), cameras("Cam{}", 1, 10)),
        (cameras("{}_json", "left", "right"), cameras("cam_{}", "left", "right")),
        (cameras("walk_{}_t2", "left", "right"), cameras("{}", "left", "right")),
        (cameras("miqus_{}_json", 26076, 26078), cameras("{}", 26076, 26078)),
        (cameras("P01_T02_cam{}", 1, 2), cameras("cam_{}", 1, 2)),
        (cameras("pose2d_cam{}", 2, 3), cameras("{}", 2, 3)),
        (["Cam1_json", "cam1_json"], ["Cam1", "cam1"]),
        (["anything"], ["whatever"]),
    ],
)
def test_names_that_agree(folders, names):
    assert pair(sorted(folders), names) == dict(zip(names, folders, strict=True))


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (cameras("cam{}_json", 1, 2, 3, 4), cameras("cam_{}", 0, 1, 2, 3)),
        (cameras("cam{}", 1, 2), cameras("{}", 26076, 26078)),
        (["left1", "right2"], ["right1", "left2"]),
        (["Cam1", "cam1"], ["c1", "C1"]),
        (["cam1_json", "cam01_json"], ["cam1", "cam2"]),
        (["GX010001", "GX010002"], ["gopro1", "gopro2"]),
        (cameras("cam{}", 1, 2), cameras("cam{}", 1, 2, 3)),
        (cameras("cam{}", 1, 2, 3), cameras("cam{}", 1, 2)),
    ],
)
def test_names_that_leave_it_open_are_refused(folders, names):
    with pytest.raises(InputError, match="--map FOLDER=CAMERA"):
        pair(folders, names)


def test_cam2_comes_before_cam10():
    assert sorted(["cam10_json", "cam2_json", "Cam1_json"], key=natural) == ["Cam1_json", "cam2_json", "cam10_json"]
