"""The simulated person: a body of their own, and the truth about a motion."""

from dataclasses import dataclass

import numpy as np

from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import DEFAULT_NOISE, PERSISTENT, SKIN, Subject
from streamfit.sim.motions import RATE
from streamfit.sim.posing import PosedPoints
from streamfit.sim.steps import Event

# A person of about 1.77 m with longer shanks and trunk than the skeleton has, and legs that differ a little.
_SCALE = {"pelvis": 1.02, "torso": 1.05, "head": 1.03, "hip_width": 1.04, "shoulder_width": 1.03}
_SCALE |= {"thigh_r": 1.04, "shank_r": 1.06, "foot_r": 1.03, "upper_arm_r": 1.02, "forearm_r": 1.05}
_SCALE |= {"thigh_l": 1.035, "shank_l": 1.06, "foot_l": 1.03, "upper_arm_l": 1.02, "forearm_l": 1.045}
_SPREAD = 0.5
"""How far this person's keypoints lie from those of the set, in the set's standard deviations."""


@dataclass(frozen=True, eq=False)
class Motion:
    """The truth at times `t` (T,) s: coordinates `q` (T, D), `keypoints` (T, K, 3) m in the z-up world."""

    t: np.ndarray
    q: np.ndarray
    keypoints: np.ndarray
    events: tuple[Event, ...] = ()


def true_subject(skeleton: Skeleton, keypoints: KeypointSet, seed: int = 1) -> Subject:
    """The person's true scale and keypoint offsets; half of the offsets' variance is common to both sides."""
    draw = np.random.default_rng(seed)
    own, common = draw.normal(size=(2, len(keypoints.names), 3))
    twin = mirrored(keypoints)
    mirror = np.where(twin < np.arange(len(twin)), -1.0, 1.0)
    common = common[np.minimum(twin, np.arange(len(twin)))]
    common[:, 2] *= mirror
    return Subject(
        skeleton=skeleton.name,
        keypoint_set=keypoints.name,
        keypoints=keypoints.names,
        scale=dict(_SCALE),
        offsets=np.sqrt(0.5) * (own + common) * _SPREAD * keypoints.sd[:, None],
        noise=np.full(len(keypoints.names), DEFAULT_NOISE),
        sta_sd=np.full(len(keypoints.names), SKIN),
        sta_rms=np.full(len(keypoints.names), SKIN),
        persistent=np.full(len(keypoints.names), PERSISTENT),
        bodies=keypoints.bodies,
        fit={"method": "truth"},
    )


def motion(
    q: np.ndarray,
    skeleton: Skeleton,
    keypoints: KeypointSet,
    subject: Subject,
    events: tuple[Event, ...] = (),
) -> Motion:
    """The subject in poses q (T, D), seen from the world whose z axis points up."""
    body = PosedPoints(skeleton, subject.scale, keypoints.bodies, subject.places(skeleton, keypoints))
    ground = body.positions(q)
    world = np.stack([ground[..., 0], -ground[..., 2], ground[..., 1]], -1)
    return Motion(np.arange(len(q)) / RATE, q, world, events)
