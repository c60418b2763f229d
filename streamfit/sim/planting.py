"""The motion nearest to given joint angles among those whose feet stay where they are put down."""

from collections.abc import Mapping

import numpy as np
from scipy.linalg import solveh_banded

from streamfit.model import Skeleton
from streamfit.sim.feet import BODIES, Contacts, sole_places
from streamfit.sim.posing import PosedPoints

# What is solved for, and by how much (standard deviation; m, rad) it may differ from its reference.
_SLACK: dict[str, float] = {"pelvis_tx": 0.01, "pelvis_ty": 0.02, "pelvis_tz": 0.01}
_SLACK |= {name: np.radians(2) for name in ("pelvis_tilt", "pelvis_list", "pelvis_rotation")}
for _side in "rl":
    _SLACK |= {f"{name}_{_side}": np.radians(4) for name in ("hip_flexion", "hip_adduction", "hip_rotation")}
    _SLACK |= {f"knee_angle_{_side}": np.radians(4), f"ankle_angle_{_side}": np.radians(4)}
    _SLACK |= {f"subtalar_angle_{_side}": np.radians(5), f"mtp_angle_{_side}": np.radians(10)}
_BEND = 160.0
"""Standard deviation of the differences' second derivatives, in slacks per second squared: about 2 Hz."""
_CONTACT, _FLOOR = 0.001, 0.003
_CLEARANCE = 0.012
"""m: how well soles keep to their contacts and above the floor, and how high they swing at least."""
_ITERATIONS = 8


def plant(
    reference: np.ndarray, feet: Contacts, skeleton: Skeleton, scale: Mapping[str, float], rate: float
) -> np.ndarray:
    """Coordinates (T, D) near a reference (T, D; `rate` per second) with the soles on their contacts.

    Gauss-Newton over the whole motion at once. Coordinates above the pelvis keep their reference.
    """
    soles = PosedPoints(skeleton, scale, BODIES, sole_places(scale))
    free = np.array([skeleton.coordinates.index(name) for name in _SLACK])
    slack = np.array(list(_SLACK.values()))
    nearness = _nearness(len(reference), slack, _BEND * slack / rate**2)
    q = reference.copy()
    for _ in range(_ITERATIONS):
        normal, gradient = nearness.copy(), -_times(nearness, (q - reference)[:, free])
        for i, pose in enumerate(q):
            points, jacobian = soles.linearised(pose)
            rows, errors = _residuals(points, jacobian[:, :, free], feet.target[i], feet.weight[i])
            _add_block(normal, i * len(free), rows.T @ rows)
            gradient[i] += rows.T @ errors
        q[:, free] += solveh_banded(normal, gradient.ravel(), lower=True).reshape(gradient.shape)
    return q


def _residuals(
    points: np.ndarray, jacobian: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives (4 N, D) and errors (4 N) of a pose's N sole points, in their standard deviations."""
    pull = np.sqrt(weight)[:, None] / _CONTACT
    depth = np.maximum(_CLEARANCE * (1.0 - weight) - points[:, 1], 0.0) / _FLOOR
    upward = (depth > 0)[:, None] * jacobian[:, 1] / _FLOOR
    rows = np.concatenate([(pull[:, :, None] * jacobian).reshape(-1, jacobian.shape[2]), upward])
    return rows, np.concatenate([(pull * (target - points)).ravel(), depth])


def _nearness(count: int, slack: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Information of small differences from the reference with small second differences, lower banded."""
    second = np.zeros((3, count))
    for offset, products in enumerate(((1.0, 4.0, 1.0), (-2.0, -2.0), (1.0,))):
        for start, product in enumerate(products):
            second[offset, start : start + count - 2] += product
    banded = np.zeros((2 * len(slack) + 1, count * len(slack)))
    for offset in range(3):
        banded[offset * len(slack)] = (second[offset][:, None] / bend**2).ravel()
    banded[0] += np.tile(1.0 / slack**2, count)
    return banded


def _times(banded: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The symmetric matrix of `_nearness` times x (T, n)."""
    width = x.shape[1]
    product = banded[0].reshape(x.shape) * x
    for steps in (1, 2):
        coupling = banded[steps * width].reshape(x.shape)[:-steps]
        product[steps:] += coupling * x[:-steps]
        product[:-steps] += coupling * x[steps:]
    return product


def _add_block(banded: np.ndarray, start: int, block: np.ndarray) -> None:
    """Add a square block to the diagonal of a lower banded matrix, in place."""
    for offset in range(len(block)):
        banded[offset, start : start + len(block) - offset] += np.diagonal(block, -offset)
