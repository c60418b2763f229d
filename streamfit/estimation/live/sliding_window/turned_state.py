"""The window's state seen in another frame."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import numpy.typing as npt
import scipy.linalg

from streamfit.estimation.factors import banded
from streamfit.estimation.live.sliding_window.window_types import WindowState
from streamfit.model.root import turn_root
from streamfit.model.skeleton import ROOT_COORDINATES


def turned(
    state: WindowState,
    turn: np.ndarray,
    near: np.ndarray,
    poses: np.ndarray,
    real: Callable[[npt.ArrayLike], np.ndarray],
) -> WindowState:
    """The window seen in a frame turned by `turn` (3, 3), the root's angles near `near`; `poses` (N, D) are
    those of the slots.

    Control points and slots are carried over one by one, their information by the derivative of the map.
    """
    state = jax.tree.map(lambda x: np.array(x, float), state)
    controls, maps = _turn_all(state.controls, turn, near)
    inverse, p = np.linalg.inv(maps), len(state.rhs)
    diagonal, off_diagonal, rhs = state.conditionals.diagonal, state.conditionals.off_diagonal, state.rhs
    for i in range(p):
        # the same equations, turned within themselves so that the first block is triangular again
        first = inverse[i].T @ diagonal[i]
        lower = np.linalg.cholesky(first @ first.T)
        within = np.linalg.solve(lower, first)
        diagonal[i], rhs[i] = lower, within @ rhs[i]
        for k in range(banded.WIDTH - 1):
            off_diagonal[i, k] = within @ off_diagonal[i, k] @ inverse[i + 1 + k]
    active = scipy.linalg.block_diag(*inverse[p:])
    information = active.T @ state.information @ active
    eta = np.einsum("mji,mj->mi", inverse[p:], state.eta)
    _, maps = _turn_all(poses, turn, near)
    inverse = np.linalg.inv(maps)
    slot_information = np.swapaxes(inverse, 1, 2) @ state.slot_information @ inverse
    slot_eta = np.einsum("nji,nj->ni", inverse, state.slot_eta)
    conditionals = banded.Factor(diagonal, off_diagonal)
    turned = WindowState(controls, conditionals, rhs, information, eta, slot_information, slot_eta)
    return jax.tree.map(real, turned)


def _turn_all(poses: np.ndarray, turn: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, D) in a turned frame, their root's angles near `near`, and the derivatives (N, D, D)."""
    out, root = poses.copy(), slice(0, ROOT_COORDINATES)
    maps = np.tile(np.eye(poses.shape[1]), (len(poses), 1, 1))
    for n in range(len(poses)):
        out[n, root], maps[n, root, root] = turn_root(poses[n, root], turn, near)
    return out, maps
