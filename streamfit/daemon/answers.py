"""Estimates as the maps that are published."""

from dataclasses import asdict
from typing import Any

import numpy as np

from streamfit import __version__
from streamfit.cameras import Rig
from streamfit.fit.estimate import Estimate
from streamfit.gait import Contacts, FootEvent, Step
from streamfit.skeleton import KeypointSet, Skeleton
from streamfit.subject import Subject
from streamfit.wire.packing import VERSION

Answer = tuple[str, dict[str, Any]]
"""A topic and its payload, but for `seq`, which the publisher adds."""


def model(session: str, person: str, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, subject: Subject) -> Answer:
    """What every vector of this person's other messages means."""
    topic, payload = _head("model", session, person)
    payload |= {
        "coordinates": list(skeleton.coordinates),
        "units": list(skeleton.units),
        "bodies": list(skeleton.bodies),
        "keypoints": list(keypoints.names),
        "cameras": list(rig.names),
        "scale": {group: float(factor) for group, factor in subject.scale.items()},
        "skeleton": skeleton.name,
        "software": f"streamfit {__version__}",
    }
    return topic, payload


def kinematics(session: str, person: str, estimate: Estimate, contacts: Contacts | None) -> Answer:
    """The answer to an instant; `latency` is yet to be added. No contacts where the skeleton has no feet."""
    topic, payload = _head("kinematics", session, person)
    return topic, payload | _motion(estimate, contacts)


def smoothed(session: str, person: str, estimate: Estimate, contacts: Contacts | None, lag: float) -> Answer:
    """The same instant again, `lag` s later; `latency` is yet to be added."""
    topic, payload = _head("smoothed", session, person)
    return topic, payload | _motion(estimate, contacts) | {"lag": lag}


def bodies(session: str, person: str, estimate: Estimate) -> Answer:
    """Where the bodies and keypoints are, in the world frame of the cameras."""
    topic, payload = _head("bodies", session, person)
    return topic, payload | {
        "t": estimate.t,
        "position": estimate.position,
        "quaternion": estimate.quaternion,
        "keypoints": estimate.keypoints,
    }


def gait(session: str, person: str, event: FootEvent, detected: float, to_ground: np.ndarray) -> Answer:
    """A foot event; `to_ground` (3, 3) takes world vectors to the ground frame."""
    topic, payload = _head("gait", session, person)
    return topic, payload | {
        "event": event.kind,
        "side": event.side,
        "t": event.t,
        "sd_t": event.sd_t,
        "detected": detected,
        "position": event.position @ to_ground,
    }


def steps(session: str, person: str, step: Step) -> Answer:
    """What a foot strike closes."""
    topic, payload = _head("steps", session, person)
    return topic, payload | asdict(step)


def _head(kind: str, session: str, person: str) -> Answer:
    return f"{kind}/{session}/{person}", {"v": VERSION, "type": kind, "session": session, "person": person}


def _motion(estimate: Estimate, contacts: Contacts | None) -> dict[str, Any]:
    feet = {} if contacts is None else {"contact_left": contacts.left, "contact_right": contacts.right}
    return feet | {
        "t": estimate.t,
        "q": estimate.q,
        "qd": estimate.qd,
        "sd": estimate.sd,
        "rms_px": estimate.rms_px,
        "views": estimate.views,
        "state": estimate.state,
    }
