"""Which trials are of someone who stands still and straight."""

from __future__ import annotations

import numpy as np

from streamfit.skeleton import Skeleton

LONG_ENOUGH = 0.5
"""s."""
MOMENT = 0.2
"""s."""
STILL_ROOT, STILL_ANGLE = 0.06, 0.2
"""m and rad within which the pelvis and each joint of the legs and the trunk stay (nine tenths of the time)."""
STRAIGHT = {"knee_angle": 0.5, "hip_flexion": 0.8, "lumbar_extension": 0.8, "pelvis_tilt": 0.8, "pelvis_list": 0.35}
"""rad from zero: generous, for the poses come from a skeleton that has not been calibrated yet."""
_WATCHED = ("pelvis_tilt", "pelvis_list", "hip_flexion", "knee_angle", "ankle_angle", "lumbar_extension")


def stands_still(skeleton: Skeleton, poses: np.ndarray, spacing: float) -> bool:
    """Whether poses (N, D), one every `spacing` s, are of quiet upright standing."""
    if len(poses) * spacing < LONG_ENOUGH:
        return False
    # each pose is a fit to one instant, with the detector's errors in it: those of a moment do not count
    count = min(len(poses), max(1, round(MOMENT / spacing)))
    lasting = np.median(np.lib.stride_tricks.sliding_window_view(poses, count, axis=0), axis=-1)
    spread = np.subtract(*np.percentile(lasting, [95, 5], axis=0))
    middle = np.abs(np.median(poses, axis=0))
    for index, coordinate in enumerate(skeleton.coordinates):
        name = coordinate.removesuffix("_r").removesuffix("_l")
        if index < 3 and spread[index] > STILL_ROOT:
            return False
        if name in _WATCHED and spread[index] > STILL_ANGLE:
            return False
        if middle[index] > STRAIGHT.get(name, np.inf):
            return False
    return True
