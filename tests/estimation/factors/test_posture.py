import numpy as np
import pytest

from streamfit.estimation.factors.posture_prior import BENT, Posture


@pytest.fixture(scope="module")
def posture(skeleton) -> Posture:
    return Posture.of(skeleton)


def pose(skeleton, **degrees) -> np.ndarray:
    """A pose (D,) of coordinates by name, both sides where the name has none."""
    q = np.zeros(len(skeleton.coordinates))
    for name, value in degrees.items():
        for index, coordinate in enumerate(skeleton.coordinates):
            if coordinate in (name, f"{name}_r", f"{name}_l"):
                q[index] = np.radians(value)
    return q


def off(posture: Posture, q: np.ndarray) -> dict[str, float]:
    """How far each line is from its mean, and that from zero, degrees."""
    return dict(zip(posture.names, np.degrees(posture.off(q) + posture.mean), strict=True))


USUAL = {"pelvis_tilt": -4, "lumbar_extension": -4, "hip_flexion": 4}


def test_most_people_stand_as_most_do(skeleton, posture):
    q = pose(skeleton, **USUAL)
    np.testing.assert_allclose(posture.off(q), 0.0, atol=1e-6)
    assert posture.usual(q).min() > 0.9


@pytest.mark.parametrize("facing", [0, 60, 180, -90])
def test_tilt_and_list_are_the_persons_own_whichever_way_they_face(skeleton, posture, facing):
    """A pelvis tilted by 10 degrees about its own lateral axis, turned to face elsewhere."""
    turn, tilt = np.radians(facing), np.radians(-10.0)
    q = pose(skeleton, pelvis_rotation=facing)
    # the root turns about z, then x, then y: so little tilt is shared between its first two
    q[3], q[4] = tilt * np.cos(turn), tilt * np.sin(turn)
    found = off(posture, q)
    assert found["the pelvis' tilt"] == pytest.approx(-10.0)
    assert found["the pelvis' list"] == pytest.approx(0.0, abs=1e-9)


def test_soles_are_flat_where_the_chain_of_joints_makes_them_so(skeleton, posture):
    """Crouched with the shank forward and the ankle bent as much: the sole stays flat."""
    bent = {"pelvis_tilt": -10, "hip_flexion": 35, "knee_angle": 45, "ankle_angle": 20}
    slopes = [value for name, value in off(posture, pose(skeleton, **bent)).items() if "slope" in name]
    assert slopes == pytest.approx([0.0, 0.0], abs=1.5)


def test_sides_are_alike(skeleton, posture):
    """A pose and its mirror image are as likely."""
    q = pose(skeleton, pelvis_list=3, hip_adduction_r=4, hip_adduction_l=-7, knee_angle_l=6, subtalar_angle_r=5)
    mirrored = pose(skeleton, pelvis_list=-3, hip_adduction_l=4, hip_adduction_r=-7, knee_angle_r=6, subtalar_angle_l=5)
    np.testing.assert_allclose(np.sort(np.abs(posture.off(q))), np.sort(np.abs(posture.off(mirrored))), atol=1e-9)


def test_evidence_is_that_of_the_published_scatter(skeleton, posture):
    q = pose(skeleton, **USUAL)
    information, toward = posture.evidence(q)
    np.testing.assert_allclose(information, information.T)
    np.testing.assert_allclose(toward, information @ q, atol=1e-6)
    step = pose(skeleton, lumbar_extension=1.0)
    assert step @ information @ step == pytest.approx(np.radians(1.0) ** 2 / np.radians(2.0) ** 2, rel=0.1)
    free = [i for i, name in enumerate(skeleton.coordinates) if name.startswith(("arm", "elbow", "neck", "pelvis_t"))]
    assert not information[[i for i in free if skeleton.coordinates[i] != "pelvis_tilt"]].any()


def test_who_stands_otherwise_is_not_pulled(skeleton, posture):
    """Ten standard deviations away a line says nothing any more."""
    q = pose(skeleton, **(USUAL | {"lumbar_extension": -34}))
    step = pose(skeleton, lumbar_extension=1.0)
    assert step @ posture.evidence(q)[0] @ step < 1e-6


def test_bent_knees_leave_nothing_but_flat_soles(skeleton, posture):
    flat = {"hip_flexion": BENT, "knee_angle": BENT + 5, "ankle_angle": 5}
    lines = posture.holding(skeleton, pose(skeleton, **flat))
    assert len(lines.names) == 4
    assert all("sole" in name for name in lines.names)
    on_toes = posture.holding(skeleton, pose(skeleton, **(flat | {"ankle_angle": -15})))
    assert not any("slope" in name for name in on_toes.names)
    assert len(posture.holding(skeleton, pose(skeleton, **USUAL)).names) == len(posture.names)
