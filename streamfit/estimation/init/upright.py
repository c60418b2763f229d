"""Which way is up: by where a person's feet stand and what they carry above them.

Two kinds of evidence. The floor: each point of a foot is lowest while it stands, wherever it stands, so that the lower
edge of where it goes is a plane (quantile regression; Koenker and Bassett 1978). It also holds on a belt. The balance:
who walks or stands has the centre of mass above the feet, on average over time. A ramp turns the one but not the other,
a person who lies or leans on something the other but not the one: only where they agree does it say anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import KeypointSet

MASS = {"head": 0.08, "shoulders": 0.30, "hips": 0.36, "knees": 0.17, "feet": 0.09}
"""Shares of a body's mass (Winter 2009, table 4.1) as it hangs on these, the arms on the shoulders."""
PARTS = {"pelvis": "hips", "torso": "shoulders", "head": "head", "femur": "knees", "tibia": "knees"} | dict.fromkeys(
    ("talus", "calcn", "toes"), "feet"
)
JOINTS = {"femur": "hips", "humerus": "shoulders"}
"""What a keypoint near the origin of these bodies is: the joint above."""
NEAR = 0.1
"""m"""
LOW = 0.15
"""The quantile of a foot point's heights that is the floor."""
TOUCHES = 0.01
"""m: scale of the heights' scatter about the floor."""
PLACED = 0.01
"""m: a point on the right foot may be so much higher than its twin on the left."""
BALANCE = np.radians(4.0)
"""rad: how far the centre of mass is from above the feet, on average."""
LEAST = np.radians(1.0)
"""rad: no floor is told more exactly."""
INDEPENDENT = 12.0
"""Instants of a recording that count as many about its floor, however long it is."""
ITERATIONS = 30
"""Of reweighted least squares."""
FEWEST = 12
"""Instants without which nothing is said."""


@dataclass(frozen=True, eq=False)
class Upright:
    """`direction` (3,): up, as the person has it; `cov` (3, 3) rad^2 of its tilt; `apart`: by how many standard
    deviations floor and balance differ; `floor`, `balance` (3,) each for itself."""

    direction: np.ndarray
    cov: np.ndarray
    apart: float
    floor: np.ndarray
    balance: np.ndarray


def upright(points: np.ndarray, keypoints: KeypointSet) -> Upright | None:
    """Up by the keypoints (T, K, 3; NaN: not known) of some seconds, in their frame. None where too little is seen."""
    part = np.array([_part(body, place) for body, place in zip(keypoints.bodies, keypoints.positions, strict=True)])
    feet = part == "feet"
    balance = _balance(points, part)
    if balance is None:
        return None
    found = _floor(points[:, feet], mirrored(keypoints)[feet], np.flatnonzero(feet), balance)
    if found is None:
        return None
    normal, information = found
    own = np.eye(3) / BALANCE**2
    # about the balance's direction: small angles, as vectors across it
    apart = normal / (normal @ balance) - balance
    total = np.linalg.inv(information + own)
    tilt = total @ (information @ apart)
    direction = (balance + tilt) / np.linalg.norm(balance + tilt)
    differs = float(np.sqrt(apart @ np.linalg.inv(np.linalg.pinv(information, 1e-9) + BALANCE**2 * np.eye(3)) @ apart))
    return Upright(direction, total, differs, normal, balance)


def _part(body: str, place: np.ndarray) -> str:
    """The part of `MASS` that a keypoint at a place (3,) of a body belongs to; "" for arms below the shoulders."""
    plain = body.removesuffix("_r").removesuffix("_l")
    if plain in JOINTS and np.linalg.norm(place) < NEAR:
        return JOINTS[plain]
    return PARTS.get(plain, "")


def _balance(points: np.ndarray, part: np.ndarray) -> np.ndarray | None:
    """The direction (3,) from the feet to the centre of mass, in the median over time."""
    centres = {name: _middle(points[:, part == name]) for name in MASS if (part == name).any()}
    if "feet" not in centres or not {"hips", "shoulders"} & set(centres):
        return None
    share = sum(MASS[name] for name in centres)
    mass = sum(MASS[name] * centre for name, centre in centres.items()) / share
    way = (mass - centres["feet"])[np.isfinite(mass).all(1)]
    if len(way) < FEWEST:
        return None
    direction = np.median(way, axis=0)
    length = float(np.linalg.norm(direction))
    return direction / length if length > 0.0 else None


def _middle(points: np.ndarray) -> np.ndarray:
    """Mean (T, 3) of points (T, N, 3); NaN where fewer than half of those that are ever known are."""
    there = np.isfinite(points).all(-1)
    there = there[:, there.any(0)]
    points = points[:, np.isfinite(points).all(-1).any(0)]
    count = there.sum(1)
    mean = np.where(there[..., None], points, 0.0).sum(1) / np.maximum(count, 1)[:, None]
    return np.where((2 * count >= np.maximum(there.shape[1], 1))[:, None], mean, np.nan)


def _floor(
    points: np.ndarray, twin: np.ndarray, own: np.ndarray, up: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The normal (3,) of the plane under the points of the feet (T, F, 3), and the information (3, 3; rad^-2) about it.

    `own` and `twin` (F,): each point's number and that of its mirror image: the two are equally high, but for how
    exactly they are placed.
    """
    across = np.linalg.svd(up[None])[2][1:]
    there = np.isfinite(points).all(-1)
    if there.any(1).sum() < FEWEST:
        return None
    which = np.nonzero(there)[1]
    pair = np.unique(np.minimum(own, twin), return_inverse=True)[1]
    flat, height = points[there] @ across.T, points[there] @ up
    flat = flat - flat.mean(0)
    count = pair.max() + 1
    rows = np.zeros((len(which), 2 + count + len(own)))
    rows[:, :2] = flat
    rows[np.arange(len(which)), 2 + pair[which]] = 1.0
    rows[np.arange(len(which)), 2 + count + which] = 1.0
    prior = np.zeros(rows.shape[1])
    prior[2 : 2 + count] = 1e-4  # m^-2: of a point that is never seen too
    prior[2 + count :] = PLACED**-2
    prior[:2] = 1.0  # rad^-2: next to nothing
    # neighbouring instants err together: a stance counts as a few
    counts = min(1.0, INDEPENDENT * len(own) / len(which)) / TOUCHES**2
    found = np.zeros(rows.shape[1])
    found[2 : 2 + count] = height.min()
    for _ in range(ITERATIONS):
        left = height - rows @ found
        weight = counts * np.where(left > 0.0, LOW, 1.0 - LOW) * TOUCHES / np.maximum(np.abs(left), TOUCHES)
        found = np.linalg.solve((rows.T * weight) @ rows + np.diag(prior), rows.T @ (weight * height))
    touching = counts * (np.abs(height - rows @ found) < 2.0 * TOUCHES)
    covariance = np.linalg.inv((rows.T * touching) @ rows + np.diag(prior))[:2, :2] + LEAST**2 * np.eye(2)
    normal = up - found[:2] @ across
    return normal / np.linalg.norm(normal), across.T @ np.linalg.inv(covariance) @ across
