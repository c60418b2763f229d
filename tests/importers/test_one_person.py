"""Several people in a picture: told apart by where the cameras' rays meet, or refused."""

import cv2
import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.importers.detections.one_person import check_agreement, one_person
from streamfit.importers.detections.people import PeopleFinder, candidates
from streamfit.importers.detections.timeline import Picture, instants
from streamfit.model.camera import Camera, Rig

FRAMES = 10


def body(centre: tuple[float, float], height: float = 1.7) -> np.ndarray:
    """17 points (17, 3), m, of somebody who stands there."""
    rng = np.random.default_rng(round(100 * centre[0]))
    spread = rng.uniform(-1.0, 1.0, (17, 3)) * np.array([0.2, 0.2, 0.5])
    return (spread + np.array([*centre, 0.5])) * np.array([1.0, 1.0, height])


def seen(camera: Camera, points: np.ndarray, confidence: float) -> np.ndarray:
    pixels = cv2.projectPoints(points, camera.rotation, camera.translation, camera.matrix, camera.distortions)[0]
    return np.column_stack([pixels[:, 0], np.full(len(points), confidence)])


@pytest.fixture(scope="module")
def four(rig: Rig) -> Rig:
    return Rig(rig.cameras[:4])


def recording(four: Rig, who: dict[str, list[tuple[tuple[float, float], float]]]):
    """Detections of each camera: who stands where, and with which confidence they are seen there."""
    people = {
        camera.name: {
            number: np.array([seen(camera, body(centre), confidence) for centre, confidence in who[camera.name]])
            for number in range(FRAMES)
        }
        for camera in four.cameras
    }
    pictures = [Picture(camera, n / 60, n) for camera in people for n in range(FRAMES)]
    return people, instants(pictures)


SUBJECT, OTHER = (0.0, 0.2), (0.9, -0.8)


def choose(four: Rig, who):
    people, together = recording(four, who)
    return one_person(people, together, PeopleFinder(four), "trial", lambda done: None)


def test_a_bystander_whom_two_cameras_see_more_clearly_is_left_out(four):
    who = {name: [(SUBJECT, 0.5)] for name in four.names}
    who["cam_0"] = [(OTHER, 0.9), (SUBJECT, 0.5)]
    who["cam_1"] = [(SUBJECT, 0.5), (OTHER, 0.9)]
    found = choose(four, who)
    assert len(found.views) == 4 * FRAMES
    for camera in four.cameras:
        np.testing.assert_allclose(found.views[camera.name, 3], seen(camera, body(SUBJECT), 0.5))
    assert "in 20 pictures are several people" in found.notes[0]


def test_two_people_whom_all_cameras_see_are_refused(four):
    clearer = [0.4, 1.0, 0.4, 1.0]
    who = {name: [(SUBJECT, 0.6), (OTHER, c)] for name, c in zip(four.names, clearer, strict=True)}
    with pytest.raises(InputError, match=r"several people: up to 2 in a picture, in cam_0 \(10 pictures\)"):
        choose(four, who)


def test_two_people_are_refused_where_a_camera_misses_one(four):
    who = {name: [(SUBJECT, 0.6), (OTHER, 0.6)] for name in four.names}
    who["cam_2"] = [(OTHER, 0.6)]
    with pytest.raises(InputError, match="several people"):
        choose(four, who)


def test_a_false_detection_now_and_then_is_left_out(four):
    people, together = recording(four, {name: [(SUBJECT, 0.6)] for name in four.names})
    poster = np.random.default_rng(0).uniform(0, 400, (17, 2))
    people["cam_1"][4] = np.concatenate([np.column_stack([poster, np.full(17, 0.9)])[None], people["cam_1"][4]])
    found = one_person(people, together, PeopleFinder(four), "trial", lambda done: None)
    np.testing.assert_allclose(found.views["cam_1", 4], people["cam_1"][4][1])


def test_detections_about_which_no_cameras_agree_are_refused(four):
    rng = np.random.default_rng(1)
    people, together = recording(four, {name: [(SUBJECT, 0.6)] for name in four.names})
    for pictures in people.values():
        for number in pictures:
            pictures[number] = np.concatenate([rng.uniform(0, 1500, (2, 17, 2)), np.full((2, 17, 1), 0.6)], -1)
    people["cam_0"] = {number: one[:1] for number, one in people["cam_0"].items()}
    with pytest.raises(InputError, match="the cameras agree about none of them"):
        one_person(people, together, PeopleFinder(four), "trial", lambda done: None)


def test_the_same_person_found_twice_and_clutter_are_one_candidate():
    person = np.column_stack([np.random.default_rng(2).uniform(0, 900, (17, 2)), np.full(17, 0.6)])
    again = person * (1, 1, 0.5) + (9, 9, 0)
    hand = np.where(np.arange(17)[:, None] < 3, person + np.array([500, 0, 0]), 0.0)
    assert candidates(np.stack([again, person, hand])).tolist() == [1]


def test_how_far_cameras_agree_and_how_large_the_person_is(four):
    people, together = recording(four, {name: [(SUBJECT, 0.6)] for name in four.names})
    share, extent = check_agreement(people, together, PeopleFinder(four))
    assert share == 1.0
    assert extent == pytest.approx(np.linalg.norm(np.ptp(body(SUBJECT), axis=0)), rel=0.25)
    wrong = dict(zip(people, [people["cam_2"], people["cam_3"], people["cam_1"], people["cam_0"]], strict=True))
    assert check_agreement(wrong, together, PeopleFinder(four))[0] < 0.5
