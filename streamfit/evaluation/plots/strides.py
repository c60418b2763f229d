"""Movement cut into strides, each drawn over the same 0 to 100 %."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

PERCENT = np.linspace(0.0, 100.0, 101)
SHORTEST, LONGEST = 0.4, 3.0
"""s between two strikes of one foot that are a stride; else one was missed, or the person stood."""


def cut_strides(t: np.ndarray, values: np.ndarray, strikes: Sequence[float]) -> np.ndarray:
    """Values (T,) known at times (T,) as strides (S, 101): from each strike of a foot (s) to its next.

    A stride that is not known throughout (outside the times, or NaN on its way) is left out.
    """
    out = [np.zeros((0, len(PERCENT)))]
    times = np.sort(np.asarray(strikes, float))
    for start, end in pairwise(times):
        if not SHORTEST <= end - start <= LONGEST or len(t) == 0 or start < t[0] or end > t[-1]:
            continue
        stride = np.interp(start + (end - start) * PERCENT / 100.0, t, values)
        if np.isfinite(stride).all():
            out.append(stride[None])
    return np.concatenate(out)
