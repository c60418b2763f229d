"""Inverse kinematics by OpenSim, frame by frame, a block whenever it is asked to (see worker.py).

Run by the interpreter of `opensim_env.sh`: `python opensim_process.py MODEL.osim POINTS.trc POSES.npz`. POSES holds
`q` (N, D) and the names `coordinates` and `markers`. When ready it says where the markers (N, M, 3; m) of the model are
in those poses, then for each frame of POINTS the s that it took, the s that were computed, and the coordinates.
"""

import json
import sys
import time

import numpy as np
import opensim

ACCURACY = 1e-5
"""The default of OpenSim's own tool."""


def main(model_file: str, points: str, poses: str) -> None:
    """Pose the model, then track the points. Loading and the first assembly are not measured."""
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
        posed.append([spot.getLocationInGround(state).to_numpy().tolist() for spot in spots])

    reference = opensim.MarkersReference(points, opensim.SetMarkerWeights())
    solver = opensim.InverseKinematicsSolver(model, reference, opensim.SimTKArrayCoordinateReference())
    solver.setAccuracy(ACCURACY)
    times = iter(reference.getMarkerTable().getIndependentColumn())
    state.setTime(next(times))
    solver.assemble(state)
    print(json.dumps(posed), flush=True)
    for line in sys.stdin:
        rows = []
        for _, t in zip(range(int(line)), times, strict=False):
            began, before = time.perf_counter(), time.process_time()
            state.setTime(t)
            solver.track(state)
            spent = [time.perf_counter() - began, time.process_time() - before]
            rows.append([*spent, *(axis.getValue(state) for axis in axes)])
        print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
