import jax
import jax.numpy as jnp
import numpy as np

from streamfit.cameras import Lenses, project
from streamfit.fit.residuals import Noise, reduce_views

NOISE = Noise(sd=np.full(3, 5.0), wander=np.zeros(3), freedom=1.5, confidence_power=1.0)


def setting(rig):
    rng = np.random.default_rng(0)
    lenses = rig.lenses()
    points = rng.normal((0, 1, 0), 0.3, (3, 3))
    pixels = jax.vmap(lambda lens: project(lens, points).pixels)(lenses)
    seen = np.concatenate([pixels, rng.uniform(0.3, 1.0, (len(rig.cameras), 3, 1))], -1)
    return lenses, points, seen


def student_cost(lenses, points, seen, share):
    """Negative log-likelihood of bivariate Student-t errors, constants left out."""
    total = 0.0
    for c in range(seen.shape[0]):
        lens = Lenses(*(x[c] for x in lenses))
        square = jnp.sum((seen[c, :, :2] - project(lens, points).pixels) ** 2, -1)
        variance = (NOISE.sd * lens.pixel) ** 2 / seen[c, :, 2]
        cost = 0.5 * (NOISE.freedom + 2) * jnp.log1p(square / variance / NOISE.freedom)
        total += share[c] * jnp.sum(jnp.where(seen[c, :, 2] > 0, cost, 0.0))
    return total


def test_force_is_the_slope_of_the_robust_cost(rig):
    lenses, points, seen = setting(rig)
    moved = points + 0.02
    share = np.linspace(0.2, 1.0, len(rig.cameras))
    reduced = reduce_views(lenses, jnp.broadcast_to(moved, seen.shape), seen, NOISE, share)
    slope = jax.grad(student_cost, 1)(lenses, moved, seen, share)
    np.testing.assert_allclose(reduced.force, -slope, rtol=1e-6, atol=1e-6)


def test_information_is_the_curvature_where_the_fit_is_perfect(rig):
    lenses, points, seen = setting(rig)
    reduced = reduce_views(lenses, jnp.broadcast_to(points, seen.shape), seen, NOISE)
    curvature = jax.hessian(student_cost, 1)(lenses, points, seen, np.ones(len(rig.cameras)))
    for k in range(3):
        np.testing.assert_allclose(reduced.information[k], curvature[k, :, k, :], rtol=1e-6)


def test_missing_points_count_for_nothing(rig):
    lenses, points, seen = setting(rig)
    seen[2, 1] = [np.nan, np.nan, 0.0]
    without = reduce_views(lenses, jnp.broadcast_to(points, seen.shape), seen, NOISE)
    assert np.isfinite(without.information).all()
    assert np.isfinite(without.force).all()
    assert without.weight[2, 1] == 0.0


def test_an_outlier_pulls_less_than_a_small_error(rig):
    lenses, points, seen = setting(rig)
    near, far = seen.copy(), seen.copy()
    near[0, 0, 0] += 5.0
    far[0, 0, 0] += 400.0
    pull = [
        np.linalg.norm(reduce_views(lenses, jnp.broadcast_to(points, seen.shape), s, NOISE).force[0])
        for s in (near, far)
    ]
    assert pull[1] < 0.2 * pull[0]
