"""What the demo's table is made of."""

import numpy as np
import pytest

from streamfit.demo.score import angle_errors, event_errors, instants
from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionWriter, read_session


@pytest.fixture
def truth(tmp_path):
    t = np.arange(0, 2, 0.01)
    angles = np.stack([np.sin(t), np.cos(t), 0 * t, 0 * t], 1) * 30
    names = np.array(["knee_angle_r", "elbow_flex_r", "mtp_angle_r", "wrist_flex_r"])
    np.savez(tmp_path / "truth.npz", angle_t=t, angles=angles, angle_names=names)
    return tmp_path / "truth.npz", t, angles, list(names)


def test_a_constant_error_counts_raw_and_not_when_the_mean_is_removed(truth):
    path, t, angles, names = truth
    errors = angle_errors(t, angles + np.array([2.0, 4.0, 100.0, 100.0]), names, path)
    assert errors.legs == pytest.approx(2.0)
    assert errors.all == pytest.approx(3.0)
    assert errors.legs_centred == pytest.approx(0.0, abs=1e-9)
    assert errors.all_centred == pytest.approx(0.0, abs=1e-9)


def test_the_first_moments_do_not_count_and_truth_is_met_between_its_times(truth):
    path, t, angles, names = truth
    late = t[:-1] + 0.005
    between = (angles[1:] + angles[:-1]) / 2
    between[late < 0.15] += 90
    errors = angle_errors(late, between, names, path)
    assert errors.all == pytest.approx(0.0, abs=1e-6)


def test_an_alternating_error_is_its_rms(truth):
    path, t, angles, names = truth
    wrong = angles + 3.0 * np.where(np.arange(len(t)) % 2, 1, -1)[:, None]
    assert angle_errors(t, wrong, names, path).legs_centred == pytest.approx(3.0, abs=0.01)


def session(path, times_of):
    with SessionWriter(path, "", "") as file:
        for camera, times in times_of.items():
            for t in times:
                view = {"camera": camera, "t": t, "xyc": [[1.0, 2.0, 0.5]]}
                message = {"v": 1, "type": "keypoints", "session": "s", "t": t, "views": [view]}
                file.write("keypoints", encode(message), round(t * 1e9), round(t * 1e9))
        file.write("keypoints", b"no message", 0, 0)
    return read_session(path)


def test_instants_of_cameras_triggered_together_are_counted_once(tmp_path):
    times = np.arange(50) / 50
    recorded = session(tmp_path / "a.mcap", {"a": times, "b": times + 0.0004, "c": times[:30]})
    assert instants(recorded) == 50


def test_instants_of_free_running_cameras_are_for_the_daemon_to_choose(tmp_path):
    recorded = session(
        tmp_path / "b.mcap",
        {"a": np.arange(60) / 60, "b": 0.005 + np.arange(60) / 60.1, "c": 0.011 + np.arange(60) / 59.9},
    )
    assert instants(recorded) is None


def test_events_are_matched_one_to_one(tmp_path):
    strike, off = "foot_strike", "foot_off"
    true = [(1.0, "left", strike), (1.4, "right", off), (2.0, "left", strike), (4.9, "left", off)]
    found = [
        (1.02, "left", "foot_strike", 1.1),
        (1.1, "left", "foot_strike", 1.2),
        (1.39, "right", "foot_off", 1.5),
        (2.3, "left", "foot_strike", 2.4),
        (4.8, "left", "foot_off", 4.9),
    ]
    fields = [("t", "<f8"), ("side", "<U5"), ("event", "<U12")]
    np.savez(tmp_path / "truth.npz", t=np.arange(0, 5.01, 0.01), events=np.array(true, fields))
    errors = event_errors(np.array(found, [*fields, ("detected", "<f8")]), tmp_path / "truth.npz")
    assert (errors.true, errors.found, errors.false) == (3, 2, 2)
    assert errors.strike == pytest.approx(0.02)
    assert errors.off == pytest.approx(0.01)
    assert errors.delay == pytest.approx(0.095)
