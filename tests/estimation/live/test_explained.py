"""Who is followed is explained by what the cameras see; nobody else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.estimate import Estimate, View
from streamfit.estimation.init.initial_scale import measured_subject
from streamfit.estimation.live.sliding_window.window import Window
from streamfit.estimation.live.tracker import Tracker
from streamfit.model.camera import Rig
from streamfit.model.subject import SKELETON_STATURE, Subject

RATE = 50.0
WIDTH, HEIGHT = 2048.0, 1536.0


def times(start: float, end: float) -> np.ndarray:
    return start + np.arange(round((end - start) * RATE)) / RATE


def made_of(view: View, change: Callable[[np.ndarray], np.ndarray]) -> View:
    """The view with its pixels (K, 2) changed."""
    return replace(view, xyc=np.concatenate([change(view.xyc[:, :2]), view.xyc[:, 2:]], 1))


def noise(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    return lambda xy: rng.uniform([0.0, 0.0], [WIDTH, HEIGHT], xy.shape)


def ghosts(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A person-like heap of points, somewhere else in each picture."""
    return lambda xy: rng.uniform([300.0, 300.0], [1700.0, 1200.0]) + rng.normal(0.0, 60.0, xy.shape)


WRONG: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "noise": noise(np.random.default_rng(0)),
    "ghosts": ghosts(np.random.default_rng(0)),
    "shares of the picture": lambda xy: xy / [WIDTH, HEIGHT],
    "half the resolution": lambda xy: xy / 2.0,
    "twice the resolution": lambda xy: xy * 2.0,
    "turned": lambda xy: np.stack([HEIGHT - 1.0 - xy[:, 1], xy[:, 0]], 1),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_the_cameras_cannot_have_seen_of_anybody_is_never_followed(scene, kind):
    tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, Subject.generic(scene.skeleton, scene.keypoints))
    live: list[Estimate] = []
    for t in times(0.0, 0.6):
        estimate, _ = tracker.update(t, [made_of(view, WRONG[kind]) for view in scene.views(t)])
        live.append(estimate)
        assert tracker.course() is None
    assert {e.state for e in live} == {"lost"}
    assert live[-1].explained < 0.4
    assert np.isnan(live[-1].sd).all()
    assert not tracker.clocks.applied.any()


@pytest.mark.parametrize("factor", [0.1, 10.0, 100.0])
def test_a_rig_in_other_units_follows_nobody(scene, factor):
    rig = Rig(tuple(replace(c, translation=factor * c.translation) for c in scene.rig.cameras), scene.rig.up)
    tracker = Tracker(scene.skeleton, rig, scene.keypoints, Subject.generic(scene.skeleton, scene.keypoints))
    live = [tracker.update(t, scene.views(t))[0] for t in times(0.0, 0.4)]
    assert {e.state for e in live} == {"lost"}
    assert tracker.subject.of_unknown_size


def test_lost_within_half_a_second_and_back_within_a_tenth(scene):
    """Smoothed answers come once each, and say lost where nothing was explained."""
    tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, scene.subject)
    live, smoothed = [], []
    for t in times(0.0, 2.5):
        views = scene.views(t)
        if 0.8 <= t < 1.4:
            views = [made_of(view, WRONG["noise"]) for view in views]
        estimate, settled = tracker.update(t, views)
        live.append(estimate)
        smoothed += settled
    smoothed += tracker.finish()
    assert {e.state for e in live if e.t < 0.8} == {"tracking"}
    assert {e.state for e in live if 1.3 <= e.t < 1.4} == {"lost"}
    assert {e.state for e in live if e.t >= 1.5} == {"tracking"}
    assert sorted(e.t for e in smoothed) == [e.t for e in live]
    assert {e.state for e in smoothed if 1.1 <= e.t < 1.4} == {"lost"}
    held = [e for e in live if e.state == "lost"]
    assert all(np.isnan(e.sd).all() and (e.q == held[0].q).all() for e in held)
    assert live[-1].explained > 0.9
    assert np.abs(live[-1].keypoints - scene.points(live[-1].t) @ scene.rig.to_ground).max() < 0.05


@pytest.mark.parametrize("together", [1, 3])
def test_a_leap_is_a_new_track_and_teaches_the_clocks_nothing(scene, together):
    """The same second of movement over and over, so that the person is 1.5 m elsewhere at once."""

    class Looped(type(scene)):
        def q(self, t: float) -> np.ndarray:
            q = super().q(t % 0.6)
            q[0] += 2.5 * (t % 0.6) - 0.75
            return q

    looped = Looped(scene.skeleton, scene.keypoints, scene.rig, scene.subject)
    tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, scene.subject)
    rng, all_times, live, smoothed, since = np.random.default_rng(0), times(0.0, 3.0), [], [], set()
    for i in range(0, len(all_times), together):
        live += tracker.answer([(t, looped.views(t, 2.0, rng)) for t in all_times[i : i + together]])
        smoothed += tracker.settle()
        if (course := tracker.course()) is not None:
            since.add(round(course.since, 2))
    smoothed += tracker.finish()
    assert [e.t for e in smoothed] == [e.t for e in live] == list(all_times)
    assert len(since) == 5
    assert not tracker.clocks.applied.any()
    assert max(e.rms_px for e in live[together::together]) < 8.0
    first = [e for e in live if 0.0 <= e.t % 0.6 < 0.5 / RATE and e.t > 0.1]
    if together == 1:
        assert all(np.abs(e.keypoints - looped.points(e.t) @ scene.rig.to_ground).mean() < 0.02 for e in first)


def test_a_child_is_followed_at_once_and_is_as_large_as_they_are(scene, monkeypatch):
    """Under the skeleton as drawn, nothing compiled for it; who is told to be small is not measured."""
    child = Subject.generic(scene.skeleton, scene.keypoints, 1.10)

    class Small(type(scene)):
        def q(self, t: float) -> np.ndarray:
            q = super().q(t)
            q[1] -= 0.33
            return q

    small = Small(scene.skeleton, scene.keypoints, scene.rig, child)
    unknown = Subject.generic(scene.skeleton, scene.keypoints)
    tracker, rng, live = Tracker(scene.skeleton, scene.rig, scene.keypoints, unknown), np.random.default_rng(0), []
    tracker.solver.warm_up()
    compiled = [function._cache_size() for function in (Window.measurement_update, Window.relinearise_and_shift)]
    for t in times(0.0, 1.0):
        live.append(tracker.update(t, small.views(t, 2.0, rng))[0])
    assert {e.state for e in live} == {"tracking"}
    assert tracker.subject.scale["pelvis"] == pytest.approx(1.10 / SKELETON_STATURE, rel=0.03)
    assert live[-1].rms_px < 5.0
    assert [
        function._cache_size() for function in (Window.measurement_update, Window.relinearise_and_shift)
    ] == compiled
    trial = Trial("child", scene.rig, [(t, small.views(t, 2.0, rng)) for t in times(0.0, 0.4)])
    measured = measured_subject(trial, scene.skeleton, scene.keypoints, unknown)
    assert measured.scale["pelvis"] == pytest.approx(1.10 / SKELETON_STATURE, rel=0.03)
    assert measured_subject(trial, scene.skeleton, scene.keypoints, child) is child
