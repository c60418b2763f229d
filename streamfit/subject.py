"""A person as the live fit knows them: body scale, keypoint offsets and noise, frozen by calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from streamfit.cameras import Rig
from streamfit.errors import InputError
from streamfit.files import numbers, parse_toml, read_text
from streamfit.skeleton import KeypointSet, Skeleton

SKELETON_STATURE = 1.70
"""Stature (m) of the unscaled built-in skeleton."""
DEFAULT_NOISE = 6.0
"""Keypoint noise (px at 2048 wide) where no calibration has measured it."""
SKIN = 0.006
"""m that a keypoint wanders on its body: skin motion, joint centres that are no fixed points."""


@dataclass(frozen=True, eq=False)
class Subject:
    """Scale per group; per keypoint an offset (m, in its scaled body's frame), a noise (px at 2048 wide) and how
    far it may be from its place (m).

    A keypoint sits at scale x position + offset in its body. `cameras` is the refined rig where calibration
    refined it; `fit` says how, from what and how well the subject was fitted.
    """

    skeleton: str
    keypoint_set: str
    keypoints: tuple[str, ...]
    scale: dict[str, float]
    offsets: np.ndarray
    noise: np.ndarray
    wander: np.ndarray
    cameras: Rig | None = None
    fit: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def generic(skeleton: Skeleton, keypoints: KeypointSet, stature: float | None = None) -> Subject:
        """The skeleton as drawn, or scaled as a whole to a stature (m); keypoints as uncertain as their set says."""
        factor = 1.0 if stature is None else stature / SKELETON_STATURE
        count = len(keypoints.names)
        return Subject(
            skeleton=skeleton.name,
            keypoint_set=keypoints.name,
            keypoints=keypoints.names,
            scale=dict.fromkeys(skeleton.groups, factor),
            offsets=np.zeros((count, 3)),
            noise=np.full(count, DEFAULT_NOISE),
            wander=np.hypot(keypoints.sd, SKIN),
            fit={"method": "generic"},
        )

    @staticmethod
    def load(path: str | Path, skeleton: Skeleton, keypoints: KeypointSet) -> Subject:
        return Subject.from_toml(read_text(Path(path)), skeleton, keypoints, str(path))

    @staticmethod
    def from_toml(text: str, skeleton: Skeleton, keypoints: KeypointSet, source: str = "subject.toml") -> Subject:
        """`InputError` where the file is not for this skeleton and keypoint set."""
        tables = parse_toml(text, source)
        if tables.get("skeleton") != skeleton.name:
            raise InputError(
                f"{source}: made for skeleton {tables.get('skeleton')!r}, not {skeleton.name!r}; calibrate again"
            )
        scale = tables.get("scale")
        if not isinstance(scale, dict) or set(scale) != set(skeleton.groups):
            raise InputError(f"{source}: [scale] must give a factor for each of {', '.join(skeleton.groups)}")
        factors = {group: float(numbers(scale, group, (), f"{source}: [scale]")) for group in skeleton.groups}
        for group, factor in factors.items():
            if not 0.1 < factor < 10.0:
                raise InputError(f"{source}: [scale] {group} = {factor:g} is no body size; calibrate again")
        rows = tables.get("keypoint")
        rows = rows if isinstance(rows, list) else []
        names = tuple(row.get("name") if isinstance(row, dict) else None for row in rows)
        if names != keypoints.names:
            raise InputError(
                f"{source}: made for keypoint set {tables.get('keypoints')!r} ({len(names)} points), not "
                f"{keypoints.name!r} ({len(keypoints.names)} points); calibrate with this set"
            )
        places = [numbers(row, "offset", (3,), f"{source}: keypoint {row['name']!r}") for row in rows]
        spread = {key: _positive(rows, key, source) for key in ("noise", "wander")}
        cameras = tables.get("cameras")
        return Subject(
            skeleton=skeleton.name,
            keypoint_set=keypoints.name,
            keypoints=keypoints.names,
            scale=factors,
            offsets=np.array(places),
            **spread,
            cameras=Rig.from_toml(tomli_w.dumps(cameras), f"{source}: [cameras]")
            if isinstance(cameras, dict)
            else None,
            fit=tables.get("fit", {}),
        )

    def to_toml(self) -> str:
        tables: dict[str, Any] = {
            "skeleton": self.skeleton,
            "keypoints": self.keypoint_set,
            "scale": self.scale,
            "fit": self.fit,
            "keypoint": [
                {"name": name, "offset": offset.tolist(), "noise": float(noise), "wander": float(wander)}
                for name, offset, noise, wander in zip(
                    self.keypoints, self.offsets, self.noise, self.wander, strict=True
                )
            ],
        }
        if self.cameras is not None:
            tables["cameras"] = parse_toml(self.cameras.to_toml(), "cameras")
        return tomli_w.dumps(tables)

    def rig_for(self, rig: Rig) -> Rig:
        """The cameras of `rig` as calibration has refined them, where it has."""
        return rig if self.cameras is None else self.cameras.select(rig.names)

    def factors(self, skeleton: Skeleton) -> np.ndarray:
        """Scale factors (G,) in the order of the skeleton's groups."""
        return np.array([self.scale[group] for group in skeleton.groups])

    def places(self, skeleton: Skeleton, keypoints: KeypointSet) -> np.ndarray:
        """Where each keypoint sits in its scaled body's frame (K, 3), m."""
        group = np.array(skeleton.body_group)[keypoints.body_indices(skeleton.bodies)]
        return self.factors(skeleton)[group][:, None] * keypoints.positions + self.offsets


def _positive(rows: list[dict[str, Any]], key: str, source: str) -> np.ndarray:
    values = np.array([numbers(row, key, (), f"{source}: keypoint {row['name']!r}") for row in rows])
    if (values <= 0).any():
        raise InputError(f"{source}: keypoint {rows[int(np.argmin(values))]['name']!r}: {key!r} must be above 0")
    return values
