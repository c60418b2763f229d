"""The simulated streams are what they are called."""

import numpy as np
import pytest

from benchmarks.lib.stream import Shape, keypoint_set, rig_of, simulate
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import Skeleton
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest
from streamfit.recording.mcap_file import read_session
from streamfit.sim.room import project


def test_the_marker_set_has_47_points_and_both_sides_of_each() -> None:
    markers = keypoint_set("movi47")
    assert len(markers.names) == len(set(markers.names)) == 47
    assert (np.sort(mirrored(markers)) == np.arange(47)).all()


@pytest.mark.parametrize("shape", [Shape(cameras=2, keypoints="coco17", rate=240.0), Shape(cameras=3, people=2)])
def test_a_stream_shows_its_truth_at_its_times(skeleton: Skeleton, shape: Shape) -> None:
    stream = simulate(skeleton, shape, 60)
    messages = [decode_ingest(payload) for payload in stream.payloads]
    assert [message.t for message in messages] == pytest.approx(np.arange(60) / shape.rate)
    errors = []
    for message, points in zip(messages, stream.truth.keypoints, strict=True):
        assert isinstance(message, KeypointsMessage)
        seen = {(view.camera, view.person): view.xyc for view in message.views}
        assert len(seen) == shape.cameras * shape.people
        for camera in stream.rig.cameras:
            xyc = seen[camera.name, str(shape.people - 1)]
            errors.append(np.linalg.norm(xyc[:, :2] - project(camera, points), axis=1)[xyc[:, 2] > 0])
    assert np.median(np.concatenate(errors)) < 10.0


def test_it_makes_a_session_that_a_daemon_can_serve(skeleton: Skeleton, tmp_path) -> None:
    stream = simulate(skeleton, Shape(cameras=2, keypoints="coco17"), 10)
    stream.write(tmp_path / "s.mcap")
    session = read_session(tmp_path / "s.mcap")
    assert [m.payload for m in session.messages({"keypoints"})] == stream.payloads
    assert session.subject_toml is not None


def test_two_cameras_look_from_a_right_angle() -> None:
    one, other = (camera.centre[:2] for camera in rig_of(2).cameras)
    assert abs(one @ other) < 0.2 * np.linalg.norm(one) * np.linalg.norm(other)
