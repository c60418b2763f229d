"""What comes in wrong is told by its cause, alone and soon, whatever the fit makes of it; of right views nothing is."""

from pathlib import Path

import numpy as np
import pytest
from daemon_process import CONFIGS
from fake_solver import FakeSolver
from standing import standing_views
from watched_session import WatchedSession, recorded

from streamfit.daemon.monitoring.pace import Pace
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.protocol.ingest import KeypointsMessage, ViewMessage

SOON = 5.0  # s
RATE = 20.0  # Hz
RIG = Rig.load(CONFIGS / "cameras.toml")
COCO = KeypointSet.load("coco17")


@pytest.mark.parametrize(
    ("name", "key", "within"),
    [
        ("empty-room/iid", "input nobody", SOON),
        ("empty-room/ghost", "input nobody", SOON),
        ("garbage-tracking/normalised", "input shares", SOON),
        ("garbage-tracking/centimetres", "input units", SOON),
        ("garbage-tracking/half_resolution", "input resolution", SOON),
        ("two-cameras/right", None, 0.0),
        ("two-cameras/shift60px_from_3s", "input two", 3.0 + 10.0),
        ("identities/per_camera", "input names apart", SOON),
        ("identities/churn", "input names anew", SOON),
    ],
)
def test_the_cause_of_a_fault(skeleton: Skeleton, faults: Path, name: str, key: str | None, within: float) -> None:
    rig, keypoints, messages = recorded(faults / f"{name}.mcap")
    watched = WatchedSession(skeleton, rig, keypoints, FakeSolver)
    first = None
    for arrival, message in messages():
        first = arrival if first is None else first
        if arrival - first > max(within, SOON):
            break
        watched.take(message, arrival - first)
    assert list(watched.came) == ([key] if key else [])
    assert all(when <= within for when in watched.came.values())


def walks(change: float = 1.0, several: bool = False, unit: float = 1.0) -> WatchedSession:
    """A session of three seconds whose pixels are so many times as large and whose times are in other units."""
    watched = WatchedSession(Skeleton.load(), RIG, COCO, FakeSolver)
    for frame in range(round(3.0 * RATE)):
        t = frame / RATE
        seen = standing_views(RIG, COCO, place=0.2 * np.sin(t))
        views = [ViewMessage(v["camera"], None, "0", v["xyc"] * [change, change, 1.0]) for v in seen]
        if several:
            views += [ViewMessage(view.camera, None, "0", np.add(view.xyc, [90.0, 0.0, 0.0])) for view in views]
        watched.take(KeypointsMessage("s", unit * t, None, tuple(views)), t)
    return watched


def test_half_the_resolution_is_told_alone() -> None:
    told = walks(change=0.5).told
    assert list(told) == ["input resolution"]
    assert "pictures 0.5 times the calibration's size" in told["input resolution"]


def test_nothing_is_told_of_right_views() -> None:
    assert walks().came == {}


def test_several_people_whom_nobody_names() -> None:
    assert list(walks(several=True).came) == ["several"]


def test_times_in_milliseconds() -> None:
    told = walks(unit=1000.0).told
    assert told["time unit"].startswith("capture times are in milliseconds, not in seconds")
    assert "unused" not in told


def test_the_pace_of_times() -> None:
    def unit(factor: float, rate: float = 30.0) -> str | None:
        pace = Pace()
        return [pace.unit(frame / rate, factor * frame / rate) for frame in range(30)][-1]

    assert unit(1.0) is None
    assert unit(20.5) is None  # a recording that is played quickly
    assert unit(1e3) == "milliseconds"
    assert unit(1e9) == "nanoseconds"
    assert unit(30.0) == "frames"
