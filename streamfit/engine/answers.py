"""Estimates as the maps that are schema."""

from typing import Any

import numpy as np

from streamfit import __version__
from streamfit.estimation.estimate import Estimate
from streamfit.gait import Contacts, FootEvent, Step
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol import schema
from streamfit.protocol.codec import VERSION

Answer = tuple[str, dict[str, Any]]
"""A topic and its payload, but for `seq`, which the publisher adds."""


def model(session: str, person: str, skeleton: Skeleton, rig: Rig, keypoints: KeypointSet, subject: Subject) -> Answer:
    """What every vector of this person's other messages means."""
    payload: schema.Model = {
        **_head("model", session, person),
        "coordinates": list(skeleton.coordinates),
        "units": list(skeleton.units),
        "bodies": list(skeleton.bodies),
        "keypoints": list(keypoints.names),
        "cameras": list(rig.names),
        "scale": {group: float(factor) for group, factor in subject.scale.items()},
        "skeleton": skeleton.name,
        "software": f"streamfit {__version__}",
    }
    return _answer(payload)


def kinematics(session: str, person: str, estimate: Estimate, contacts: Contacts | None) -> Answer:
    """The answer to an instant; `latency` is yet to be added. No contacts where the skeleton has no feet."""
    return _answer(_motion("kinematics", session, person, estimate, contacts))


def smoothed(session: str, person: str, estimate: Estimate, contacts: Contacts | None, lag: float) -> Answer:
    """The same instant again, `lag` s later; `latency` is yet to be added."""
    payload: schema.Smoothed = {**_motion("smoothed", session, person, estimate, contacts), "lag": lag}
    return _answer(payload)


def bodies(session: str, person: str, estimate: Estimate) -> Answer:
    """Where the bodies and keypoints are, in the world frame of the cameras."""
    payload: schema.Bodies = {
        **_head("bodies", session, person),
        "t": estimate.t,
        "position": estimate.position,
        "quaternion": estimate.quaternion,
        "keypoints": estimate.keypoints,
    }
    return _answer(payload)


def gait(session: str, person: str, event: FootEvent, detected: float, to_ground: np.ndarray) -> Answer:
    """A foot event; `to_ground` (3, 3) takes world vectors to the ground frame."""
    payload: schema.Gait = {
        **_head("gait", session, person),
        "event": event.kind,
        "side": event.side,
        "t": event.t,
        "sd_t": event.sd_t,
        "detected": detected,
        "position": event.position @ to_ground,
    }
    return _answer(payload)


def steps(session: str, person: str, step: Step) -> Answer:
    """What a foot strike closes."""
    payload: schema.Steps = {
        **_head("steps", session, person),
        "side": step.side,
        "t": step.t,
        "step_length": step.step_length,
        "stride_length": step.stride_length,
        "step_width": step.step_width,
        "step_time": step.step_time,
        "stride_time": step.stride_time,
        "stance_time": step.stance_time,
        "swing_time": step.swing_time,
        "double_support_time": step.double_support_time,
        "cadence": step.cadence,
        "speed": step.speed,
    }
    return _answer(payload)


def _head(kind: str, session: str, person: str) -> schema.Published:
    return {"v": VERSION, "type": kind, "session": session, "person": person}


def _answer(payload: schema.Published) -> Answer:
    return f"{payload['type']}/{payload['session']}/{payload['person']}", {**payload}


def _motion(kind: str, session: str, person: str, estimate: Estimate, contacts: Contacts | None) -> schema.Kinematics:
    payload: schema.Kinematics = {
        **_head(kind, session, person),
        "t": estimate.t,
        "q": estimate.q,
        "qd": estimate.qd,
        "sd": estimate.sd,
        "rms_px": estimate.rms_px,
        "views": estimate.views,
        "state": estimate.state,
    }
    if contacts is not None:
        payload |= {"contact_left": contacts.left, "contact_right": contacts.right}
    return payload
