"""Durations counted by size, for a Prometheus histogram. Written by one thread, read by any."""

from bisect import bisect_left

BOUNDS = (0.0001, 0.0003, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.3, 1.0, 3.0)
"""Upper limits of the buckets, s."""


class Histogram:
    """`sum` s of all that were observed."""

    def __init__(self) -> None:
        self.sum = 0.0
        self._counts = [0] * (len(BOUNDS) + 1)

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count one, or as many as took so long each."""
        self._counts[bisect_left(BOUNDS, seconds)] += times
        self.sum += seconds * times

    def buckets(self) -> list[tuple[str, float]]:
        """(upper limit, how many were at most that long) as prometheus_client takes them."""
        total, out = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), tuple(self._counts), strict=True):
            total += count
            out.append((bound, float(total)))
        return out
