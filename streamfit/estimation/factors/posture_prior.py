"""How people stand: the scatter of their posture, as evidence about the angles of quiet standing.

Pelvis: Preece et al. 2008 (Journal of Manual and Manipulative Therapy 16, 113) have the line from its back to its front
spines at 13 (sd 5) degrees in the anatomical position, the skeleton at 5: between its zero and -8 degrees the spread
between people does not differ, and the middle agrees best with an expert's model.

Trunk and knees: Woodhull et al. 1985 (European Journal of Applied Physiology 54, 109) have the knee 3.8 (sd 2.0), the
hip 6.2 (1.3) and the shoulder 3.8 (1.9) cm ahead of the ankle. For a trunk of 46 cm that is a sd of 2 to 3 degrees, and
for a knee 0 (5.5) degrees of flexion, too wide to tell anything that movement does not tell better; but the two
of a person are alike. Where the trunk's zero is, the sources leave open between -2 (those shoulders) and -8 degrees,
with which an expert's model agrees (docs/notes/calibration.md).

A sole that stands is flat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streamfit.estimation.batch.linearise import Data
from streamfit.estimation.batch.trial import Layout
from streamfit.estimation.factors.shape_prior import COUNTED
from streamfit.model import Skeleton

TILT, LIST = "tilt", "list"
"""Turns of the pelvis about its own level axes, whichever way it faces (z and x where it faces along x)."""
_ROOT_TURNS = slice(3, 6)
"""The root's turns about z, x and then y, as every skeleton has them."""


class Line(NamedTuple):
    """One thing that is known of standing: the sum of coordinates times factors, its mean and sd, degrees.

    A name without its side stands for the one of either side. `flat`: of a sole, degrees from the mean up to which a
    first pose may have it and the foot still stands flat.
    """

    name: str
    of: dict[str, float]
    mean: float
    sd: float
    flat: float | None = None


LINES = (
    Line("pelvis' tilt", {TILT: 1.0}, -4.0, 5.0),
    Line("pelvis' list", {LIST: 1.0}, 0.0, 2.0),
    Line("trunk's lean", {TILT: 1.0, "lumbar_extension": 1.0}, -8.0, 2.0),
    Line("knees' difference", {"knee_angle_r": 1.0, "knee_angle_l": -1.0}, 0.0, 3.0),
    Line("hip's adduction", {"hip_adduction": 1.0}, 0.0, 5.0),
    Line("subtalar angle", {"subtalar_angle": 1.0}, 0.0, 5.0),
    Line(
        "sole's slope",
        {TILT: 1.0, "hip_flexion": 1.0, "knee_angle": -1.02, "ankle_angle": 0.98, "subtalar_angle": -0.12},
        0.0,
        2.0,
        flat=10.0,
    ),
    Line(
        "sole's roll",
        {LIST: 1.0, "hip_adduction": 1.0, "knee_angle": 0.03, "ankle_angle": -0.1, "subtalar_angle": 0.79},
        0.0,
        3.0,
        flat=20.0,
    ),
)
"""The factors of the sole are those of the skeleton's joint axes at zero, along and across the foot."""
OTHERWISE, ANYWHERE = 0.2, 120.0
"""Share of the people in whom a line is not as in most, and the degrees within which it may then be anything."""
BENT = 8.0
"""Degrees of flexion in a first pose from which a knee is bent: then the person stands as others do not, and no line
but those of flat soles says anything."""


@dataclass(frozen=True, eq=False)
class Posture:
    """What is known of R lines: `factors` (R, D + 2) of the coordinates, of tilt and of list; `mean`, `sd` (R,) rad."""

    names: tuple[str, ...]
    factors: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    flat: np.ndarray
    """(R,) rad, of lines of a sole; NaN of the others."""

    @staticmethod
    def of(skeleton: Skeleton) -> Posture:
        """Those lines whose coordinates the skeleton has."""
        columns = [*skeleton.coordinates, TILT, LIST]
        names, factors, known, flat = [], [], [], []
        for line in LINES:
            sided = any(f"{name}_r" in columns for name in line.of)
            for side in ("right", "left") if sided else ("",):
                # what is to the right in a right leg is to the left in a left one
                turns = {LIST: -1.0} if side == "left" else {}
                row = np.zeros(len(columns))
                for name, factor in line.of.items():
                    for own in {name, f"{name}_{side[:1]}"} & set(columns):
                        row[columns.index(own)] = factor * turns.get(name, 1.0)
                if np.count_nonzero(row) == len(line.of):
                    names.append(f"the {side} {line.name}" if side else f"the {line.name}")
                    factors.append(row)
                    known.append(np.radians([line.mean, line.sd]))
                    flat.append(np.radians(np.nan if line.flat is None else line.flat))
        mean, sd = np.array(known).reshape(-1, 2).T
        return Posture(tuple(names), np.array(factors).reshape(-1, len(columns)), mean, sd, np.array(flat, float))

    @property
    def sole(self) -> np.ndarray:
        """(R,) whether a line is of a sole."""
        return np.isfinite(self.flat)

    def rows(self, q: np.ndarray) -> np.ndarray:
        """The lines (R, D) as sums of coordinates, for a pose (D,) that faces as q does."""
        turned = np.zeros((2, len(q)))
        sine, cosine = np.sin(q[5]), np.cos(q[5])
        turned[:, _ROOT_TURNS] = [[cosine, sine, 0.0], [-sine, cosine, 0.0]]
        return np.asarray(self.factors[:, :-2] + self.factors[:, -2:] @ turned)

    def off(self, q: np.ndarray) -> np.ndarray:
        """How far each line (R,) of a pose (D,) is from where most people have it, rad."""
        return np.asarray(self.rows(q) @ q - self.mean)

    def usual(self, q: np.ndarray) -> np.ndarray:
        """Probability (R,) that each line of a pose (D,) is as in most people."""
        most = (1.0 - OTHERWISE) * np.exp(-0.5 * (self.off(q) / self.sd) ** 2) / (np.sqrt(2.0 * np.pi) * self.sd)
        return np.asarray(most / (most + OTHERWISE / np.radians(ANYWHERE)))

    def holding(self, skeleton: Skeleton, q: np.ndarray) -> Posture:
        """The lines that a first pose (D,) leaves standing: of the soles those that are flat, of knees that are not
        bent the rest."""
        knees = [q[i] for i, name in enumerate(skeleton.coordinates) if name.startswith("knee_angle")]
        straight = max(knees, default=0.0) < np.radians(BENT)
        keep = np.where(self.sole, np.abs(self.off(q)) < self.flat, straight)
        names = tuple(name for name, kept in zip(self.names, keep, strict=True) if kept)
        return Posture(names, self.factors[keep], self.mean[keep], self.sd[keep], self.flat[keep])

    def evidence(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Information (D, D), 1/rad^2, about a pose near q (D,), and that times its mean (D,): one step of EM."""
        rows, weight = self.rows(q), np.where(self.sole, 1.0, self.usual(q)) / self.sd**2
        return (rows.T * weight) @ rows, rows.T @ (weight * self.mean)


@dataclass(frozen=True, eq=False)
class Stand:
    """The data of each step, with the evidence of posture about the control points of each trial of standing.

    All of them together count for each independent instant, as the place of a body's keypoints does: how somebody
    stands is one observation, however long it lasts.
    """

    layout: Layout
    data: Data
    postures: Mapping[int, Posture]
    """By the index of a trial of standing."""

    def __call__(self, controls: np.ndarray) -> Data:
        """The data, with the evidence of posture at these control points."""
        if not self.postures:
            return self.data
        where = np.isin(self.layout.trial, list(self.postures))
        each = max(1.0, COUNTED * self.layout.independent / where.sum())
        bands, toward = self.data.prior.copy(), self.data.toward.copy()
        for trial, posture in self.postures.items():
            own = self.layout.trial == trial
            information, pull = posture.evidence(np.median(np.asarray(controls)[own], axis=0))
            bands[own, 0] += each * information
            toward[own] += each * pull
        return self.data._replace(prior=bands, toward=toward)
