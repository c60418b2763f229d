"""A person as the live fit knows them: body scale, keypoint offsets and noise, frozen by calibration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tomli_w

from streamfit.errors import InputError
from streamfit.files import numbers, parse_toml, read_text
from streamfit.model.camera import Rig
from streamfit.model.keypoint_set import KeypointSet
from streamfit.model.skeleton import Skeleton

SKELETON_STATURE = 1.70
"""Stature (m) of the unscaled built-in skeleton."""
DEFAULT_NOISE = 6.0
"""Keypoint noise (px at 2048 wide) where no calibration has measured it."""
PERSISTENT = 0.5
"""Share of a keypoint's error that is still there 80 ms later, where no calibration has measured it."""
APART = 0.06
"""s: clocks that differ by more are not the fit's to correct: views are put right before they become instants."""
SKIN = 0.004
"""m that a keypoint moves about its body (soft-tissue artefact): skin, joint centres that are no fixed points."""


@dataclass(frozen=True, eq=False)
class RefinedRig:
    """A rig as bundle adjustment has it, beside the calibration that it refines."""

    sessions: tuple[str, ...]
    """The recordings it was refined with."""
    calibrated: Rig
    rig: Rig
    clock: np.ndarray
    """(C,) s, added to the times of each camera's views."""

    @property
    def turned(self) -> np.ndarray:
        """(C,) rad by which each camera was turned."""
        pairs = zip(self.rig.cameras, self.calibrated.cameras, strict=True)
        relative = [cv2.Rodrigues(a.rotation)[0] @ cv2.Rodrigues(b.rotation)[0].T for a, b in pairs]
        return np.array([np.linalg.norm(cv2.Rodrigues(r)[0]) for r in relative])

    @property
    def shifted(self) -> np.ndarray:
        """(C,) m by which each camera's centre was moved."""
        pairs = zip(self.rig.cameras, self.calibrated.cameras, strict=True)
        return np.array([np.linalg.norm(a.centre - b.centre) for a, b in pairs])


@dataclass(frozen=True, eq=False)
class Subject:
    """Scale per group; per keypoint an offset (m, in its scaled body's frame), a noise (px at 2048 wide), how far it
    may be from its place (`sta_sd`, m per axis) and was found to be (`sta_rms`, the same at least), and which
    share of its error is still there 80 ms later (0..1).

    A keypoint sits at scale x position + offset in its body. `refined` holds the rigs that calibration refined;
    `fit` says how, from what and how well the subject was fitted.
    """

    skeleton: str
    keypoint_set: str
    keypoints: tuple[str, ...]
    scale: dict[str, float]
    offsets: np.ndarray
    noise: np.ndarray
    sta_sd: np.ndarray
    sta_rms: np.ndarray
    persistent: np.ndarray
    bodies: tuple[str, ...]
    """The body that each keypoint is on; "" in files of before, which did not say."""
    refined: tuple[RefinedRig, ...] = ()
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
            sta_sd=np.hypot(keypoints.sd, SKIN),
            sta_rms=np.hypot(keypoints.sd, SKIN),
            persistent=np.full(count, PERSISTENT),
            bodies=keypoints.bodies,
            fit={"method": "generic"} | ({} if stature is None else {"stature": stature}),
        )

    @property
    def of_unknown_size(self) -> bool:
        """Whether it is the skeleton as drawn, because nobody has said how large the person is."""
        return self.fit == {"method": "generic"}

    def sized(self, size: float) -> Subject:
        """The skeleton as drawn, `size` times as large."""
        return replace(
            self,
            scale=dict.fromkeys(self.scale, size),
            fit={"method": "generic", "stature": round(size * SKELETON_STATURE, 3), "measured": True},
        )

    @staticmethod
    def load(path: str | Path, skeleton: Skeleton, keypoints: KeypointSet) -> Subject:
        """The subject in a file. Raises InputError."""
        return Subject.from_toml(read_text(Path(path)), skeleton, keypoints, str(path))

    @staticmethod
    def from_toml(text: str, skeleton: Skeleton, keypoints: KeypointSet, source: str = "subject.toml") -> Subject:
        """A subject as it is with this keypoint set; `InputError` where the file is not for this skeleton."""
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
        rows = _tables(tables, "keypoint", source)
        for row in rows:
            if not isinstance(row.get("name"), str):
                raise InputError(f"{source}: a [[keypoint]] has no 'name'; calibrate again")
        names = tuple(str(row["name"]) for row in rows)
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{source}: two [[keypoint]] tables are named {name!r}; calibrate again")
        places = [numbers(row, "offset", (3,), f"{source}: keypoint {row['name']!r}") for row in rows]
        rows = [_renamed(row) for row in rows]
        spread = {key: _positive(rows, key, source) for key in ("noise", "sta_sd", "sta_rms")}
        persistent = [numbers(row, "persistent", (), f"{source}: keypoint {row['name']!r}") for row in rows]
        own = Subject(
            skeleton=skeleton.name,
            keypoint_set=str(tables.get("keypoints")),
            keypoints=names,
            scale=factors,
            offsets=np.reshape(places, (-1, 3)),
            **spread,
            persistent=np.clip(persistent, 0.0, 1.0),
            bodies=tuple(str(row.get("body", "")) for row in rows),
            refined=tuple(
                _refined(row, f"{source}: [[rig]] {i}") for i, row in enumerate(_tables(tables, "rig", source))
            ),
            fit=_fit(tables, source),
        )
        return own.with_keypoints(keypoints)

    def with_keypoints(self, keypoints: KeypointSet) -> Subject:
        """The same body seen by another keypoint set.

        What is known of a keypoint is known of those of the same name on the same body; of the others, their set says
        where they are and how exactly.
        """
        of = {name: row for row, name in enumerate(self.keypoints)}
        known = [
            (new, of[name])
            for new, (name, body) in enumerate(zip(keypoints.names, keypoints.bodies, strict=True))
            if name in of and self.bodies[of[name]] in ("", body)
        ]
        here, there = np.array(known, int).reshape(-1, 2).T
        count = len(keypoints.names)
        spread = np.hypot(keypoints.sd, SKIN)

        def carried(usual: np.ndarray, own: np.ndarray) -> np.ndarray:
            out = usual.copy()
            out[here] = own[there]
            return out

        return replace(
            self,
            keypoint_set=keypoints.name,
            keypoints=keypoints.names,
            offsets=carried(np.zeros((count, 3)), self.offsets),
            noise=carried(np.full(count, DEFAULT_NOISE), self.noise),
            sta_sd=carried(spread, self.sta_sd),
            sta_rms=carried(spread, self.sta_rms),
            persistent=carried(np.full(count, PERSISTENT), self.persistent),
            bodies=keypoints.bodies,
        )

    def to_toml(self) -> str:
        """The text of a `subject.toml`."""
        tables: dict[str, Any] = {
            "skeleton": self.skeleton,
            "keypoints": self.keypoint_set,
            "scale": self.scale,
            "fit": self.fit,
            "keypoint": [
                {
                    "name": name,
                    "body": body,
                    "offset": offset.tolist(),
                    "noise": float(noise),
                    "sta_sd": float(sta_sd),
                    "sta_rms": float(sta_rms),
                    "persistent": float(persistent),
                }
                for name, body, offset, noise, sta_sd, sta_rms, persistent in zip(
                    self.keypoints,
                    self.bodies,
                    self.offsets,
                    self.noise,
                    self.sta_sd,
                    self.sta_rms,
                    self.persistent,
                    strict=True,
                )
            ],
            "rig": [
                {
                    "sessions": list(one.sessions),
                    "clock": dict(zip(one.rig.names, one.clock.tolist(), strict=True)),
                    "cameras": parse_toml(one.rig.to_toml(), "cameras"),
                    "calibrated": parse_toml(one.calibrated.to_toml(), "calibrated"),
                }
                for one in self.refined
            ],
        }
        return tomli_w.dumps(tables)

    def rig_for(self, rig: Rig) -> tuple[Rig, np.ndarray]:
        """The cameras of `rig` as calibration has refined them, and their clocks (C,) s, where it has.

        A refinement holds for the calibration that it refines (or for itself): cameras that were calibrated anew
        are taken as they are.
        """
        for one in self.refined:
            if not set(rig.names) <= set(one.rig.names):
                continue
            own = [one.rig.names.index(name) for name in rig.names]
            calibrated, refined = (
                Rig(tuple(known.cameras[i] for i in own), known.up) for known in (one.calibrated, one.rig)
            )
            if _alike(rig, calibrated) or _alike(rig, refined):
                return refined, one.clock[own]
        return rig, np.zeros(len(rig.cameras))

    def started_apart(self, rig: Rig) -> tuple[np.ndarray, Subject]:
        """What to add (C,) s to the capture times of cameras whose clocks are APART, and the subject without that."""
        seconds = self.rig_for(rig)[1]
        seconds = np.where(np.abs(seconds) > APART, seconds, 0.0)
        if not seconds.any():
            return seconds, self
        known = dict(zip(rig.names, seconds, strict=True))
        refined = tuple(
            replace(one, clock=one.clock - [known.get(name, 0.0) for name in one.rig.names]) for one in self.refined
        )
        return seconds, replace(self, refined=refined)

    def factors(self, skeleton: Skeleton) -> np.ndarray:
        """Scale factors (G,) in the order of the skeleton's groups."""
        return np.array([self.scale[group] for group in skeleton.groups])

    def places(self, skeleton: Skeleton, keypoints: KeypointSet) -> np.ndarray:
        """Where each keypoint sits in its scaled body's frame (K, 3), m."""
        group = skeleton.size_group[keypoints.body_indices(skeleton.bodies)]
        return self.factors(skeleton)[group][:, None] * keypoints.positions + self.offsets


def _fit(tables: dict[str, Any], source: str) -> dict[str, Any]:
    fit = tables.get("fit", {})
    if not isinstance(fit, dict):
        raise InputError(f"{source}: 'fit' must be a table; calibrate again")
    return fit


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """A keypoint's table with today's keys: `sta_sd` was `wander`, and `sta_rms` `displacement`, or the same."""
    old = {"sta_sd": row.get("wander"), "sta_rms": row.get("displacement", row.get("wander"))}
    row = {key: value for key, value in old.items() if value is not None} | row
    return {"sta_rms": row["sta_sd"]} | row if "sta_sd" in row else row


def _positive(rows: list[dict[str, Any]], key: str, source: str) -> np.ndarray:
    values = np.array([numbers(row, key, (), f"{source}: keypoint {row['name']!r}") for row in rows])
    if (values <= 0).any():
        raise InputError(f"{source}: keypoint {rows[int(np.argmin(values))]['name']!r}: {key!r} must be above 0")
    return values


def _tables(tables: dict[str, Any], key: str, source: str) -> list[dict[str, Any]]:
    rows = tables.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{source}: {key!r} must be [[{key}]] tables; calibrate again")
    return rows


def _refined(row: dict[str, Any], where: str) -> RefinedRig:
    for key in ("cameras", "calibrated", "clock"):
        if not isinstance(row.get(key), dict):
            raise InputError(f"{where}: has no table {key!r}; calibrate again")
    rig, calibrated = (Rig.from_toml(tomli_w.dumps(row[key]), f"{where}: {key}") for key in ("cameras", "calibrated"))
    if rig.names != calibrated.names:
        raise InputError(f"{where}: 'cameras' and 'calibrated' differ in their cameras; calibrate again")
    clock = np.array([numbers(row["clock"], name, (), f"{where}: clock") for name in rig.names])
    sessions = row.get("sessions", [])
    if not isinstance(sessions, list):
        raise InputError(f"{where}: 'sessions' must be a list; calibrate again")
    return RefinedRig(tuple(str(name) for name in sessions), calibrated, rig, clock)


def _alike(one: Rig, other: Rig) -> bool:
    """Whether two rigs of the same cameras have one calibration."""
    return one.up == other.up and all(
        a.fisheye == b.fisheye
        and all(
            _close(getattr(a, key), getattr(b, key)) for key in ("matrix", "distortions", "rotation", "translation")
        )
        for a, b in zip(one.cameras, other.cameras, strict=True)
    )


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return np.allclose(a, b, rtol=0.0, atol=1e-6 * max(1.0, np.abs(a).max()))
