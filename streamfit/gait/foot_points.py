"""Where the feet are, and how fast: a few points of the soles by the skeleton's own kinematics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streamfit.gait.types import SIDES
from streamfit.model import HostKinematics, KeypointSet, Skeleton

# Points of the right foot: body and place (m, unscaled body's frame). The heel is its hindmost point (calcaneus), the
# ball lies between the heads of the first and the fifth metatarsal, the toe is the tip of the big one.
_POINTS = (
    ("calcn", (-0.025, 0.020, -0.005)),
    ("calcn", (-0.010, -0.010, -0.004)),
    ("calcn", (0.160, -0.010, 0.009)),
    ("toes", (0.048, -0.008, -0.022)),
)
HEEL, SOLE, BALL, TOE = range(len(_POINTS))
"""Index of a foot's points: the back of the heel, the heel's sole, the ball and the toe."""
_NEAR_HEEL = 0.04
"""m from the back of the drawn heel within which a keypoint shows where a person's heel is."""
_STEP = 1e-3
"""s between the poses whose difference gives the rates."""


@dataclass(frozen=True, eq=False)
class FeetAt:
    """The feet in one pose: `place` (2, P, 3) m and `rate` (2, P, 3) m/s of their points, y-up ground frame, and `knee`
    (2,) rad/s, the rates of the knees' flexion."""

    place: np.ndarray
    rate: np.ndarray
    knee: np.ndarray


class Feet:
    """The kinematics of a scaled skeleton's feet. Not thread-safe."""

    @staticmethod
    def known(skeleton: Skeleton) -> bool:
        """Whether the skeleton has the bodies that the points are on, and the knees."""
        bodies = {f"{body}_{side[0]}" for body in ("talus", "calcn", "toes") for side in SIDES}
        return bodies <= set(skeleton.bodies) and set(_knees()) <= set(skeleton.coordinates)

    def __init__(
        self, skeleton: Skeleton, scale: Mapping[str, float], keypoints: KeypointSet, places: np.ndarray
    ) -> None:
        """`places` (K, 3): the keypoints in their scaled bodies' frames, m; those on the heels say where these are."""
        self._bodies = HostKinematics(skeleton, scale)
        self._knees = [skeleton.coordinates.index(name) for name in _knees()]
        names = [f"{body}_{side[0]}" for side in SIDES for body, _ in _POINTS]
        self._body = np.array([skeleton.bodies.index(name) for name in names])
        size = np.array([scale.get(skeleton.groups[skeleton.size_group[b]], 1.0) for b in self._body])
        right = np.array([place for _, place in _POINTS])
        self.seen = tuple(not {f"calcn_{side[0]}", f"toes_{side[0]}"}.isdisjoint(keypoints.bodies) for side in SIDES)
        """Whether there are keypoints on each foot. The heel's sole is at the ankle of one that has none."""
        drawn = np.concatenate([right if side == "right" else right * (1, 1, -1) for side in SIDES])
        self._place = size[:, None] * drawn
        for foot in range(0, len(names), len(_POINTS)):
            on_foot = np.array([body == names[foot] for body in keypoints.bodies])
            seen = on_foot & (np.linalg.norm(keypoints.positions - drawn[foot], axis=1) < _NEAR_HEEL)
            if seen.any():
                self._place[foot] = places[seen].mean(0)
        for i, side in enumerate(SIDES):
            if not self.seen[i]:
                sole = i * len(_POINTS) + SOLE
                self._body[sole], self._place[sole] = skeleton.bodies.index(f"talus_{side[0]}"), 0.0

    def at(self, q: np.ndarray, qd: np.ndarray) -> FeetAt:
        """The feet in a pose q (D,) that changes by qd (D,) per second."""
        half = 0.5 * _STEP * qd
        before, after = self._points(q - half), self._points(q + half)
        return FeetAt(0.5 * (before + after), (after - before) * (1.0 / _STEP), qd[self._knees])

    def _points(self, q: np.ndarray) -> np.ndarray:
        bodies = self._bodies
        bodies.pose(q)
        points = bodies.position.take(self._body, 0)
        points += np.matmul(bodies.rotation.take(self._body, 0), self._place[..., None])[..., 0]
        return points.reshape(len(SIDES), len(_POINTS), 3)


def _knees() -> list[str]:
    return [f"knee_angle_{side[0]}" for side in SIDES]
