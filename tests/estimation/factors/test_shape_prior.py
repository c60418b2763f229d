import numpy as np
import pytest

from streamfit.estimation.factors.shape_prior import TURNS, USUAL, Build, shape_prior
from streamfit.model import KeypointSet


def groups_of(skeleton, information) -> np.ndarray:
    """Covariance (G, G) of the scale factors before anything is seen."""
    count = len(skeleton.groups)
    return np.linalg.inv(information[:count, :count])


@pytest.mark.parametrize("independent", [0.0, 10.0, 1e4])
def test_a_proper_prior_however_long_the_recording(skeleton, keypoints, independent):
    mean, information = shape_prior(skeleton, keypoints, independent, 0.9)
    count = len(skeleton.groups)
    assert mean.shape == (count + 3 * len(keypoints.names),)
    np.testing.assert_allclose(mean[:count], [0.9 * USUAL.get(group, 1.0) for group in skeleton.groups])
    assert not mean[count:].any()
    np.testing.assert_allclose(information, information.T)
    assert np.linalg.eigvalsh(information).min() > 0.0
    # what is known of the scale says nothing of the offsets
    assert not information[:count, count:].any()


def test_sides_are_alike(skeleton, keypoints):
    """Exchanging sides changes nothing, and the sides differ less than segments do."""
    _, information = shape_prior(skeleton, keypoints, 100.0)
    covariance = groups_of(skeleton, information)
    names = skeleton.groups
    other = [names.index(n[:-1] + {"r": "l", "l": "r"}[n[-1]] if n.endswith(("_r", "_l")) else n) for n in names]
    assert other != list(range(len(names)))
    np.testing.assert_allclose(covariance[np.ix_(other, other)], covariance, rtol=1e-9)

    def apart(one: str, two: str) -> float:
        a, b = names.index(one), names.index(two)
        return float(np.sqrt(covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]))

    assert apart("thigh_r", "thigh_l") < 0.4 * apart("thigh_r", "shank_r")
    assert apart("hip_width", "pelvis") > 1.5 * apart("thigh_r", "shank_r")


def test_one_instant_knows_the_documented_spreads(skeleton, keypoints):
    """All together 0.3, a segment 0.05, a side 0.015, of an overall factor of 2; keypoints to their sd."""
    _, information = shape_prior(skeleton, keypoints, 0.0, 2.0)
    covariance = groups_of(skeleton, information) / 4.0
    right, left, shank = (skeleton.groups.index(n) for n in ("thigh_r", "thigh_l", "shank_r"))
    assert covariance[right, right] == pytest.approx(0.3**2 + 0.05**2 + 0.015**2)
    assert covariance[right, left] == pytest.approx(0.3**2 + 0.05**2)
    assert covariance[right, shank] == pytest.approx(0.3**2)
    offsets = np.diag(information)[len(skeleton.groups) :].reshape(-1, 3)
    np.testing.assert_allclose(offsets, np.repeat(keypoints.sd[:, None] ** -2.0, 3, 1))


def offsets_of(skeleton, information) -> np.ndarray:
    count = len(skeleton.groups)
    return information[count:, count:]


def test_a_body_as_a_whole_holds_against_long_recordings_and_its_keypoints_among_themselves_do_not(skeleton, keypoints):
    """Moving or turning all keypoints of a body together costs in proportion to the recording; else it does not."""
    few, many = (offsets_of(skeleton, shape_prior(skeleton, keypoints, n)[1]) for n in (50.0, 500.0))
    body = keypoints.body_indices(skeleton.bodies)
    mine = np.flatnonzero(body == body[keypoints.names.index("nose")])
    assert len(mine) >= 5
    shift, turn, apart = (np.zeros_like(keypoints.positions) for _ in range(3))
    shift[mine] = [0.01, -0.02, 0.03]
    turn[mine] = np.cross([0.1, 0.2, -0.3], keypoints.positions[mine])
    eyes = [keypoints.names.index(name) for name in ("left_eye", "right_eye")]
    apart[eyes] = [[0.0, 0.0, -0.01], [0.0, 0.0, 0.01]]

    def cost(information, offsets):
        return float(offsets.reshape(-1) @ information @ offsets.reshape(-1))

    for common in (shift, turn, shift + turn):
        assert cost(many, common) == pytest.approx(10.0 * cost(few, common), rel=0.01)
        assert cost(many, common) > 500.0 * (common**2 / keypoints.sd[:, None] ** 2).sum()
    assert cost(many, apart) < 2.0 * cost(few, apart)


def test_proportions_hold_against_long_recordings(skeleton, keypoints):
    few, many = (shape_prior(skeleton, keypoints, n)[1] for n in (50.0, 500.0))
    count = len(skeleton.groups)
    one, other = groups_of(skeleton, few), groups_of(skeleton, many)
    difference = np.zeros(count)
    difference[skeleton.groups.index("thigh_r")], difference[skeleton.groups.index("shank_r")] = 1.0, -1.0
    assert difference @ one @ difference == pytest.approx(10.0 * (difference @ other @ difference))
    # how tall somebody is, recordings tell: that does not get any stiffer
    alike = np.full(count, 1.0 / count)
    assert alike @ other @ alike == pytest.approx(0.3**2, rel=0.01)


def test_a_known_stature_leaves_little_of_the_overall_size(skeleton, keypoints):
    alike = np.full(len(skeleton.groups), 1.0 / len(skeleton.groups))
    covariance = groups_of(skeleton, shape_prior(skeleton, keypoints, 1e4, *Build(stature=1.7).size(1.2))[1])
    assert np.sqrt(alike @ covariance @ alike) == pytest.approx(0.03, rel=0.01)


def test_mass_says_a_little_of_the_size_and_stature_more():
    assert Build().size(0.9) == (0.9, 0.3)
    assert Build(stature=1.87, mass=40.0).size(0.9) == (pytest.approx(1.1), 0.03)
    mean, sd = Build(mass=24.0 * 1.87**2).size(0.9)
    assert 0.9 < mean < 1.1
    assert mean == pytest.approx((0.9 / 0.3**2 + 1.1 / 0.12**2) / (0.3**-2 + 0.12**-2))
    assert sd == pytest.approx((0.3**-2 + 0.12**-2) ** -0.5)


def test_a_pelvis_turned_against_its_landmarks_costs_more_than_one_that_is_moved(skeleton):
    """Its front and back spines define its tilt; a single point says nothing of turns."""
    front, back = np.array([0.02, 0.014, 0.128]), np.array([-0.155, 0.03, 0.048])
    places = np.array([front, front * (1, 1, -1), back, back * (1, 1, -1)])
    names = ("a", "b", "c", "d")

    def cost(body: str, motion: np.ndarray) -> float:
        landmarks = KeypointSet("landmarks", names, (body,) * 4, places, np.full(4, 0.02))
        information = offsets_of(skeleton, shape_prior(skeleton, landmarks, 100.0)[1])
        return float(motion.reshape(-1) @ information @ motion.reshape(-1))

    shift = np.tile([0.01, 0.0, 0.0], (4, 1))
    turn = np.cross([0.0, 0.0, 0.1], places - places.mean(0))
    assert cost("pelvis", shift) == pytest.approx(cost("torso", shift))
    assert cost("pelvis", turn) == pytest.approx(TURNS["pelvis"] * cost("torso", turn), rel=0.05)
