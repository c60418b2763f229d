"""How much of what the cameras see a fit explains, judged by what the noise allows and by nothing else.

Cameras that agree with one another about something that is no person, and a person whom no camera sees where the fit
has them, look alike to every comparison between cameras. So each confident point is held against its own allowance.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from jaxtyping import Float

from streamfit.cameras import Lenses
from streamfit.fit.estimate import USABLE_CONFIDENCE
from streamfit.fit.residuals import Noise

ALLOWED = 3.0
"""Scales of the noise up to which a point is explained."""
LATELY = 1.0
"""s over which the share is told."""
NEAREST = 0.3
"""m: nobody is nearer to a camera, and closer points would be allowed anything."""


class Allowance:
    """How far C cameras may see K keypoints from where the fit has them; `lenses` are from the world frame."""

    def __init__(self, lenses: Lenses, noise: Noise) -> None:
        self._axis, self._shift = lenses.rotation[:, 2], lenses.translation[:, 2]
        self._pixels = np.square(ALLOWED * noise.sd * lenses.pixel[:, None])
        self._wander = np.square(ALLOWED * noise.wander * lenses.focal[:, :1])

    def count(
        self,
        error: Float[np.ndarray, "C K"],
        seen: Float[np.ndarray, "C K 3"],
        points: Float[np.ndarray, "K 3"],
        visible: np.ndarray,
    ) -> tuple[int, int]:
        """How many confident points of an instant are explained, and how many there are.

        `error` (px, native) is from where the fit has the `points` (m, world frame), `visible` (C, K) says whether the
        camera can see them there. A point counts as explained only together with another camera's of the same
        keypoint, where there is one: a single camera can be explained by anything.
        """
        confident = seen[..., 2] >= USABLE_CONFIDENCE
        depth = np.maximum(self._axis @ points.mean(0) + self._shift, NEAREST)[:, None]
        near = confident & visible & (np.square(error) <= self._pixels + self._wander / np.square(depth))
        agreed = near.sum(0) >= np.minimum(confident.sum(0), 2)
        return int(np.count_nonzero(near & agreed)), int(np.count_nonzero(confident))


class Explained:
    """Counts of the last instants of one person."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int, int]] = deque()

    def note(self, t: float, explained: int, confident: int) -> None:
        """So many of the confident points at the instant t are explained."""
        self._counts.append((t, explained, confident))
        while self._counts[0][0] <= t - LATELY:
            self._counts.popleft()

    def forget(self) -> None:
        """Another track begins."""
        self._counts.clear()

    def share(self, span: float = LATELY) -> float:
        """Of the last `span` s; NaN while nothing was seen."""
        if not self._counts:
            return np.nan
        since = self._counts[-1][0] - span
        told = [(explained, confident) for t, explained, confident in self._counts if t > since]
        explained, confident = map(sum, zip(*told, strict=True))
        return explained / confident if confident else np.nan
