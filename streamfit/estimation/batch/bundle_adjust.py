"""Bundle adjustment: what is known of the cameras before it, and what it found.

Moving the person and all cameras together changes no pixel: seven such motions (three shifts, three turns, one
size) and a common shift of all clocks. They are fixed by the calibrated rig as a whole: the cameras' mean turn and
mean shift are zero, their mean clock too, and the size of the rig, measured by the cameras' distances from their
middle, stays as calibrated. Each camera for itself is free within what a rig can have moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from streamfit.estimation.batch.linearise import CAMERA, Placed
from streamfit.estimation.batch.trial import Layout, Trial
from streamfit.model.camera import Rig
from streamfit.model.subject import RefinedRig

TURN, SHIFT, CLOCK = np.radians(1.0), 0.03, 0.01
"""Standard deviations of a camera from its calibration: rad, m (per axis) and s."""
FIXED = 1e10
"""Information that holds a motion that no pixel can tell."""


def calibrated_cameras(layout: Layout) -> Placed:
    """The cameras as their calibration has them."""
    lenses = layout.lenses
    return Placed(lenses.rotation, lenses.translation, np.zeros(lenses.rotation.shape[:2]))


def camera_prior(layout: Layout, held: float = 1.0) -> np.ndarray:
    """Information (P, P) about the cameras' deviations, P = 7RC; counted `held` times, the gauge apart."""
    rigs, cameras = layout.lenses.rotation.shape[:2]
    own = np.repeat([TURN, SHIFT, CLOCK], [3, 3, 1]) ** -2.0 * held
    information = np.diag(np.tile(own, rigs * cameras))
    for r in range(rigs):
        sees = layout.decorrelation[layout.rig == r].any((0, 1))
        rows = _unseen_motions(layout.lenses.rotation[r], layout.lenses.translation[r], sees)
        at = slice(r * cameras * CAMERA, (r + 1) * cameras * CAMERA)
        information[at, at] += FIXED * rows.T @ rows
    return information


def _unseen_motions(rotation: np.ndarray, translation: np.ndarray, sees: np.ndarray) -> np.ndarray:
    """Rows (8, 7C) that are zero where the cameras as a whole have not moved, turned, grown or shifted in time."""
    count = len(sees)
    rows = np.zeros((8, count, CAMERA))
    centre = -np.einsum("cji,cj->ci", rotation, translation)
    middle = centre[sees].mean(0)
    spread = np.sqrt((np.linalg.norm(centre[sees] - middle, axis=1) ** 2).mean())
    for c in np.flatnonzero(sees):
        rows[0:3, c, 0:3] = rows[3:6, c, 3:6] = rotation[c].T
        rows[6, c, 3:6] = rotation[c] @ (centre[c] - middle) / max(spread, 1e-3)
        rows[7, c, 6] = 1.0
    return rows.reshape(8, -1) / max(1, sees.sum())


def refined_rigs(layout: Layout, trials: Sequence[Trial], cameras: Placed) -> tuple[RefinedRig, ...]:
    """The rigs with the cameras where they were found to be."""
    out = []
    for r, calibrated in enumerate(layout.rigs):
        count = len(calibrated.cameras)
        rotation = np.asarray(cameras.rotation)[r, :count] @ calibrated.to_ground
        translation = np.asarray(cameras.translation)[r, :count]
        moved = tuple(
            replace(c, rotation=cv2.Rodrigues(turn)[0][:, 0], translation=shift)
            for c, turn, shift in zip(calibrated.cameras, rotation, translation, strict=True)
        )
        names = tuple(dict.fromkeys(trials[i].name for i in layout.trial[layout.rig == r].tolist()))
        out.append(RefinedRig(names, calibrated, Rig(moved, calibrated.up), np.asarray(cameras.clock)[r, :count]))
    return tuple(out)
