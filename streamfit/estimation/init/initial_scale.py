"""A person's size from triangulated keypoints alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.triangulate import triangulate
from streamfit.estimation.settings import FitSettings
from streamfit.model import HostKinematics, KeypointSet, Skeleton
from streamfit.model.subject import Subject
from streamfit.shallow import shallow

RIGID, STIFF = 0.06, 0.03
"""Pairs of keypoints whose distance varies by less than this share over all postures measure size; who is measured in a
single posture may be sitting, so that pairs must be stiffer: with the first, adult_a is 0.98 as large as the skeleton
when walking and 0.86 when sitting, with the second 1.08 and 1.04."""
LONG = 0.15
"""m: shorter distances say little."""
FEWEST = 6
"""Instants in which a pair is seen, from which it measures."""
PAIRS, ALIKE = 4, 0.2
"""How many pairs must tell a size at least, and by what share of it the middle half of them may differ."""
PERSON = (0.4, 1.35)
"""Share of the skeleton's size that people have: from 0.7 to 2.3 m. Beyond, it is the rig that is wrong."""
ENOUGH, EVERY, GIVEN_UP = 8, 0.03, 1.0
"""Instants after which a size is settled, and s between two of them at least; s after which one that is not clear is
left as it is."""
LOOKS = 40
"""Instants of a recording in which the size is measured."""
CLEARLY = 0.12
"""Share by which a first impression must differ from the skeleton's size to be used."""


def overall_scale(skeleton: Skeleton, keypoints: KeypointSet, points: np.ndarray, valid: np.ndarray) -> float:
    """How many times as large as the drawn one a person is, within what people are; 1 if unknown."""
    ratio = relative_size(skeleton, keypoints, points, valid)[0]
    return float(np.clip(ratio, 0.2, 2.0)) if np.isfinite(ratio) else 1.0


def relative_size(
    skeleton: Skeleton, keypoints: KeypointSet, points: np.ndarray, valid: np.ndarray
) -> tuple[float, float]:
    """Median ratio of measured to drawn distances for points (T, K, 3; m) where `valid` (T, K), and by how much single
    distances at single instants differ from it, relatively and in the median; NaN if unknown."""
    single = _single_ratios(_measures(skeleton, keypoints, RIGID), points, valid, FEWEST)
    if not single.size:
        return np.nan, np.nan
    ratio = float(np.median(np.nanmedian(single, 0)))
    return ratio, float(np.nanmedian(np.abs(single / ratio - 1.0)))


class SizeSearch:
    """The size of one person who has just appeared, as a share of the skeleton's, from the first instants."""

    def __init__(self, skeleton: Skeleton, keypoints: KeypointSet) -> None:
        self._skeleton, self._keypoints = skeleton, keypoints
        self._points: list[np.ndarray] = []
        self._valid: list[np.ndarray] = []
        self._since = self._t = -np.inf
        self.assumed = 1.0
        """What is reckoned with until enough has been seen."""

    def copy(self) -> SizeSearch:
        """Another that has seen the same."""
        return shallow(self)

    def wants(self, t: float) -> bool:
        """Whether the instant t would tell more."""
        return t >= self._t + EVERY

    def note(self, t: float, points: np.ndarray, valid: np.ndarray) -> None:
        """Triangulated points (K, 3) m of the instant t, where `valid` (K,)."""
        if t > self._t + GIVEN_UP:
            self._points, self._valid, self._since = [], [], t
        self._points, self._valid = [*self._points[1 - ENOUGH :], points], [*self._valid[1 - ENOUGH :], valid]
        self._t = t

    @property
    def has_enough(self) -> bool:
        """Whether enough has been seen."""
        return len(self._points) >= ENOUGH

    @property
    def in_vain(self) -> bool:
        """Whether more would not help."""
        return self._t - self._since >= GIVEN_UP

    def found(self) -> float | None:
        """The size as far as it is known; None where the points are not those of a person."""
        return _size(self._skeleton, self._keypoints, np.array(self._points), np.array(self._valid))


def measured_subject(trial: Trial, skeleton: Skeleton, keypoints: KeypointSet, subject: Subject) -> Subject:
    """A subject of unknown size as large as the views of a trial say; any other as it is."""
    instants = [views for _, views in trial.instants if len({view.camera for view in views}) > 1]
    if not (subject.of_unknown_size and instants):
        return subject
    settings = FitSettings()
    noise = Noise(*(np.asarray(x) for x in (subject.noise, subject.sta_sd, settings.dof, settings.confidence_power)))
    lenses, found = trial.rig.lenses(), []
    for views in instants[:: max(1, len(instants) // LOOKS)]:
        seen = np.zeros((len(trial.rig.cameras), len(keypoints.names), 3))
        for view in views:
            seen[view.camera] = view.xyc
        found.append(triangulate(lenses, seen, noise))
    points, valid = (np.array([getattr(one, key) for one in found]) for key in ("position", "valid"))
    size = _size(skeleton, keypoints, points, valid)
    return subject if size is None else subject.sized(size)


def _size(skeleton: Skeleton, keypoints: KeypointSet, points: np.ndarray, valid: np.ndarray) -> float | None:
    """The share of the skeleton's size that points (T, K, 3; m) tell; None where they are not those of a person."""
    ratios = _ratios(_measures(skeleton, keypoints, STIFF), points, valid, min(FEWEST, len(points)))
    if len(ratios) < PAIRS:
        return None
    low, size, high = np.percentile(ratios, [25, 50, 75])
    return float(size) if high - low < ALIKE * size and PERSON[0] < size < PERSON[1] else None


def _ratios(
    measures: tuple[np.ndarray, np.ndarray, np.ndarray], points: np.ndarray, valid: np.ndarray, fewest: int
) -> np.ndarray:
    """Of measured to drawn distances, for the pairs that are seen in so many instants."""
    return np.asarray(np.nanmedian(_single_ratios(measures, points, valid, fewest), 0))


def _single_ratios(
    measures: tuple[np.ndarray, np.ndarray, np.ndarray], points: np.ndarray, valid: np.ndarray, fewest: int
) -> np.ndarray:
    """The same at each instant (T, P); NaN where a point is missing."""
    first, second, drawn = measures
    both = valid[:, first] & valid[:, second]
    enough = both.sum(0) >= fewest
    distance = np.linalg.norm(points[:, first[enough]] - points[:, second[enough]], axis=-1)
    return np.asarray(np.where(both[:, enough], distance, np.nan) / drawn[enough])


@lru_cache(maxsize=8)
def _measures(skeleton: Skeleton, keypoints: KeypointSet, rigid: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of keypoints so rigid that they measure size: the first, the second, and their distance as drawn (m)."""
    drawn, varies = _distances(skeleton, keypoints)
    doubt = np.hypot(keypoints.sd[:, None], keypoints.sd[None]) / np.maximum(drawn, 1e-6)
    first, second = np.nonzero(np.triu((varies < rigid) & (drawn > LONG) & (doubt < 0.12), 1))
    return first, second, drawn[first, second]


def _distances(skeleton: Skeleton, keypoints: KeypointSet, postures: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance (K, K) of keypoints over random postures within the limits, and its relative spread."""
    rng = np.random.default_rng(0)
    low = np.where(np.isfinite(skeleton.lower), skeleton.lower, 0.0)
    high = np.where(np.isfinite(skeleton.upper), skeleton.upper, 0.0)
    bodies = HostKinematics(skeleton, dict.fromkeys(skeleton.groups, 1.0))
    body = keypoints.body_indices(skeleton.bodies)
    distances = np.empty((postures, len(body), len(body)))
    for q, distance in zip(0.6 * rng.uniform(low, high, (postures, len(low))), distances, strict=True):
        bodies.pose(q)
        x = bodies.position[body] + (bodies.rotation[body] @ keypoints.positions[..., None])[..., 0]
        distance[:] = np.linalg.norm(x[:, None] - x[None], axis=-1)
    mean = distances.mean(0)
    return mean, distances.std(0) / np.maximum(mean, 1e-6)
