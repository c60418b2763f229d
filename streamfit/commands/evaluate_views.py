"""The instants that are drawn over the cameras' images, and what is drawn there."""

from collections.abc import Iterator

import jax
import numpy as np

from streamfit.cameras import Lenses, project
from streamfit.commands.evaluate_scene import Scene
from streamfit.commands.evaluate_tables import quartiles
from streamfit.commands.sightings import points_at
from streamfit.fit.metrics import CONFIDENT
from streamfit.view.plots.overlay import View

QUANTILES = {"small": 0.05, "typical": 0.5, "large": 0.95}
"""Of the median error among the instants that are well seen."""
WELL_SEEN = 0.7
"""Share of the most detections that any instant has."""
BENDS = 9
"""Points along a bone: a lens bends it."""
BEYOND = 0.5
"""Widths outside the image from which on lens distortion means nothing."""


def chosen_rows(scene: Scene) -> dict[str, int]:
    """Rows of the views with a small, a typical and a large error; where nothing is fitted the fullest one."""
    error = scene.method.consistency.error
    confident = (~np.isnan(error)).sum(axis=(1, 2))
    median = quartiles(error.reshape(len(error), -1), axis=1)[1]
    rows = np.flatnonzero(np.isfinite(median) & (confident >= WELL_SEEN * confident.max()))
    if not len(rows):
        return {"fullest": int(np.argmax((scene.seen.seen[..., 2] > 0).sum(axis=(1, 2))))}
    order = rows[np.argsort(median[rows], kind="stable")]
    names = {int(order[round(share * (len(order) - 1))]): name for name, share in QUANTILES.items()}
    return {name: row for row, name in names.items()}


def views_at(scene: Scene, row: int) -> Iterator[View]:
    """What each camera saw in a row, and the fit at that view's own time."""
    seen, t = scene.seen.seen[row], scene.seen.t[row]
    count, bones = len(scene.rig.cameras), np.zeros((len(scene.rig.cameras), 0, BENDS, 3))
    points = np.full((count, seen.shape[1], 3), np.nan)
    sides: tuple[str, ...] = ()
    if scene.movement is not None:
        points = points_at(scene.movement.t, scene.movement.keypoints, t) @ scene.rig.to_ground.T
        q = points_at(scene.movement.t, scene.movement.q[..., None], t)[..., 0]
        ends = scene.figure.joints(q)[:, scene.figure.segments]
        along = np.linspace(0.0, 1.0, BENDS)[:, None]
        bones = (1.0 - along) * ends[:, :, :1] + along * ends[:, :, 1:]
        sides = scene.figure.sides
    fitted, lines = _pixels(scene, points), _pixels(scene, bones)
    error = scene.method.consistency.error[row]
    for c, camera in enumerate(scene.rig.cameras):
        present = seen[c, :, 2] > 0
        image = None
        if camera.name in scene.videos:
            image = scene.videos[camera.name].frame(float(t[c] - scene.clock[c]) - scene.t0)
        yield View(
            title=f"{camera.name}{_remark(present, error[c])}",
            size=camera.size,
            image=image,
            detected=np.where(present[:, None], seen[c, :, :2], np.nan),
            confident=seen[c, :, 2] >= CONFIDENT,
            fitted=fitted[c],
            bones=lines[c],
            sides=sides,
        )


def _remark(present: np.ndarray, error: np.ndarray) -> str:
    """What is said of a view (K,) beside its camera's name."""
    if not present.any():
        return ", not seen"
    known = error[np.isfinite(error)]
    return f", median {np.median(known):.1f} px" if len(known) else ""


def _pixels(scene: Scene, points: np.ndarray) -> np.ndarray:
    """Points (C, ..., 3), ground frame, each in its own camera's pixels (C, ..., 2); NaN where it cannot be there."""
    lenses = scene.rig.lenses()
    straight = lenses._replace(distortion=np.zeros_like(lenses.distortion))
    size = np.array([camera.size for camera in scene.rig.cameras]).reshape(-1, *(1,) * (points.ndim - 2), 2)
    pixels, _ = _projected(lenses, points)
    unbent, visible = _projected(straight, points)
    near = ((unbent > -BEYOND * size) & (unbent < (1.0 + BEYOND) * size)).all(axis=-1)
    return np.where((visible & near)[..., None], pixels, np.nan)


def _projected(lenses: Lenses, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    projected = jax.vmap(lambda lens, x: project(lens, x))(lenses, points)
    return np.asarray(projected.pixels), np.asarray(projected.visible)
