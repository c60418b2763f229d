"""The views of a recording as arrays, and what robust triangulation makes of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from streamfit.estimation.estimate import View
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.triangulate import triangulate
from streamfit.estimation.quality.metrics import Consistency, geometric_consistency
from streamfit.estimation.settings import FitSettings
from streamfit.model.camera import Rig
from streamfit.model.subject import SKIN

BLOCK = 2000  # rows compared at once, to bound memory


@dataclass(frozen=True, eq=False)
class Sightings:
    """R rows of views that belong together: `seen` (R, C, K, 3), `t` (R, C) s, each view's own time.

    A camera that did not see has confidence 0, and as time that of its row.
    """

    seen: np.ndarray
    t: np.ndarray

    def consistency(self, rig: Rig, times: np.ndarray, points: np.ndarray) -> Consistency:
        """Of points (T, K, 3; m, world; NaN where there is none) known at `times` (T,)."""
        blocks = [
            geometric_consistency(rig, self.seen[rows], points_at(times, points, self.t[rows]))
            for rows in _blocks(len(self.t))
        ]
        return Consistency(np.concatenate([block.error for block in blocks]), blocks[0].width)

    def consistency_of_triangulation(self, rig: Rig, noise: np.ndarray) -> Consistency:
        """Of the points that each row's views agree on; `noise` (K,) px at 2048 wide."""
        blocks = [
            geometric_consistency(rig, self.seen[rows], _triangulated(rig, self.seen[rows], noise))
            for rows in _blocks(len(self.t))
        ]
        return Consistency(np.concatenate([block.error for block in blocks]), blocks[0].width)


def sightings(t: np.ndarray, views: Sequence[View], cameras: int) -> Sightings:
    """Each view in the row of the instant (T,) nearest to it; a second one of its camera there has another row."""
    at = np.array([view.t for view in views])
    nearest = np.searchsorted((t[1:] + t[:-1]) / 2, at)
    rows: list[float] = t.tolist()
    row_of = {(instant, 0): instant for instant in range(len(t))}
    before: Counter[tuple[int, int]] = Counter()
    places: list[tuple[int, int]] = []
    for view, instant in zip(views, nearest.tolist(), strict=True):
        layer = before[instant, view.camera]
        before[instant, view.camera] += 1
        if (instant, layer) not in row_of:
            row_of[instant, layer] = len(rows)
            rows.append(rows[instant])
        places.append((row_of[instant, layer], view.camera))
    count = len(views[0].xyc)
    seen = np.zeros((len(rows), cameras, count, 3))
    times = np.repeat(np.array(rows)[:, None], cameras, axis=1)
    for view, place in zip(views, places, strict=True):
        seen[place], times[place] = view.xyc, view.t
    return Sightings(seen, times)


def points_at(times: np.ndarray, points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (..., K, 3) at other times (...), on straight lines; outside, the first or the last."""
    after = np.minimum(np.maximum(np.searchsorted(times, at), 1), len(times) - 1)
    before = np.maximum(after - 1, 0)
    span = times[after] - times[before]
    share = np.clip(np.divide(at - times[before], span, out=np.zeros_like(at), where=span > 0), 0.0, 1.0)
    share = share[..., None, None]
    mixed = (1.0 - share) * points[before] + share * points[after]
    # at the ends of a gap the point is known: what is missing beyond it (NaN) must not count
    return np.where(share == 0.0, points[before], np.where(share == 1.0, points[after], mixed))


def _triangulated(rig: Rig, seen: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """(R, K, 3) m, world; NaN where two views do not agree."""
    settings = FitSettings()
    constants = (np.full(len(noise), SKIN), settings.dof, settings.confidence_power)
    model = Noise(*(jnp.asarray(value) for value in (noise, *constants)))
    lenses = rig.lenses()
    out = np.full((len(seen), len(noise), 3), np.nan)
    for row, views in enumerate(seen):
        found = triangulate(lenses, views, model)
        valid = np.asarray(found.valid)
        out[row, valid] = np.asarray(found.position)[valid] @ rig.to_ground
    return out


def _blocks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, BLOCK):
        yield slice(start, start + BLOCK)
