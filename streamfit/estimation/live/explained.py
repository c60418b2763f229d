"""How much of what the cameras see a fit explains, judged by what the noise allows and by nothing else.

Cameras that agree with one another about something that is no person, and a person whom no camera sees where the fit
has them, look alike to every comparison between cameras. So each confident point is held against its own allowance.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from jaxtyping import Bool, Float

from streamfit.estimation.estimate import USABLE_CONFIDENCE
from streamfit.estimation.factors.reprojection import Noise
from streamfit.model.camera import Lenses
from streamfit.model.subject import DEFAULT_NOISE

ALLOWED = 3.0
"""Scales of the noise up to which a point is explained."""
LEAST_STA = 0.02
"""m per axis that is allowed at least, as are DEFAULT_NOISE pixels: a person whose noise was measured in one room is
still a person before cameras that have moved a little."""
STARTS, GOES_ON = 0.6, 0.5
"""Share of the confident points from which a new fit explains the views, and below which a running one does not any
more: see docs/notes/fit.md for how far apart people and everything else are."""
PAIR = 0.1
"""How much more where two cameras alone see the person: they are easier to please."""
JUDGED = 0.3
"""s over which a running fit is judged."""
LATELY = 1.0
"""s over which the share is told."""
NEAR_CAMERA = 2.0
"""m from a camera: a fit that is nearer must look as large as that."""
FORESHORTENED = 0.4
"""Share of a body's extent in space that a camera sees of it at least."""


class PixelTolerance:
    """How far C cameras may see K keypoints from where the fit has them; `lenses` are from the world frame."""

    def __init__(self, lenses: Lenses, noise: Noise) -> None:
        self._axis, self._shift, self._focal = lenses.rotation[:, 2], lenses.translation[:, 2], lenses.focal[:, 0]
        self._pixels = np.square(ALLOWED * np.maximum(noise.sd, DEFAULT_NOISE) * lenses.pixel[:, None])
        self._sta_sd = np.square(ALLOWED * np.maximum(noise.sta_sd, LEAST_STA) * self._focal[:, None])

    def count(
        self,
        error: Float[np.ndarray, "C K"],
        seen: Float[np.ndarray, "C K 3"],
        points: Float[np.ndarray, "K 3"],
        visible: Bool[np.ndarray, "C K"],
    ) -> tuple[int, int]:
        """How many confident points of an instant are explained, and how many there are.

        `error` (px, native) is from where the fit has the `points` (m, world frame), `visible` whether the camera can
        see them there. A point is explained only together with another camera's of the same keypoint, where there is
        one: a single camera can be explained by anything.
        """
        confident = seen[..., 2] >= USABLE_CONFIDENCE
        allowed = self._pixels + self._sta_sd / np.square(self._depth(seen, confident, points))[:, None]
        near = confident & visible & (np.square(error) <= allowed)
        agreed = near.sum(0) >= np.minimum(confident.sum(0), 2)
        return int(np.count_nonzero(near & agreed)), int(np.count_nonzero(confident))

    def _depth(self, seen: np.ndarray, confident: np.ndarray, points: np.ndarray) -> np.ndarray:
        """m (C,) from each camera: the fit's, and no less than so small a person as is seen can be near.

        Without the second, a fit right before a lens (of a rig whose units are wrong) would be allowed anything.
        """
        centre = points.mean(0)
        depth = self._axis @ centre + self._shift
        if depth.min() > NEAR_CAMERA:
            return np.asarray(depth)
        extent = FORESHORTENED * np.sqrt(np.square(points - centre).sum(1).mean())
        weight = confident / np.maximum(confident.sum(1, keepdims=True), 1)
        xy = np.where(confident[..., None], seen[..., :2], 0.0)
        mean = np.einsum("ck,cki->ci", weight, xy)
        spread = np.einsum("ck,cki->c", weight, np.square(xy - mean[:, None]))
        return np.maximum(depth, extent * self._focal / np.sqrt(spread + 1.0))


def explains(share: float, cameras: int, started: bool) -> bool:
    """Whether that share of the confident points that so many cameras see is enough, of a fit that has `started`."""
    least = (GOES_ON if started else STARTS) + (PAIR if cameras < 3 else 0.0)
    return not share < least


class Explained:
    """Counts of the last instants of one person."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int, int]] = deque()

    def copy(self) -> Explained:
        """Another that has counted the same."""
        other = Explained()
        other._counts = self._counts.copy()
        return other

    def note(self, t: float, explained: int, confident: int) -> None:
        """So many of the confident points at the instant t are explained."""
        self._counts.append((t, explained, confident))
        while self._counts[0][0] < t - LATELY:
            self._counts.popleft()

    def since(self, t: float) -> float:
        """The share from the time t on; NaN where nothing was seen."""
        explained = confident = 0
        for at, some, of in reversed(self._counts):
            if at < t:
                break
            explained, confident = explained + some, confident + of
        return explained / confident if confident else np.nan
