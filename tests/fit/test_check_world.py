import numpy as np
import pytest

from streamfit.cameras import Rig
from streamfit.fit.check_world import person_size


@pytest.fixture(scope="module")
def walk(scene) -> np.ndarray:
    """Keypoints (T, K, 3) of two seconds, world frame."""
    return np.array([scene.points(t) for t in np.arange(0.0, 2.0, 0.1)]) @ scene.rig.to_ground


@pytest.mark.parametrize(
    ("metres", "unit", "said"),
    [
        (0.1, "dm", 'decimetres; say units = "dm"'),
        (0.01, "cm", 'centimetres; say units = "cm"'),
        (0.001, "mm", 'millimetres; say units = "mm"'),
        (0.0254, "in", 'inches; say units = "in"'),
        (10.0, "", "centimetres taken for millimetres?); say units = 10"),
        (1000.0, "", "metres taken for millimetres?); say units = 1000"),
        (0.06, "", "cm (squares of the board?); say units = 0.05"),
    ],
)
def test_a_person_who_is_too_large_tells_the_units(scene, walk, metres, unit, said):
    found = person_size(walk / metres, scene.keypoints, scene.skeleton)
    assert found.unit == unit
    assert found.metres == pytest.approx(metres, rel=0.1)
    assert found.text is not None
    assert found.stature == pytest.approx(1.75 / metres, rel=0.05)
    assert said in found.text


def test_a_person_of_a_persons_size_tells_nothing(scene, walk):
    for factor in (0.6, 1.0, 1.2):
        found = person_size(factor * walk, scene.keypoints, scene.skeleton)
        assert found.text is None
        assert found.stature == pytest.approx(1.75 * factor, rel=0.02)


def test_points_that_are_no_persons_have_no_size(scene):
    noise = np.random.default_rng(1).normal(0.0, 3.0, (60, len(scene.keypoints.names), 3))
    assert np.isnan(person_size(noise, scene.keypoints, scene.skeleton).stature)


@pytest.mark.parametrize(("units", "metres"), [('"cm"', 0.01), ('"in"', 0.0254), ("0.06", 0.06)])
def test_the_units_that_are_named_are_read(scene, units, metres):
    text = scene.rig.to_toml().replace('units = "m"', f"units = {units}")
    rig = Rig.from_toml(text)
    ratio = [a.translation / b.translation for a, b in zip(rig.cameras, scene.rig.cameras, strict=True)]
    np.testing.assert_allclose(ratio, metres, rtol=1e-9)
