import numpy as np

from streamfit.client.adapters import from_deeplabcut, from_mediapipe, from_rtmlib


def test_the_clearest_person_of_rtmlib():
    keypoints = np.arange(2 * 26 * 2, dtype=float).reshape(2, 26, 2)
    scores = np.stack([np.full(26, 0.3), np.linspace(0.4, 1.1, 26)])
    xyc = from_rtmlib(keypoints, scores)
    np.testing.assert_array_equal(xyc[:, :2], keypoints[1])
    np.testing.assert_array_equal(xyc[:, 2], np.minimum(scores[1], 1.0))
    assert from_rtmlib(np.zeros((0, 26, 2)), np.zeros((0, 26))) is None


def test_unlikely_points_of_deeplabcut_are_missing():
    pose = np.array([[1.0, 2.0, 0.9], [3.0, 4.0, 0.05], [np.nan, np.nan, np.nan], [5.0, 6.0, 1.0001]])
    expected = [[1.0, 2.0, 0.9], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [5.0, 6.0, 1.0]]
    np.testing.assert_array_equal(from_deeplabcut(pose), expected)
    assert np.isnan(pose[2]).all()  # the detector's own array is left alone


def test_landmarks_of_mediapipe_are_shares_of_the_picture():
    """The middle of a picture of 640 pixels lies between the 320th and the 321st, at 319.5."""
    marks = np.tile([0.5, 0.25, -3.0, 0.8], (33, 1))
    np.testing.assert_allclose(from_mediapipe(marks, 640, 480), np.tile([319.5, 119.5, 0.8], (33, 1)))
    assert from_mediapipe(None, 640, 480) is None
