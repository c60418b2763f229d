"""Rows at irregular times as segments of an even rate."""

import numpy as np

GAP = 0.25
"""s without a row that is too long to be bridged, unless rows are as far apart as that."""
SLOW = 2.5
"""Steps without a row that are too long to be bridged where rows are far apart."""


def uniform(t: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (T, N) at increasing times, linearly interpolated at their median rate, each segment from first to last.

    Uniform input comes back as it is (times to their own rounding); in a segment what is missing is bridged in a
    straight line. Nothing is made where there is a gap, however long.
    """
    parts = [_evened(t[part], values[part]) for part in segments(t)]
    return np.concatenate([grid for grid, _ in parts]), np.concatenate([rows for _, rows in parts])


def segments(t: np.ndarray) -> list[slice]:
    """The parts of increasing times (T,) without a gap."""
    if not len(t):
        return [slice(0, 0)]
    ends = np.flatnonzero(np.diff(t) > max(GAP, SLOW * step_of(t))) + 1
    return [slice(int(a), int(b)) for a, b in zip([0, *ends], [*ends, len(t)], strict=True)]


def step_of(t: np.ndarray) -> float:
    """The median step of increasing times (T,), s; 0 where there is none."""
    return float(np.median(np.diff(t))) if len(t) > 1 else 0.0


def _evened(t: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(t) < 2:
        return t, values
    grid = np.linspace(t[0], t[-1], max(1, round((t[-1] - t[0]) / step_of(t))) + 1)
    return grid, np.column_stack([np.interp(grid, t, column) for column in values.T])
