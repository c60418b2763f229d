import gc
import random
from typing import Any

import numpy as np
import pytest

from streamfit.protocol.ingest import EndMessage, KeypointsMessage, Rejected, decode_ingest, encode


def message(**changes: Any) -> bytes:
    view = {"camera": "a", "xyc": [[1.0, 2.0, 0.5]]}
    fields = {"v": 1, "type": "keypoints", "session": "s", "t": 1.5, "views": [view]} | changes
    return encode({key: value for key, value in fields.items() if value is not ...})


def decoded(payload: bytes) -> KeypointsMessage:
    result = decode_ingest(payload)
    assert isinstance(result, KeypointsMessage)
    return result


def test_a_message_is_read() -> None:
    xyc = np.array([[1, 2, 0.5], [3, 4, 1]], np.float32)
    views = [
        {"camera": "a", "xyc": xyc},
        {"camera": "b", "t": 1.25, "person": "p", "xyc": xyc.tolist(), "unknown": {"x": 1}},
    ]
    got = decoded(message(frame=7, views=views, unknown=[1]))
    assert (got.session, got.t, got.frame) == ("s", 1.5, 7)
    assert [(v.camera, v.t, v.person) for v in got.views] == [("a", None, "0"), ("b", 1.25, "p")]
    for view in got.views:
        np.testing.assert_array_equal(view.xyc, xyc)
        assert view.bad_points == 0


def test_an_end_is_read() -> None:
    assert decode_ingest(encode({"v": 1, "type": "end", "session": "s"})) == EndMessage("s")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "kinematics"}, "wrong_type"),
        ({"type": ...}, "wrong_type"),
        ({"type": ["keypoints"]}, "wrong_type"),
        ({"session": ...}, "bad_session"),
        ({"session": ""}, "bad_session"),
        ({"session": "a" * 65}, "bad_session"),
        ({"session": "a/b"}, "bad_session"),
        ({"session": "a\n"}, "bad_session"),
        ({"session": "é"}, "bad_session"),
        ({"session": 3}, "bad_session"),
        ({"t": ...}, "bad_time"),
        ({"t": float("nan")}, "bad_time"),
        ({"t": float("inf")}, "bad_time"),
        ({"t": 1e18}, "bad_time"),
        ({"t": "1"}, "bad_time"),
        ({"t": True}, "bad_time"),
        ({"views": ...}, "bad_views"),
        ({"views": {}}, "bad_views"),
        ({"views": [{}] * 257}, "too_many_views"),
    ],
)
def test_a_message_that_cannot_be_used_is_rejected(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode_ingest(message(**changes))
    assert caught.value.reason == reason


def test_views_that_cannot_be_used_leave_nothing_to_the_garbage_collector() -> None:
    payload = message(views=[3, {}, {"camera": "cam_01", "xyc": "far"}])
    gc.collect()
    gc.disable()  # a full collection beside a live session would keep its answers waiting
    try:
        decode_ingest(payload)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (3, "bad_view"),
        ({}, "bad_view"),
        ({"camera": 1, "xyc": [[1, 2, 1]]}, "bad_view"),
        ({"camera": "a"}, "bad_array"),
        ({"camera": "a", "xyc": []}, "bad_array"),
        ({"camera": "a", "xyc": [1, 2, 1]}, "bad_array"),
        ({"camera": "a", "xyc": [[1, 2]]}, "bad_array"),
        ({"camera": "a", "xyc": [[[1, 2, 1]]]}, "bad_array"),
        ({"camera": "a", "t": float("nan"), "xyc": [[1, 2, 1]]}, "bad_time"),
        ({"camera": "a", "person": "a/b", "xyc": [[1, 2, 1]]}, "bad_person"),
        ({"camera": "a", "person": 0, "xyc": [[1, 2, 1]]}, "bad_person"),
    ],
)
def test_only_the_view_that_cannot_be_used_is_dropped(view: Any, reason: str) -> None:
    got = decoded(message(views=[view, {"camera": "b", "xyc": [[1, 2, 1]]}]))
    assert [v.camera for v in got.views] == ["b"]
    assert [r.reason for r in got.rejected] == [reason]


def test_only_the_points_that_cannot_be_used_are_dropped() -> None:
    nan, inf = float("nan"), float("inf")
    bad = [[nan, 2, 1], [1, inf, 1], [1, 2, nan], [1, 2, -0.1], [1, 2, 1.1], [1, 2, inf], [1e30, 2, 1]]
    good = [[1, 2, 1], [-5, 3000.5, 0.25]]
    missing = [[nan, nan, 0], [7, 8, 0]]
    view = decoded(message(views=[{"camera": "a", "xyc": bad + good + missing}])).views[0]
    assert view.bad_points == len(bad)
    np.testing.assert_array_equal(view.xyc[: len(bad)], 0)
    np.testing.assert_array_equal(view.xyc[len(bad) : -2], good)
    np.testing.assert_array_equal(view.xyc[-2:], 0)


def test_no_bytes_harm() -> None:
    random.seed(2)
    whole = message(views=[{"camera": "a", "person": "0", "t": 1.0, "xyc": np.ones((4, 3))}] * 2)
    for _ in range(5000):
        damaged = bytearray(whole)
        for _ in range(random.randrange(1, 4)):
            damaged[random.randrange(len(whole))] = random.randrange(256)
        try:
            got = decode_ingest(bytes(damaged))
        except Rejected:
            continue
        if isinstance(got, KeypointsMessage):
            assert np.isfinite(got.t)
            assert all(np.isfinite(view.xyc).all() for view in got.views)
