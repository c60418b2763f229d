"""A track's state is a value: whoever holds one may go on from it, again and again."""

import numpy as np
import pytest

from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.setup import Setup
from streamfit.estimation.estimate import Estimate, Load
from streamfit.estimation.live.track_state import TrackState
from streamfit.estimation.live.tracker import WindowSolver
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage

RATE = 50.0


@pytest.fixture(scope="module")
def solver(scene):
    return WindowSolver(scene.skeleton, scene.rig, scene.keypoints)


def played(solver, scene, state: TrackState, times: np.ndarray, load: Load) -> tuple[TrackState, list[Estimate]]:
    """The state after instants of these times, and all that was answered."""
    clocks, out = np.zeros(len(scene.rig.cameras)), []
    for t in times:
        state, answered = solver.measure(state, [(t, scene.views(t))], clocks, load)
        state, smoothed, _ = solver.settle(state)
        out += [*answered, *smoothed]
    return state, out


@pytest.mark.parametrize("load", list(Load))
def test_a_stretch_is_replayed_from_any_state_bit_for_bit(solver, scene, load):
    first, second = np.split(np.arange(0, 0.8, 1 / RATE), [15])
    held, _ = played(solver, scene, solver.begin(scene.subject), first, load)
    _, once = played(solver, scene, held, second, load)
    _, again = played(solver, scene, held, second, load)
    assert len(once) == len(again) > len(second)
    for a, b in zip(once, again, strict=True):
        for key, value in vars(a).items():
            np.testing.assert_array_equal(value, getattr(b, key), key)


def test_a_call_that_raises_has_changed_nothing(solver, scene):
    times = np.arange(0, 0.4, 1 / RATE)
    state, _ = played(solver, scene, solver.begin(scene.subject), times, Load.NORMAL)
    clocks = np.zeros(len(scene.rig.cameras))
    with pytest.raises(ValueError, match="is not after"):
        solver.measure(state, [(0.1, [])], clocks)
    _, after = solver.measure(state, [(0.4, scene.views(0.4))], clocks)
    assert after[0].state == "tracking"


def test_an_instant_whose_views_make_the_step_fail_is_lost_alone(scene):
    """The real solver in the engine: not a number in one instant's views, and the track goes on as without them."""
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
