import numpy as np

from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.triangulate import triangulate


def look(scene, t=0.3):
    seen = np.stack([v.xyc for v in scene.views(t)])
    count = seen.shape[1]
    return seen, Noise(sd=np.full(count, 5.0), sta_sd=np.full(count, 0.005), dof=1.5, confidence_power=1.0)


def test_finds_the_points_from_exact_views(scene):
    seen, noise = look(scene)
    found = triangulate(scene.rig.lenses(), seen, noise)
    assert found.valid.all()
    np.testing.assert_allclose(found.position, scene.points(0.3), atol=1e-5)


def test_two_wrong_views_of_six_do_no_harm(scene):
    seen, noise = look(scene)
    seen[1, :, :2] += 150.0
    seen[4, :, 0] -= 90.0
    found = triangulate(scene.rig.lenses(), seen, noise)
    assert found.valid.all()
    assert np.abs(found.position - scene.points(0.3)).max() < 0.003


def test_one_view_is_not_enough(scene):
    seen, noise = look(scene)
    seen[1:, 0, 2] = 0.0
    found = triangulate(scene.rig.lenses(), seen, noise)
    assert not found.valid[0]
    assert found.valid[1:].all()


def test_sd_says_how_well_it_is_known(scene):
    seen, noise = look(scene)
    rng = np.random.default_rng(0)
    errors, sds = [], []
    for _ in range(40):
        noisy = seen.copy()
        noisy[..., :2] += 2.0 * rng.normal(size=noisy[..., :2].shape)
        found = triangulate(scene.rig.lenses(), noisy, noise._replace(sd=np.full(seen.shape[1], 2.0)))
        errors.append(np.asarray(found.position) - scene.points(0.3))
        sds.append(found.sd)
    worst = np.sqrt(np.linalg.eigvalsh(np.einsum("nki,nkj->kij", errors, errors) / 40)[:, -1])
    ratio = np.median(sds) / np.median(worst)
    assert 0.5 < ratio < 3.0
