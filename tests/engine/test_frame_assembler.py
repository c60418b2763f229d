import random

import numpy as np
import pytest

from streamfit.engine import frame_assembler
from streamfit.engine.frame_assembler import FrameAssembler, Instant, Sync
from streamfit.estimation.estimate import View

XYC = np.zeros((1, 3))
PERIOD = 0.01


class Sender:
    """Feeds an assembler with `cameras` cameras and keeps what it answers; arrival is t + `delay`."""

    def __init__(self, cameras: int = 3, sync: Sync = "triggered", wait: float = 0.02) -> None:
        self.assembler = FrameAssembler(cameras, sync, wait)
        self.answered: list[Instant] = []
        self.dropped: dict[str, int] = {}

    def send(self, views: list[tuple[int, float]], now: float, t: float | None = None, person: str = "0") -> None:
        arrivals = [View(camera, at, XYC, person, now) for camera, at in views]
        message_t = t if t is not None else views[0][1]
        for reason, count in self.assembler.add(message_t, arrivals, now).items():
            self.dropped[reason] = self.dropped.get(reason, 0) + count
        self.look(now)

    def look(self, now: float) -> None:
        self.answered += self.assembler.due(now)

    @property
    def times(self) -> list[float]:
        return [instant.t for instant in self.answered]

    @property
    def used(self) -> list[tuple[int, float]]:
        return [view for views in self.views for view in views]

    @property
    def views(self) -> list[list[tuple[int, float]]]:
        return [[(v.camera, v.t) for v in instant.views] for instant in self.answered]


def together(sender: Sender, count: int, start: float = 0.0, cameras: int = 3) -> float:
    """`count` instants with a message per camera; the time of the next."""
    for i in range(count):
        t = start + i * PERIOD
        for camera in range(cameras):
            sender.send([(camera, t)], t + 0.001)
    return start + count * PERIOD


def test_an_instant_is_answered_as_soon_as_every_camera_has_sent() -> None:
    sender = Sender()
    t = together(sender, 3)
    answered = len(sender.answered)
    sender.send([(2, t)], t + 0.001)
    sender.send([(0, t)], t + 0.002)
    assert len(sender.answered) == answered
    sender.send([(1, t)], t + 0.003)
    assert sender.times[answered:] == [t]
    assert sorted(sender.views[-1]) == [(0, t), (1, t), (2, t)]
    assert sender.answered[-1].arrival == t + 0.003


def test_views_within_a_millisecond_are_one_instant_with_the_time_that_was_sent() -> None:
    sender = Sender()
    sender.send([(0, 1.0004), (1, 0.9996), (2, 1.0)], 1.01, t=1.0)
    assert sender.times == [1.0]
    assert len(sender.views[0]) == 3


def test_a_missing_view_is_waited_for_and_then_not() -> None:
    sender = Sender(wait=0.02)
    t = together(sender, 3)
    done = len(sender.answered)
    sender.send([(0, t)], t)
    sender.send([(1, t)], t)
    assert sender.assembler.next_deadline() == pytest.approx(t + 0.02)
    sender.look(t + 0.0199)
    assert len(sender.answered) == done
    sender.look(t + 0.02)
    assert sender.times[done:] == [t]


def test_a_camera_silent_for_half_a_second_is_not_waited_for() -> None:
    sender = Sender()
    t = together(sender, 3)
    for i in range(60):
        sender.send([(0, t + i * PERIOD), (1, t + i * PERIOD)], t + i * PERIOD)
        sender.look(t + i * PERIOD + 0.009)
    last = t + 60 * PERIOD
    done = len(sender.answered)
    sender.send([(0, last)], last)
    sender.send([(1, last)], last)
    assert len(sender.answered) == done + 1


def test_instants_are_answered_in_order_of_time() -> None:
    sender = Sender(2)
    t = together(sender, 3, cameras=2)
    done = len(sender.answered)
    sender.send([(0, t)], t)
    sender.send([(0, t + PERIOD)], t)
    sender.send([(1, t + PERIOD)], t)
    assert len(sender.answered) == done  # the earlier one still waits
    sender.send([(1, t)], t)
    assert sender.times[done:] == [t, t + PERIOD]


def test_a_late_view_goes_with_the_next_instant_at_its_own_time() -> None:
    sender = Sender(2, wait=0.005)
    t = together(sender, 3, cameras=2)
    late = sender.assembler.cameras[1].late
    sender.send([(0, t)], t)
    sender.look(t + 0.006)
    sender.send([(1, t)], t + 0.007)
    sender.send([(0, t + PERIOD), (1, t + PERIOD)], t + 0.01)
    assert sender.views[-1] == [(1, t), (0, t + PERIOD), (1, t + PERIOD)]
    assert sender.assembler.cameras[1].late == late + 1
    assert sender.assembler.cameras[0].late == 0
    assert sender.times == sorted(set(sender.times))


def test_a_view_that_comes_twice_is_used_once() -> None:
    sender = Sender(2)
    sender.send([(0, 0.0), (0, 0.0), (1, 0.0)], 0.0)
    sender.send([(0, 0.0)], 0.001)
    sender.send([(0, PERIOD), (1, PERIOD)], PERIOD)
    sender.send([(0, PERIOD), (1, PERIOD)], PERIOD)
    assert sender.dropped == {"duplicate": 4}
    assert sender.used == [(0, 0.0), (1, 0.0), (0, PERIOD), (1, PERIOD)]
    assert [camera.dropped for camera in sender.assembler.cameras] == [3, 1]


def test_two_persons_in_one_picture_are_no_duplicates() -> None:
    sender = Sender(1)
    arrivals = [View(0, 0.0, XYC, person, 0.0) for person in ("a", "b")]
    assert not sender.assembler.add(0.0, arrivals, 0.0)
    assert [v.person for v in sender.assembler.due(0.0)[0].views] == ["a", "b"]


def test_the_views_may_come_in_any_order_and_splitting() -> None:
    random.seed(3)
    sender = Sender(4)
    for i in range(200):
        t = i * PERIOD
        cameras = random.sample(range(4), 4)
        while cameras:
            size = random.randint(1, max(1, len(cameras) - 1))
            sender.send([(c, t) for c in cameras[:size]], t + 0.002)
            cameras = cameras[size:]
    assert sender.times[1:] == [i * PERIOD for i in range(200)][1:]
    assert all(len(views) == 4 for views in sender.views[2:])
    assert not sender.dropped


def test_a_detector_that_sends_one_message_per_instant_is_not_waited_for() -> None:
    sender = Sender(3)
    for i in range(20):
        sender.send([(c, i * PERIOD) for c in range(3)], i * PERIOD)
    sender.send([(0, 0.2), (2, 0.2)], 0.2)
    assert sender.times[-1] == 0.2  # at once, without camera 1


def test_an_instant_at_which_nobody_is_seen_is_answered_too() -> None:
    sender = Sender(2)
    sender.send([(0, 0.0), (1, 0.0)], 0.0)
    sender.send([], 0.01, t=0.01)
    sender.look(0.03)
    assert sender.times == [0.0, 0.01]
    assert sender.views[1] == []


def test_cameras_of_half_the_rate_are_waited_for_at_their_own_instants_only() -> None:
    sender = Sender(2)
    for i in range(20):
        t = i * PERIOD
        sender.send([(0, t)], t)
        if i % 2 == 0:
            sender.send([(1, t)], t)
        elif i > 4:
            assert sender.times[-1] == t
    assert not sender.assembler.free


# Free-running cameras


def free_run(sender: Sender, phases: list[float], seconds: float, period: float = PERIOD) -> None:
    events = sorted(
        (phase + i * period, camera) for camera, phase in enumerate(phases) for i in range(int(seconds / period))
    )
    for t, camera in events:
        sender.look(t)
        sender.send([(camera, t)], t + 0.001)


def test_messages_that_overtake_each_other_leave_hardly_an_instant_out() -> None:
    """Eight cameras at 60 Hz, each message up to 100 ms late: only where all views of an instant come after it."""
    sender, draw, rate = Sender(8, "auto"), random.Random(3), 60.0
    count = round(5 * rate)
    arrivals = sorted((i / rate + 0.1 * draw.random(), camera, i / rate) for i in range(count) for camera in range(8))
    for arrival, camera, t in arrivals:
        sender.look(arrival)
        sender.send([(camera, t)], arrival)
    sender.look(count / rate + 1.0)
    assert len(sender.times) > 0.95 * count
    assert sender.times == sorted(sender.times)
    assert not sender.assembler.free


def test_free_the_reference_cameras_times_are_answered_without_waiting() -> None:
    sender = Sender(3, "free")
    free_run(sender, [0.0, 0.003, 0.007], 1.0)
    assert sender.times == [pytest.approx(i * PERIOD) for i in range(100)]
    # each has the views of the others since the last instant, at their own times
    assert [c for c, _ in sender.views[50]] == [1, 2, 0]
    assert sender.views[50][-1][1] == sender.times[50]
    assert all(instant.arrival - instant.t < 0.0011 for instant in sender.answered[3:])


def test_free_every_view_is_used_once() -> None:
    sender = Sender(3, "free")
    free_run(sender, [0.0, 0.003, 0.007], 1.0)
    used = sender.used
    assert len(used) == len(set(used)) >= 3 * 100 - 3


def test_free_a_view_on_its_way_is_waited_for() -> None:
    sender = Sender(2, "free")
    for i in range(20):  # camera 1's views are taken with camera 0's, and travel 4 ms longer
        t = i * PERIOD
        sender.send([(0, t)], t + 0.001)
        sender.send([(1, t - 1e-4)], t + 0.005)
    assert [c for c, _ in sender.views[-1]] == [1, 0]
    done = len(sender.answered)
    sender.send([(0, 0.2)], 0.201)
    assert len(sender.answered) == done
    deadline = sender.assembler.next_deadline()
    assert deadline is not None
    assert 0.205 < deadline < 0.21  # no longer than its slowest view lately
    sender.look(deadline)
    assert len(sender.answered) == done + 1


def test_free_the_next_camera_takes_over_after_half_a_second_of_silence() -> None:
    sender = Sender(2, "free")
    free_run(sender, [0.0, 0.004], 0.3)
    for i in range(30, 100):
        sender.send([(1, 0.004 + i * PERIOD)], 0.005 + i * PERIOD)
    sender.look(2.0)
    silent = [b - a for a, b in zip(sender.times, sender.times[1:], strict=False) if b - a > 0.02]
    assert len(silent) == 1
    assert 0.49 < silent[0] < 0.53
    assert sender.times[-1] == pytest.approx(0.994)
    sender.send([(0, 1.0)], 1.0)  # and hands it back
    sender.send([(1, 1.004)], 1.005)
    sender.look(2.0)
    assert sender.times[-1] == 1.0


def test_auto_stays_triggered_with_triggered_cameras() -> None:
    sender = Sender(3, "auto")
    t = together(sender, 20)
    sender.send([(0, t)], t)  # a camera misses a picture
    sender.send([(1, t)], t)
    sender.look(t + 0.02)
    t = together(sender, 20, t + PERIOD)
    t = together(sender, 20, t + 3.5)  # a pause
    together(sender, 20, t - 0.003)  # the clock is set back a little
    assert not sender.assembler.free


def test_auto_turns_to_free_for_good() -> None:
    sender = Sender(3, "auto")
    free_run(sender, [0.0, 0.003, 0.0065], 0.5, 1 / 60)
    assert sender.assembler.free
    late = [t for t in sender.times if t > 0.1]
    np.testing.assert_allclose(np.diff(late), 1 / 60, atol=1e-9)  # the reference camera's alone
    together(sender, 10, 1.0)
    assert sender.assembler.free
    assert sender.times == sorted(set(sender.times))


def test_auto_turns_to_free_even_where_two_cameras_coincide() -> None:
    sender = Sender(3, "auto")
    free_run(sender, [0.0, 0.0, 0.005], 0.5, 1 / 60)
    assert sender.assembler.free


def test_triggered_and_free_are_kept_when_asked_for() -> None:
    triggered = Sender(2, "triggered")
    free_run(triggered, [0.0, 0.004], 0.5)
    assert not triggered.assembler.free


# Times that jump


@pytest.mark.parametrize("jump", [-100.0, -1.0, 5.0, 1e6])
@pytest.mark.parametrize("sync", ["triggered", "free"])
def test_a_clock_that_jumps_for_good_is_followed_without_loss(jump: float, sync: Sync) -> None:
    sender = Sender(2, sync)
    start = 200.0
    for i in range(50):
        t = start + i * PERIOD
        sender.send([(0, t), (1, t)], i * PERIOD)
    expected = sender.times.copy()
    for i in range(50, 100):
        t = start + jump + i * PERIOD
        sender.send([(0, t), (1, t)], i * PERIOD)
        expected.append(t)
    sender.look(10.0)
    assert sender.times == expected
    assert not sender.dropped


@pytest.mark.parametrize("wild", [-50.0, 50.0, 1e9])
def test_a_single_wild_time_is_dropped(wild: float) -> None:
    sender = Sender(2)
    t = together(sender, 10, cameras=2)
    sender.send([(0, t + wild)], t)
    together(sender, 10, t, cameras=2)
    assert len(sender.answered) >= 19
    assert max(sender.times) < 1.0
    assert sender.dropped == {"time_jump": 1}


def test_a_camera_with_a_clock_of_its_own_does_not_stop_the_others() -> None:
    sender = Sender(3)
    for i in range(100):
        t = i * PERIOD
        sender.send([(0, t)], t)
        sender.send([(2, t + 1000.0)], t)
        sender.send([(1, t)], t)
        sender.look(t + 0.009)
    sender.look(2.0)
    assert sender.times[2:] == [i * PERIOD for i in range(100)][2:]
    assert sender.assembler.cameras[2].dropped >= 98


def test_times_that_run_backwards_do_not_stop_the_session() -> None:
    sender = Sender(2)
    for i in range(300):
        sender.send([(0, 10.0 - i * PERIOD), (1, 10.0 - i * PERIOD)], i * PERIOD)
    t = together(sender, 20, 10.0, cameras=2)
    sender.look(t + 1.0)
    assert sender.times[-1] == pytest.approx(10.19)


# Bounds


def test_a_flood_of_instants_that_never_complete_is_bounded() -> None:
    sender = Sender(2, wait=1.0)
    together(sender, 3, cameras=2)
    for i in range(1000):
        sender.send([(0, 1.0 + 0.002 * i)], 0.5)
        assert len(sender.assembler._open) <= frame_assembler.MAX_OPEN
    assert sender.times == sorted(sender.times)


def test_views_that_no_instant_takes_are_bounded() -> None:
    sender = Sender(2, "free")
    sender.send([(0, 0.0)], 0.0)
    for i in range(3000):
        sender.send([(1, 0.0001 * i)], 0.0001 * i)
    assert len(sender.assembler._kept) <= frame_assembler.MAX_KEPT
    assert sender.assembler.cameras[1].dropped > 0


def test_flush_answers_what_still_waits() -> None:
    sender = Sender(2)
    together(sender, 3, cameras=2)
    sender.send([(0, 0.03)], 0.03)
    sender.send([(0, 0.04)], 0.04)
    assert [i.t for i in sender.assembler.flush()] == [0.03, 0.04]
    assert sender.assembler.next_deadline() is None


@pytest.mark.parametrize("sync", ["triggered", "auto", "free"])
def test_a_clock_that_is_set_back_a_little_loses_no_instant(sync: Sync) -> None:
    """By less than a view may be late: it is the cameras' own times that go back."""
    sender = Sender(sync=sync)
    together(sender, 100)
    together(sender, 100, start=0.6)
    sender.look(10.0)
    expected = [*(i * PERIOD for i in range(100)), *(0.6 + i * PERIOD for i in range(100))]
    np.testing.assert_allclose(sender.times, expected, atol=1e-9)
    assert sender.dropped == {}


def test_one_camera_that_lags_has_set_no_clock_back() -> None:
    """Not even when the others end before it."""
    sender = Sender()
    for i in range(100):
        t = i * PERIOD
        if i < 60:
            sender.send([(0, t), (1, t)], t + 0.001)
        if i >= 30:
            sender.send([(2, t - 0.3)], t + 0.001)
    sender.look(10.0)
    assert sorted(sender.times) == sender.times
    assert len([view for view in sender.used if view[0] == 2]) >= 29


def test_what_waits_for_a_clock_to_be_confirmed_is_bounded() -> None:
    sender = Sender()
    together(sender, 100)
    for i in range(2000):
        sender.send([(0, 5000.0 + i % 3)], 2.0 + i)
    held = sender.assembler._timeline._held
    assert len(held) <= frame_assembler.MAX_KEPT
