"""Where a fit of whole trials starts: triangulated points, and poses laid onto them."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Bool, Float

from streamfit.arrays import Array
from streamfit.estimation.batch.result import Stage
from streamfit.estimation.batch.trial import Layout
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.initial_pose import InitialPose
from streamfit.estimation.init.triangulate import Points, triangulate
from streamfit.model import KeypointSet, Kinematics
from streamfit.model.camera import Lenses
from streamfit.model.subject import Subject

BLOCK = 32
"""Instants that are triangulated at once."""
MANY = 250
"""Intervals from which every other one is enough to start from: 80 ms apart, poses still follow each other."""
FEWEST = 6
"""Points that make a first pose."""


@jax.jit
def _triangulate_block(lenses: Lenses, seen: Float[Array, "N C K 3"], noise: Noise) -> Points:
    return jax.vmap(lambda lenses, seen: triangulate(lenses, seen, noise))(lenses, seen)


def triangulate_slots(layout: Layout, noise: Noise, depth: int | None = 1) -> Iterator[Stage | Points]:
    """Robust triangulation of the first `depth` slots of each interval (None: of all; 1: of every other interval,
    where there are many): stages, and at last `Points` over (M, S, K)."""
    m, s = layout.t.shape
    rows = np.argwhere(np.isfinite(layout.t[:, :depth]))
    if depth == 1 and len(rows) > MANY:
        rows = rows[::2]
    count = layout.seen.shape[3]
    out = Points(np.zeros((m, s, count, 3)), np.zeros((m, s, count), bool), np.full((m, s, count), np.inf))
    for start in range(0, len(rows), BLOCK):
        own = rows[start : start + BLOCK]
        padded = np.concatenate([own, np.repeat(own[-1:], BLOCK - len(own), 0)])
        lenses = Lenses(*(x[layout.rig[padded[:, 0]]] for x in layout.lenses))
        seen = layout.seen[padded[:, 0], padded[:, 1]].astype(float)
        found = jax.device_get(_triangulate_block(lenses, seen, noise))
        for whole, part in zip(out, found, strict=True):
            whole[own[:, 0], own[:, 1]] = part[: len(own)]
        yield Stage("triangulating", min(1.0, (start + BLOCK) / len(rows)))
    yield out


def first_controls(
    kinematics: Kinematics, keypoints: KeypointSet, layout: Layout, points: Points, subject: Subject
) -> Iterator[Stage | tuple[np.ndarray, Bool[np.ndarray, " M"]]]:
    """Poses fitted to the points of the first slot of each interval, each started from the one before: stages, and at
    last the control points (M, D) through them, and which of them lie among such poses (M,)."""
    skeleton = kinematics.skeleton
    initial = InitialPose.of(kinematics)
    scale, places = subject.factors(skeleton), subject.places(skeleton, keypoints)
    controls = np.zeros((layout.controls, len(skeleton.coordinates)))
    placed = np.zeros(layout.controls, bool)
    for first, spline in zip(layout.first, layout.splines, strict=True):
        times: list[float] = []
        poses: list[np.ndarray] = []
        q = skeleton.neutral
        for m in range(first, first + spline.intervals):
            valid = points.valid[m, 0]
            if valid.sum() < FEWEST:
                continue
            sd = np.where(valid, np.hypot(keypoints.sd, points.sd[m, 0]), np.inf)
            target = (points.position[m, 0], sd, scale, places, q)
            q = np.asarray(initial.follow(*target) if poses else initial(*target, thorough=True))
            times.append(layout.t[m, 0])
            poses.append(q)
            yield Stage("first poses", m / layout.controls)
        if not poses:
            continue
        placed[first : first + spline.intervals] = True
        stacked = np.array(poses)
        stacked[:, 3:6] = np.unwrap(stacked[:, 3:6], axis=0)
        centres = spline.start + (np.arange(spline.controls) - 1.0) * spline.spacing
        for d in range(controls.shape[1]):
            controls[first : first + spline.controls, d] = np.interp(centres, times, stacked[:, d])
    yield controls, placed
