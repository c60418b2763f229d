"""Cameras from rendered views of a board: against those that rendered it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from rendered import BOARD, FLOOR, SIZE, Renderer, camera, poses

from streamfit.cli.main import cli
from streamfit.errors import InputError
from streamfit.model.camera import Camera, Rig
from streamfit.rig.board import Board

MOMENTS = 36
BOARD_OPTIONS = ["--board", "7x5", "--square", "0.1", "--marker", "0.075"]


@pytest.fixture(scope="module")
def cameras() -> list[Camera]:
    return [
        camera("left", (-1.4, -2.6, 1.5), (0.0, 0.0, 0.7), 720.0),
        camera("middle", (0.1, -2.8, 1.8), (0.0, 0.0, 0.6), 780.0),
        camera("right", (1.5, -2.4, 1.2), (0.0, 0.0, 0.7), 750.0),
    ]


@pytest.fixture(scope="module")
def folders(cameras: list[Camera], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures for each camera."""
    folder = tmp_path_factory.mktemp("boards")
    rng = np.random.default_rng(6)
    places = poses(MOMENTS, rng)
    for one in cameras:
        renderer = Renderer(one)
        (folder / one.name).mkdir()
        for moment, place in enumerate(places):
            noisy = renderer.picture(place) + rng.normal(0, 2.0, SIZE[::-1])
            cv2.imwrite(str(folder / one.name / f"{moment:03d}.png"), np.clip(noisy, 0, 255).astype(np.uint8))
    return folder


def rigged(*arguments: object) -> str:
    result = CliRunner().invoke(cli, ["rig", *map(str, arguments), *BOARD_OPTIONS], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(cli, ["rig", *map(str, arguments)])
    assert isinstance(result.exception, InputError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_the_cameras_are_found_as_they_were(cameras: list[Camera], folders: Path, tmp_path: Path) -> None:
    output = tmp_path / "cameras.toml"
    said = rigged(*(f"{one.name}={folders / one.name}" for one in cameras), "-o", output)
    found = Rig.load(output)
    assert found.names == ("left", "middle", "right")
    assert found.up == "z"
    for one, true in zip(found.cameras, cameras, strict=True):
        assert one.size == SIZE
        np.testing.assert_allclose(one.matrix, true.matrix, atol=12.0)
        # the world's origin is where the board's corner lay
        place = true.centre - FLOOR
        np.testing.assert_allclose(one.centre, place, atol=0.02)
        turn = cv2.Rodrigues(one.rotation)[0] @ cv2.Rodrigues(true.rotation)[0].T
        assert np.degrees(np.linalg.norm(cv2.Rodrigues(turn)[0])) < 0.5
    for name in ("coverage", "rig"):
        picture = cv2.imread(str(output.with_suffix(f".{name}.png")))
        assert picture is not None
        assert picture.std() > 5
    assert "verdict:" in said
    assert "poor" not in said
    assert "was not still" not in said
    # what matters: points in the room are seen where they are
    points = np.random.default_rng(1).uniform([-0.6, -0.5, 0.2], [0.6, 0.5, 1.6], (50, 3))
    for one, true in zip(found.cameras, cameras, strict=True):
        seen, expected = (
            cv2.projectPoints(p, c.rotation, c.translation, c.matrix, c.distortions)[0].reshape(-1, 2)
            for p, c in ((points - FLOOR, one), (points, true))
        )
        inside = ((expected > 0) & (expected < SIZE)).all(1)
        assert np.median(np.linalg.norm(seen - expected, axis=1)[inside]) < 1.5


def test_the_same_from_videos_that_begin_at_different_times(
    cameras: list[Camera], folders: Path, tmp_path: Path
) -> None:
    for one, late in zip(cameras[:2], (0, 3), strict=True):
        writer = cv2.VideoWriter(str(tmp_path / f"{one.name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, SIZE)
        for path in [*sorted((folders / one.name).iterdir())[:late], *sorted((folders / one.name).iterdir())]:
            writer.write(cv2.imread(str(path)))
        writer.release()
    output = tmp_path / "cameras.toml"
    sources = [f"{one.name}={tmp_path / one.name}.avi" for one in cameras[:2]]
    rigged(*sources, "--offset", "middle=0.6", "-o", output)
    apart = np.linalg.norm(np.subtract(*(one.centre for one in Rig.load(output).cameras)))
    assert apart == pytest.approx(np.linalg.norm(cameras[0].centre - cameras[1].centre), abs=0.03)


def test_a_floor_that_is_none_is_said(cameras: list[Camera], folders: Path, tmp_path: Path) -> None:
    sources = [f"{one.name}={folders / one.name}" for one in cameras]
    assert "the board was not still at 2.0 s" in rigged(*sources, "--floor", "2", "-o", tmp_path / "cameras.toml")


def test_without_a_floor_the_world_is_the_first_cameras(cameras: list[Camera], folders: Path, tmp_path: Path) -> None:
    output = tmp_path / "cameras.toml"
    rigged(*(f"{one.name}={folders / one.name}" for one in cameras[:2]), "--no-floor", "-o", output)
    found = Rig.load(output)
    assert found.up == "-y"
    np.testing.assert_allclose(found.cameras[0].centre, 0.0, atol=1e-9)


def test_what_is_wrong_is_said_with_what_to_do(folders: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.toml"
    left, right = f"left={folders / 'left'}", f"right={folders / 'right'}"
    ours = [*BOARD_OPTIONS, "-o", output]
    assert "at least two cameras" in refused(left, *ours)
    assert "named 2 times" in refused(left, left, *ours)
    assert "no such video, folder or camera" in refused("left=nothing.mp4", right, *ours)
    assert "as cam_01=a.mp4" in refused("a.mp4", right, *ours)
    assert "is it the board" in refused(
        left, right, "--board", "7x5", "--dictionary", "DICT_ARUCO_ORIGINAL", "-o", output
    )
    assert "no dictionary" in refused(left, right, "--dictionary", "DICT_9X9", "-o", output)
    assert "does not fit" in refused(left, right, "--marker", "0.2", "-o", output)
    assert "--offset" in refused(left, right, "--offset", "left=soon", *ours)
    (tmp_path / "text.mp4").write_text("no film")
    assert "no picture in it" in refused(f"left={tmp_path / 'text.mp4'}", right, *ours)
    assert not output.exists()
    output.write_text("mine")
    assert "exists already" in refused(left, right, *ours)


def test_cameras_that_never_see_the_board_together_are_named(folders: Path, tmp_path: Path) -> None:
    for name, keep in (("left", range(18)), ("right", range(18, 38))):
        (tmp_path / name).mkdir()
        for moment, path in enumerate(sorted((folders / name).iterdir())):
            picture = cv2.imread(str(path))
            cv2.imwrite(str(tmp_path / name / path.name), picture if moment in keep else np.full_like(picture, 90))
    said = refused(
        f"left={tmp_path / 'left'}", f"right={tmp_path / 'right'}", *BOARD_OPTIONS, "-o", tmp_path / "c.toml"
    )
    assert said.startswith("right: fewer than 3 moments in which the board is seen together with left")


def test_a_board_to_print_is_found_in_its_picture(tmp_path: Path) -> None:
    assert "700 x 500 mm" in rigged("--print-board", tmp_path / "board.png")
    picture = cv2.imread(str(tmp_path / "board.png"), cv2.IMREAD_GRAYSCALE)
    ids, pixels = BOARD.find(cv2.copyMakeBorder(cv2.resize(picture, None, fx=0.2, fy=0.2), *[40] * 4, 0, value=255))
    assert len(ids) == len(BOARD.corners)
    scale = (pixels.max(0) - pixels.min(0)) / np.ptp(BOARD.corners[:, :2], axis=0)
    assert scale[0] == pytest.approx(scale[1], rel=0.01)
    with pytest.raises(InputError, match="at least 3 x 3"):
        Board(2, 5)
