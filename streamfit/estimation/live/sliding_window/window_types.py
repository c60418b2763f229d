"""What the window holds, takes and gives: the arguments and results of its compiled functions.

Shapes: M control points, A of them active, D coordinates; N slots, F of them linearised; C cameras, K keypoints.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from streamfit.arrays import Array
from streamfit.estimation.factors import banded
from streamfit.estimation.factors.reprojection import Noise
from streamfit.model import Screws
from streamfit.model.camera import Lenses


class Model(NamedTuple):
    """What is frozen while a person is tracked."""

    lenses: Lenses
    scale: Float[Array, " G"]
    places: Float[Array, "K 3"]
    noise: Noise
    sta_rms: Float[Array, " K"]
    """m, per axis, that keypoints were found to be from their places."""
    persistent: Float[Array, " K"]
    """Share of the pixels' variance that persists."""


NOWHERE = -1e6
"""The place of a slot that holds nothing."""


class WindowState(NamedTuple):
    """The window about its present control points: P eliminated ones, then A active ones (P + A = M)."""

    controls: Float[Array, "M D"]
    conditionals: banded.Factor
    """Of the eliminated ones (P): a change x of theirs follows those after it as L' x + B y = rhs."""
    rhs: Float[Array, "P D"]
    information: Float[Array, "AD AD"]
    """What is known of the active ones without the slots: movement, and all that was given up."""
    eta: Float[Array, "A D"]
    slot_information: Float[Array, "N D D"]
    slot_eta: Float[Array, "N D"]


class Prior(NamedTuple):
    """A window that waits for an instant: all that is known without it, of the first A - 4 active control points
    (R coordinates) as a Cholesky factor, of the last 4 (S) what remains then (Schur complement)."""

    state: WindowState
    lower: Float[Array, "R R"]
    off_diagonal: Float[Array, "R T"]
    """A change x of the first follows one of the last, y, as lower' x + off_diagonal y = rhs; the very last has no
    tie to them."""
    rhs: Float[Array, " R"]
    information: Float[Array, "S S"]
    eta: Float[Array, " S"]
    weights: Float[Array, "N A"]
    """Of the slots on the active control points."""


class Update(NamedTuple):
    """What a step has found: how the last 4 control points move, and the Cholesky factor of what is known of them; the
    instant's linearisation, the slot (an index) that it is in, and its weights on the active control points."""

    controls: Float[Array, "4 D"]
    lower: Float[Array, "S S"]
    information: Float[Array, "D D"]
    eta: Float[Array, " D"]
    slot: Int[Array, ""]
    weights: Float[Array, " A"]


class Newest(NamedTuple):
    """The instant that is answered, as the host lays it out. Places are in knots from the window's start; NOWHERE is
    none."""

    seen: Float[Array, "C K 3"]
    view_place: Float[Array, " C"]
    decorrelation: Float[Array, " C"]
    """Share of its information that a view counts with (errors persist)."""
    place: Float[Array, ""]
    """In the last knot interval or less than one before it, as is the next."""
    at: Float[Array, ""]
    """The place of the reading."""
    slot: Int[Array, ""]
    """The slot that it is in; nothing is known of that."""

    def packed(self) -> np.ndarray:
        """All in one array: what a compiled call costs grows with the arrays that it takes from the host."""
        return np.concatenate([np.ravel(x) for x in self], dtype=self.seen.dtype)

    @staticmethod
    def unpacked(packed: Float[Array, " S"], cameras: int, keypoints: int) -> Newest:
        """Of so many cameras and keypoints."""
        newest = Newest(*_unpacked(packed, [(cameras, keypoints, 3), (cameras,), (cameras,), (), (), ()]))
        return newest._replace(slot=newest.slot.astype(int))


class RelinearisationBatch(NamedTuple):
    """The latest instants, as the host lays them out for what comes next."""

    place: Float[Array, " N"]
    """In the window after the shift, NOWHERE for a slot that holds nothing."""
    given_up: Float[Array, " N"]
    """Of what the slot held before and now leaves: its place in the window before the shift."""
    relinearised: Int[Array, " F"]
    """The slots that are linearised again; of these:"""
    seen: Float[Array, "F C K 3"]
    view_place: Float[Array, "F C"]
    decorrelation: Float[Array, "F C"]
    shift: Float[Array, ""]
    """Control points by which the window moves on."""
    back: Float[Array, ""]
    """The place that is looked back at, in the window before the shift."""

    def packed(self) -> np.ndarray:
        """All in one array."""
        return np.concatenate([np.ravel(x) for x in self], dtype=self.seen.dtype)

    @staticmethod
    def unpacked(packed: Float[Array, " S"], slots: int, seen: tuple[int, ...]) -> RelinearisationBatch:
        """Of so many slots; `seen` is its shape (F, C, K, 3)."""
        slots_ = RelinearisationBatch(
            *_unpacked(packed, [(slots,), (slots,), seen[:1], seen, seen[:2], seen[:2], (), ()])
        )
        return slots_._replace(relinearised=slots_.relinearised.astype(int), shift=slots_.shift.astype(int))


def packed(results: NamedTuple) -> Float[Array, " S"]:
    """Results in one array, for the host: what it waits for grows with the arrays it takes, on a GPU by 0.2 ms each."""
    return jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(results)])


def _unpacked(packed: Float[Array, " S"], shapes: list[tuple[int, ...]]) -> list[Array]:
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [packed[end - math.prod(shape) : end].reshape(shape) for end, shape in zip(ends, shapes, strict=True)]


class Reading(NamedTuple):
    """The trajectory at one time."""

    q: Float[Array, " D"]
    qd: Float[Array, " D"]
    variance: Float[Array, " D"]
    """Posterior, of errors that come and go."""

    @staticmethod
    def unpacked(packed: Float[Array, " S"]) -> Reading:
        """The reading in a packed vector, (S,)."""
        return Reading(*packed.reshape(3, -1))


class StepResult(NamedTuple):
    """What a step answers."""

    controls: Float[Array, "A D"]
    """The active control points, as the step leaves them."""
    reading: Reading
    moved: Float[Array, ""]
    """m: how far one of the keypoints that a camera sees moved is at most from where it was linearised (1st order)."""
    error: Float[Array, "C K"]
    """px, of the instant, after the solve (to first order)."""
    weight: Float[Array, "C K"]

    @staticmethod
    def unpacked(packed: Float[Array, " S"], controls: tuple[int, int], points: tuple[int, int]) -> StepResult:
        """`controls` and `points` are the shapes (A, D) and (C, K)."""
        latest, pose, moved, error, weight = _unpacked(packed, [controls, (3 * controls[1],), (), points, points])
        return StepResult(latest, Reading.unpacked(pose), moved, error, weight)


class SystematicInputs(NamedTuple):
    """The skeleton at the instant of a step, after the solve, and what its views say of the keypoints."""

    screws: Screws
    points: Float[Array, "K 3"]
    information: Float[Array, "K 3 3"]


class SmoothedResult(NamedTuple):
    """What becomes known by looking back."""

    clock_information: Float[Array, " C"]
    clock_eta: Float[Array, " C"]
    """What the last slot's views say of what is to be added to their times (1/s^2, 1/s), as if they erred anew each."""
    controls: Float[Array, "M D"]
    """Before the window moves on."""
    variance: Float[Array, " D"]
    """Posterior, at an earlier time, of errors that come and go."""

    @staticmethod
    def unpacked(packed: Float[Array, " S"], cameras: int, controls: tuple[int, int]) -> SmoothedResult:
        """Of so many cameras; `controls` is the shape (M, D)."""
        return SmoothedResult(*_unpacked(packed, [(cameras,), (cameras,), controls, controls[1:]]))
