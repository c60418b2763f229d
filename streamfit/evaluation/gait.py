"""Spatiotemporal parameters of the gait, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PARAMETERS = {
    "step_length": "m",
    "stride_length": "m",
    "step_width": "m",
    "step_time": "s",
    "stride_time": "s",
    "stance_time": "s",
    "swing_time": "s",
    "double_support_time": "s",
    "cadence": "steps/min",
    "speed": "m/s",
}
"""What a step says, and its unit."""
SIDES = ("right", "left")


def spatiotemporal(steps: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of each parameter its unit, per side the count, mean, standard deviation and variation (sd / mean) over the steps
    that know it, and the asymmetry: right minus left over their mean. What is not known is NaN; nothing without steps.
    """
    if not steps:
        return {}
    out: dict[str, dict[str, Any]] = {}
    for name, unit in PARAMETERS.items():
        row: dict[str, Any] = {"unit": unit}
        for side in SIDES:
            values = np.array([s[name] for s in steps if s["side"] == side and s[name] is not None], float)
            mean = float(values.mean()) if len(values) else np.nan
            sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
            row[side] = {"count": len(values), "mean": mean, "sd": sd, "variation": sd / mean if mean else np.nan}
        right, left = row["right"]["mean"], row["left"]["mean"]
        row["asymmetry"] = (right - left) / (0.5 * (right + left)) if right + left else np.nan
        out[name] = row
    return out
