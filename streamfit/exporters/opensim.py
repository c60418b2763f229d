"""Files of OpenSim: joint coordinates as storage (`.mot`), points as `.trc`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamfit.recording.sampling import step_of, uniform

METRES_PER = {"m": 1.0, "mm": 1e-3}


def write_mot(path: Path, t: np.ndarray, q: np.ndarray, coordinates: Sequence[str], units: Sequence[str]) -> None:
    """Write coordinates (T, D), rad or m as `units` says, as degrees and metres, uniform in time.

    A gap stays one: OpenSim reads rows at any increasing times.
    """
    grid, values = uniform(t, q)
    values = np.where(np.asarray(units) == "rad", np.degrees(values), values)
    header = [
        path.stem,
        "version=1",
        f"nRows={len(grid)}",
        f"nColumns={len(coordinates) + 1}",
        "inDegrees=yes",
        "endheader",
        "\t".join(["time", *coordinates]),
    ]
    with path.open("w") as file:
        file.write("\n".join(header) + "\n")
        np.savetxt(file, np.column_stack([grid, values]), fmt="%.8f", delimiter="\t")


def write_trc(path: Path, t: np.ndarray, points: np.ndarray, names: Sequence[str], units: str = "m") -> None:
    """Write points (T, K, 3), m, y up, in `units` ("m" or "mm"), uniform in time but for gaps; NaN is left empty."""
    grid, flat = uniform(t, points.reshape(len(points), 3 * len(names)))
    rate = f"{1.0 / step_of(grid):.4f}" if len(grid) > 1 else "0"
    count = str(len(grid))
    axes = [f"{axis}{k}" for k in range(1, len(names) + 1) for axis in "XYZ"]
    fields = {
        "DataRate": rate,
        "CameraRate": rate,
        "NumFrames": count,
        "NumMarkers": str(len(names)),
        "Units": units,
        "OrigDataRate": rate,
        "OrigDataStartFrame": "1",
        "OrigNumFrames": count,
    }
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "\t".join(fields),
        "\t".join(fields.values()),
        "Frame#\tTime\t" + "\t\t\t".join("_".join(name.split()) for name in names) + "\t\t",
        "\t\t" + "\t".join(axes),
        "",
    ]
    for number, (time, row) in enumerate(zip(grid, flat / METRES_PER[units], strict=True), start=1):
        values = ["" if np.isnan(value) else f"{value:.6f}" for value in row]
        lines.append("\t".join([str(number), f"{time:.8f}", *values]))
    path.write_text("\n".join(lines) + "\n")
