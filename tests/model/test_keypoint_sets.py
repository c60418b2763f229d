"""The built-in keypoint sets: names in the order of their sources, places as on a standing person."""

import tomllib
from importlib.resources import files

import numpy as np
import pytest

COCO17 = """
    nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle
"""
FEET = "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel"
HALPE_FEET = "left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel"
BODY25 = """
    nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip
    right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear
    left_ear
"""
MEDIAPIPE33 = """
    nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear
    right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist
    right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip
    right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel left_foot_index
    right_foot_index
"""
MOVI87 = """
    backneck upperback clavicle sternum umbilicus lfronthead lbackhead lback lshom lupperarm lelbm
    lforearm lwrithumbside lwripinkieside lfin lasis lpsis lfrontthigh lthigh lknem lankm LHeel
    lfifthmetatarsal LBigToe lcheek lbreast lelbinner lwaist lthumb lfrontinnerthigh linnerknee
    lshin lfirstmetatarsal lfourthtoe lscapula lbum rfronthead rbackhead rback rshom rupperarm relbm
    rforearm rwrithumbside rwripinkieside rfin rasis rpsis rfrontthigh rthigh rknem rankm RHeel
    rfifthmetatarsal RBigToe rcheek rbreast relbinner rwaist rthumb rfrontinnerthigh rinnerknee
    rshin rfirstmetatarsal rfourthtoe rscapula rbum Head mhip CHip Neck LAnkle LElbow LHip LHand
    LKnee LShoulder LWrist LFoot RAnkle RElbow RHip RHand RKnee RShoulder RWrist RFoot
"""
FACE = " ".join(f"face_{i}" for i in range(68))
HANDS = " ".join(f"{side}_hand_{i}" for side in ("left", "right") for i in range(21))
TEXTS = {
    "coco17": COCO17,
    "halpe26": f"{COCO17} head neck hip {HALPE_FEET}",
    "body25": f"{BODY25} {FEET}",
    "body25b": f"{COCO17} upper_neck head_top {FEET}",
    "mediapipe33": MEDIAPIPE33,
    "movi87": MOVI87,
    "wholebody133": f"{COCO17} {FEET} {FACE} {HANDS}",
}
NAMES = {name: text.split() for name, text in TEXTS.items()}
# Origins at the neutral pose, m, pelvis at 0: the sums of the joints' offsets of Rajagopal et al. 2016.
SIDED = {
    "femur": (-0.0563, -0.0785, 0.0773),
    "tibia": (-0.0527, -0.4846, 0.0770),
    "talus": (-0.0627, -0.8846, 0.0770),
    "calcn": (-0.1115, -0.9265, 0.0849),
    "toes": (0.0673, -0.9285, 0.0860),
    "humerus": (-0.0975, 0.4530, 0.1700),
    "ulna": (-0.0844, 0.1667, 0.1604),
    "radius": (-0.0911, 0.1537, 0.1865),
    "hand": (-0.0999, -0.0821, 0.2001),
}
ORIGINS = {"pelvis": (0.0, 0.0, 0.0), "torso": (-0.1007, 0.0815, 0.0), "head": (-0.1407, 0.5215, 0.0)}
ORIGINS |= {f"{body}_r": origin for body, origin in SIDED.items()}
ORIGINS |= {f"{body}_l": (x, y, -z) for body, (x, y, z) in SIDED.items()}
FLOOR = -0.94
IBUG_MIDDLE = {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}
IBUG_MIRROR = {i: 16 - i for i in range(17)} | {i: 43 - i for i in range(17, 27)}
IBUG_MIRROR |= {i: i for i in IBUG_MIDDLE} | {31: 35, 32: 34, 34: 32, 35: 31}
IBUG_MIRROR |= {36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46}
IBUG_MIRROR |= {48: 54, 49: 53, 50: 52, 59: 55, 58: 56, 60: 64, 61: 63, 67: 65}
IBUG_MIRROR |= {mirror: i for i, mirror in IBUG_MIRROR.items()}

sets = pytest.mark.parametrize("name", NAMES)


def load(name: str) -> dict:
    return tomllib.loads((files("streamfit") / f"model/keypoint_sets/{name}.toml").read_text())


def standing(points: list[dict]) -> np.ndarray:
    """Where the points are at the neutral pose (m, pelvis at 0): every body is upright there."""
    return np.array([np.add(ORIGINS[p["body"]], p["position"]) for p in points])


def mirrored(name: str) -> str:
    if name.startswith("face_"):
        return f"face_{IBUG_MIRROR[int(name[5:])]}"
    for left, right in (("left", "right"), ("l", "r"), ("L", "R")):
        if left in name.split("_"):
            return name.replace(left, right)
        if right in name.split("_"):
            return name.replace(right, left)
        if len(left) == 1 and name[0] in (left, right):
            return (right if name[0] == left else left) + name[1:]
    return name


@sets
def test_names_and_order_are_those_of_the_source(name):
    table = load(name)
    assert table["name"] == name
    assert [p["name"] for p in table["keypoint"]] == NAMES[name]


@sets
def test_points_lie_on_bodies_of_the_skeleton_with_an_honest_sd(name):
    for point in load(name)["keypoint"]:
        assert set(point) == {"name", "body", "position", "sd"}
        assert point["body"] in ORIGINS
        assert 0.005 <= point["sd"] <= 0.08


@sets
def test_left_mirrors_right(name):
    points = load(name)["keypoint"]
    names, places = [p["name"] for p in points], standing(points)
    for point, place in zip(points, places, strict=True):
        twin = points[names.index(mirrored(point["name"]))]
        np.testing.assert_allclose(standing([twin])[0], place * (1, 1, -1), atol=1e-9, err_msg=point["name"])
        assert twin["sd"] == point["sd"]
        if twin is point:
            assert place[2] == 0


@sets
def test_left_is_left(name):
    for point, place in zip(load(name)["keypoint"], standing(load(name)["keypoint"]), strict=True):
        first = point["name"].split("_")
        if "left" in first or (name == "movi87" and point["name"][0] in "lL"):
            assert place[2] < 0
        if "right" in first or (name == "movi87" and point["name"][0] in "rR"):
            assert place[2] > 0


@sets
def test_heights_are_those_of_a_standing_adult(name):
    """Fractions of a stature of 1.70 m (Winter 2009, figure 4.1), to 4 cm."""
    winter = {
        "shoulder": 0.818, "elbow": 0.63, "wrist": 0.485, "hip": 0.53, "knee": 0.285, "ankle": 0.039,
        "eye": 0.936, "head": 1.0, "head_top": 1.0, "big_toe": 0.01, "heel": 0.015,
    }  # fmt: skip
    points = load(name)["keypoint"]
    for point, place in zip(points, standing(points), strict=True):
        height = place[1] - FLOOR
        assert 0 < height < 1.80
        part = point["name"].removeprefix("left_").removeprefix("right_")
        if name == "movi87" and part[0] in "LR":
            part = part[1:].lower()
        if part in winter:
            assert height == pytest.approx(1.70 * winter[part], abs=0.05), point["name"]


def test_hands_hang_below_the_wrist_and_faces_look_forward():
    points = {p["name"]: p for p in load("wholebody133")["keypoint"]}
    for side in ("left", "right"):
        tips = [points[f"{side}_hand_{i}"]["position"] for i in (4, 8, 12, 16, 20)]
        assert all(-0.2 < tip[1] < -0.09 for tip in tips)
        assert points[f"{side}_hand_12"]["sd"] > points[f"{side}_hand_9"]["sd"]
    nose, ear = points["nose"]["position"], points["left_ear"]["position"]
    assert nose[0] > points["left_eye"]["position"][0] > ear[0]
    chin, brow = points["face_8"]["position"], points["face_19"]["position"]
    assert chin[1] < points["face_51"]["position"][1] < nose[1] < brow[1]
