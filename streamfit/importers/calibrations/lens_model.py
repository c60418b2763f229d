"""The lens model of the coefficients in a calibration file."""

from __future__ import annotations

import re
from typing import Any

from streamfit.errors import InputError
from streamfit.importers.calibrations.storage_tree import number_of, text_of

NAMED = (
    "distortion_model", "camera_model", "lens_model", "projection_model", "projection", "model", "model_type",
    "camera_type", "distortion_type", "lens_type", "lens",
)  # fmt: skip
"""Fields that may hold a model's name."""
FISHEYES = ("fisheye", "equidist", "kannala", "kb4")
OTHERS = {
    "omni", "omnidir", "omnidirectional", "mei", "ucm", "eucm", "ds", "sphere", "scaramuzza", "ocam", "ocamcalib",
    "atan", "division", "fov", "spherical", "equirectangular", "prism",
}  # fmt: skip
"""Words in the names of models that nothing here can project with."""


def is_fisheye(tree: dict[str, Any], where: str) -> bool:
    """Whether coefficients are those of OpenCV's fisheye (ROS: equidistant) model. InputError for any other lens.

    Said by a field like `fisheye_model: 1` (OpenCV's own program), `fisheye: true`, or a model's name.
    """
    fisheye = any("fisheye" in key.lower() and _is_true(value) for key, value in tree.items())
    for key, value in tree.items():
        name = (text_of(value) or "").lower() if key.lower() in NAMED else ""
        if OTHERS.intersection(re.split("[^a-z0-9]+", name)):
            raise InputError(f"{where}: the lens model {name[:40]!r} is not supported; calibrate as pinhole or fisheye")
        fisheye = fisheye or any(part in name for part in FISHEYES)
    return fisheye


def _is_true(value: Any) -> bool:
    number = number_of(value)
    if isinstance(value, bool) or number is not None:
        return bool(number if number is not None else value)
    return isinstance(value, dict | list) or (text_of(value) or "").lower() in ("true", "yes", "on")
