"""The peer: OpenSim's inverse kinematics on the triangulated points of the frames that the live fit answers."""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from benchmarks.lib.stream import SETTLED, Shape, Stream, simulate
from benchmarks.lib.worker import BLOCK, in_turn, worker
from benchmarks.speed.shapes import COLUMNS, ratio, shape_worker
from streamfit.demo.score import LEGS
from streamfit.errors import InputError
from streamfit.estimation.factors.reprojection import Noise
from streamfit.estimation.init.triangulate import triangulate
from streamfit.estimation.settings import FitSettings
from streamfit.exporters.opensim import write_trc
from streamfit.exporters.opensim_model import to_osim
from streamfit.model import Skeleton
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest

PYTHON = Path(__file__).parents[2] / ".venv-opensim" / "bin" / "python"
"""The interpreter that `opensim_env.sh` makes."""
PROGRAM = Path(__file__).with_name("opensim_process.py")
POSES = 20
WITHIN = 0.005
"""m by which the markers of OpenSim's model may lie from ours in the same pose."""


@dataclass(frozen=True)
class Peer:
    """Per frame, medians in ms: what OpenSim takes and what we take, with all that is around the fit; of that computed.

    `ratio`: of the computed times, how many times faster ours is. `model_mm`: the largest distance between its markers
    and ours in the same poses. `legs_deg`: RMS difference of OpenSim's leg angles from the simulated truth.
    """

    opensim_ms: float
    ours_ms: float
    opensim_cpu_ms: float
    ours_cpu_ms: float
    ratio: float
    model_mm: float
    legs_deg: float


def measure_peer(rounds: int) -> Peer:
    """Both on the frames of one simulated walk, in turn. InputError where OpenSim's model is not ours."""
    skeleton, shape = Skeleton.load(), Shape()
    stream = simulate(skeleton, shape, SETTLED + rounds * BLOCK)
    turn = stream.rig.to_ground
    with tempfile.TemporaryDirectory(prefix="streamfit-bench-") as name, ExitStack() as stack:
        files = [Path(name) / file for file in ("model.osim", "points.trc", "poses.npz")]
        names, truth = stream.keypoints.names, stream.truth
        places = stream.subject.places(skeleton, stream.keypoints)
        files[0].write_text(to_osim(skeleton, stream.subject.scale, stream.keypoints, places), encoding="utf-8")
        write_trc(files[1], stream.t[SETTLED - 1 :], _triangulated(stream)[SETTLED - 1 :], names)
        some = np.linspace(0, len(truth.q) - 1, POSES).astype(int)
        np.savez(files[2], q=truth.q[some], coordinates=np.array(skeleton.coordinates), markers=np.array(names))
        theirs = stack.enter_context(worker(PYTHON, PROGRAM, *map(str, files), name="OpenSim"))
        ours = stack.enter_context(shape_worker(shape, rounds))
        off = np.linalg.norm(np.array(theirs.ready()) - truth.keypoints[some] @ turn.T, axis=-1).max()
        if off > WITHIN:
            raise InputError(
                f"the markers of OpenSim's model are up to {1000 * off:.1f} mm from ours in the same poses"
            )
        ours.ready()
        theirs_cost, ours_cost = in_turn([theirs, ours], rounds)
    cpu = ours_cost[..., COLUMNS.index("cpu")]
    wall = ours_cost[..., : COLUMNS.index("cpu")].sum(-1)
    legs = [skeleton.coordinates.index(name) for name in LEGS]
    error = theirs_cost[..., 2:].reshape(rounds * BLOCK, -1) - truth.q[SETTLED:]
    return Peer(
        opensim_ms=1000 * float(np.median(theirs_cost[..., 0])),
        ours_ms=1000 * float(np.median(wall)),
        opensim_cpu_ms=1000 * float(np.median(theirs_cost[..., 1])),
        ours_cpu_ms=1000 * float(np.median(cpu)),
        ratio=ratio(theirs_cost[..., 1], cpu),
        model_mm=1000 * float(off),
        legs_deg=float(np.degrees(np.sqrt((error[:, legs] ** 2).mean()))),
    )


def _triangulated(stream: Stream) -> np.ndarray:
    """The stream's keypoints (T, K, 3), m, ground frame, by robust triangulation; NaN where too few views see one."""
    settings = FitSettings()
    known = (stream.subject.noise, stream.subject.sta_sd, settings.dof, settings.confidence_power)
    noise = Noise(*(np.asarray(x, float) for x in known))
    solve = jax.jit(triangulate)
    points = []
    for payload in stream.payloads:
        message = decode_ingest(payload)
        assert isinstance(message, KeypointsMessage)
        found = jax.device_get(solve(stream.rig.lenses(), np.stack([view.xyc for view in message.views]), noise))
        points.append(np.where(found.valid[:, None], found.position, np.nan))
    return np.array(points)
