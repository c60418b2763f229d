"""Inverse kinematics by OpenSim on one file of points. Run by the interpreter of `opensim_env.sh`, not by streamfit's.

`python opensim_process.py MODEL.osim POINTS.trc POSES.npz OUT.npz`: POSES holds `q` (N, D), the names `coordinates`
and `markers`; OUT gets `markers` (N, M, 3) as the model has them in those poses, and per frame of POINTS `seconds` (T,)
and the coordinates `q` (T, D).
"""

import sys
import time

import numpy as np
import opensim

ACCURACY = 1e-5
"""The default of OpenSim's own tool."""


def main(model_file: str, points: str, poses: str, output: str) -> None:
    """Pose the model, then track the points; loading and the first assembly do not count as time."""
    opensim.Logger.setLevelString("error")
    with np.load(poses) as file:
        given, coordinates, markers = file["q"], list(file["coordinates"]), list(file["markers"])
    model = opensim.Model(model_file)
    state = model.initSystem()
    axes = [model.getCoordinateSet().get(str(name)) for name in coordinates]
    spots = [model.getMarkerSet().get(str(name)) for name in markers]
    posed = []
    for q in given:
        for axis, value in zip(axes, q, strict=True):
            axis.setValue(state, float(value), False)
        model.realizePosition(state)
        posed.append([spot.getLocationInGround(state).to_numpy() for spot in spots])

    reference = opensim.MarkersReference(points, opensim.SetMarkerWeights())
    solver = opensim.InverseKinematicsSolver(model, reference, opensim.SimTKArrayCoordinateReference())
    solver.setAccuracy(ACCURACY)
    times = np.array(reference.getMarkerTable().getIndependentColumn())
    state.setTime(times[0])
    solver.assemble(state)
    seconds, found = [], []
    for t in times:
        began = time.perf_counter()
        state.setTime(t)
        solver.track(state)
        seconds.append(time.perf_counter() - began)
        found.append([axis.getValue(state) for axis in axes])
    np.savez(output, markers=np.array(posed), seconds=np.array(seconds), q=np.array(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
