"""What a session answers: estimates as the maps that are published."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit import __version__
from streamfit.engine.setup import Setup
from streamfit.estimation.estimate import Estimate
from streamfit.gait import Contacts, FootEvent, Step
from streamfit.model.subject import Subject
from streamfit.protocol import schema
from streamfit.protocol.codec import VERSION


@dataclass(frozen=True, eq=False)
class Answer:
    """One message to publish, but for `seq` and `latency`, which are known when it is.

    `t` is the capture time that it is about, s; None where it is about none. `arrival` is when the last view of its
    instant came, s on the engine's clock, where its latency is to be told.
    """

    kind: str
    session: str
    person: str
    t: float | None
    payload: dict[str, Any]
    arrival: float | None = None

    @property
    def topic(self) -> str:
        """Under which it is published."""
        return f"{self.kind}/{self.session}/{self.person}"

    def latency(self, now: float) -> float | None:
        """s since its last view came; None where that is not told."""
        return None if self.arrival is None else max(0.0, now - self.arrival)

    def message(self, now: float) -> dict[str, Any]:
        """What is published `now`, s on the engine's clock, but for `seq`."""
        latency = self.latency(now)
        return self.payload if latency is None else {**self.payload, "latency": latency}


def model(session: str, person: str, setup: Setup, subject: Subject) -> Answer:
    """What every vector of this person's other messages means."""
    skeleton = setup.skeleton
    payload: schema.Model = {
        **_head("model", session, person),
        "coordinates": list(skeleton.coordinates),
        "units": list(skeleton.units),
        "bodies": list(skeleton.bodies),
        "keypoints": list(setup.keypoints.names),
        "cameras": list(setup.rig.names),
        "scale": {group: float(factor) for group, factor in subject.scale.items()},
        "skeleton": skeleton.name,
        "software": f"streamfit {__version__}",
    }
    return _answer(payload)


def kinematics(session: str, person: str, estimate: Estimate, contacts: Contacts | None, arrival: float) -> Answer:
    """The answer to an instant whose last view came at `arrival`, s. No contacts where the skeleton has no feet."""
    return _answer(_motion("kinematics", session, person, estimate, contacts), estimate.t, arrival)


def smoothed(
    session: str, person: str, estimate: Estimate, contacts: Contacts | None, arrival: float, lag: float
) -> Answer:
    """The same instant again, `lag` s later."""
    payload: schema.Smoothed = {**_motion("smoothed", session, person, estimate, contacts), "lag": lag}
    return _answer(payload, estimate.t, arrival)


def bodies(session: str, person: str, estimate: Estimate) -> Answer:
    """Where the bodies and keypoints are, in the world frame of the cameras."""
    payload: schema.Bodies = {
        **_head("bodies", session, person),
        "t": estimate.t,
        "position": estimate.position,
        "quaternion": estimate.quaternion,
        "keypoints": estimate.keypoints,
    }
    return _answer(payload, estimate.t)


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
    return _answer(payload, event.t)


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
    return _answer(payload, step.t)


def _head(kind: str, session: str, person: str) -> schema.Published:
    return {"v": VERSION, "type": kind, "session": session, "person": person}


def _answer(payload: schema.Published, t: float | None = None, arrival: float | None = None) -> Answer:
    return Answer(payload["type"], payload["session"], payload["person"], t, {**payload}, arrival)


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
