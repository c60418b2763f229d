"""Every reason of a verdict is given where its fault is, and none where there is no fault."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfit.estimation.batch.calibrate import calibrate
from streamfit.estimation.batch.result import Calibration, Movement
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.estimate import View
from streamfit.estimation.factors.shape_prior import Build
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.estimation.quality.verdict import judge
from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.model.subject import RefinedRig, Subject

pytestmark = pytest.mark.slow

SPANS = {"one": np.arange(0.0, 3.0, 0.04), "two": np.arange(4.0, 5.0, 0.04)}
NOISE = 3.0  # px
ASIDE = np.array([40.0, 0.0, 0.0])  # px


@pytest.fixture(scope="module")
def dancer(scene):
    """Someone who moves every joint."""

    class Dancer(type(scene)):
        def q(self, t):
            phase = 2 * np.pi * 0.6 * t
            names = self.skeleton.coordinates
            pose = {"pelvis_tx": 0.3 * np.sin(t), "pelvis_ty": 0.9, "pelvis_tilt": 0.1, "pelvis_rotation": 0.8 * t}
            pose |= {"lumbar_extension": -0.2 + 0.2 * np.sin(0.9 * phase), "lumbar_bending": 0.2 * np.sin(1.1 * phase)}
            pose |= {"lumbar_rotation": 0.2 * np.sin(phase), "neck_rotation": 0.4 * np.sin(1.2 * phase)}
            for side, half in (("r", 0.0), ("l", np.pi)):
                turns = {  # middle, swing and beat of each joint
                    "hip_flexion": (0.7, 0.7, 1.0),
                    "hip_adduction": (-0.15, 0.15, 1.7),
                    "hip_rotation": (0.0, 0.3, 1.3),
                    "knee_angle": (0.9, 0.8, 1.1),
                    "ankle_angle": (0.0, 0.3, 1.5),
                    "arm_flex": (0.8, 0.8, 0.9),
                    "arm_add": (-0.5, 0.4, 1.4),
                    "arm_rot": (0.0, 0.5, 1.2),
                    "elbow_flex": (1.0, 0.8, 1.6),
                    "pro_sup": (0.8, 0.6, 1.9),
                }
                for name, (middle, swing, beat) in turns.items():
                    pose[f"{name}_{side}"] = middle + swing * np.sin(beat * phase + half)
            return np.array([pose.get(name, 0.0) for name in names])

    return Dancer(scene.skeleton, scene.keypoints, scene.rig, scene.subject)


def film(scene, name: str, seed: int) -> Trial:
    rng = np.random.default_rng(seed)
    return Trial(name, scene.rig, [(t, scene.views(t, NOISE, rng)) for t in SPANS[name]])


def film_both(scene) -> list[Trial]:
    return [film(scene, "one", 1), film(scene, "two", 2)]


def fit(scene, trials: list[Trial]) -> Calibration:
    return calibrate(trials, scene.skeleton, scene.keypoints)


def verdict(scene, trials: list[Trial], calibration: Calibration):
    return judge(trials, scene.skeleton, scene.keypoints, calibration)


def as_it_is(scene, trials: list[Trial]) -> Calibration:
    """A calibration that found what is true."""
    movements = []
    for trial in trials:
        t = np.array([instant for instant, _ in trial.instants])
        points = np.array([scene.points(one) for one in t]) @ scene.rig.to_ground
        movements.append(Movement(trial.name, trial.rig, t, np.array([scene.q(one) for one in t]), points))
    return Calibration(scene.subject, tuple(movements), 20, True)


def edited(trial: Trial, change, cameras=range(6)) -> Trial:
    """The trial with the keypoints (K, 3) of some cameras' views changed."""
    instants = [
        (t, [View(v.camera, v.t, change(v.xyc.copy())) if v.camera in cameras else v for v in views])
        for t, views in trial.instants
    ]
    return replace(trial, instants=instants)


def without(trial: Trial, cameras) -> Trial:
    return replace(trial, instants=[(t, [v for v in vs if v.camera not in cameras]) for t, vs in trial.instants])


@pytest.fixture(scope="module")
def trials(dancer) -> list[Trial]:
    return film_both(dancer)


@pytest.fixture(scope="module")
def calibration(dancer, trials) -> Calibration:
    return fit(dancer, trials)


def test_a_clean_calibration_is_good_and_gives_no_reason(dancer, trials, calibration):
    found = verdict(dancer, trials, calibration)
    assert found.grade == "good", found.reasons
    assert found.reasons == ()
    (note,) = found.notes
    assert "quiet standing" in note


def test_a_verdict_is_the_same_every_time(dancer, trials, calibration):
    spoilt = [edited(trial, lambda xyc: xyc + ASIDE, [1]) for trial in trials]
    assert verdict(dancer, spoilt, calibration) == verdict(dancer, spoilt, calibration)


def test_a_trial_of_quiet_standing_ends_the_note(dancer, trials, calibration):
    (note,) = verdict(dancer, trials, replace(calibration, standing=("two",))).notes
    assert "No trial" not in note
    assert note.startswith("Quiet standing (two): knee angle ")


def test_a_trial_that_rests_without_standing_is_named_with_the_reason(dancer, trials, calibration):
    resting = ("two is not taken for quiet standing: the person sits.",)
    assert resting[0] in verdict(dancer, trials, replace(calibration, resting=resting)).notes


def test_names_the_camera_that_is_off_and_by_how_much(dancer, trials, calibration):
    small = replace(dancer.rig.cameras[2], size=(1024, 768))
    rig = Rig((*dancer.rig.cameras[:2], small, *dancer.rig.cameras[3:]), dancer.rig.up)
    spoilt = [replace(edited(trial, lambda xyc: xyc + ASIDE, [2]), rig=rig) for trial in trials]
    found = verdict(dancer, spoilt, calibration)
    assert found.grade == "usable"
    (reason,) = found.reasons
    assert "cam_2 is 40 px off, 80 at 2048 wide" in reason
    assert "--bundle-adjust" in reason


def test_names_cameras_that_bundle_adjustment_moved_far(dancer, trials, calibration):
    def turned(by: float) -> RefinedRig:
        moved = replace(dancer.rig.cameras[4], rotation=dancer.rig.cameras[4].rotation + by * np.array([0.0, 0.0, 1.0]))
        old = Rig((*dancer.rig.cameras[:4], moved, dancer.rig.cameras[5]), dancer.rig.up)
        return RefinedRig(("one", "two"), old, dancer.rig, np.zeros(6))

    for by, grade in ((0.01, "good"), (0.08, "usable")):
        one = turned(by)
        refined = replace(calibration, subject=replace(calibration.subject, refined=(one,)))
        found = verdict(dancer, [replace(trial, rig=one.calibrated) for trial in trials], refined)
        assert found.grade == grade
        assert [reason for reason in found.reasons if "--bundle-adjust moved cam_4" in reason] == list(found.reasons)


def test_cameras_that_see_nobody_are_named(dancer, trials, calibration):
    found = verdict(dancer, [without(trial, [5]) for trial in trials], calibration)
    assert found.grade == "usable"
    assert "nothing of the person in the views of cam_5" in found.reasons[0]


@pytest.mark.parametrize(("left", "grade"), [(2, "usable"), (1, "poor")])
def test_too_few_views(dancer, trials, calibration, left, grade):
    """Of every three instants, two are seen by this many cameras only."""

    def fewer(trial: Trial) -> Trial:
        rows = [(t, [v for v in vs if v.camera < left or i % 3 == 0]) for i, (t, vs) in enumerate(trial.instants)]
        return replace(trial, instants=rows)

    found = verdict(dancer, [fewer(trial) for trial in trials], calibration)
    assert found.grade == grade
    assert any("cameras or more see the person in only 3" in reason for reason in found.reasons)


def test_most_keypoints_missing(dancer, trials, calibration):
    rng = np.random.default_rng(3)

    def blank(xyc):
        xyc[rng.random(len(xyc)) < 0.9, 2] = 0.0
        return xyc

    found = verdict(dancer, [edited(trial, blank) for trial in trials], calibration)
    assert found.grade == "poor"
    assert any("of the keypoints are seen by two cameras that agree" in reason for reason in found.reasons)


def test_a_keypoint_that_nobody_sees_is_named(dancer, trials, calibration):
    nose = dancer.keypoints.names.index("nose")

    def hidden(xyc):
        xyc[nose, 2] = 0.0
        return xyc

    found = verdict(dancer, [edited(trial, hidden) for trial in trials], calibration)
    assert found.grade == "usable"
    assert "hardly ever see nose" in found.reasons[0]


def test_keypoints_that_are_something_else_are_named(dancer, trials, calibration):
    wrist, knee = (dancer.keypoints.names.index(name) for name in ("left_wrist", "left_knee"))

    def mistaken(xyc):
        xyc[wrist] = xyc[knee]
        return xyc

    found = verdict(dancer, [edited(trial, mistaken) for trial in trials], calibration)
    assert found.grade == "usable"
    (reason,) = found.reasons
    assert "left_wrist (up to" in reason
    assert "keypoint set" in reason


def test_views_that_do_not_agree(dancer, trials, calibration):
    """Every camera off by its own way: not one of them stands out."""
    way = [np.array([30 * np.cos(angle), 30 * np.sin(angle), 0.0]) for angle in range(6)]
    spoilt = trials
    for camera in range(6):
        spoilt = [edited(trial, lambda xyc, by=way[camera]: xyc + by, [camera]) for trial in spoilt]
    found = verdict(dancer, spoilt, calibration)
    assert found.grade == "poor"
    (reason,) = found.reasons
    assert "explained to 30 px" in reason
    assert "clocks" in reason


def test_too_little_movement_is_told_from_the_posterior(scene, dancer, calibration):
    """Someone whose elbows never bend: what is not known is named, with how badly."""
    walk = film_both(scene)
    fitted = fit(scene, walk)
    found = verdict(scene, walk, fitted)
    assert found.grade == "usable"
    (reason,) = found.reasons
    assert "Too little movement to tell where" in reason
    elbow = scene.keypoints.names.index("left_elbow")
    assert fitted.shape.offsets[elbow] > 1.5 * calibration.shape.offsets[elbow]
    assert f"left_elbow sits on ulna_l (to {1000 * fitted.shape.offsets[elbow]:.0f} mm)" in reason


def test_someone_who_does_not_move(dancer):
    class Statue(type(dancer)):
        def q(self, t):
            return super().q(0.3)

    statue = Statue(dancer.skeleton, dancer.keypoints, dancer.rig, dancer.subject)
    stills = film_both(statue)
    found = verdict(statue, stills, as_it_is(statue, stills))
    assert found.grade == "poor"
    assert "hardly moves" in found.reasons[0]


@pytest.mark.parametrize("units", [3.28, 0.2, 1000.0])
def test_units_that_are_wrong(dancer, trials, calibration, units):
    """Whatever the fit made of it: the points are as large as the rig says."""
    cameras = tuple(replace(camera, translation=units * camera.translation) for camera in dancer.rig.cameras)
    room = [replace(trial, rig=Rig(cameras, dancer.rig.up)) for trial in trials]
    found = verdict(dancer, room, calibration)
    assert found.grade == "poor"
    assert "the translations of cameras.toml are" in found.reasons[0]
    said = re.search(r"([\d.]+) times too (large|small)", found.reasons[0])
    assert said is not None
    assert float(said[1]) == pytest.approx(max(units, 1.0 / units), rel=0.1)
    assert said[2] == ("large" if units > 1.0 else "small")


def test_another_keypoint_set_is_not_taken_for_wrong_units(dancer, trials, calibration):
    order = np.random.default_rng(5).permutation(len(dancer.keypoints.names))
    found = verdict(dancer, [edited(trial, lambda xyc: xyc[order]) for trial in trials], calibration)
    assert found.grade == "poor"
    assert "keypoint set" in " ".join(found.reasons)
    assert "units" not in " ".join(found.reasons)


def test_left_and_right_exchanged_everywhere(dancer, trials):
    """The fit explains the views nearly as well with a body that faces backwards."""
    mirror = mirrored(dancer.keypoints)
    spoilt = [edited(trial, lambda xyc: xyc[mirror]) for trial in trials]
    found = verdict(dancer, spoilt, fit(dancer, spoilt))
    assert found.grade == "poor"
    assert "Left and right are exchanged in every trial" in found.reasons[0]


def test_left_and_right_exchanged_in_one_trial(dancer, trials, calibration):
    mirror = mirrored(dancer.keypoints)
    found = verdict(dancer, [trials[0], edited(trials[1], lambda xyc: xyc[mirror])], calibration)
    assert found.grade == "poor"
    assert "Left and right are exchanged in two:" in found.reasons[0]


def test_left_and_right_exchanged_in_one_camera(dancer, trials, calibration):
    mirror = mirrored(dancer.keypoints)
    found = verdict(dancer, [edited(trial, lambda xyc: xyc[mirror], [3]) for trial in trials], calibration)
    assert found.grade == "usable"
    assert "cam_3 has left and right exchanged" in found.reasons[0]


def test_trials_of_two_people(dancer, trials):
    other = replace(dancer, subject=Subject.generic(dancer.skeleton, dancer.keypoints, 1.65))
    mixed = [trials[0], film(other, "two", 2)]
    found = verdict(dancer, mixed, fit(dancer, mixed))
    assert found.grade == "poor"
    assert "one and two are of two people (1.7" in found.reasons[0]


def test_two_people_of_one_stature(dancer, trials):
    rng = np.random.default_rng(11)
    scale = {g: f * (1.06 if g.startswith(("thigh", "upper")) else 0.97) for g, f in dancer.subject.scale.items()}
    offsets = dancer.keypoints.sd[:, None] * rng.normal(size=dancer.keypoints.positions.shape)
    other = replace(dancer, subject=replace(dancer.subject, scale=scale, offsets=offsets))
    mixed = [trials[0], film(other, "two", 2)]
    found = verdict(dancer, mixed, as_it_is(dancer, mixed))
    assert found.grade == "poor"
    assert "of two people" in found.reasons[0]


def test_a_child_is_no_fault(dancer):
    child = replace(dancer, subject=Subject.generic(dancer.skeleton, dancer.keypoints, 1.15))
    films = film_both(child)
    found = verdict(child, films, as_it_is(child, films))
    assert found.grade == "good"
    assert "About 1.15 m tall" in found.notes[0]


@pytest.mark.parametrize(
    ("build", "says"),
    [(Build(stature=2.0), "not 2.00 m as given"), (Build(mass=7.0), "7 kg do not go"), (Build(mass=190.0), "190 kg")],
)
def test_a_stature_or_mass_that_does_not_go_with_the_skeleton(dancer, trials, calibration, build, says):
    verdict = judge(trials, dancer.skeleton, dancer.keypoints, calibration, build)
    assert verdict.grade == "usable"
    assert says in verdict.reasons[0]
    fitting = Build(stature=1.7, mass=60.0)
    assert judge(trials, dancer.skeleton, dancer.keypoints, calibration, fitting).grade == "good"


def test_proportions_of_nobody(dancer, trials, calibration):
    scale = calibration.subject.scale | {"thigh_r": 1.4 * calibration.subject.scale["thigh_r"]}
    found = verdict(dancer, trials, replace(calibration, subject=replace(calibration.subject, scale=scale)))
    assert found.grade == "usable"
    (reason,) = found.reasons
    assert "thigh_r (+4" in reason


@pytest.mark.parametrize(("apart", "grade"), [(5.0, "poor"), (12.0, "usable"), (30.0, "good")])
def test_cameras_that_stand_close_together(dancer, apart, grade):
    """All six within so many degrees, as the person sees them."""
    camera = dancer.rig.cameras[0]
    middle = np.array([0.0, 0.0, 0.9])
    cameras = []
    for index, angle in enumerate(np.linspace(0.0, np.radians(apart), 6)):
        turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
        matrix = _matrix(camera.rotation) @ turn.T
        translation = camera.translation + (_matrix(camera.rotation) - matrix) @ middle
        cameras.append(replace(camera, name=f"cam_{index}", rotation=_vector(matrix), translation=translation))
    row = replace(dancer, rig=Rig(tuple(cameras), dancer.rig.up))
    films = film_both(row)
    found = verdict(row, films, as_it_is(row, films))
    assert found.grade == grade, found.reasons
    assert all("nearly one line" in reason for reason in found.reasons)


def test_a_fit_that_was_left_early(dancer, trials, calibration):
    found = verdict(dancer, trials, replace(calibration, converged=False))
    assert found.grade == "usable"
    assert "before it had converged" in found.reasons[0]


@pytest.mark.parametrize("name", ["coco17", "halpe26", "body25", "body25b", "mediapipe33", "movi87", "wholebody133"])
def test_mirror_images_are_found_by_place(skeleton, name):
    keypoints = KeypointSet.load(name)
    mirror = mirrored(keypoints)
    pairs = {(keypoints.names[a], keypoints.names[b]) for a, b in enumerate(mirror) if a != b}
    sided = [n for n in keypoints.names if n.startswith(("left_", "right_"))]
    assert len(pairs) >= len(sided)
    for one, other in pairs:
        assert (other, one) in pairs
        if one.startswith("left_"):
            assert other == one.replace("left_", "right_")
    assert keypoints.names.index("nose" if "nose" in keypoints.names else "Neck") in np.flatnonzero(
        mirror == np.arange(len(mirror))
    )


def _matrix(vector: np.ndarray) -> np.ndarray:
    return cv2.Rodrigues(vector)[0]


def _vector(matrix: np.ndarray) -> np.ndarray:
    return cv2.Rodrigues(matrix)[0][:, 0]
