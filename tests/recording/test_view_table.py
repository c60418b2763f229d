"""Views as rows, and the consistency of points that are known."""

import numpy as np
from simulated import project, rig

from streamfit.estimation.estimate import View
from streamfit.recording.view_table import points_at, sightings

POINTS = np.array([[0.1, 0.2, 1.0], [-0.3, 0.1, 0.5], [0.0, 0.0, 1.6]])
ALONG = np.array([0.2, 0.0, 0.0])


def views(shift: float = 0.0, t: float = 0.0, points: np.ndarray = POINTS) -> list[View]:
    """What every camera sees of the points, its x moved by `shift` px."""
    out = []
    for index, camera in enumerate(rig().cameras):
        pixels = project(camera, points) + np.array([shift, 0.0])
        out.append(View(index, t, np.column_stack([pixels, np.full(len(points), 0.9)]), "0", t))
    return out


def test_a_known_shift_is_the_error() -> None:
    found = sightings(np.zeros(1), views(3.0), 5).consistency(rig(), np.zeros(1), POINTS[None])
    np.testing.assert_allclose(found.error, 3.0, atol=1e-6)
    assert (found.share_within(5), found.share_within(4)) == (1.0, 0.0)  # 3 px of 1280 are 4.8 of 2048


def test_a_point_that_was_not_fitted_is_a_miss() -> None:
    points = POINTS[None].copy()
    points[0, 2] = np.nan
    found = sightings(np.zeros(1), views(), 5).consistency(rig(), np.zeros(1), points)
    assert found.share_within(5) == 10 / 15


def test_views_go_with_the_instant_nearest_to_them() -> None:
    """Late ones too; two views of one camera near one instant have a row each."""
    t = np.array([0.0, 0.1, 0.2])
    given = [views(t=0.0)[0], views(t=0.2)[0], views(t=0.11)[0], views(t=0.09)[0], views(t=0.1)[1]]
    rows = sightings(t, given, 5)
    np.testing.assert_allclose(rows.t[:, 0], [0.0, 0.11, 0.2, 0.09])
    np.testing.assert_allclose(rows.t[:, 1], [0.0, 0.1, 0.2, 0.1])
    present = rows.seen[..., 0, 2] > 0
    np.testing.assert_array_equal(present[:, 0], [True, True, True, True])
    np.testing.assert_array_equal(present[:, 1], [False, True, False, False])
    assert not present[:, 2:].any()


def test_a_view_between_two_instants_meets_the_points_on_their_way() -> None:
    t = np.array([0.0, 1.0])
    path = np.stack([POINTS, POINTS + ALONG])
    rows = sightings(t, views(t=0.25, points=POINTS + 0.25 * ALONG), 5)
    found = rows.consistency(rig(), t, path)
    assert np.nanmax(found.error) < 1e-6


def test_points_outside_the_times_and_beside_missing_ones() -> None:
    path = np.stack([POINTS, np.full_like(POINTS, np.nan), POINTS + 1.0])
    at = points_at(np.array([0.0, 1.0, 2.0]), path, np.array([-1.0, 0.0, 0.5, 2.0, 9.0]))
    np.testing.assert_array_equal(at[[0, 1]], [POINTS, POINTS])
    assert np.isnan(at[2]).all()
    np.testing.assert_array_equal(at[[3, 4]], [POINTS + 1.0, POINTS + 1.0])
    np.testing.assert_array_equal(points_at(np.zeros(1), path[:1], np.array([0.3]))[0], POINTS)


def test_triangulation_is_consistent_but_for_what_one_camera_saw() -> None:
    given = views()
    for view in given[1:]:
        view.xyc[2] = 0.0
    found = sightings(np.zeros(1), given, 5).consistency_of_triangulation(rig(), np.full(3, 5.0))
    assert np.max(found.error[0, :, :2]) < 0.5
    assert np.isinf(found.error[0, 0, 2])
    assert np.isnan(found.error[0, 1:, 2]).all()
