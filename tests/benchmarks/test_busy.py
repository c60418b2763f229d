"""The load that the benchmark makes ends with it."""

import psutil

from benchmarks.lib.busy import busy_cores


def test_busy_processes_compute_and_are_gone_afterwards() -> None:
    before = set(psutil.Process().children())
    with busy_cores(2):
        busy = set(psutil.Process().children()) - before
        assert len(busy) == 2
        while min(sum(one.cpu_times()[:2]) for one in busy) < 0.1:
            pass
    assert not any(one.is_running() for one in busy)
