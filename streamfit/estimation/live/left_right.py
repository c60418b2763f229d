"""Left and right exchanged by a detector, in a whole view or in a group of keypoints: found and undone, view by view.

A view's keypoints are compared with where the track expects them, as given and with the sides exchanged. A hidden
Markov chain per camera weighs that against how rarely a detector errs so, and for how long. All in plain numpy: the
arrays are so small that a compiled call would cost more than it saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from streamfit.estimation.estimate import Estimate, View
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import FIELD, FISHEYE, NEAR, Lenses
from streamfit.shallow import shallow

LEGS = ("femur", "tibia", "talus", "calcn", "toes")
ARMS = ("humerus", "ulna", "radius", "hand")
KINDS = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
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
STALE = 0.1
"""s from the last answer up to which the track says where keypoints are."""
LATELY = 3.0
"""s over which the rate of exchanged views is taken."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which keypoints are each other's mirror image, and in which of the groups (legs, arms, trunk with head)."""

    mirror: Int[np.ndarray, " K"]
    groups: Bool[np.ndarray, "G K"]
    """All keypoints with a side, also those without a twin: whose place is unknown where the sides are exchanged."""

    @staticmethod
    def of(skeleton: Skeleton, keypoints: KeypointSet) -> Pairs:
        """The pairs of keypoints that mirror each other."""
        mirror = mirrored(keypoints)
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


class Optics:
    """How C cameras see the P keypoints that have a twin; `paired` are their indices among the K.

    Arrays are (C, axis, P), in single precision: numpy's quickest for so few numbers.
    """

    def __init__(self, pairs: Pairs, lenses: Lenses, noise: Noise) -> None:
        self.paired = np.flatnonzero(pairs.mirror != np.arange(len(pairs.mirror)))
        self.twin = np.searchsorted(self.paired, pairs.mirror[self.paired])
        self.groups = pairs.groups[:, self.paired].T.astype(np.float32)
        self._rotation = _single(lenses.rotation)
        self._translation = _single(lenses.translation)[..., None]
        self._radial = _single(lenses.distortion).T[[0, 1, 4], :, None]
        self._tangential = _single(lenses.distortion)[:, [3, 2], None]
        # None where no camera of the rig is a fisheye
        self._fisheye = _single(lenses.distortion) if lenses.distortion.shape[1] == FISHEYE else None
        self._focal, self._centre = _single(lenses.focal)[..., None], _single(lenses.centre)[..., None]
        self.sd2 = _single(np.square(noise.sd[self.paired] * lenses.pixel[:, None]))
        self.sta_sd = _single(noise.sta_sd[self.paired] * lenses.focal[:, :1])
        self.dof, self.power = float(noise.dof), float(noise.confidence_power)

    def pixels(self, points: Float[np.ndarray, "3 P"]) -> tuple[Float[np.ndarray, "C 2 P"], Float[np.ndarray, "C P"]]:
        """Pixels and depths (m; in a fisheye distances) of points (the frame of the lenses), as `project` has them;
        depth is 0 beside the field."""
        inside = self._rotation @ points + self._translation
        depth = np.where(_square(inside[:, :2]) < (FIELD * inside[:, 2]) ** 2, inside[:, 2], np.float32(0.0))
        plane = np.clip(inside[:, :2] / np.maximum(depth, NEAR)[:, None], -FIELD, FIELD)
        r2 = _square(plane)
        k1, k2, k3 = self._radial
        shear = plane * self._tangential
        bend = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3)) + 2.0 * (shear[:, 0] + shear[:, 1])
        bent = plane * bend[:, None] + r2[:, None] * self._tangential
        if self._fisheye is not None:
            bent, depth = _through_fisheyes(self._fisheye, inside, bent, depth)
        return bent * self._focal + self._centre, depth


class Expectation:
    """Where the keypoints are going to be seen, by the answer of now and that before it."""

    def __init__(
        self, optics: Optics, t: float, points: Float[np.ndarray, "3 P"], misfit: float, before: Expectation | None
    ) -> None:
        """`points` (m) at the time `t` (s); `misfit` (px, native): how far keypoints lately were from those seen."""
        self._optics, self.t = optics, t
        self.pixels, depth = optics.pixels(points)
        self.moves = before is not None
        """Whether it is known how: at the first answer of a track it is not."""
        self._flow = (self.pixels - before.pixels) / np.float32(t - before.t) if before else 0.0 * self.pixels
        self._usual = optics.sd2 + np.square(optics.sta_sd / np.maximum(depth, NEAR)) + np.float32(misfit**2)
        apart = _square(self.pixels - self.pixels[..., optics.twin]) > APART**2 * self._usual
        self._tells = (depth > NEAR) & apart

    def evidence(self, t: Float[np.ndarray, " C"], seen: Float[np.ndarray, "C 3 P"]) -> Float[np.ndarray, "C G"]:
        """Log-likelihood ratio of each group exchanged to as given, in each view; 0 where nothing tells.

        `seen` at the times `t` (s). Errors are Student-t as in `view_terms`.
        """
        o = self._optics
        pixels = self.pixels + self._flow * _single(t - self.t)[:, None, None]
        confidence = np.maximum(seen[:, 2], 1e-3)
        spread = o.dof * (self._usual + o.sd2 * (confidence**-o.power - 1.0))
        own, other = _square(seen[:, :2] - pixels), _square(seen[:, :2] - pixels[..., o.twin])
        gained = np.log((spread + own) / (spread + other)) * (self._tells & (seen[:, 2] > 0.0))
        # both of a pair must say so: a detector that takes both for the same limb has exchanged nothing
        agreed = np.minimum(gained, gained[:, o.twin])
        return np.asarray(0.5 * (o.dof + 2.0) * agreed @ o.groups)


def _single(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float32)


def _through_fisheyes(
    rows: Float[np.ndarray, "C 6"],
    inside: Float[np.ndarray, "C 3 P"],
    bent: Float[np.ndarray, "C 2 P"],
    depth: Float[np.ndarray, "C P"],
) -> tuple[Float[np.ndarray, "C 2 P"], Float[np.ndarray, "C P"]]:
    """`bent` and `depth` as they are, but those of fisheyes (rows of `Lenses.distortion`) by their own model."""
    k1, k2, k3, k4, _, limit = rows.T[..., None]
    off, far = np.sqrt(_square(inside[:, :2])), np.sqrt(_square(inside))
    angle = np.arctan2(off, inside[:, 2])
    a2 = np.square(np.minimum(angle, limit))
    stretch = np.sqrt(a2) * (1.0 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4)))) / np.maximum(off, np.float32(1e-6))
    is_fisheye = limit > 0.0
    bent = np.where(is_fisheye[:, None], inside[:, :2] * stretch[:, None], bent)
    return bent, np.where(is_fisheye, np.where(angle < limit, far, np.float32(0.0)), depth)


def _square(x: np.ndarray) -> np.ndarray:
    """Squared lengths (C, P) of vectors in the plane (C, 2, P)."""
    return np.asarray(np.einsum("cip,cip->cp", x, x))


def believe(
    belief: Float[np.ndarray, "C S"], gap: Float[np.ndarray, " C"], evidence: Float[np.ndarray, "C G"]
) -> Float[np.ndarray, "C S"]:
    """Probability of each of `KINDS` in each camera's view, `gap` s after the view that had `belief`."""
    stays = np.exp(gap / -BURST)[:, None]
    told = evidence @ KINDS.T
    told -= told.max(1, keepdims=True)
    belief = (USUAL + stays * (belief - USUAL)) * np.exp(told)
    return np.asarray(belief / belief.sum(1, keepdims=True))


def confirmed(claims: Bool[np.ndarray, "C G"], evidence: Float[np.ndarray, "C G"]) -> Bool[np.ndarray, "C G"]:
    """The claims that groups are exchanged as far as the other cameras contradict.

    A claim stands where more cameras now deny it than make it in some group of its view: else it may as well be the
    track that is the wrong way round. Its other groups follow, unless as many can tell that they are exchanged.
    """
    tells = np.abs(evidence) > TELLS
    denying = (~claims & tells).sum(0)
    stands = (claims & (denying > claims.sum(0))).any(1, keepdims=True)
    telling = (claims & tells).sum(0)
    return claims & stands & ((denying > telling) | (telling == 0))


class Sides:
    """The sides of one person's keypoints in each camera's view, followed from instant to instant."""

    def __init__(self, skeleton: Skeleton, keypoints: KeypointSet, cameras: int) -> None:
        self.swap_rate = np.zeros(cameras)
        """Of the recent views of each camera, how many had left and right exchanged as a whole."""
        self._pairs = Pairs.of(skeleton, keypoints)
        self._belief = np.tile(USUAL, (cameras, 1))
        self._seen = np.full(cameras, -np.inf)

    def copy(self) -> Sides:
        """Another that knows the same."""
        other = shallow(self)
        other.swap_rate, other._belief, other._seen = self.swap_rate.copy(), self._belief.copy(), self._seen.copy()
        return other

    def look_through(self, lenses: Lenses, noise: Noise) -> None:
        """How keypoints are seen from now on; `lenses` from the world frame of the cameras."""
        self._optics = Optics(self._pairs, lenses, noise)
        self.forget()

    def forget(self) -> None:
        """The track has ended."""
        self._expected: Expectation | None = None

    def follow(self, held: Estimate) -> None:
        """Look ahead from an answer: what will be seen next."""
        if held.state != "tracking" or np.isnan(held.rms_px):
            self.forget()
            return
        points = _single(held.keypoints[self._optics.paired].T)
        self._expected = Expectation(self._optics, held.t, points, held.rms_px, self._expected)

    def put_right(self, views: Sequence[View]) -> Sequence[View]:
        """The views with undone what was exchanged, in the light of the answer that was followed last."""
        expected = self._expected
        if expected is None or not expected.moves:
            return views
        latest = {view.camera: view for view in views if abs(view.t - expected.t) < STALE}
        if not latest:
            return views
        cameras = list(latest)
        xyc = np.zeros((len(self.swap_rate), len(self._pairs.mirror), 3), np.float32)
        t = np.full(len(self.swap_rate), expected.t)
        for camera, view in latest.items():
            xyc[camera], t[camera] = view.xyc, view.t
        evidence = TRUST * expected.evidence(t, xyc[:, self._optics.paired].swapaxes(1, 2))
        gap = np.maximum(t - self._seen, 0.0)[cameras]
        self._seen[cameras] = t[cameras]
        self._belief[cameras] = believe(self._belief[cameras], gap, evidence[cameras])
        claims = confirmed(KINDS[self._belief.argmax(1)] > 0.0, evidence)
        new = 1.0 - np.exp(np.minimum(gap, STALE) / -LATELY)
        self.swap_rate[cameras] += new * (claims[cameras].all(1) - self.swap_rate[cameras])
        if not claims.any():
            return views
        return [self._undone(view, claims[view.camera]) if latest.get(view.camera) is view else view for view in views]

    def _undone(self, view: View, which: Bool[np.ndarray, " G"]) -> View:
        return replace(view, xyc=self._pairs.exchanged(view.xyc, which)) if which.any() else view
