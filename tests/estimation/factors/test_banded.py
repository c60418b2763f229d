import jax.numpy as jnp
import numpy as np
import pytest

from streamfit.estimation.factors import banded


@pytest.fixture(scope="module")
def system():
    """Bands of a random positive definite matrix, and the matrix itself."""
    rng = np.random.default_rng(0)
    m, size = 7, 4
    bands = np.zeros((m, 4, size, size))
    full = np.zeros((m * size, m * size))
    for i in range(m):
        for d in range(min(4, m - i)):
            block = 0.3 * rng.normal(size=(size, size))
            block = block @ block.T + 8.0 * np.eye(size) if d == 0 else block
            bands[i, d] = block
            rows, columns = slice(i * size, (i + 1) * size), slice((i + d) * size, (i + d + 1) * size)
            full[rows, columns] = block
            full[columns, rows] = block.T
    return jnp.asarray(bands), full


def test_solves_as_the_full_matrix_does(system):
    bands, full = system
    right = np.random.default_rng(1).normal(size=(7, 4, 3))
    factor = banded.factorise(bands)
    half = banded.forward(factor, right)
    expected = np.linalg.solve(full, right.reshape(28, 3))
    np.testing.assert_allclose(np.asarray(banded.backward(factor, half)).reshape(28, 3), expected, atol=1e-12)


def test_forward_solution_gives_the_variance(system):
    bands, full = system
    right = np.random.default_rng(2).normal(size=(7, 4, 2))
    half = np.asarray(banded.forward(banded.factorise(bands), right)).reshape(28, 2)
    flat = right.reshape(28, 2)
    np.testing.assert_allclose((half**2).sum(0), np.diag(flat.T @ np.linalg.inv(full) @ flat))


def test_multiplies_as_the_full_matrix_does(system):
    bands, full = system
    x = np.random.default_rng(3).normal(size=(7, 4))
    np.testing.assert_allclose(np.asarray(banded.multiply(bands, x)).reshape(-1), full @ x.reshape(-1))


def test_eliminating_a_block_leaves_the_schur_complement(system):
    bands, full = system
    front = jnp.zeros((4, 4, 4, 4)).at[0].set(bands[0])
    _, _, update = banded.eliminate(front)
    expected = full[4:16, :4] @ np.linalg.solve(full[:4, :4], full[:4, 4:16])
    np.testing.assert_allclose(np.asarray(update).transpose(0, 2, 1, 3).reshape(12, 12), expected, atol=1e-12)


def test_what_is_not_positive_definite_is_not_a_number(system):
    bands, _ = system
    assert np.isnan(banded.factorise(-bands).diagonal).any()
