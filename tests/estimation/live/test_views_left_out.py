"""Views that cannot be fitted, through the engine and its real solver."""

import numpy as np

from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.setup import Setup
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage

RATE = 50.0


def test_an_instant_whose_views_make_the_step_fail_is_lost_alone(scene):
    """Not a number in one instant's views, and the track goes on as without them."""
    setup = Setup(scene.skeleton, scene.rig, scene.keypoints, scene.subject)

    def answers(views_of) -> dict[float, tuple[str, np.ndarray]]:
        engine, out = Engine("s", setup, IngestSettings("triggered", 0.02)), {}
        for t in np.arange(0, 0.8, 1 / RATE).tolist():
            views = tuple(ViewMessage(scene.rig.names[v.camera], None, "0", v.xyc) for v in views_of(t))
            due = engine.take(KeypointsMessage("s", t, None, views), t).instants + engine.due(t + 0.02).instants
            for instant in due:
                for answer in (a for ready in engine.solve([instant]) for a in ready):
                    if answer.kind == "kinematics":
                        out[answer.t] = answer.payload["state"], answer.payload["q"]
        assert engine.snapshot().fit.failures == bool(views_of is hurt)
        return out

    def hurt(t: float):
        views = scene.views(t)
        return [v.__class__(v.camera, v.t, np.full_like(v.xyc, np.nan)) for v in views] if t == 0.5 else views

    sound, harmed = answers(scene.views), answers(hurt)
    assert list(sound) == list(harmed)
    assert {t for t, (state, _) in harmed.items() if state != "tracking"} <= {0.5}
    off = np.abs([sound[t][1] - harmed[t][1] for t in sound if t > 0.6])
    assert np.degrees(off[:, 6:]).max() < 0.5
