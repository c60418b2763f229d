"""Check that all trials are of one person: keypoints keep their distances from trial to trial."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from streamfit.estimation.quality.diagnostics import Evidence, Finding, median
from streamfit.model import KeypointSet, Skeleton

LONG = 0.15
"""m between two keypoints from which they tell size."""
FEWEST_PAIRS, FEWEST_INSTANTS = 8, 4
DIFFERENT = np.array([0.04, 0.010])
PERHAPS = np.array([0.025, 0.006])
"""Differences of size (relative) and of the distances between keypoints on one segment (m, median over the pairs),
from which trials are, and may be, of different people. One person's trials differ by up to 0.015 and 4 mm, whatever
the movements; two people's by up to 0.12 and by 12 to 35 mm with skin markers, by 7 to 18 mm in video, where only
the face and the feet have several keypoints on one segment."""
NOISE = 2.0
"""A difference counts only if it is so many times that between the two halves of a trial."""


class _Build(NamedTuple):
    """What some instants tell of a person."""

    ratio: np.ndarray
    """Of pairs of keypoints that are far apart: log of their distance over that in the fit."""
    distance: np.ndarray
    """m, of pairs on one segment."""


def one_person(
    evidence: Evidence, skeleton: Skeleton, keypoints: KeypointSet, stature: float, leave_out: list[int]
) -> list[Finding]:
    """Compare every two trials but those to `leave_out`; `stature` (m) is that of the fitted body."""
    body = keypoints.body_indices(skeleton.bodies)
    parent = skeleton.model.body_parentid[1:] - 1
    a, b = np.nonzero(np.triu(np.ones((len(body), len(body))), 1))
    same = body[a] == body[b]
    joined = same | (parent[body[a]] == body[b]) | (parent[body[b]] == body[a])
    a, b, same = a[joined], b[joined], same[joined]
    seen = np.linalg.norm(evidence.points[:, a] - evidence.points[:, b], axis=-1)
    fitted = np.linalg.norm(evidence.fitted[:, a] - evidence.fitted[:, b], axis=-1)
    far = np.nan_to_num(fitted).max(0) > LONG
    ratio = np.log(np.maximum(seen, 1e-3) / np.maximum(fitted, 1e-3))

    def build(rows: np.ndarray) -> _Build:
        return _Build(_medians(ratio[rows][:, far]), _medians(seen[rows][:, same]))

    whole, noise = {}, {}
    for index in range(len(evidence.names)):
        rows = np.flatnonzero(evidence.trial == index)
        if index not in leave_out and len(rows) >= 2 * FEWEST_INSTANTS:
            whole[index] = build(rows)
            noise[index] = NOISE * _apart(*(build(half) for half in np.array_split(rows, 2)))
    pairs = []
    for i, j in combinations(whole, 2):
        apart = _apart(whole[i], whole[j])
        pairs.append((np.where(apart > np.maximum(noise[i], noise[j]), apart, 0.0), i, j))
    clear, i, j = max(pairs, key=lambda pair: float((pair[0] / PERHAPS).max()), default=(np.zeros(2), 0, 0))
    if not (clear > PERHAPS).any():
        return []
    tall = [stature * float(np.exp(median(whole[k].ratio))) for k in (i, j)]
    differ = f"{tall[0]:.2f} m and {tall[1]:.2f} m tall"
    if clear[1]:
        differ += f"; distances within a segment differ by {1000 * clear[1]:.0f} mm"
    names = f"{evidence.names[i]} and {evidence.names[j]}"
    if (clear > DIFFERENT).any():
        return [Finding("poor", f"{names} are of two people ({differ}): calibrate each person on their own.")]
    what = f"{names} may be of two people, or markers were placed anew between them"
    return [Finding("usable", f"{what} ({differ}): check, and calibrate them each on its own.")]


def _apart(one: _Build, other: _Build) -> np.ndarray:
    """How much two builds differ in size (relative) and on their segments (m); 0 where too little was seen."""
    size, shape = one.ratio - other.ratio, np.abs(one.distance - other.distance)
    size, shape = size[~np.isnan(size)], shape[~np.isnan(shape)]
    return np.array(
        [
            abs(np.expm1(np.median(size))) if len(size) >= FEWEST_PAIRS else 0.0,
            np.median(shape) if len(shape) >= FEWEST_PAIRS else 0.0,
        ]
    )


def _medians(values: np.ndarray) -> np.ndarray:
    """Median (P,) of each column of (N, P), NaN where there are too few values."""
    known = np.isfinite(values).sum(0) >= FEWEST_INSTANTS
    out = np.full(values.shape[1], np.nan)
    out[known] = np.nanmedian(values[:, known], 0) if known.any() else 0.0
    return out
