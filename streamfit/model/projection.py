"""Projection through lenses and back: pinholes with Brown-Conrady distortion and fisheyes, in JAX.

The fisheye is the model of OpenCV's `fisheye` module (Kannala and Brandt 2006). A rig may mix both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from streamfit.arrays import Array

NEAR = 0.05
"""Points nearer to the image plane than this (m), or behind it, are not seen."""
FIELD = 3.0
"""Nor are those farther off the optical axis than this many times their depth: no lens of this model sees as far, and
beyond its picture the polynomial of its distortion grows without bound."""
WIDEST = 2.4
"""rad off its axis that a fisheye sees at most: the widest that are made see 140 degrees."""
BROWN, FISHEYE = 5, 6
"""Columns of `Lenses.distortion` without and with a fisheye in the rig."""


class Lenses(NamedTuple):
    """C cameras as arrays: ground frame to camera frame, then to pixels. `pixel`: width / REFERENCE_WIDTH.

    `distortion` is k1, k2, p1, p2, k3. Where a camera of the rig is a fisheye it has a sixth column, 0 for the others;
    a fisheye's row is k1, k2, k3, k4, 0 and how far off its axis it sees (rad). So a rig without one compiles to code
    that knows of none.
    """

    rotation: Float[Array, "C 3 3"]
    translation: Float[Array, "C 3"]
    focal: Float[Array, "C 2"]
    centre: Float[Array, "C 2"]
    distortion: Float[Array, "C D"]
    pixel: Float[Array, " C"]


class Projection(NamedTuple):
    """Pixels, their derivative with respect to the point (px/m), and whether the camera can see the point."""

    pixels: Float[Array, "*batch 2"]
    jacobian: Float[Array, "*batch 2 3"]
    visible: Bool[Array, "*batch"]


class _Bent(NamedTuple):
    """A point in the image at focal length 1, its derivative with respect to the point in the camera's frame, and
    whether the camera can see it."""

    x: Array
    y: Array
    slope_x: tuple[Array, Array, Array]
    slope_y: tuple[Array, Array, Array]
    visible: Array


def project(lens: Lenses, points: Float[Array, "*batch 3"]) -> Projection:
    """Points (ground frame, m) seen by one camera (the fields of `lens` without their first axis).

    The models are those of OpenCV's `projectPoints` (k1, k2, p1, p2, k3) and `fisheye.projectPoints` (k1 .. k4; here
    beyond 90 degrees off the axis too). Points behind the camera or far beside its field get finite values and
    `visible` false.
    """
    # written out: products of 3 x 3 matrices as such cost several times as much
    inside = _in_camera(lens, points)
    bent = _brown(lens, *inside)
    if lens.distortion.shape[-1] == FISHEYE:
        chosen = lens.distortion[FISHEYE - 1] > 0.0
        bent = jax.tree.map(lambda a, b: jnp.where(chosen, a, b), _fisheye(lens, *inside), bent)
    fx, fy = lens.focal[0], lens.focal[1]
    pixels = jnp.stack([fx * bent.x + lens.centre[0], fy * bent.y + lens.centre[1]], -1)
    slopes = ([fx * slope for slope in bent.slope_x], [fy * slope for slope in bent.slope_y])
    rows = [sum(slope[..., None] * row for slope, row in zip(each, lens.rotation, strict=True)) for each in slopes]
    return Projection(pixels, jnp.stack(rows, -2), bent.visible)


def pixels_per_metre(lens: Lenses, points: Float[Array, "*batch 3"]) -> Float[Array, "*batch"]:
    """px that a metre at each point (ground frame, m) is in the picture of one camera, for points that it sees."""
    across, down, depth = _in_camera(lens, points)
    if lens.distortion.shape[-1] == FISHEYE:
        far = jnp.sqrt(across * across + down * down + depth * depth)
        depth = jnp.where(lens.distortion[FISHEYE - 1] > 0.0, far, depth)
    return lens.focal[0] / jnp.maximum(depth, 0.1)


def rays(lens: Lenses, pixels: Float[Array, "*batch 2"]) -> Float[Array, "*batch 3"]:
    """Unit vectors (camera frame) in which one camera sees pixels: the inverse of `project`."""
    bent = (pixels - lens.centre) / lens.focal
    flat = _unbrown(lens, bent)
    ahead = jnp.concatenate([flat, jnp.ones_like(flat[..., :1])], -1)
    if lens.distortion.shape[-1] == FISHEYE:
        ahead = jnp.where(lens.distortion[FISHEYE - 1] > 0.0, _unfisheye(lens, bent), ahead)
    return ahead / jnp.linalg.norm(ahead, axis=-1, keepdims=True)


def stack_lenses(rigs: Sequence[Lenses], cameras: int) -> Lenses:
    """The cameras (R, C, ...) of R rigs; where one has fewer than C, its last is repeated."""
    width = max(lenses.distortion.shape[-1] for lenses in rigs)

    def pad(x: Array) -> np.ndarray:
        return np.concatenate([x, np.repeat(x[-1:], cameras - len(x), 0)])

    wide = [
        lenses._replace(distortion=np.pad(lenses.distortion, ((0, 0), (0, width - lenses.distortion.shape[-1]))))
        for lenses in rigs
    ]
    return Lenses(*(np.stack([pad(x) for x in field]) for field in zip(*wide, strict=True)))


def _in_camera(lens: Lenses, points: Array) -> tuple[Array, Array, Array]:
    px, py, pz = points[..., 0], points[..., 1], points[..., 2]
    across, down, depth = (
        row[0] * px + row[1] * py + row[2] * pz + shift
        for row, shift in zip(lens.rotation, lens.translation, strict=True)
    )
    return across, down, depth


def _brown(lens: Lenses, across: Array, down: Array, depth: Array) -> _Bent:
    visible = (depth > NEAR) & (across * across + down * down < (FIELD * depth) ** 2)
    inverse = 1.0 / jnp.where(visible, depth, 1.0)
    x, y = across * inverse, down * inverse
    k1, k2, p1, p2, k3 = (lens.distortion[i] for i in range(BROWN))
    r2 = x * x + y * y
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = k1 + r2 * (2.0 * k2 + 3.0 * k3 * r2)
    xx = radial + 2.0 * x * x * slope + 2.0 * p1 * y + 6.0 * p2 * x
    xy = 2.0 * x * y * slope + 2.0 * p1 * x + 2.0 * p2 * y
    yy = radial + 2.0 * y * y * slope + 6.0 * p1 * y + 2.0 * p2 * x
    return _Bent(
        x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
        y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
        (xx * inverse, xy * inverse, -(xx * x + xy * y) * inverse),
        (xy * inverse, yy * inverse, -(xy * x + yy * y) * inverse),
        visible,
    )


def _unbrown(lens: Lenses, bent: Array, iterations: int = 10) -> Array:
    """Normalised image coordinates without distortion, by fixed-point iteration as OpenCV does."""
    k1, k2, p1, p2, k3 = (lens.distortion[i] for i in range(BROWN))
    x, y = bent[..., 0], bent[..., 1]
    for _ in range(iterations):
        r2 = x * x + y * y
        radial = jnp.maximum(1.0 + r2 * (k1 + r2 * (k2 + r2 * k3)), 0.1)
        dx = 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)
        dy = p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y
        x, y = (bent[..., 0] - dx) / radial, (bent[..., 1] - dy) / radial
    return jnp.stack([x, y], -1)


def _fisheye(lens: Lenses, across: Array, down: Array, depth: Array) -> _Bent:
    """The image is the point's direction across the axis times a polynomial of its angle off the axis."""
    far2 = across * across + down * down + depth * depth
    apart = far2 > NEAR * NEAR
    x, y, z = (jnp.where(apart, value, usual) for value, usual in ((across, 0.0), (down, 0.0), (depth, 1.0)))
    far2 = jnp.where(apart, far2, 1.0)
    off2 = jnp.maximum(x * x + y * y, 1e-12 * far2)  # on the axis no direction is across it, and the limit holds
    off = jnp.sqrt(off2)
    angle = jnp.arctan2(off, z)
    limit = lens.distortion[FISHEYE - 1]
    bent, slope = bent_angle(lens.distortion, jnp.minimum(angle, limit))
    stretch = bent / off
    growth = (slope * z / far2 - stretch) / off2
    along = -slope / far2
    return _Bent(
        x * stretch,
        y * stretch,
        (stretch + x * x * growth, x * y * growth, x * along),
        (x * y * growth, stretch + y * y * growth, y * along),
        apart & (angle < limit),
    )


def _unfisheye(lens: Lenses, bent: Array, iterations: int = 10) -> Array:
    """Unit vectors, by Newton's method on the angle; beyond the lens' limit those at it."""
    off = jnp.maximum(jnp.linalg.norm(bent, axis=-1), 1e-9)
    limit = lens.distortion[FISHEYE - 1]
    angle = jnp.minimum(off, limit)
    for _ in range(iterations):
        value, slope = bent_angle(lens.distortion, angle)
        angle = jnp.clip(angle - (value - off) / jnp.maximum(slope, 0.05), 0.0, limit)
    return jnp.concatenate([bent * (jnp.sin(angle) / off)[..., None], jnp.cos(angle)[..., None]], -1)


def bent_angle(distortions: Array, angle: Array) -> tuple[Array, Array]:
    """What a fisheye (k1 .. k4) makes of angles off its axis (rad), in focal lengths, and the derivative."""
    k1, k2, k3, k4 = (distortions[i] for i in range(4))
    a2 = angle * angle
    value = angle * (1.0 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
    return value, 1.0 + a2 * (3.0 * k1 + a2 * (5.0 * k2 + a2 * (7.0 * k3 + a2 * 9.0 * k4)))


def farthest(distortions: np.ndarray) -> float:
    """The angle (rad) up to which a fisheye's polynomial (k1 .. k4) grows: beyond it two directions share a pixel."""
    k1, k2, k3, k4 = distortions
    roots = np.roots([9.0 * k4, 7.0 * k3, 5.0 * k2, 3.0 * k1, 1.0])
    squares = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0.0)]
    return float(min([WIDEST, *np.sqrt(squares)]))
