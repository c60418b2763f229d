"""A camera whose detector has left and right the wrong way round is named in the status."""

from pathlib import Path

import numpy as np
import pytest
from standing import standing_views

from streamfit.daemon.monitoring.checks import Growth, session_conditions
from streamfit.daemon.monitoring.status import session_status
from streamfit.daemon.sessions.session import Session
from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.setup import Setup
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage

RATE = 30.0


@pytest.mark.parametrize(("every", "alarms"), [(1, 1), (10, 0)])
def test_a_camera_with_left_and_right_exchanged_is_named(skeleton: Skeleton, every: int, alarms: int) -> None:
    """In all of its views for three seconds, it is an alarm; in every tenth it is only counted."""
    rig = Rig.load(Path(__file__).parents[2] / "configs" / "cameras.toml")
    keypoints = KeypointSet.load("coco17")
    mirror = mirrored(keypoints)
    setup = Setup(skeleton, rig, keypoints, Subject.generic(skeleton, keypoints))
    engine = Engine("s", setup, IngestSettings("triggered", 0.02))
    views = standing_views(rig, keypoints)
    for i in range(int(3 * RATE)):
        t = i / RATE
        exchanged = {"cam_03"} if i % every == 0 else set()
        seen = [
            ViewMessage(v["camera"], None, "0", np.array(v["xyc"])[mirror] if v["camera"] in exchanged else v["xyc"])
            for v in views
        ]
        due = engine.take(KeypointsMessage("s", t, None, tuple(seen)), t).instants
        for instant in due + engine.due(t + 0.02).instants:
            list(engine.solve([instant]))
    session = Session("s", setup, engine, lambda: None)
    shares = {name: camera["exchanged"] for name, camera in session_status(session)["cameras"].items()}
    assert shares.pop("cam_03") == pytest.approx((1 - np.exp(-1)) / every, rel=0.3)
    assert set(shares.values()) == {0.0}
    said = [c.text(0.0) for c in session_conditions(session, (), Growth(), t) if c.key.startswith("exchanged")]
    assert len(said) == alarms
    for alarm in said:
        assert alarm == (
            "cam_03: left and right are exchanged in 6 of 10 views: "
            "check its detector, or whether its image is mirrored"
        )
