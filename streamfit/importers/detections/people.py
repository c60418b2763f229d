"""One person out of pictures with several: told apart by where the calibrated cameras' rays meet, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamfit.model.camera import Camera, Rig

SURE = 0.1
"""Confidence of a point that counts."""
FEW = 0.25
"""A detection with fewer points than this share of its picture's best one is clutter."""
SAME = 0.1
"""Two detections whose common points are nearer than this share of the person's size are the same person, found twice.
"""
GATE = 0.08
"""Share of a person's size in the picture that their points may be off from where the others' rays meet (median)."""
ENOUGH = 3
"""Cameras whose agreement is no chance, where there are as many."""
POINTS = 26
"""Keypoints used at most: the body's, of sets that go on with hands and face."""
COMMON = 4
"""Keypoints that two detections must share to be compared."""


@dataclass(frozen=True, eq=False)
class Group:
    """One person at one instant: the detection of each camera that agrees, and where they are."""

    chosen: dict[str, int]
    points: np.ndarray
    """World, m (K, 3); NaN where no two cameras see them."""
    error: float
    """How far off the detections are, as a share of the person's size in the picture (mean over cameras)."""

    def is_sure(self, seeing: int) -> bool:
        """Whether enough cameras agree, of those that see anybody: two always find somewhere to meet."""
        return len(self.chosen) >= min(ENOUGH, seeing)

    @property
    def centre(self) -> np.ndarray:
        """Median of the points, (2,) px."""
        return np.asarray(np.nanmedian(self.points, 0))

    @property
    def extent(self) -> float:
        """m across the person: the diagonal of what holds the middle nine tenths of the points."""
        low, high = np.nanpercentile(self.points, [5.0, 95.0], axis=0)
        return float(np.linalg.norm(high - low))


def candidates(people: np.ndarray) -> np.ndarray:
    """Of detections in a picture (P, K, 3) the indices of those that may be different people, the clearest first."""
    order = np.argsort(-people[..., 2].sum(1), kind="stable")
    sure = people[..., 2] > SURE
    kept: list[int] = []
    for k in order:
        if kept and sure[k].sum() < FEW * sure[kept[0]].sum():
            continue
        if not any(_is_same(people[k], people[other]) for other in kept):
            kept.append(int(k))
    return np.array(kept, int)


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    both = (one[:, 2] > SURE) & (other[:, 2] > SURE)
    if both.sum() < COMMON:
        return False
    apart = np.linalg.norm(one[both, :2] - other[both, :2], axis=-1)
    return bool(np.median(apart) < SAME * _size(other[None])[0])


def _size(people: np.ndarray) -> np.ndarray:
    """Diagonal (P,) of the box around the sure points of each (P, K, 3); 0 of nobody."""
    sure = people[..., 2:] > SURE
    low = np.where(sure, people[..., :2], np.inf).min(1)
    high = np.where(sure, people[..., :2], -np.inf).max(1)
    size = np.linalg.norm(high - low, axis=-1)
    return np.where(np.isfinite(size), size, 0.0)


class PeopleFinder:
    """Groups the detections of one instant by the person they are of."""

    def __init__(self, rig: Rig) -> None:
        self._cameras = {camera.name: camera for camera in rig.cameras}
        self._turns = {name: cv2.Rodrigues(camera.rotation)[0] for name, camera in self._cameras.items()}

    def groups(self, pictures: Mapping[str, np.ndarray]) -> list[Group]:
        """Of detections by camera, each (P, K, 3) px, the people whom two cameras or more agree about; most first."""
        of: list[tuple[str, int]] = []
        seen: list[np.ndarray] = []
        for camera, people in pictures.items():
            for k in candidates(people):
                of.append((camera, int(k)))
                seen.append(self._on_plane(self._cameras[camera], people[k, :POINTS]))
        found: list[Group] = []
        left = list(range(len(of)))
        while (best := self._best([of[k] for k in left], [seen[k] for k in left])) is not None:
            found.append(best)
            left = [k for k in left if best.chosen.get(of[k][0]) != of[k][1]]
        return found

    @staticmethod
    def _on_plane(camera: Camera, person: np.ndarray) -> np.ndarray:
        """(K, 3): x, y at depth 1 and confidence; points that no ray of a pinhole meets have none."""
        rays = camera.rays(np.ascontiguousarray(person[:, :2]))
        depth = np.where(rays[:, 2] > 0.1, rays[:, 2], np.nan)
        flat = np.column_stack([rays[:, :2] / depth[:, None], person[:, 2]])
        return np.where(np.isfinite(flat).all(1)[:, None], flat, 0.0)

    def _best(self, of: Sequence[tuple[str, int]], seen: Sequence[np.ndarray]) -> Group | None:
        """Whom most cameras agree about; of as many, whom they agree about best."""
        pairs = np.array([(i, j) for i in range(len(of)) for j in range(i + 1, len(of)) if of[i][0] != of[j][0]])
        if not len(pairs):
            return None
        people, turns = np.stack(seen), np.array([self._turns[camera] for camera, _ in of])
        shifts = np.array([self._cameras[camera].translation for camera, _ in of])
        points = _meetings(people, turns, shifts, pairs)
        error = _errors(points, people, turns, shifts)  # (pairs, detections)
        agree = np.zeros((len(pairs), len(of)), bool)
        for camera in {camera for camera, _ in of}:
            own = np.array([k for k, (name, _) in enumerate(of) if name == camera])
            nearest = own[np.argmin(error[:, own], 1)]
            rows = np.arange(len(pairs))
            agree[rows, nearest] = error[rows, nearest] < GATE
        of_pair = np.take_along_axis(agree, pairs, 1).all(1)
        count = np.where(of_pair, agree.sum(1), 0)
        if count.max() < 2:
            return None
        best = int(np.argmax(count - np.where(agree, error, 0.0).sum(1) / (GATE * (len(of) + 1))))
        chosen = {of[k][0]: of[k][1] for k in np.flatnonzero(agree[best]).tolist()}
        return Group(chosen, points[best], float(error[best][agree[best]].mean()))


def _meetings(people: np.ndarray, turns: np.ndarray, shifts: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Where the rays of each pair of detections are nearest to each other (pairs, K, 3); NaN where they do not meet.

    The middle of the shortest line between two rays.
    """
    centre = -np.einsum("nij,ni->nj", turns, shifts)
    ray = np.einsum("nij,nki->nkj", turns, np.concatenate([people[..., :2], np.ones_like(people[..., :1])], -1))
    (i, j), base = pairs.T, (centre[pairs[:, 1]] - centre[pairs[:, 0]])[:, None]
    one, other = ray[i], ray[j]
    a, b, c = (one * one).sum(-1), (one * other).sum(-1), (other * other).sum(-1)
    d, e = (one * base).sum(-1), (other * base).sum(-1)
    spread = a * c - b * b
    with np.errstate(divide="ignore", invalid="ignore"):
        s, t = (c * d - b * e) / spread, (b * d - a * e) / spread
        middle = 0.5 * (centre[i][:, None] + s[..., None] * one + centre[j][:, None] + t[..., None] * other)
    sure = (people[i, :, 2] > SURE) & (people[j, :, 2] > SURE)
    return np.where((sure & (spread > 1e-9 * a * c) & (s > 0.0) & (t > 0.0))[..., None], middle, np.nan)


def _errors(points: np.ndarray, people: np.ndarray, turns: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Median over keypoints of how far off each detection is, as a share of its size; inf where it has too few."""
    there = np.einsum("nij,pkj->pnki", turns, points) + shifts[None, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.linalg.norm(there[..., :2] / there[..., 2:] - people[None, :, :, :2], axis=-1)
    known = np.isfinite(off) & (there[..., 2] > 0.0) & (people[None, :, :, 2] > SURE)
    off = np.where(known, off, np.inf)
    count = known.sum(-1)
    middle = np.take_along_axis(np.sort(off, -1), np.maximum(count - 1, 0)[..., None] // 2, -1)[..., 0]
    size = np.maximum(_size(people), 1e-9)
    return np.where(count >= COMMON, middle / size, np.inf)
