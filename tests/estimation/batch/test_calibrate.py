from dataclasses import replace

import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.estimation.batch.calibrate import calibrate
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.factors.shape_prior import Build
from streamfit.model.subject import Subject

STANDS = 10.0
"""s from which the person stands still."""


@pytest.fixture(scope="module")
def stranger(scene):
    """Someone of other proportions, whose keypoints sit elsewhere than drawn: landmarks here and there, what is
    known less well all together further in front, as if the pelvis were tilted."""

    class Stranger(type(scene)):
        def q(self, t):
            if t < STANDS:
                return super().q(t)
            q, names = np.zeros(len(self.skeleton.coordinates)), self.skeleton.coordinates
            sway = np.sin(2.0 * t)
            pose = {"pelvis_tx": 0.01 * sway, "pelvis_ty": 0.9, "pelvis_rotation": 1.0, "arm_add_r": -0.1}
            pose |= {"arm_add_l": -0.1, "ankle_angle_r": 0.01 * sway, "ankle_angle_l": 0.01 * sway}
            # as most people stand: the pelvis and the trunk lean forward, the thighs do not
            tilt = np.radians(-4.0)
            pose |= {"pelvis_tilt": tilt * np.cos(1.0), "pelvis_list": tilt * np.sin(1.0), "lumbar_extension": tilt}
            pose |= {"hip_flexion_r": -tilt, "hip_flexion_l": -tilt}
            for name, value in pose.items():
                q[names.index(name)] = value
            return q

    rng = np.random.default_rng(7)
    subject = Subject.generic(scene.skeleton, scene.keypoints, 1.6)
    scale = {group: factor * (1.06 if "thigh" in group else 0.97) for group, factor in subject.scale.items()}
    sd = scene.keypoints.sd[:, None]
    offsets = np.where(sd > 0.025, [0.008, 0.0, 0.0], 0.3 * sd * rng.normal(size=(len(sd), 3)))
    return Stranger(scene.skeleton, scene.keypoints, scene.rig, replace(subject, scale=scale, offsets=offsets))


@pytest.fixture(scope="module")
def trials(stranger) -> list[Trial]:
    rng = np.random.default_rng(8)
    spans = {"moving": np.arange(0.0, 3.0, 0.04), "standing": np.arange(STANDS, STANDS + 1.0, 0.04)}
    return [Trial(n, stranger.rig, [(t, stranger.views(t, 3.0, rng)) for t in ts]) for n, ts in spans.items()]


@pytest.fixture(scope="module")
def calibrated(stranger, trials):
    reports = []
    result = calibrate(
        trials, stranger.skeleton, stranger.keypoints, progress=lambda what, share: reports.append((what, share))
    )
    return result, reports


def interrupted(stranger, trials, stage: str, after: int, **how):
    """A calibration that Ctrl-C stops at the nth report of a stage."""
    left = [after]

    def progress(what, share):
        left[0] -= what == stage
        if left[0] == 0:
            raise KeyboardInterrupt

    return calibrate(trials, stranger.skeleton, stranger.keypoints, progress=progress, **how)


def test_finds_the_proportions_from_nothing_but_the_views(stranger, calibrated):
    result, _ = calibrated
    assert result.converged
    for group in ("thigh_r", "thigh_l", "shank_r", "shank_l", "upper_arm_r"):
        assert result.subject.scale[group] == pytest.approx(stranger.subject.scale[group], rel=0.05)
    # long for these shanks, though hips that are known badly leave the most likely thigh nearer to the drawn one
    assert result.subject.scale["thigh_r"] > 1.02 * result.subject.scale["shank_r"]
    assert result.subject.scale["thigh_l"] > 1.02 * result.subject.scale["shank_l"]


def test_tells_the_angles_from_the_frame_that_they_are_measured_in(stranger, calibrated):
    """Quiet standing, which nobody named, reads as standing; and so the movement's angles are right."""
    result, _ = calibrated
    assert result.standing == ("standing",)
    assert result.subject.fit["standing"] == ["standing"]
    names = stranger.skeleton.coordinates
    told = ("pelvis_tilt", "pelvis_list", "hip_flexion", "knee_angle", "lumbar_extension", "lumbar_bending")
    judged = [i for i, name in enumerate(names) if name.startswith(told)]
    for movement in result.movements:
        true = np.array([stranger.q(t) for t in movement.t])
        off = np.degrees(np.median(movement.q - true, 0))[judged]
        assert np.abs(off).max() < 3.0


def test_learns_the_detectors_noise(calibrated):
    """A Student-t distribution with 1.5 degrees of freedom fits Gaussian errors best with 0.72 of their spread. That
    this anatomy is not what is usual comes on top."""
    result, _ = calibrated
    assert np.median(result.subject.noise) == pytest.approx(0.72 * 3.0, rel=0.35)
    assert np.median(result.subject.persistent) < 0.1


def test_explains_the_views_to_their_noise(calibrated):
    result, _ = calibrated
    residuals = result.subject.fit["residuals"]
    assert set(residuals) == {"moving", "standing"}
    for values in residuals.values():
        assert values["median_px"] == pytest.approx(3.0 * np.sqrt(2 * np.log(2)), rel=0.1)
        assert values["gc_5"] == pytest.approx(1.0 - np.exp(-25.0 / 18.0), abs=0.05)
        assert values["gc_20"] > 0.99


def test_the_movements_are_where_the_person_was(stranger, trials, calibrated):
    result, _ = calibrated
    for trial, movement in zip(trials, result.movements, strict=True):
        assert movement.name == trial.name
        np.testing.assert_array_equal(movement.t, [t for t, _ in trial.instants])
        true = np.array([stranger.points(t) for t in movement.t]) @ stranger.rig.to_ground
        assert np.median(np.linalg.norm(movement.keypoints - true, axis=-1)) < 0.006


def test_says_how_well_the_shape_is_known(calibrated):
    shape = calibrated[0].shape
    assert (shape.scale < shape.scale_before).all()
    assert (shape.offsets <= shape.offsets_before * 1.001).all()
    assert (shape.scale > 0).all()


def test_reports_progress_to_the_end(calibrated):
    _, reports = calibrated
    assert reports[-1] == ("fitting", 1.0)
    assert list(dict.fromkeys(what for what, _ in reports)) == ["triangulating", "first poses", "fitting"]
    assert all(0.0 <= share <= 1.0 for _, share in reports)


def test_the_same_input_gives_the_same_output_to_the_bit(stranger, trials, calibrated):
    again = calibrate(trials, stranger.skeleton, stranger.keypoints)
    assert again.subject.to_toml() == calibrated[0].subject.to_toml()
    for one, other in zip(again.movements, calibrated[0].movements, strict=True):
        np.testing.assert_array_equal(one.q, other.q)


def test_ctrl_c_keeps_the_best_so_far_and_says_so(stranger, trials, calibrated):
    """With a stature that is told, wrong as it may be."""
    result = interrupted(stranger, trials, "fitting", 8, build=Build(stature=1.9), static=["standing"])
    assert not result.converged
    assert not result.subject.fit["converged"]
    assert 6 <= result.steps <= 8
    assert [movement.name for movement in result.movements] == ["moving", "standing"]
    assert all(np.isfinite(movement.keypoints).all() for movement in result.movements)
    assert (
        Subject.from_toml(result.subject.to_toml(), stranger.skeleton, stranger.keypoints).scale == result.subject.scale
    )
    assert result.standing == ("standing",)
    # somebody's stature leaves little doubt about their overall size
    known, unknown = (dict(zip(s.groups, s.scale_before, strict=True)) for s in (result.shape, calibrated[0].shape))
    assert known["thigh_r"] < 0.2 * unknown["thigh_r"]


def test_ctrl_c_before_there_is_anything_is_ctrl_c(stranger, trials):
    with pytest.raises(KeyboardInterrupt):
        interrupted(stranger, trials, "triangulating", 2)


def test_nothing_to_triangulate_is_one_line(stranger):
    trial = Trial("blind", stranger.rig, [(t, stranger.views(t, cameras=[0])) for t in np.arange(0, 1, 0.05)])
    with pytest.raises(InputError, match="two cameras") as error:
        calibrate([trial], stranger.skeleton, stranger.keypoints)
    assert "\n" not in str(error.value)


def test_no_instants_is_one_line(stranger):
    with pytest.raises(InputError, match="no views") as error:
        calibrate([Trial("empty", stranger.rig, [])], stranger.skeleton, stranger.keypoints)
    assert "\n" not in str(error.value)
