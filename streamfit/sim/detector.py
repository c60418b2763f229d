"""A simulated keypoint detector with the errors that real ones have."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import chi2

from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.sim.motions import RATE
from streamfit.sim.occlusion import body_balls, hidden
from streamfit.sim.person import Motion
from streamfit.sim.room import project


@dataclass(frozen=True)
class Errors:
    """How a detector errs. The defaults make the true points score GC_5, 10, 20 of about .70, .88, .96.

    Errors are those of a Student t distribution in the plane: `spread` px and `freedom` degrees of freedom
    (fewer: heavier tails); they are `hiding` times larger where the point is fully hidden. They persist for
    `persistence` s, their size for `moods` s. Bursts, per camera and second: `swaps` of left and right legs,
    `losses` of the whole view.
    """

    spread: float = 1.86
    dof: float = 1.6
    hiding: float = 3.0
    persistence: float = 0.08
    moods: float = 0.2
    swaps: float = 0.06
    losses: float = 0.05
    burst: tuple[float, float] = (0.06, 0.3)


def detect(
    truth: Motion,
    rig: Rig,
    skeleton: Skeleton,
    keypoints: KeypointSet,
    subject: Subject,
    seed: int,
    errors: Errors | None = None,
) -> np.ndarray:
    """What the cameras' detectors say: (T, C, K, 3) x px, y px, confidence; confidence 0 where not found."""
    errors = errors or Errors()
    balls, radii = body_balls(truth.q, skeleton, subject)
    pairs = _leg_pairs(keypoints)
    views = []
    for camera, stream in zip(rig.cameras, np.random.SeedSequence(seed).spawn(len(rig.cameras)), strict=True):
        draw = np.random.default_rng(stream)
        depth = hidden(truth.keypoints, camera.centre, balls, radii)
        noise = _noise(depth, errors, draw) * camera.size[0] / 2048
        pixels = project(camera, truth.keypoints) + noise
        xyc = np.concatenate([pixels, _confidence(depth, noise, draw)[..., None]], -1)
        for now in _bursts(len(xyc), errors.swaps, errors.burst, draw):
            xyc[now] = xyc[now][:, pairs]
        xyc[np.isnan(xyc[..., 0])] = 0.0
        for now in _bursts(len(xyc), errors.losses, errors.burst, draw):
            xyc[now] = 0.0
        views.append(xyc)
    return np.stack(views, 1).astype(np.float32)


def _noise(depth: np.ndarray, errors: Errors, draw: np.random.Generator) -> np.ndarray:
    """Errors (T, K, 2) px for points hidden by `depth` (T, K)."""
    size = depth.shape
    plane = _persistent((*size, 2), errors.persistence, draw)
    mood = ndtr(_persistent(size, errors.moods, draw))
    tail = np.sqrt(errors.dof / chi2.ppf(np.clip(mood, 1e-6, None), errors.dof))
    scale = errors.spread * (1.0 + (errors.hiding - 1.0) * depth)
    return np.asarray(plane * (scale * np.minimum(tail, 150.0))[..., None])


def _persistent(size: tuple[int, ...], seconds: float, draw: np.random.Generator) -> np.ndarray:
    """Standard normal noise over time (the first axis) whose correlation falls to 1/e in `seconds`."""
    stay = np.exp(-1.0 / (seconds * RATE))
    fresh = draw.normal(size=size)
    fresh[1:] *= np.sqrt(1.0 - stay**2)
    return np.asarray(lfilter([1.0], [1.0, -stay], fresh, axis=0))


def _confidence(depth: np.ndarray, noise: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Confidences (T, K): lower where hidden and where wrong, but neither reliably nor by much."""
    wrong = np.log1p(np.linalg.norm(noise, axis=-1) / 10.0)
    own = 0.08 * _persistent(depth.shape, 0.3, draw)
    return np.clip(0.92 - 0.3 * depth - 0.12 * wrong + own, 0.05, 1.0)


def _bursts(count: int, per_second: float, length: tuple[float, float], draw: np.random.Generator) -> list[slice]:
    starts = draw.uniform(0, count, draw.poisson(per_second * count / RATE)).astype(int)
    return [slice(start, start + 1 + int(draw.uniform(*length) * RATE)) for start in starts]


def _leg_pairs(keypoints: KeypointSet) -> np.ndarray:
    """For each keypoint the one (K,) that a detector takes it for when it confuses the legs."""
    on_leg = np.array([body.startswith(("femur", "tibia", "talus", "calcn", "toes")) for body in keypoints.bodies])
    return np.where(on_leg, mirrored(keypoints), np.arange(len(on_leg)))
