"""Disturbed recordings are disturbed as they say, and nowhere else."""

from pathlib import Path

import numpy as np

from benchmarks.accuracy.disturb import camera_off, disturbed, exchanged_sides, missing_points, nobody_seen, spread
from benchmarks.lib.stream import Shape, Stream, simulate
from streamfit.model import Skeleton
from streamfit.protocol.ingest import decode_ingest
from streamfit.recording.mcap_file import read_session


def written(tmp_path: Path, skeleton: Skeleton, change) -> tuple[Stream, np.ndarray, np.ndarray]:
    """Views (T, C, K, 3) of three cameras as they were, and as the change leaves them."""
    stream = simulate(skeleton, Shape(cameras=3, keypoints="coco17"), 40)
    stream.write(tmp_path / "plain.mcap")
    disturbed(read_session(tmp_path / "plain.mcap"), tmp_path / "worse.mcap", change(stream))

    def views(name: str) -> np.ndarray:
        messages = [decode_ingest(m.payload) for m in read_session(tmp_path / name).messages({"keypoints"})]
        return np.array([[view.xyc for view in message.views] for message in messages])

    return stream, views("plain.mcap"), views("worse.mcap")


def test_sides_are_exchanged_in_one_camera_now_and_then(tmp_path: Path, skeleton: Skeleton) -> None:
    stream, plain, worse = written(tmp_path, skeleton, lambda s: exchanged_sides("cam_02", 10, skeleton, s.keypoints))
    names = stream.keypoints.names
    sides = {"left": "right", "right": "left"}
    twin = [names.index("_".join(sides.get(word, word) for word in name.split("_"))) for name in names]
    assert (worse[::10, 1] == plain[::10, 1][:, twin]).all()
    plain[::10, 1] = worse[::10, 1]
    assert (worse == plain).all()


def test_a_share_of_the_points_is_missing(tmp_path: Path, skeleton: Skeleton) -> None:
    _, plain, worse = written(tmp_path, skeleton, lambda s: missing_points(0.3, 1))
    gone = (worse[..., 2] == 0.0) & (plain[..., 2] > 0.0)
    assert 0.25 < gone.sum() / (plain[..., 2] > 0.0).sum() < 0.35
    assert (worse[~gone] == plain[~gone]).all()


def test_one_camera_is_off(tmp_path: Path, skeleton: Skeleton) -> None:
    _, plain, worse = written(tmp_path, skeleton, lambda s: camera_off("cam_03", 50.0))
    seen = plain[..., 2] > 0.0
    assert np.allclose((worse - plain)[:, 2][seen[:, 2]], [50.0, 0.0, 0.0])
    assert (worse[:, :2] == plain[:, :2]).all()


def test_nobody_is_seen_for_a_while(tmp_path: Path, skeleton: Skeleton) -> None:
    stream, plain, worse = written(tmp_path, skeleton, lambda s: nobody_seen(0.1, 0.25))
    inside = (stream.t >= 0.1) & (stream.t < 0.25)
    assert not worse[inside].any()
    assert (worse[~inside] == plain[~inside]).all()


def test_few_cameras_are_not_neighbours() -> None:
    assert spread([f"c{i}" for i in range(8)], 3) == ["c0", "c2", "c5"]
