"""Left and right exchanged by a detector, in a whole view or in a group of keypoints: found and undone, view by view.

A view's keypoints are compared with where the track expects them, as given and with the sides exchanged. A hidden
Markov chain per camera weighs that against how rarely a detector errs so, and for how long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from streamfit.arrays import Array
from streamfit.cameras import Lenses, project
from streamfit.fit.estimate import Estimate, View
from streamfit.fit.exchange import mirrored
from streamfit.fit.residuals import Noise
from streamfit.skeleton import KeypointSet, Skeleton

LEGS = ("femur", "tibia", "talus", "calcn", "toes")
ARMS = ("humerus", "ulna", "radius", "hand")
KINDS = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], bool)
"""What may be exchanged in a view: nothing, everything, or one of the groups legs, arms, trunk with head."""
USUAL = np.array([0.94, 0.03, 0.01, 0.01, 0.01])
"""Share of views of each kind: detectors exchange sides in some hundredths of them."""
BURST = 0.2
"""s after which what is exchanged is drawn anew: bursts last some tenths of a second."""
TRUST = 0.25
"""Share of the log-likelihood that counts: the keypoints of a group err together."""
APART = 3.0
"""Standard deviations that the two of a pair must be apart in a view to tell them from each other."""
TELLS = 3.0
"""Log-likelihood ratio from which on a view says whether a group is exchanged."""
STALE = 0.15
"""s after the last answer up to which the track says where keypoints are."""
LATELY = 3.0
"""s over which the share of exchanged views is taken."""


class Pairs(NamedTuple):
    """Which keypoints are each other's mirror image, and in which group they are."""

    mirror: Int[Array, " K"]
    groups: Bool[Array, "G K"]
    """All keypoints of a side, also those without a twin: theirs is unknown where the sides are exchanged."""

    @staticmethod
    def of(skeleton: Skeleton, keypoints: KeypointSet) -> Pairs:
        mirror = mirrored(skeleton, keypoints)
        sided = (mirror != np.arange(len(mirror))) | np.array([b.endswith(("_r", "_l")) for b in keypoints.bodies])
        legs, arms = (np.array([b.startswith(limb) for b in keypoints.bodies]) for limb in (LEGS, ARMS))
        return Pairs(mirror, sided & np.array([legs, arms, ~legs & ~arms]))

    def exchanged(self, xyc: Float[np.ndarray, "K 3"], which: Bool[np.ndarray, " G"]) -> Float[np.ndarray, "K 3"]:
        """A view's keypoints with the sides of these groups exchanged; those without a twin are dropped."""
        own = np.arange(len(self.mirror))
        concerned = which @ self.groups
        out = xyc[np.where(concerned, self.mirror, own)]
        out[concerned & (self.mirror == own)] = 0.0
        return out


@jax.jit
def exchange_evidence(
    lenses: Lenses,
    noise: Noise,
    pairs: Pairs,
    points: Float[Array, "C K 3"],
    seen: Float[Array, "C K 3"],
    misfit: Float[Array, ""],
) -> Float[Array, "C G"]:
    """Log-likelihood ratio of each group exchanged to as given, in each view; 0 where nothing of it is seen.

    `points`: where the keypoints are expected (m, ground frame); `misfit` (px, native): how far the track's
    keypoints lately were from those seen. Errors are Student-t, as in `view_terms`.
    """

    def one(lens: Lenses, points: Array, seen: Array) -> Array:
        pixels, _, visible = project(lens, points)
        twin = pixels[pairs.mirror]
        depth = points @ lens.rotation[2] + lens.translation[2]
        wander = noise.wander * lens.focal[0] / jnp.maximum(depth, 0.1)
        usual = (noise.sd * lens.pixel) ** 2 + wander**2 + misfit**2
        apart = jnp.sum((twin - pixels) ** 2, -1) > APART**2 * usual
        confidence = jnp.clip(seen[:, 2], 1e-3, 1.0)
        variance = usual + (noise.sd * lens.pixel) ** 2 * (confidence**-noise.confidence_power - 1.0)

        def surprise(expected: Array) -> Array:
            square = jnp.sum((seen[:, :2] - expected) ** 2, -1)
            return 0.5 * (noise.freedom + 2.0) * jnp.log1p(square / (noise.freedom * variance))

        gained = jnp.where(visible & apart & (seen[:, 2] > 0.0), surprise(pixels) - surprise(twin), 0.0)
        # both of a pair must say so: a detector that takes both for the same limb has exchanged nothing
        return pairs.groups @ jnp.minimum(gained, gained[pairs.mirror])

    return jax.vmap(one)(lenses, points, seen)


def believe(
    belief: Float[np.ndarray, "C S"], gap: Float[np.ndarray, " C"], evidence: Float[np.ndarray, "C G"]
) -> Float[np.ndarray, "C S"]:
    """Probability of each of `KINDS` in each camera's view, `gap` s after the view that had `belief`."""
    stays = np.exp(-gap / BURST)[:, None]
    told = evidence @ KINDS.T
    likelihood = np.exp(told - told.max(1, keepdims=True))
    belief = (stays * belief + (1.0 - stays) * USUAL) * likelihood
    return np.asarray(belief / belief.sum(1, keepdims=True))


def confirmed(claims: Bool[np.ndarray, "C G"], evidence: Float[np.ndarray, "C G"]) -> Bool[np.ndarray, "C G"]:
    """The claims that groups are exchanged as far as the other cameras contradict.

    Where as many that can tell say so as deny it, it may as well be the track that is the wrong way round. A group
    in which no camera can tell follows the others of its view.
    """
    tells = np.abs(evidence) > TELLS
    claiming, denying = (claims & tells).sum(0), (~claims & tells).sum(0)
    clear = claims & (denying > claiming)
    return clear | (claims & (claiming == 0) & clear.any(1, keepdims=True))


class Sides:
    """The sides of one person's keypoints in each camera's view."""

    def __init__(self, skeleton: Skeleton, keypoints: KeypointSet, cameras: int) -> None:
        self.share = np.zeros(cameras)
        """Of the recent views of each camera, how many had left and right exchanged as a whole."""
        self._pairs = Pairs.of(skeleton, keypoints)
        self._belief = np.tile(USUAL, (cameras, 1))
        self._seen = np.full(cameras, -np.inf)
        self._before: Estimate | None = None

    def put_right(
        self, views: Sequence[View], held: Estimate, to_ground: np.ndarray, lenses: Lenses, noise: Noise
    ) -> list[View]:
        """The views with undone what was exchanged, in the light of the answer before (`held`)."""
        before, self._before = self._before, held
        tracked = held.state == "tracking" and before is not None and before.state == "tracking"
        if not tracked or before is None or not views or before.t >= held.t:
            return list(views)
        latest = {view.camera: view for view in views if abs(view.t - held.t) < STALE}
        cameras = np.array(list(latest), int)
        if not cameras.size:
            return list(views)
        rate = (held.keypoints - before.keypoints) / (held.t - before.t)
        seen = np.zeros((len(self.share), len(rate), 3))
        ahead = np.zeros(len(self.share))
        for camera, view in latest.items():
            seen[camera], ahead[camera] = view.xyc, view.t - held.t
        points = (held.keypoints + ahead[:, None, None] * rate) @ to_ground.T
        evidence = TRUST * np.asarray(exchange_evidence(lenses, noise, self._pairs, points, seen, held.rms_px), float)
        t = np.array([view.t for view in latest.values()])
        gap = np.maximum(t - self._seen[cameras], 0.0)
        self._seen[cameras] = t
        self._belief[cameras] = believe(self._belief[cameras], gap, evidence[cameras])
        claims = KINDS[self._belief.argmax(1)]
        claims[np.setdiff1d(np.arange(len(claims)), cameras)] = False
        claims = confirmed(claims, evidence)
        new = 1.0 - np.exp(-np.minimum(gap, LATELY) / LATELY)
        self.share[cameras] += new * (claims[cameras].all(1) - self.share[cameras])
        return [
            replace(view, xyc=self._pairs.exchanged(view.xyc, claims[view.camera]))
            if latest.get(view.camera) is view and claims[view.camera].any()
            else view
            for view in views
        ]
