"""Reads a fit's files with OpenSim itself: `python opensim_reads.py FOLDER`, by the interpreter that has it.

Says how far (m) the markers of model.osim in the poses of each .mot are from keypoints.trc, and how far inverse
kinematics of keypoints.trc on the model comes (m, root mean square of the last frame).
"""

import json
import sys
from pathlib import Path

import numpy as np
import opensim


def main(folder: Path) -> None:
    opensim.Logger.setLevelString("error")
    model = opensim.Model(str(folder / "model.osim"))
    state = model.initSystem()
    table = opensim.TimeSeriesTableVec3(str(folder / "keypoints.trc"))
    names = list(table.getColumnLabels())
    markers = [model.getMarkerSet().get(name) for name in names]
    found = {}
    for mot in sorted(folder.glob("*.mot")):
        motion = opensim.TimeSeriesTable(str(mot))
        model.getSimbodyEngine().convertDegreesToRadians(motion)
        axes = [model.getCoordinateSet().get(label) for label in motion.getColumnLabels()]
        apart = []
        for i in range(min(motion.getNumRows(), table.getNumRows())):
            for axis, value in zip(axes, motion.getRowAtIndex(i).to_numpy(), strict=True):
                axis.setValue(state, float(value), False)
            model.realizePosition(state)
            row = table.getRowAtIndex(i)
            posed = [marker.getLocationInGround(state).to_numpy() for marker in markers]
            apart.append([np.linalg.norm(p - row[k].to_numpy()) for k, p in enumerate(posed)])
        found[mot.stem] = float(np.max(apart))
    reference = opensim.MarkersReference(str(folder / "keypoints.trc"), opensim.SetMarkerWeights())
    solver = opensim.InverseKinematicsSolver(model, reference, opensim.SimTKArrayCoordinateReference())
    times = list(table.getIndependentColumn())
    state.setTime(times[0])
    solver.assemble(state)
    for t in times[1:20]:
        state.setTime(t)
        solver.track(state)
    errors = [solver.computeCurrentMarkerError(name) for name in names]
    found["inverse kinematics"] = float(np.sqrt(np.mean(np.square(errors))))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
