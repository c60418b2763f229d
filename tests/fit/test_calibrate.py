from dataclasses import replace

import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.fit.calibrate import calibrate
from streamfit.fit.trial import Trial
from streamfit.subject import Subject


@pytest.fixture(scope="module")
def stranger(scene):
    """Someone of other proportions, whose keypoints sit elsewhere than drawn."""
    rng = np.random.default_rng(7)
    subject = Subject.generic(scene.skeleton, scene.keypoints, 1.6)
    scale = {group: factor * (1.08 if "thigh" in group else 0.97) for group, factor in subject.scale.items()}
    offsets = rng.normal(0, 0.4, (len(scene.keypoints.names), 3)) * scene.keypoints.sd[:, None]
    return replace(scene, subject=replace(subject, scale=scale, offsets=offsets))


@pytest.fixture(scope="module")
def calibrated(stranger):
    rng = np.random.default_rng(8)
    trials = [
        Trial(name, stranger.rig, [(t, stranger.views(t, 3.0, rng)) for t in np.arange(start, start + 3, 0.02)])
        for name, start in (("one", 0.0), ("two", 4.0))
    ]
    reports = []
    result = calibrate(
        trials, stranger.skeleton, stranger.keypoints, progress=lambda what, share: reports.append((what, share))
    )
    return result, reports


def test_finds_the_proportions_from_nothing_but_the_views(stranger, calibrated):
    result, _ = calibrated
    assert result.converged
    for group in ("thigh_r", "thigh_l", "shank_r", "shank_l", "upper_arm_r"):
        assert result.subject.scale[group] == pytest.approx(stranger.subject.scale[group], rel=0.05)


def test_learns_the_detectors_noise(calibrated):
    result, _ = calibrated
    assert np.median(result.subject.noise) == pytest.approx(3.0, rel=0.5)


def test_explains_the_views_to_their_noise(calibrated):
    result, _ = calibrated
    error = result.step.error[result.step.weight > 0]
    assert np.median(error) < 1.3 * 3.0 * np.sqrt(2 * np.log(2))


def test_reports_progress_to_the_end(calibrated):
    _, reports = calibrated
    assert reports[-1] == ("fitting", 1.0)
    assert {what for what, _ in reports} == {"triangulating", "first poses", "fitting"}


def test_nothing_to_triangulate_is_one_line(stranger):
    trial = Trial("blind", stranger.rig, [(t, stranger.views(t, cameras=[0])) for t in np.arange(0, 1, 0.05)])
    with pytest.raises(InputError, match="two cameras"):
        calibrate([trial], stranger.skeleton, stranger.keypoints)


def test_no_instants_is_one_line(stranger):
    with pytest.raises(InputError, match="no views"):
        calibrate([Trial("empty", stranger.rig, [])], stranger.skeleton, stranger.keypoints)
