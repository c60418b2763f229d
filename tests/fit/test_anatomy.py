import numpy as np
import pytest

from streamfit.fit.anatomy import LANDMARK, shape_prior, standing_information


def groups_of(skeleton, information) -> np.ndarray:
    """Covariance (G, G) of the scale factors before anything is seen."""
    count = len(skeleton.groups)
    return np.linalg.inv(information[:count, :count])


@pytest.mark.parametrize("independent", [0.0, 10.0, 1e4])
def test_a_proper_prior_however_long_the_recording(skeleton, keypoints, independent):
    mean, information = shape_prior(skeleton, keypoints, 0.9, independent)
    count = len(skeleton.groups)
    assert mean.shape == (count + 3 * len(keypoints.names),)
    assert set(mean[:count]) == {0.9}
    assert not mean[count:].any()
    np.testing.assert_allclose(information, information.T)
    assert np.linalg.eigvalsh(information).min() > 0.0
    # what is known of the scale says nothing of the offsets
    assert not information[:count, count:].any()


def test_sides_are_alike(skeleton, keypoints):
    """Exchanging sides changes nothing, and the sides differ less than segments do."""
    _, information = shape_prior(skeleton, keypoints, 1.0, 100.0)
    covariance = groups_of(skeleton, information)
    names = skeleton.groups
    other = [names.index(n[:-1] + {"r": "l", "l": "r"}[n[-1]] if n.endswith(("_r", "_l")) else n) for n in names]
    assert other != list(range(len(names)))
    np.testing.assert_allclose(covariance[np.ix_(other, other)], covariance, rtol=1e-9)

    def apart(one: str, two: str) -> float:
        a, b = names.index(one), names.index(two)
        return float(np.sqrt(covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]))

    assert apart("thigh_r", "thigh_l") < 0.4 * apart("thigh_r", "shank_r")
    assert apart("hip_width", "pelvis") > 3.0 * apart("thigh_r", "shank_r")


def test_one_instant_knows_the_documented_spreads(skeleton, keypoints):
    """All together 0.3, a segment 0.05, a side 0.015, of an overall factor of 2; landmarks to their sd."""
    _, information = shape_prior(skeleton, keypoints, 2.0, 0.0)
    covariance = groups_of(skeleton, information) / 4.0
    right, left, shank = (skeleton.groups.index(n) for n in ("thigh_r", "thigh_l", "shank_r"))
    assert covariance[right, right] == pytest.approx(0.3**2 + 0.05**2 + 0.015**2)
    assert covariance[right, left] == pytest.approx(0.3**2 + 0.05**2)
    assert covariance[right, shank] == pytest.approx(0.3**2)
    offsets = np.diag(information)[len(skeleton.groups) :].reshape(-1, 3)
    np.testing.assert_allclose(offsets, np.repeat(keypoints.sd[:, None] ** -2.0, 3, 1))


def test_landmarks_and_proportions_hold_against_long_recordings(skeleton, keypoints):
    few, many = (shape_prior(skeleton, keypoints, 1.0, n)[1] for n in (50.0, 500.0))
    count = len(skeleton.groups)
    grown = (np.diag(many) / np.diag(few))[count:].reshape(-1, 3)
    landmark = keypoints.sd <= LANDMARK
    assert landmark.any()
    assert not landmark.all()
    np.testing.assert_allclose(grown[landmark], 10.0)
    np.testing.assert_allclose(grown[~landmark], 1.0)
    one, other = groups_of(skeleton, few), groups_of(skeleton, many)
    difference = np.zeros(count)
    difference[skeleton.groups.index("thigh_r")], difference[skeleton.groups.index("shank_r")] = 1.0, -1.0
    assert difference @ one @ difference == pytest.approx(10.0 * (difference @ other @ difference))
    # how tall somebody is, recordings tell: that does not get any stiffer
    alike = np.full(count, 1.0 / count)
    assert alike @ other @ alike == pytest.approx(0.3**2, rel=0.01)


def test_a_known_stature_leaves_little_of_the_overall_size(skeleton, keypoints):
    alike = np.full(len(skeleton.groups), 1.0 / len(skeleton.groups))
    covariance = groups_of(skeleton, shape_prior(skeleton, keypoints, 1.0, 1e4, common=0.03)[1])
    assert np.sqrt(alike @ covariance @ alike) == pytest.approx(0.03, rel=0.01)


def test_standing_says_legs_and_trunk_are_straight_and_nothing_else(skeleton):
    information = dict(zip(skeleton.coordinates, standing_information(skeleton), strict=True))
    assert information["knee_angle_r"] == pytest.approx(np.radians(2.0) ** -2)
    for name in ("pelvis_tilt", "pelvis_list", "lumbar_extension", "lumbar_bending", "lumbar_rotation"):
        assert information[name] > 0.0
    for name in ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle"):
        assert information[f"{name}_r"] == information[f"{name}_l"] > 0.0
    free = ("pelvis_tx", "pelvis_ty", "pelvis_tz", "pelvis_rotation", "arm_flex_r", "elbow_flex_l", "neck_flexion")
    assert not any(information[name] for name in free)
