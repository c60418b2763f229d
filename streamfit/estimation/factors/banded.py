"""Block-banded Cholesky: the linear algebra of a spline of poses, in the window and over a whole trial.

A symmetric positive definite matrix of M x M blocks (D x D) whose bandwidth is that of a cubic spline is held as
`bands` (M, 4, D, D): `bands[i, d]` is the block in row i, column i + d (those past the end are zero). Cost grows
as M, not as M^3.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float

from streamfit.arrays import Array

WIDTH = 4
"""Blocks in a row of the upper triangle."""


class Factor(NamedTuple):
    """Lower Cholesky factor: diagonal blocks, and for each the three blocks below it (transposed)."""

    diagonal: Float[Array, "M D D"]
    off_diagonal: Float[Array, "M 3 D D"]


def eliminate(
    front: Float[Array, "4 4 D D"],
) -> tuple[Float[Array, "D D"], Float[Array, "3 D D"], Float[Array, "3 3 D D"]]:
    """Eliminate the first block of a 4 x 4 front: its factor, its coupling, and what it takes from the others."""
    lower = jnp.linalg.cholesky(front[0, 0])
    size = lower.shape[0]
    right = front[0, 1:].transpose(1, 0, 2).reshape(size, 3 * size)
    off_diagonal = solve_triangular(lower, right, lower=True)
    update = (off_diagonal.T @ off_diagonal).reshape(3, size, 3, size).transpose(0, 2, 1, 3)
    return lower, off_diagonal.reshape(size, 3, size).transpose(1, 0, 2), update


def factorise(bands: Float[Array, "M 4 D D"]) -> Factor:
    """Cholesky factor; not-a-number where the matrix is not positive definite."""
    size = bands.shape[-1]

    def step(front: Array, row: Array) -> tuple[Array, tuple[Array, Array]]:
        front = front.at[0].add(row)
        lower, off_diagonal, update = eliminate(front)
        rest = jnp.zeros_like(front).at[:3, :3].set(front[1:, 1:] - update)
        return rest, (lower, off_diagonal)

    zero = jnp.zeros((WIDTH, WIDTH, size, size), bands.dtype)
    _, (diagonal, off_diagonal) = jax.lax.scan(step, zero, bands)
    return Factor(diagonal, off_diagonal)


def forward(factor: Factor, right: Float[Array, "M D R"]) -> Float[Array, "M D R"]:
    """Solve L y = right. The squared norm of y's columns is right' A^-1 right: a variance."""

    def step(carry: Array, inputs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        lower, off_diagonal, b = inputs
        y = solve_triangular(lower, b - carry[0], lower=True)
        carry = jnp.concatenate([carry[1:], jnp.zeros_like(carry[:1])]) + jnp.einsum("kij,ir->kjr", off_diagonal, y)
        return carry, y

    zero = jnp.zeros((3, *right.shape[1:]), right.dtype)
    return jax.lax.scan(step, zero, (factor.diagonal, factor.off_diagonal, right))[1]


def backward(factor: Factor, right: Float[Array, "M D R"]) -> Float[Array, "M D R"]:
    """Solve L' x = right."""

    def step(carry: Array, inputs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        lower, off_diagonal, y = inputs
        x = solve_triangular(lower, y - jnp.einsum("kij,kjr->ir", off_diagonal, carry), lower=True, trans=1)
        return jnp.concatenate([x[None], carry[:-1]]), x

    zero = jnp.zeros((3, *right.shape[1:]), right.dtype)
    return jax.lax.scan(step, zero, (factor.diagonal, factor.off_diagonal, right), reverse=True)[1]


def multiply(bands: Float[Array, "M 4 D D"], x: Float[Array, "M D"]) -> Float[Array, "M D"]:
    """The symmetric matrix times a vector."""
    out = jnp.einsum("mij,mj->mi", bands[:, 0], x)
    for d in range(1, WIDTH):
        upper = bands[:-d, d]
        out = out.at[:-d].add(jnp.einsum("mij,mj->mi", upper, x[d:]))
        out = out.at[d:].add(jnp.einsum("mij,mi->mj", upper, x[:-d]))
    return out


def dense(bands: np.ndarray) -> np.ndarray:
    """The whole matrix (M D, M D)."""
    m, _, size, _ = bands.shape
    out = np.zeros((m, size, m, size))
    for i in range(m):
        for d in range(min(WIDTH, m - i)):
            out[i, :, i + d] = bands[i, d]
            out[i + d, :, i] = bands[i, d].T
    return out.reshape(m * size, m * size)
