import numpy as np
import pytest

from streamfit.estimation.batch.calibrate import compiled, first_noise
from streamfit.estimation.batch.initialise_trial import first_controls, triangulate_slots
from streamfit.estimation.batch.result import Stage
from streamfit.estimation.batch.trial import Trial, lay_out
from streamfit.estimation.settings import FitSettings

SPACING = 0.04
ONE_EYED = (0.3, 0.5)
"""s in which a single camera sees the person."""


@pytest.fixture(scope="module")
def layout(scene):
    """Somebody seen for 0.8 s, for a while by one camera; and in another trial by one camera only."""
    times = np.arange(20) * SPACING
    first = [(t, scene.views(t, cameras=[0] if ONE_EYED[0] <= t < ONE_EYED[1] else None)) for t in times]
    second = [(t, scene.views(t, cameras=[2])) for t in times[:8]]
    trials = [Trial("seen", scene.rig, first), Trial("one-eyed", scene.rig, second)]
    return lay_out(trials, len(scene.keypoints.names), SPACING, 0.08, slots=1)


@pytest.fixture(scope="module")
def triangulated(scene, layout):
    *stages, points = triangulate_slots(layout, first_noise(scene.keypoints, FitSettings()))
    return stages, points


@pytest.fixture(scope="module")
def started(scene, layout, triangulated):
    kinematics = compiled(scene.skeleton, scene.keypoints, FitSettings()).linearise.kinematics
    *stages, (controls, placed) = first_controls(kinematics, scene.keypoints, layout, triangulated[1], scene.subject)
    return stages, controls, placed


def one_eyed(layout):
    """Of each interval of the first trial, whether one camera saw it."""
    return (layout.t[:20, 0] >= ONE_EYED[0] - 1e-9) & (layout.t[:20, 0] < ONE_EYED[1] - 1e-9)


def test_points_are_where_two_cameras_agree(scene, layout, triangulated):
    _, points = triangulated
    blind = one_eyed(layout)
    assert points.valid.shape == (*layout.t.shape, len(scene.keypoints.names))
    assert points.valid[:20, 0][~blind].all()
    assert not points.valid[:20, 0][blind].any()
    assert not points.valid[20:].any()
    for m in np.flatnonzero(~blind):
        np.testing.assert_allclose(points.position[m, 0], scene.points(layout.t[m, 0]), atol=1e-3)


def test_all_slots_of_an_interval_or_the_first(scene):
    times = np.arange(6) * SPACING / 2.0
    instants = [(t, scene.views(t)) for t in times]
    dense = lay_out([Trial("twice", scene.rig, instants)], len(scene.keypoints.names), SPACING, 0.08)
    noise = first_noise(scene.keypoints, FitSettings())
    *_, first = triangulate_slots(dense, noise)
    *_, every = triangulate_slots(dense, noise, depth=None)
    held = np.isfinite(dense.t)
    assert held.sum() == 6
    assert held[:, 1].any()
    assert (every.valid.all(-1) == held).all()
    assert not first.valid[:, 1].any()
    for m, s in np.argwhere(held):
        np.testing.assert_allclose(every.position[m, s], scene.points(dense.t[m, s]), atol=1e-3)


def test_says_how_far_it_is(triangulated, started):
    for stages, what in ((triangulated[0], "triangulating"), (started[0], "first poses")):
        assert all(isinstance(stage, Stage) and stage.what == what for stage in stages)
        fractions = [stage.fraction for stage in stages]
        assert fractions == sorted(fractions)
        assert 0.0 <= fractions[0] <= fractions[-1] <= 1.0


def test_poses_lie_on_the_points(scene, layout, started):
    _, controls, placed = started
    assert placed[:20].all()  # those of one eye too: they lie among others
    spline = layout.splines[0]
    well = [
        i for i, n in enumerate(scene.skeleton.coordinates) if n.startswith(("pelvis", "hip_flex", "knee", "elbow"))
    ]
    for t in layout.t[:20, 0]:
        q = spline.weights(t) @ controls[: spline.controls]
        tolerance = 0.12 if ONE_EYED[0] - 0.1 <= t < ONE_EYED[1] + 0.1 else 0.06
        np.testing.assert_allclose(q[well], scene.q(t)[well], atol=tolerance)


def test_the_unseen_stays_at_zero_and_is_marked(layout, started):
    _, controls, placed = started
    assert not controls[layout.first[1] :].any()
    assert not placed[layout.first[1] :].any()
