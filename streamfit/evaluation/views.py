"""The instants that are drawn over the cameras' images, and what is drawn there."""

from collections.abc import Iterator

import numpy as np

from streamfit.estimation.quality.metrics import CONFIDENT
from streamfit.evaluation.plots.overlay import View
from streamfit.evaluation.scene import Scene
from streamfit.evaluation.tables import quartiles
from streamfit.exporters.stick_figure import BENDS, in_pixels
from streamfit.recording.view_table import points_at

QUANTILES = {"small": 0.05, "typical": 0.5, "large": 0.95}
"""Of the median error among the instants that are well seen."""
WELL_SEEN = 0.7
"""Share of the most detections that any instant has."""


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
        bones = scene.figure.bones(q)
        sides = scene.figure.sides
    fitted, lines = in_pixels(scene.rig, points), in_pixels(scene.rig, bones)
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
