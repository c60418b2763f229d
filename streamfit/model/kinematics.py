"""Forward kinematics of a skeleton and the geometric Jacobian of its keypoints, in JAX.

The tree is walked level by level with all bodies of a level at once, so that a compiled call is a dozen small
batched operations whatever the model. MuJoCo's C engine and MJX are the oracles of the tests.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Float

from streamfit.arrays import Array
from streamfit.model.keypoint_set import KeypointSet
from streamfit.model.skeleton import Skeleton, _anchor_joint


class Pose(NamedTuple):
    """Bodies and joints of one pose, in the ground frame (m)."""

    rotation: Float[Array, "B 3 3"]
    position: Float[Array, "B 3"]
    anchor: Float[Array, "J 3"]
    axis: Float[Array, "J 3"]
    slope: Float[Array, " N"]
    """Derivative of each coupled joint with respect to its coordinate."""


class Screws(NamedTuple):
    """How each coordinate moves the bodies that it moves: their velocity at `about` and their angular velocity.

    `about` (m, ground frame) is where the root is, so that single precision holds however far from the ground's origin.
    """

    about: Float[Array, 3]
    twists: Float[Array, "D 6"]


class Kinematics:
    """Forward kinematics of one skeleton for K keypoints attached to its bodies.

    `body` (K,) holds the index of each keypoint's body. All methods take one pose; batch them with `jax.vmap`.
    Everything is differentiable with respect to q, scale and the keypoints' places.
    """

    @staticmethod
    @lru_cache(maxsize=8)
    def of(skeleton: Skeleton, keypoints: KeypointSet) -> Kinematics:
        """Those of a keypoint set; one for each, so that what is compiled for it is compiled once."""
        return Kinematics(skeleton, keypoints.body_indices(skeleton.bodies))

    def __init__(self, skeleton: Skeleton, body: np.ndarray) -> None:
        self.skeleton, self.body = skeleton, np.asarray(body)
        model = skeleton.model
        bodies = range(1, model.nbody)
        self._offset = model.body_pos[1:].copy()
        self._rotation = np.zeros((len(bodies), 3, 3))
        for b in bodies:
            mujoco.mju_quat2Mat(self._rotation[b - 1].reshape(9), model.body_quat[b])
        anchors = [model.jnt_pos[_anchor_joint(model, b)] if model.body_jntnum[b] else np.zeros(3) for b in bodies]
        self._anchor = np.array(anchors)
        self._centre = self._offset + np.einsum("bij,bj->bi", self._rotation, self._anchor)
        self._parent = model.body_parentid[1:] - 1
        self._size_group, self._centre_group = skeleton.size_group, skeleton.centre_group
        depth = np.zeros(len(bodies), int)
        self._chain = np.eye(len(bodies))
        for b, p in enumerate(self._parent):
            if p >= 0:
                depth[b] = depth[p] + 1
                self._chain[b] += self._chain[p]
        self._levels = [np.flatnonzero(depth == level) for level in range(depth.max() + 1)]

        self._joint_body = model.jnt_bodyid - 1
        self._hinge = model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE)
        self._axis, self._place = model.jnt_axis.copy(), model.jnt_pos.copy()
        x, y, z = self._axis.T
        self._cross = np.zeros((model.njnt, 3, 3))
        self._cross[:, 0, 1], self._cross[:, 0, 2], self._cross[:, 1, 2] = -z, y, -x
        self._cross -= self._cross.swapaxes(1, 2)
        self._cross2 = self._cross @ self._cross
        joints_of = [range(model.body_jntadr[b], model.body_jntadr[b] + model.body_jntnum[b]) for b in bodies]
        width = max(len(joints) for joints in joints_of)
        self._slots = np.array([[*joints, *[model.njnt] * (width - len(joints))] for joints in joints_of])
        self._moves = self._chain[self.body][:, self._joint_body] > 0.0
        self._coordinate = skeleton.coordinate_joints
        self._dependent = np.array([c.joint for c in skeleton.couplings], int)
        self._masters = np.array([np.flatnonzero(self._coordinate == c.master)[0] for c in skeleton.couplings], int)
        self._moved = self._chain[:, self._joint_body[self._coordinate]]
        self._reach = self._moved[self.body].T
        self._above = np.array([[(one >= other).all() for other in self._moved.T] for one in self._moved.T])

    def pose(self, q: Float[Array, " D"], scale: Float[Array, " G"]) -> Pose:
        """Where every body and joint is."""
        size, centre = scale[self._size_group], scale[self._centre_group]
        theta, slope = self._joint_values(q, size[self._parent])
        rotation, position, anchor, axis = self._local(theta, size, centre)
        world_rotation = jnp.zeros_like(rotation)
        world_position = jnp.zeros_like(position)
        for level in self._levels:
            if self._parent[level[0]] < 0:
                r, p = rotation[level], position[level]
            else:
                up = self._parent[level]
                r = world_rotation[up] @ rotation[level]
                p = world_position[up] + jnp.einsum("bij,bj->bi", world_rotation[up], position[level])
            world_rotation = world_rotation.at[level].set(r)
            world_position = world_position.at[level].set(p)
        up = self._parent[self._joint_body]
        root = (up < 0)[:, None]
        anchor_world = world_position[up] + jnp.einsum("jik,jk->ji", world_rotation[up], anchor)
        axis_world = jnp.einsum("jik,jk->ji", world_rotation[up], axis)
        return Pose(
            world_rotation,
            world_position,
            jnp.where(root, anchor, anchor_world),
            jnp.where(root, axis, axis_world),
            slope,
        )

    def keypoints(self, pose: Pose, places: Float[Array, "K 3"]) -> Float[Array, "K 3"]:
        """Keypoints at `places` in their (scaled) bodies' frames, in the ground frame."""
        return pose.position[self.body] + jnp.einsum("kij,kj->ki", pose.rotation[self.body], places)

    def jacobian(self, pose: Pose, points: Float[Array, "K 3"]) -> Float[Array, "K 3 D"]:
        """Derivative of the keypoints (ground frame) with respect to the coordinates: axis x lever arm."""
        lever = points[:, None, :] - pose.anchor
        turn = jnp.cross(pose.axis, lever)
        columns = jnp.where(self._hinge[:, None], turn, pose.axis) * self._moves[:, :, None]
        jacobian = columns[:, self._coordinate]
        if not self.skeleton.couplings:
            return jacobian.swapaxes(1, 2)
        coupled = columns[:, self._dependent] * pose.slope[:, None]
        return jacobian.at[:, self._masters].add(coupled).swapaxes(1, 2)

    def screws(self, pose: Pose) -> Screws:
        """The derivative of a pose with respect to the coordinates."""
        about = pose.position[0]
        turning = jnp.concatenate([jnp.cross(pose.anchor - about, pose.axis), pose.axis], -1)
        sliding = jnp.concatenate([pose.axis, jnp.zeros_like(pose.axis)], -1)
        joints = jnp.where(self._hinge[:, None], turning, sliding)
        twists = joints[self._coordinate]
        if self.skeleton.couplings:
            twists = twists.at[self._masters].add(joints[self._dependent] * pose.slope[:, None])
        return Screws(about, twists)

    def displaced(self, screws: Screws, points: Float[Array, "K 3"], change: Float[Array, " D"]) -> Float[Array, "K 3"]:
        """Keypoints after a small change of the coordinates, to first order."""
        twist = (self._moved.astype(change.dtype) @ (screws.twists * change[:, None]))[self.body]
        return points + twist[:, :3] + jnp.cross(twist[:, 3:], points - screws.about)

    def condense(
        self,
        screws: Screws,
        points: Float[Array, "K 3"],
        information: Float[Array, "K 3 3"],
        eta: Float[Array, "K 3"],
    ) -> tuple[Float[Array, "D D"], Float[Array, " D"]]:
        """Information matrix and vector on the keypoints as J' A J and J' b on the coordinates, without J.

        Each body's keypoints add up to one spatial (6 x 6) information; a coordinate feels those of all bodies
        it moves, as the joints of the composite-rigid-body algorithm feel inertias (Featherstone 2008, 6.2).
        The cost hardly grows with the keypoints.
        """
        arm, twists = points - screws.about, screws.twists
        x, y, z = arm[:, 0], arm[:, 1], arm[:, 2]
        none = jnp.zeros_like(x)
        lever = jnp.stack([none, z, -y, -z, none, x, y, -x, none], -1).reshape(-1, 3, 3)
        bent = information @ lever
        around = lever.swapaxes(1, 2) @ bent
        blocks = jnp.concatenate(
            [
                jnp.concatenate([information, bent], -1),
                jnp.concatenate([bent.swapaxes(1, 2), around], -1),
            ],
            -2,
        )
        pushed = jnp.concatenate([eta, jnp.cross(arm, eta)], -1)
        reach = self._reach.astype(points.dtype)
        felt = (reach @ blocks.reshape(-1, 36)).reshape(-1, 6, 6)
        momentum = jnp.einsum("dij,dj->di", felt, twists)
        product = twists @ momentum.T
        product = jnp.where(self._above, product, product.T) * (self._above | self._above.T)
        return product, jnp.sum(twists * (reach @ pushed), -1)

    def places(self, scale: Float[Array, " G"], positions: Float[Array, "K 3"]) -> Float[Array, "K 3"]:
        """Drawn positions of the keypoints as scaled with their bodies, in the bodies' frames."""
        return scale[self._size_group[self.body]][:, None] * positions

    def scale_jacobian(
        self, pose: Pose, q: Float[Array, " D"], positions: Float[Array, "K 3"]
    ) -> Float[Array, "K 3 G"]:
        """Derivative of the keypoints, drawn at `positions`, with respect to the groups' factors.

        A body's place in its parent is linear in the factors of its centre, of its own size and of its parent's
        slides: each is added up along the chain. The root's translation does not scale.
        """
        bodies, groups = len(self._parent), np.eye(len(self.skeleton.groups), dtype=q.dtype)
        still = q.at[:3].set(0.0)

        def place(slide: Array, size: Array, centre: Array) -> Array:
            every = jnp.ones(bodies, q.dtype)
            theta = self._joint_values(still, slide * every)[0]
            return self._local(theta, size * every, centre * jnp.ones((bodies, 3), q.dtype))[1]

        none, axes = np.zeros((1, 3), q.dtype), np.eye(3, dtype=q.dtype)
        slide, size = np.eye(5, dtype=q.dtype)[:2]
        shifts = jax.vmap(place)(slide, size, np.concatenate([none, none, axes]))
        by_body = [groups[self._size_group[self._parent]], groups[self._size_group]]
        share = np.stack([*by_body, *groups[self._centre_group].swapaxes(0, 1)])
        inner = (self._parent >= 0)[:, None, None]
        turned = jnp.where(inner, pose.rotation[self._parent], jnp.eye(3, dtype=q.dtype))
        links = jnp.einsum("bij,sbj,sbg->big", turned, shifts, share)
        carried = jnp.einsum("ba,aig->big", self._chain.astype(q.dtype), links)[self.body]
        grown = jnp.einsum("kij,kj->ki", pose.rotation[self.body], positions)
        return carried + grown[..., None] * groups[self._size_group[self.body]][:, None, :]

    def _joint_values(
        self, q: Float[Array, " D"], slide: Float[Array, " B"]
    ) -> tuple[Float[Array, " J"], Float[Array, " N"]]:
        """All joints' values, and the coupled ones' slopes; coupled translations scale by their body's `slide`."""
        theta = jnp.zeros(len(self.skeleton.joints), q.dtype).at[self._coordinate].set(q)
        couplings = self.skeleton.couplings
        if not couplings:
            return theta, jnp.zeros(0, q.dtype)
        polynomial = np.array([c.polynomial for c in couplings], q.dtype)
        x = theta[np.array([c.master for c in couplings])]
        factor = jnp.where(self._hinge[self._dependent], 1.0, slide[self._joint_body[self._dependent]])
        value, slope = jnp.zeros_like(x), jnp.zeros_like(x)
        for power in reversed(range(polynomial.shape[1])):
            slope = slope * x + value
            value = value * x + polynomial[:, power]
        return theta.at[self._dependent].set(factor * value), factor * slope

    def _local(
        self, theta: Float[Array, " J"], size: Float[Array, " B"], centre: Float[Array, "B 3"]
    ) -> tuple[Array, Array, Array, Array]:
        """Each body in its parent's frame, and its joints' anchors and axes there (before each joint moves).

        `size` scales what is drawn in a body's frame, `centre` where its joint is in its parent's.
        """
        dtype = theta.dtype
        sine, cosine = jnp.sin(theta)[:, None, None], jnp.cos(theta)[:, None, None]
        turn = jnp.eye(3, dtype=dtype) + sine * self._cross.astype(dtype) + (1.0 - cosine) * self._cross2.astype(dtype)
        turn = jnp.where(self._hinge[:, None, None], turn, jnp.eye(3, dtype=dtype))
        turn = jnp.concatenate([turn, jnp.eye(3, dtype=dtype)[None]])
        slide = jnp.where(self._hinge, 0.0, theta)[:, None] * self._axis.astype(dtype)
        slide = jnp.concatenate([slide, jnp.zeros((1, 3), dtype)])
        place = self._place.astype(dtype) * size[self._joint_body][:, None]
        place = jnp.concatenate([place, jnp.zeros((1, 3), dtype)])
        local_axis = np.concatenate([self._axis, np.zeros((1, 3))]).astype(dtype)

        rotation = jnp.asarray(self._rotation, dtype)
        inward = jnp.einsum("bij,bj->bi", rotation, size[:, None] * self._anchor.astype(dtype))
        position = centre * self._centre.astype(dtype) - inward
        anchors, axes = [], []
        for column in self._slots.T:
            anchor = position + jnp.einsum("bij,bj->bi", rotation, place[column])
            anchors.append(anchor)
            axes.append(jnp.einsum("bij,bj->bi", rotation, local_axis[column]))
            anchor = anchor + jnp.einsum("bij,bj->bi", rotation, slide[column])
            rotation = rotation @ turn[column]
            position = anchor - jnp.einsum("bij,bj->bi", rotation, place[column])
        body, slot = np.nonzero(self._slots < len(self.skeleton.joints))
        order = np.argsort(self._slots[body, slot])
        body, slot = body[order], slot[order]
        return rotation, position, jnp.stack(anchors, 1)[body, slot], jnp.stack(axes, 1)[body, slot]
