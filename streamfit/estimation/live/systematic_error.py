"""Each coordinate's distance from its recent mean posture, now and as a rule."""

from __future__ import annotations

import numpy as np

from streamfit.shallow import shallow

MEMORY = 10.0
"""s over which the mean posture is taken."""
BEFORE = 0.5
"""s for which a person counts as having stood in the neutral pose before the first instant."""
LONGEST = 0.1
"""s that an instant stands for at most."""


class Excursion:
    """Running mean and variance of coordinates (D,) as instants are answered."""

    def __init__(self, neutral: np.ndarray) -> None:
        self._mean, self._variance = np.array(neutral, float), np.zeros_like(neutral, float)
        self._weight, self._last = BEFORE, -np.inf

    def copy(self) -> Excursion:
        """Another that has noted the same."""
        return shallow(self)

    def note(self, t: float, q: np.ndarray) -> None:
        """Note the coordinates at a time (s) later than the one before."""
        stands_for, self._last = min(t - self._last, LONGEST), t
        self._weight = min(self._weight + stands_for, MEMORY)
        fraction = stands_for / self._weight
        away = q - self._mean
        self._mean = self._mean + fraction * away
        self._variance = (1.0 - fraction) * (self._variance + fraction * np.square(away))

    def square(self, q: np.ndarray) -> np.ndarray:
        """Squared excursion (D,) at q: half what it is there, half what it is in the mean.

        A posture that is passed through shares the errors of those about it, so that neither alone will do.
        """
        return np.asarray(0.5 * np.square(q - self._mean) + 0.5 * self._variance)
