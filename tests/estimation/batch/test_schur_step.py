"""The bordered system of `linearise` and its step, against dense Gauss-Newton by finite differences.

Shapes are those of `test_bundle`, so that the step is compiled once for both. Only few slots hold views.
"""

from dataclasses import dataclass
from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from streamfit.estimation.batch.calibrate import REFINING, compiled
from streamfit.estimation.batch.linearise import CAMERA, Data, Placed, Shared
from streamfit.estimation.batch.schur_step import Bilevel, SharedPrior, deviation, rotation_by
from streamfit.estimation.batch.trajectories import keypoints_of
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.settings import FitSettings
from streamfit.model.camera import Lenses, project
from streamfit.model.spline import basis

HALF, CAMERAS = 41, 6
"""Control points of each of two trials, and cameras of each of their rigs."""
SEEING = np.concatenate([np.arange(4), HALF + np.arange(2)])
"""The intervals in which there are views."""
MOVED = np.unique(SEEING[:, None] + np.arange(4))
"""The control points that these views tell."""
SILENT = ("pro_sup", "wrist_flex", "wrist_dev")
"""Coordinates of which this keypoint set shows next to nothing."""


@dataclass(frozen=True, eq=False)
class World:
    """The truth of two trials of one person in two rigs, and what is seen of it."""

    model: Bilevel
    lenses: Lenses
    controls: np.ndarray
    shared: Shared
    place: np.ndarray
    """(M, S) of the slots in their intervals."""

    @property
    def shown(self) -> np.ndarray:
        """(D,) which coordinates the views tell."""
        return np.array([not name.startswith(SILENT) for name in self.model.linearise.kinematics.skeleton.coordinates])

    @property
    def size(self) -> int:
        """Number of shared parameters."""
        return self.shared.scale.size + self.shared.offsets.size + CAMERA * self.shared.cameras.clock.size

    def data(self, late: np.ndarray, error: float = 0.0, prior: np.ndarray | None = None) -> Data:
        """Views, each camera's (R, C) `late` after its slot, with pixel errors; `prior` (M, 4, D, D)."""
        rng = np.random.default_rng(1)
        m, s = self.place.shape
        kinematics = self.model.linearise.kinematics
        rig = np.repeat([0, 1], HALF)
        view_place = self.place[..., None] + late[rig][:, None] / self.model.linearise.spacing
        seen = np.zeros((m, s, late.shape[1], len(kinematics.body), 3), np.float32)
        decorrelation = np.zeros(seen.shape[:3])
        decorrelation[SEEING] = rng.uniform(0.1, 0.5, decorrelation[SEEING].shape)
        seen[SEEING, ..., 2] = rng.uniform(0.5, 1.0, seen[SEEING, ..., 2].shape)
        at = SEEING[:, None] + np.arange(4)
        q = np.einsum("nsca,nad->nscd", basis(view_place[SEEING]), self.controls[at])
        places = np.asarray(kinematics.places(self.shared.scale, self.model.linearise.positions)) + self.shared.offsets
        points = keypoints_of(kinematics, q.reshape(-1, q.shape[-1]), self.shared.scale, places)
        points = points.reshape(*q.shape[:3], -1, 3)
        lenses = Lenses(*(x[rig[SEEING]] for x in self.lenses))
        pixels = np.stack([see(Lenses(*(x[:, c] for x in lenses)), points[:, :, c]) for c in range(late.shape[1])], 2)
        seen[SEEING, ..., :2] = pixels + error * rng.normal(size=pixels.shape)
        if prior is None:
            diagonal = np.arange(self.controls.shape[1])
            prior = np.zeros((m, 4, len(diagonal), len(diagonal)))
            prior[:, 0, diagonal, diagonal] = np.where(self.shown, 1e-8, 1e6)
        toward = np.zeros_like(self.controls)
        return Data(self.lenses, rig, seen, self.place, view_place, decorrelation, prior, toward)

    def step(self, data: Data, noise: Noise, controls: np.ndarray, shared: Shared, prior: SharedPrior):
        return jax.device_get(self.model.step(data, noise, controls, shared, prior))


def rodrigues(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3), by OpenCV."""
    matrices = [cv2.Rodrigues(vector)[0] for vector in vectors.reshape(-1, 3)]
    return np.array(matrices).reshape(*vectors.shape, 3)


@jax.jit
def see(lenses: Lenses, points):
    """Pixels (N, S, K, 2) of points (N, S, K, 3), each of the N seen by a camera of its own."""
    return jax.vmap(lambda lens, x: project(lens, x).pixels)(lenses, points)


@pytest.fixture(scope="module")
def world(scene) -> World:
    rng = np.random.default_rng(0)
    model = compiled(scene.skeleton, scene.keypoints, FitSettings(), refine=True)
    one = scene.rig.lenses()
    turned = rodrigues(0.05 * rng.normal(size=(CAMERAS, 3)))
    other = one._replace(rotation=turned @ one.rotation, translation=one.translation + 0.05)
    lenses = Lenses(*(np.stack(pair) for pair in zip(one, other, strict=True)))
    controls = np.array([scene.q(0.3 + 0.04 * i) for i in range(2 * HALF)])
    silent = [i for i, name in enumerate(scene.skeleton.coordinates) if name.startswith(SILENT)]
    controls[:, silent] = 0.0
    controls[np.setdiff1d(np.arange(2 * HALF), MOVED)] = 0.0
    shared = Shared(
        scene.subject.factors(scene.skeleton) * rng.uniform(0.95, 1.05, len(scene.skeleton.groups)),
        rng.normal(0, 0.01, (len(scene.keypoints.names), 3)),
        Placed(lenses.rotation, lenses.translation, np.zeros(lenses.rotation.shape[:2])),
    )
    place = np.broadcast_to((np.arange(REFINING) + 0.5) / REFINING, (2 * HALF, REFINING)).copy()
    return World(model, lenses, controls, shared, place)


def noise_of(world: World, sd: float, sta_sd: float) -> Noise:
    count = len(world.shared.offsets)
    return Noise(np.full(count, sd), np.full(count, sta_sd), np.asarray(1.5), np.asarray(2.0))


def moved(world: World, size: float, seed: int = 5) -> tuple[np.ndarray, Shared]:
    """Control points and shared parameters about `size` from the truth, but for the clocks."""
    rng = np.random.default_rng(seed)
    controls, true = world.controls.copy(), world.shared
    controls[MOVED] += size * rng.normal(size=controls[MOVED].shape) * world.shown
    cameras = true.cameras
    turn = rodrigues(0.3 * size * rng.normal(size=cameras.translation.shape))
    cameras = cameras._replace(
        rotation=turn @ cameras.rotation,
        translation=cameras.translation + 0.3 * size * rng.normal(size=cameras.translation.shape),
    )
    scale = true.scale + 0.3 * size * rng.normal(size=true.scale.shape)
    return controls, Shared(scale, true.offsets + 0.1 * size * rng.normal(size=true.offsets.shape), cameras)


def spread_prior(world: World, sd: float) -> SharedPrior:
    """All shared parameters about where they are in truth, independently."""
    return SharedPrior(departure(world, world.shared), np.eye(world.size) / sd**2)


def split(world: World, vectors):
    """N slots' parameters: four control points, scale, offsets, each camera's move, displacements."""
    spots = world.shared.offsets.shape
    shapes = [(4, world.controls.shape[1]), world.shared.scale.shape, spots, (CAMERAS, CAMERA), spots]
    parts = jnp.split(vectors, np.cumsum([np.prod(shape) for shape in shapes[:-1]]), axis=1)
    return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]


@partial(jax.jit, static_argnums=0)
def pixels_left(world: World, vectors, lenses: Lenses, cameras: Placed, places, seen):
    """Seen less projected pixels (N, C, K, 2) for N vectors of parameters (see `split`), each camera's at its own
    time, by plain forward kinematics."""
    linearise = world.model.linearise
    kinematics = linearise.kinematics
    near, scale, offsets, moves, displaced = split(world, vectors)
    q = jnp.einsum("nca,nad->ncd", basis(places + (cameras.clock + moves[..., 6]) / linearise.spacing), near)

    def place(q, scale, offsets):
        drawn = scale[kinematics.skeleton.size_group[kinematics.body]][:, None] * linearise.positions
        return kinematics.keypoints(kinematics.pose(q, scale), drawn + offsets)

    many = [jnp.repeat(x, CAMERAS, 0) for x in (scale, offsets)]
    points = jax.vmap(place)(q.reshape(-1, q.shape[-1]), *many).reshape(*q.shape[:2], -1, 3) + displaced[:, None]

    def pixels(lens: Lenses, rotation, translation, moves, points):
        x, y, z = moves[:, :3].T
        none = jnp.zeros_like(x)
        cross = jnp.stack([none, -z, y, z, none, -x, -y, x, none], -1).reshape(-1, 3, 3)
        turn = jnp.eye(3) + cross + 0.5 * cross @ cross
        # turned and shifted in the camera's own frame, seen by a camera at the origin
        inside = jnp.einsum("ij,nkj->nki", rotation, points) + translation
        inside = jnp.einsum("nij,nkj->nki", turn, inside) + moves[:, None, 3:6]
        return project(lens._replace(rotation=jnp.eye(3), translation=jnp.zeros(3)), inside).pixels

    own = jax.vmap(pixels, in_axes=(0, 0, 0, 1, 1), out_axes=1)
    return seen[..., :2] - own(lenses, cameras.rotation, cameras.translation, moves, points)


STEP = 1e-5
"""rad, m, s, of the central differences."""


def slot_rows(world: World, data: Data, said, noise: Noise, controls, shared: Shared, m: int, s: int):
    """Whitened residuals of one slot, and their derivatives with respect to its parameters (see `split`) by central
    differences; the robust weights are held, the displacements' own residuals stand last."""
    r = int(data.rig[m])
    decorrelation, seen = data.decorrelation[m, s], data.seen[m, s].astype(float)
    variance = (noise.sd * data.lenses.pixel[r][:, None]) ** 2 / seen[..., 2] ** float(noise.confidence_power)
    precision = decorrelation[:, None] * said.weight[m, s] * (noise.dof + 2.0) / noise.dof / variance
    spots = np.zeros(shared.offsets.size)
    parts = [controls[m : m + 4], shared.scale, shared.offsets, np.zeros(CAMERAS * CAMERA), spots]
    vector = np.concatenate([np.asarray(part).reshape(-1) for part in parts])
    steps = STEP * np.eye(len(vector))
    cameras = Placed(*(np.asarray(x[r]) for x in shared.cameras))
    lenses = Lenses(*(x[r] for x in data.lenses))
    vectors = np.concatenate([vector[None], vector + steps, vector - steps])
    left = np.asarray(pixels_left(world, vectors, lenses, cameras, data.view_place[m, s], seen))
    left = (np.sqrt(precision)[..., None] * left).reshape(len(vectors), -1)
    rows = (left[1 : len(vector) + 1] - left[len(vector) + 1 :]).T / (2.0 * STEP)
    # the displacement persists as the views do: it counts as the camera with the largest share
    stiff = np.sqrt(decorrelation.max()) / np.repeat(noise.sta_sd, 3)
    rest = np.concatenate([np.zeros((len(stiff), len(vector) - len(stiff))), np.diag(stiff)], 1)
    return np.concatenate([left[0], np.zeros(len(stiff))]), np.concatenate([rows, rest])


def dense(world: World, data: Data, said, noise: Noise, controls, shared: Shared):
    """Information matrix and vector of the control points MOVED and the shared parameters, displacements eliminated;
    and the displacements' expected squares (M, S, K)."""
    size, spots = controls.shape[1], shared.offsets.size
    first_camera = len(MOVED) * size + world.size - 2 * CAMERAS * CAMERA
    information = np.zeros((len(MOVED) * size + world.size,) * 2)
    eta = np.zeros(len(information))
    sta_square = np.zeros(said.sta_square.shape)
    for m, s in np.argwhere(data.decorrelation.any(-1)):
        residual, rows = slot_rows(world, data, said, noise, controls, shared, m, s)
        normal, pull = rows.T @ rows, -rows.T @ residual
        kept, gone = slice(0, len(pull) - spots), slice(len(pull) - spots, None)
        carried = np.linalg.solve(normal[gone, gone], normal[gone, kept]).T
        spread = data.decorrelation[m, s].max() * np.diag(np.linalg.inv(normal[gone, gone]))
        sta_square[m, s] = (np.linalg.solve(normal[gone, gone], pull[gone]) ** 2 + spread).reshape(-1, 3).sum(1)
        own = np.searchsorted(MOVED, m) * size + np.arange(4 * size)
        body = np.arange(len(MOVED) * size, first_camera)
        cameras = first_camera + data.rig[m] * CAMERAS * CAMERA + np.arange(CAMERAS * CAMERA)
        at = np.concatenate([own, body, cameras])
        information[np.ix_(at, at)] += normal[kept, kept] - carried @ normal[gone, kept]
        eta[at] += pull[kept] - carried @ pull[gone]
    return information, eta, sta_square


def test_a_step_is_that_of_dense_gauss_newton(world):
    """Scale, offsets, the cameras' turns, shifts and clocks, and all poses at once; robust weights held."""
    rng = np.random.default_rng(2)
    size = world.controls.shape[1]
    half = rng.normal(size=(2 * HALF, size, size)) / size
    bands = np.zeros((2 * HALF, 4, size, size))
    bands[:, 0] = 10.0 * (np.eye(size) + half @ half.swapaxes(1, 2))
    together = np.flatnonzero(np.diff(MOVED) == 1)
    bands[MOVED[together], 1] = rng.normal(size=(len(together), size, size)) / size
    data = world.data(np.zeros((2, CAMERAS)), error=4.0, prior=bands)
    data.decorrelation[1:, 1:] = 0.0  # three slots in the first interval, one in each other: enough to compare
    noise = noise_of(world, 3.0, 0.005)
    controls, shared = moved(world, 0.02)
    half = rng.normal(size=(world.size, world.size))
    mean = departure(world, world.shared) + 0.01 * rng.normal(size=world.size)
    prior = SharedPrior(mean, 1e3 * np.eye(world.size) + half @ half.T)
    step = world.step(data, noise, controls, shared, prior)
    assert step.said.weight[SEEING].min() < 0.3

    information, eta, sta_square = dense(world, data, step.said, noise, controls, shared)
    np.testing.assert_allclose(
        step.said.sta_square[data.decorrelation.any(-1)], sta_square[data.decorrelation.any(-1)], rtol=1e-6
    )
    poses = len(MOVED) * size
    motion = np.zeros((poses, poses))
    for i, m in enumerate(MOVED):
        for d in range(2 if i in together else 1):
            one, other = slice(i * size, (i + 1) * size), slice((i + d) * size, (i + d + 1) * size)
            motion[one, other] = bands[m, d]
            motion[other, one] = bands[m, d].T
    information[:poses, :poses] += motion
    eta[:poses] -= motion @ controls[MOVED].reshape(-1)
    information[poses:, poses:] += prior.information
    eta[poses:] -= prior.information @ (departure(world, shared) - prior.mean)
    change = np.linalg.solve(information, eta)

    exact = {"rtol": 0.0, "atol": 1e-6}
    np.testing.assert_allclose(step.controls[MOVED], controls[MOVED] + change[:poses].reshape(-1, size), **exact)
    np.testing.assert_allclose(np.delete(step.controls, MOVED, 0), 0.0, **exact)
    groups, spots = shared.scale.size, shared.offsets.size
    scale, offsets, moves = np.split(change[poses:], [groups, groups + spots])
    np.testing.assert_allclose(step.shared.scale, shared.scale + scale, **exact)
    np.testing.assert_allclose(step.shared.offsets, shared.offsets + offsets.reshape(-1, 3), **exact)
    moves = moves.reshape(2, CAMERAS, CAMERA)
    turn = rodrigues(moves[..., :3])
    cameras = step.shared.cameras
    np.testing.assert_allclose(cameras.rotation, turn @ shared.cameras.rotation, **exact)
    translation = np.einsum("rcij,rcj->rci", turn, shared.cameras.translation) + moves[..., 3:6]
    np.testing.assert_allclose(cameras.translation, translation, **exact)
    np.testing.assert_allclose(cameras.clock, moves[..., 6], **exact)
    away = np.linalg.solve(information[:poses, :poses], information[:poses, poses:])
    schur = information[poses:, poses:] - information[poses:, :poses] @ away
    np.testing.assert_allclose(step.information, schur, rtol=0.0, atol=1e-6 * np.abs(schur).max())


def departure(world: World, shared: Shared) -> np.ndarray:
    """The shared parameters as one vector, the cameras' as OpenCV's rotation vectors and shifts tell."""
    moves = np.zeros((2, CAMERAS, CAMERA))
    for r in range(2):
        for c in range(CAMERAS):
            turn = shared.cameras.rotation[r, c] @ world.lenses.rotation[r, c].T
            moves[r, c, :3] = cv2.Rodrigues(turn)[0][:, 0]
            moves[r, c, 3:6] = shared.cameras.translation[r, c] - turn @ world.lenses.translation[r, c]
            moves[r, c, 6] = shared.cameras.clock[r, c]
    return np.concatenate([shared.scale, shared.offsets.reshape(-1), moves.reshape(-1)])


def distance(world: World, controls: np.ndarray, shared: Shared) -> float:
    """How far from the truth (largest of rad, m, s)."""
    true = departure(world, world.shared)
    return max(np.abs(controls - world.controls)[MOVED].max(), np.abs(departure(world, shared) - true).max())


def test_a_step_from_near_the_truth_lands_on_it_quadratically(world):
    data = world.data(np.zeros((2, CAMERAS)))
    noise, prior = noise_of(world, 0.5, 0.002), spread_prior(world, 0.1)
    after = []
    for size in (0.004, 0.002, 0.001):
        step = world.step(data, noise, *moved(world, size), prior)
        after.append(distance(world, step.controls, step.shared))
    assert after[1] < 0.3 * after[0]
    assert after[2] < 0.3 * after[1]
    assert after[2] < 0.001


LATE = np.array([[0.0, 3, -6, 8, -4, 7], [-7.0, 2, 5, -3, 8, 0]]) * 1e-3
"""s, of cameras that run free."""


def test_cameras_that_run_free_are_compared_at_their_own_times(world):
    noise, prior = noise_of(world, 0.5, 0.002), spread_prior(world, 0.1)
    told = world.data(LATE)
    step = world.step(told, noise, world.controls, world.shared, prior)
    # to first order in the time between a slot and its views
    assert np.abs(step.said.residual).max() < 0.2
    assert np.abs(departure(world, step.shared) - departure(world, world.shared)).max() < 0.005


def test_clocks_that_nobody_told_are_found(world):
    noise, prior = noise_of(world, 0.5, 0.002), spread_prior(world, 0.1)
    data = world.data(LATE)
    data = data._replace(view_place=np.repeat(data.place[..., None], CAMERAS, -1))
    controls, shared = world.controls, world.shared
    for _ in range(4):
        step = world.step(data, noise, controls, shared, prior)
        controls, shared = step.controls, step.shared
    # all clocks of a rig together are the time of the movement, which no pixel tells
    clock = shared.cameras.clock - shared.cameras.clock.mean(1, keepdims=True)
    np.testing.assert_allclose(clock, LATE - LATE.mean(1, keepdims=True), atol=2e-4)


def test_rotation_by_is_rodrigues():
    vectors = np.concatenate([np.random.default_rng(0).normal(size=(5, 3)), np.zeros((1, 3))])
    np.testing.assert_allclose(jax.jit(rotation_by)(vectors), rodrigues(vectors), atol=1e-12)


def test_deviation_is_how_a_camera_was_moved():
    rng = np.random.default_rng(0)
    rotation = rodrigues(rng.normal(size=(1, 4, 3)))
    translation, moves = rng.normal(size=(1, 4, 3)), 0.3 * rng.normal(size=(1, 4, CAMERA))
    moves[0, 3] = 0.0
    turn = rodrigues(moves[..., :3])
    placed = Placed(turn @ rotation, np.einsum("rcij,rcj->rci", turn, translation) + moves[..., 3:6], moves[..., 6])
    np.testing.assert_allclose(jax.jit(deviation)(rotation, translation, placed), moves, atol=1e-9)
