"""How far each keypoint is hidden from a camera by the person's own body."""

import numpy as np

from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.sim.posing import PosedPoints

# The body as strings of balls: body, first and last centre (m, unscaled body's frame), count, radius (m).
_BALLS = (
    ("pelvis", (-0.07, 0.0, -0.05), (-0.07, 0.0, 0.05), 2, 0.115),
    ("torso", (0.0, 0.06, 0.0), (-0.01, 0.36, 0.0), 4, 0.125),
    ("head", (0.04, 0.08, 0.0), (0.055, 0.16, 0.0), 2, 0.085),
    ("femur", (0.0, -0.08, 0.0), (-0.004, -0.38, 0.0), 5, 0.068),
    ("tibia", (-0.01, -0.05, 0.0), (-0.01, -0.36, 0.0), 5, 0.046),
    ("humerus", (0.0, -0.03, 0.0), (0.01, -0.26, 0.0), 4, 0.042),
    ("radius", (0.0, -0.03, 0.0), (-0.01, -0.22, 0.01), 4, 0.032),
)


def body_balls(q: np.ndarray, skeleton: Skeleton, subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Centres (T, S, 3) in the z-up world and radii (S,) of balls that fill the body, m."""
    bodies, places, radii = [], [], []
    for name, first, last, count, radius in _BALLS:
        for body, mirror in ((name, 1),) if name in skeleton.bodies else ((f"{name}_r", 1), (f"{name}_l", -1)):
            factor = subject.factors(skeleton)[skeleton.size_group[skeleton.bodies.index(body)]]
            bodies += [body] * count
            places.append(np.linspace(first, last, count) * (1, 1, mirror) * factor)
            radii += [radius * factor] * count
    ground = PosedPoints(skeleton, subject.scale, bodies, np.concatenate(places)).positions(q)
    return np.stack([ground[..., 0], -ground[..., 2], ground[..., 1]], -1), np.array(radii)


def hidden(keypoints: np.ndarray, centre: np.ndarray, balls: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """How deep keypoints (T, K, 3) hide from a camera's centre: (T, K), 0 in sight to 1."""
    rays = keypoints - centre
    distance = np.linalg.norm(rays, axis=-1)
    rays /= distance[..., None]
    deepest = np.zeros(distance.shape)
    for s, radius in enumerate(radii):
        way = balls[:, s] - centre
        along = np.einsum("tkj,tj->tk", rays, way)
        aside = np.sqrt(np.maximum((way**2).sum(-1)[:, None] - along**2, 0.0))
        before = along < distance - 0.8 * radius
        deepest = np.maximum(deepest, np.where(before, 1.0 - aside / radius, 0.0))
    return deepest
