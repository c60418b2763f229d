"""What the views of all trials say about the trajectories, the body and the cameras, to first order.

Parameters that all trials share border the banded system of the control points: the G scale factors, the K
keypoint offsets and, where cameras are refined, 7 numbers for each: a turn (3, rad) and a shift (3, m) in the
camera's own frame, and its clock (s).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from streamfit.arrays import Array
from streamfit.estimation.factors.reprojection import Noise, Terms
from streamfit.model import Kinematics
from streamfit.model.camera import Lenses
from streamfit.model.spline import SUPPORT, basis

CHUNK = 128
"""Slots that are linearised at once."""
CAMERA = 7
"""Numbers of a camera that is refined."""

Measure = Callable[[Lenses, Array, Array, Noise, Array], Terms]
"""The robust terms of what was seen: of pixels (`residuals.view_terms`) or of points in space."""


class Placed(NamedTuple):
    """R rigs of C cameras: ground to camera, and what is added to their times (s)."""

    rotation: Float[Array, "R C 3 3"]
    translation: Float[Array, "R C 3"]
    clock: Float[Array, "R C"]


class Shared(NamedTuple):
    """What all trials share."""

    scale: Float[Array, " G"]
    offsets: Float[Array, "K 3"]
    cameras: Placed


class Data(NamedTuple):
    """The views of all trials (see `trial.Layout`) and what is known of the control points before them."""

    lenses: Lenses
    """(R, C, ...), as calibrated."""
    rig: Int[Array, " M"]
    seen: Float[Array, "M S C K 3"]
    place: Float[Array, "M S"]
    view_place: Float[Array, "M S C"]
    decorrelation: Float[Array, "M S C"]
    prior: Float[Array, "M 4 D D"]
    toward: Float[Array, "M D"]
    """That information times where it says that the control points are; zero where it is about zero."""


class Slots(NamedTuple):
    """Of each slot."""

    information: Float[Array, "M S D D"]
    eta: Float[Array, "M S D"]
    border: Float[Array, "M S D P"]
    weight: Float[Array, "M S C K"]
    residual: Float[Array, "M S C K 2"]
    """px, native, of the keypoints where the skeleton has them."""
    residual_after_sta: Float[Array, "M S C K 2"]
    """The same of the displaced keypoints."""
    sta_px_var: Float[Array, "M S C K"]
    """px^2: what the displacements' uncertainty adds to the expected squares of `residual_after_sta`."""
    sta_square: Float[Array, "M S K"]
    """m^2, expected square of the displacements."""


class Sums(NamedTuple):
    """Over all slots: the blocks of the shared parameters' information matrix, their vector, and the cost."""

    scales: Float[Array, "G G"]
    mixed: Float[Array, "G K 3"]
    spots: Float[Array, "K 3 3"]
    cameras: Float[Array, "R C 7 C 7"]
    scale_cameras: Float[Array, "G R C 7"]
    spot_cameras: Float[Array, "K 3 R C 7"]
    scale_eta: Float[Array, " G"]
    spot_eta: Float[Array, "K 3"]
    camera_eta: Float[Array, "R C 7"]
    cost: Float[Array, ""]

    def corner(self) -> Float[Array, "P P"]:
        """The information of the shared parameters."""
        groups, count = self.mixed.shape[:2]
        size = self.camera_eta.size
        spots = jnp.zeros((count, 3, count, 3)).at[np.arange(count), :, np.arange(count), :].set(self.spots)
        mixed = self.mixed.reshape(groups, 3 * count)
        scale_cameras = self.scale_cameras.reshape(groups, size)
        spot_cameras = self.spot_cameras.reshape(3 * count, size)
        each = self.camera_eta[0].size
        rigs = [rig.reshape(each, each) for rig in self.cameras]
        cameras = jax.scipy.linalg.block_diag(*rigs) if size else jnp.zeros((0, 0))
        return jnp.block(
            [
                [self.scales, mixed, scale_cameras],
                [mixed.T, spots.reshape(3 * count, 3 * count), spot_cameras],
                [scale_cameras.T, spot_cameras.T, cameras],
            ]
        )

    def eta(self) -> Float[Array, " P"]:
        """The information vector of all parameters, (P,)."""
        return jnp.concatenate([self.scale_eta, self.spot_eta.reshape(-1), self.camera_eta.reshape(-1)])


@dataclass(frozen=True, eq=False)
class Linearise:
    """The linearisation for one skeleton and keypoint set.

    `positions` (K, 3): of the keypoints as drawn. Without `border` the shared parameters are known and have no
    terms; `refine` makes the cameras shared parameters too.
    """

    kinematics: Kinematics
    positions: np.ndarray
    spacing: float
    measure: Measure
    border: bool = True
    refine: bool = False

    def __call__(self, data: Data, noise: Noise, controls: Float[Array, "M D"], shared: Shared) -> tuple[Slots, Sums]:
        """Terms of each slot and the sums over all of them, chunk by chunk."""
        m, s = data.place.shape
        near = jnp.stack([jnp.pad(controls[a:], ((0, a), (0, 0))) for a in range(SUPPORT)], 1)
        near = jnp.broadcast_to(near[:, None], (m, s, *near.shape[1:]))
        rig = jnp.broadcast_to(jnp.asarray(data.rig)[:, None], (m, s))
        places = self.kinematics.places(shared.scale, self.positions) + shared.offsets
        slots = [data.place, data.view_place, data.seen, data.decorrelation, near, rig]
        chunks = -(-m * s // CHUNK)
        flat = [x.reshape(m * s, *x.shape[2:]) for x in slots]
        flat = [jnp.pad(x, ((0, chunks * CHUNK - m * s),) + ((0, 0),) * (x.ndim - 1)) for x in flat]
        parts = [x.reshape(chunks, CHUNK, *x.shape[1:]) for x in flat]

        def chunk(total: Sums | None, part: list[Array]) -> tuple[Sums, Slots]:
            terms, sums = jax.vmap(lambda *slot: self._slot(data.lenses, noise, shared, places, *slot))(*part)
            added = jax.tree.map(lambda x: x.sum(0), sums)
            return added if total is None else jax.tree.map(jnp.add, total, added), terms

        zero = jax.tree.map(
            lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(lambda p: chunk(None, p)[0], [x[0] for x in parts])
        )
        sums, terms = jax.lax.scan(chunk, zero, parts)
        shaped = jax.tree.map(
            lambda x: x.reshape(chunks * CHUNK, *x.shape[2:])[: m * s].reshape(m, s, *x.shape[2:]), terms
        )
        return shaped, sums

    def _slot(
        self,
        lenses: Lenses,
        noise: Noise,
        shared: Shared,
        places: Array,
        place: Array,
        view_place: Array,
        seen: Array,
        decorrelation: Array,
        near: Array,
        rig: Array,
    ) -> tuple[Slots, Sums]:
        weights = basis(place)
        q = weights @ near
        pose = self.kinematics.pose(q, shared.scale)
        points = self.kinematics.keypoints(pose, places)
        jacobian = self.kinematics.jacobian(pose, points)
        rotation, translation, clock = (x[rig] for x in shared.cameras)
        own_place = view_place + clock / self.spacing
        own = points + jnp.einsum("kid,cd->cki", jacobian, (basis(own_place) - weights) @ near)
        lens = Lenses(*(x[rig] for x in lenses))._replace(rotation=rotation, translation=translation)
        largest = jnp.max(decorrelation)
        terms = self.measure(lens, own, seen, noise, decorrelation / jnp.maximum(largest, 1e-9))
        information, eta = terms.reduced()
        information, eta = largest * information, largest * eta
        pressed = jnp.einsum("kij,kjd->kid", information, jacobian)
        loss = 0.5 * (noise.dof + 2.0) * -jnp.log(jnp.where(terms.weight > 0.0, terms.weight, 1.0))
        cost = jnp.sum(decorrelation[:, None] * loss) + 0.5 * largest * jnp.sum(terms.stiffness[:, None] * terms.sta**2)
        size = len(q)

        turned = pose.rotation[self.kinematics.body]
        stretch = self.kinematics.scale_jacobian(pose, q, self.positions)
        if not self.border:
            turned, stretch = turned[..., :0], stretch[..., :0]
        moved = self._moved(jacobian, own, rotation, translation, own_place, near)
        felt = jnp.einsum("kij,kjl->kil", information, turned)
        mine = jnp.zeros(shared.cameras.clock.shape[0]).at[rig].set(1.0)
        # a camera's move is felt by the keypoint's displacement first: what is left of it moves the skeleton
        pushed = largest * jnp.einsum("ckij,ckjm->ckim", terms.information, moved)
        give = terms.stiffness[:, None, None] * terms.sta_cov
        carried = jnp.einsum("kij,ckjm->ckim", give, pushed)
        together = jnp.einsum("ckim,kij,bkjn->cmbn", pushed, terms.sta_cov / jnp.maximum(largest, 1e-9), pushed)
        alone = jnp.einsum("ckim,ckin->cmn", moved, pushed)
        cameras = jnp.arange(len(alone))
        both = (-together).at[cameras, :, cameras, :].add(alone)
        own_eta = largest * terms.eta - jnp.einsum("ckij,kj->cki", largest * terms.information, terms.sta)
        border = [
            jnp.einsum("kid,kig->dg", pressed, stretch),
            jnp.einsum("kid,kij->dkj", pressed, turned).reshape(size, -1),
            jnp.einsum("kid,ckim,r->drcm", jacobian, carried, mine).reshape(size, -1),
        ]
        return Slots(
            jnp.einsum("kid,kie->de", jacobian, pressed),
            jnp.einsum("kid,ki->d", jacobian, eta),
            jnp.concatenate(border, 1),
            terms.weight,
            terms.residual,
            terms.residual_after_sta,
            terms.sta_px_var,
            jnp.sum(terms.sta**2, -1) + jnp.trace(terms.sta_cov, axis1=1, axis2=2),
        ), Sums(
            jnp.einsum("kig,kij,kjh->gh", stretch, information, stretch),
            jnp.einsum("kig,kil->gkl", stretch, felt),
            jnp.einsum("kil,kim->klm", turned, felt),
            jnp.einsum("cmbn,r->rcmbn", both, mine),
            jnp.einsum("kig,ckim,r->grcm", stretch, carried, mine),
            jnp.einsum("kij,ckim,r->kjrcm", turned, carried, mine),
            jnp.einsum("kig,ki->g", stretch, eta),
            jnp.einsum("kij,ki->kj", turned, eta),
            jnp.einsum("ckim,cki,r->rcm", moved, own_eta, mine),
            cost,
        )

    def _moved(
        self, jacobian: Array, own: Array, rotation: Array, translation: Array, place: Array, near: Array
    ) -> Float[Array, "C K 3 7"]:
        """How the keypoints move, as each camera sees it, with the camera's turn, shift and clock."""
        if not self.refine:
            return jnp.zeros((*own.shape, 0))
        inside = jnp.einsum("cij,ckj->cki", rotation, own) + translation[:, None]
        x, y, z = jnp.moveaxis(inside, -1, 0)
        none = jnp.zeros_like(x)
        turn = jnp.stack([none, z, -y, -z, none, x, y, -x, none], -1).reshape(*x.shape, 3, 3)
        shift = jnp.broadcast_to(jnp.eye(3), turn.shape)
        moved = jnp.einsum("cji,ckjm->ckim", rotation, jnp.concatenate([turn, shift], -1))
        velocity = jnp.einsum("kid,cd->cki", jacobian, basis(place, 1) @ near / self.spacing)
        return jnp.concatenate([moved, velocity[..., None]], -1)
