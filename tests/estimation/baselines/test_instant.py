"""The live solver without a window, by itself and in the daemon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from daemon_process import CONFIGS, REAL, Client, config_text, daemon
from standing import standing_views

from streamfit.estimation.baselines.instant import COAST, InstantSolver
from streamfit.estimation.solvers import SOLVERS
from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject

RATE = 50.0
LEGS = tuple(f"{name}_{side}" for name in ("hip_flexion", "knee_angle", "ankle_angle") for side in "rl")


@pytest.fixture(scope="module")
def solver(scene) -> InstantSolver:
    return SOLVERS["instant"](scene.skeleton, scene.rig, scene.keypoints, 0.1)


def played(solver, state, instants):
    """The state after instants, and what was answered, live and smoothed."""
    live, smoothed, clocks = [], [], np.zeros(len(solver.setup.rig.cameras))
    for instant in instants:
        state, answered = solver.measure(state, [instant], clocks)
        state, late, evidence = solver.settle(state)
        assert not evidence
        live, smoothed = live + answered, smoothed + late
    return state, live, smoothed


def instants(scene, count, noise=0.0, **more):
    rng = np.random.default_rng(2)
    return [(i / RATE, scene.views(i / RATE, noise, rng, **more)) for i in range(count)]


def errors(scene, estimates):
    """Root mean square errors (rad) of the legs' angles."""
    rows = [scene.skeleton.coordinates.index(name) for name in LEGS]
    return np.sqrt(np.mean([(e.q - scene.q(e.t))[rows] ** 2 for e in estimates]))


@pytest.mark.parametrize(("noise", "most"), [(0.0, 0.6), (4.0, 4.0)])
def test_a_person_who_moves_is_followed(solver, scene, noise, most) -> None:
    """Through a turn of two radians, without a jump; `sd` tells how far the answers are from the truth."""
    scene = replace(scene, turn_rate=2.0)
    _, live, _ = played(solver, solver.begin(scene.subject), instants(scene, 50, noise))
    assert {e.state for e in live} == {"tracking"}
    assert np.degrees(errors(scene, live[5:])) < most
    rows = [scene.skeleton.coordinates.index(name) for name in LEGS]
    expected = np.sqrt(np.mean([e.sd[rows] ** 2 for e in live[5:]]))
    assert np.degrees(expected) > np.degrees(errors(scene, live[5:])) / 3.0
    rate = np.array([e.qd for e in live[5:]])[:, scene.skeleton.coordinates.index("pelvis_rotation")]
    assert np.mean(rate) == pytest.approx(2.0, abs=0.2)


def test_smoothed_answers_are_its_own_one_lag_later(solver, scene) -> None:
    state, live, smoothed = played(solver, solver.begin(scene.subject), instants(scene, 20))
    assert len(smoothed) == 15
    state, rest = solver.finish(state)
    assert [id(e) for e in smoothed + rest] == [id(e) for e in live]
    assert state.course() is None
    assert state.predict(1.0) is None


def test_who_is_not_seen_coasts_and_is_lost(solver, scene) -> None:
    state, _, _ = played(solver, solver.begin(scene.subject), instants(scene, 20))
    last = state.last.q
    unseen = [(0.4 + i / RATE, []) for i in range(int((COAST + 0.2) * RATE))]
    state, live, _ = played(solver, state, unseen)
    states = [e.state for e in live]
    assert states[0] == "tracking"  # the views of a moment ago still stand
    assert states[10:40] == ["coasting"] * 30
    assert states[-1] == "lost"
    assert np.abs(live[40].q - last).max() < 0.05
    state, live, _ = played(solver, state, [(t + 2.0, scene.views(t + 2.0)) for t in (0.0, 0.02)])
    assert [e.state for e in live] == ["tracking"] * 2


def test_a_state_that_was_kept_gives_the_same_answers_again(solver, scene) -> None:
    """Cameras that are not in step, and views that come before their instant's time."""
    offsets = np.resize([0.0, 0.025, -0.006], len(scene.rig.cameras))
    seen = instants(scene, 40, 3.0, offsets=offsets)
    subject = Subject.generic(scene.skeleton, scene.keypoints)  # its size is found out on the way
    kept, before, _ = played(solver, solver.begin(subject), seen[:20])
    once, again = (played(solver, kept, seen[20:])[1] for _ in range(2))
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one.q, other.q)
        np.testing.assert_array_equal(one.sd, other.sd)
    assert kept.subject is not subject
    assert kept.subject.scale["pelvis"] == pytest.approx(1.75 / 1.70, rel=0.03)
    np.testing.assert_allclose(kept.predict(before[-1].t), before[-1].keypoints, atol=1e-9)


def test_something_that_is_no_person_is_not_followed(solver, scene) -> None:
    rng = np.random.default_rng(3)
    noise = instants(scene, 10)
    for _, views in noise:
        for view in views:
            view.xyc[:, :2] = rng.uniform(200, 800, (len(view.xyc), 2))
    _, live, _ = played(solver, solver.begin(scene.subject), noise)
    assert {e.state for e in live} == {"lost"}
    assert all(np.isfinite(e.q).all() for e in live)


@pytest.mark.slow
def test_the_daemon_runs_with_it(tmp_path: Path) -> None:
    views = standing_views(Rig.load(CONFIGS / "cameras.toml"), KeypointSet.load("coco17"))
    with daemon(tmp_path, config_text(more='[fit]\nsolver = "instant"\n'), REAL) as process:
        process.wait_ready()
        with Client(process.endpoints) as client:
            for i in range(20):
                client.keypoints("s", 1.0 + 0.02 * i, views)
                answer = client.wait_for("kinematics/s/0")
                smoothed = {a["t"]: a["q"] for a in client.payloads("smoothed/s/0")}
            assert answer["state"] == "tracking"
            assert process.metric('streamfit_fit_failed_total{session="s"}') == 0
            live = {a["t"]: a["q"] for a in client.payloads("kinematics/s/0")}
            assert len(smoothed) > 10
            assert all(live[t] == q for t, q in smoothed.items())
