"""A track's state is a value: it can be kept, gone back to, and written to a file."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.estimation import state_file
from streamfit.estimation.estimate import Estimate, Load
from streamfit.estimation.live.sliding_window.window import Window
from streamfit.estimation.live.tracker import WindowSolver
from streamfit.model.root import Frame
from streamfit.model.subject import Subject

RATE = 50.0
COUNT, HALF = 40, 20
"""Instants in all, and before the state that is gone back to."""


@pytest.fixture(scope="module")
def solver(scene) -> WindowSolver:
    return WindowSolver(scene.skeleton, scene.rig, scene.keypoints)


@pytest.fixture(scope="module")
def instants(scene):
    """Noisy views, each camera's at a time of its own; nobody for a while, so that a track begins after the first."""
    rng = np.random.default_rng(5)
    lag = np.resize([0.0, 0.003, 0.025], len(scene.rig.cameras))
    times = np.arange(COUNT) / RATE
    return [(t, [] if 8 <= i < 11 else scene.views(t, 3.0, rng, offsets=-lag)) for i, t in enumerate(times)]


def played(solver, state, instants, load=Load.NORMAL):
    """The states before each instant and after the last, and all that was answered."""
    states, told = [state], []
    clocks = np.zeros(len(solver.setup.rig.cameras))
    for instant in instants:
        state, answered = solver.measure(state, [instant], clocks, load)
        state, smoothed, evidence = solver.settle(state)
        states.append(state)
        told.append((answered, smoothed, [(e.t, e.information, e.eta) for e in evidence]))
    return states, told


def same(one, other) -> bool:
    """Whether all of it is the same, bit for bit."""
    if isinstance(one, Estimate):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, str):
        return one == other
    return np.array_equal(one, other, equal_nan=True)


@pytest.fixture(params=["known", "of unknown size"])
def subject(request, scene):
    return scene.subject if request.param == "known" else Subject.generic(scene.skeleton, scene.keypoints)


@pytest.mark.parametrize("load", [Load.NORMAL, Load.OVERLOADED])
def test_a_state_that_was_kept_gives_the_same_answers_again(solver, subject, instants, load) -> None:
    states, told = played(solver, solver.begin(subject), instants, load)
    for start in (0, 1, HALF):
        assert same(played(solver, states[start], instants[start:], load)[1], told[start:])


@pytest.mark.parametrize("start", [0, 2, 9, HALF])
def test_a_stretch_replayed_from_a_file_has_the_same_answers(solver, scene, subject, instants, tmp_path, start) -> None:
    states, told = played(solver, solver.begin(subject), instants)
    state_file.save(states[start], tmp_path / "track.state")
    other = WindowSolver(scene.skeleton, scene.rig, scene.keypoints)
    state = state_file.load(tmp_path / "track.state", other.setup)
    assert same(played(other, state, instants[start:])[1], told[start:])


def test_a_state_between_an_answer_and_what_follows_it_can_be_written(solver, subject, instants, tmp_path) -> None:
    states, told = played(solver, solver.begin(subject), instants)
    state, _ = solver.measure(states[HALF], [instants[HALF]], np.zeros(len(solver.setup.rig.cameras)))
    state_file.save(state, tmp_path / "track.state")
    state, smoothed, _ = solver.settle(state_file.load(tmp_path / "track.state", solver.setup))
    assert same(smoothed, told[HALF][1])
    assert same(played(solver, state, instants[HALF + 1 :])[1], told[HALF + 1 :])


def test_a_state_in_another_frame_than_the_ground_s_can_be_written(solver, scene, instants, tmp_path) -> None:
    """Someone who lies down on the side."""
    lying = replace(scene)
    upright, angles = scene.q, [scene.skeleton.coordinates.index(f"pelvis_{x}") for x in ("list", "ty")]

    def q(t: float) -> np.ndarray:
        out = upright(t)
        out[angles] = [1.3 * min(1.0, 2.0 * t), 0.95 - 0.6 * min(1.0, 2.0 * t)]
        return out

    object.__setattr__(lying, "q", q)
    seen = [(t, lying.views(t)) for t, _ in instants]
    states, told = played(solver, solver.begin(scene.subject), seen)
    start = next(i for i, s in enumerate(states) if s.phase and not np.array_equal(s.phase.frame.turn, np.eye(3)))
    assert isinstance(states[start].phase.frame, Frame)
    state_file.save(states[start], tmp_path / "track.state")
    state = state_file.load(tmp_path / "track.state", solver.setup)
    assert same(played(solver, state, seen[start:])[1], told[start:])


def test_a_step_that_fails_leaves_the_state_as_it_was(solver, scene, instants, monkeypatch) -> None:
    """It fails in its midst, after views were placed: whoever goes on without that instant loses it alone."""
    states, _ = played(solver, solver.begin(scene.subject), instants[:HALF])
    clocks = np.zeros(len(scene.rig.cameras))
    rest = [(instants[HALF][0], []), *instants[HALF + 1 :]]
    _, expected = played(solver, states[-1], rest)

    def fails(*_):
        raise FloatingPointError("not positive definite")

    with monkeypatch.context() as patch:
        patch.setattr(Window, "measurement_update", fails)
        with pytest.raises(FloatingPointError):
            solver.measure(states[-1], [instants[HALF]], clocks)
    _, told = played(solver, states[-1], rest)
    assert same(told, expected)
    assert all(b.t > a.t for a, b in pairwise(one for answered, _, _ in told for one in answered))
    assert {one.state for answered, _, _ in told for one in answered} == {"tracking"}
    truth = scene.q(instants[-1][0])
    assert np.abs(told[-1][0][0].q - truth)[scene.skeleton.coordinates.index("knee_angle_r")] < np.radians(6.0)


def test_a_state_is_read_for_what_it_was_made_for_alone(solver, scene, instants, tmp_path) -> None:
    path = tmp_path / "track.state"
    states, _ = played(solver, solver.begin(scene.subject), instants[:3])
    state_file.save(states[-1], path)
    with pytest.raises(InputError, match="lag differ"):
        state_file.load(path, WindowSolver(scene.skeleton, scene.rig, scene.keypoints, 0.2).setup)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="no state of a track"):
        state_file.load(path, solver.setup)
    with pytest.raises(InputError, match="cannot be read"):
        state_file.load(tmp_path / "missing", solver.setup)
