"""Files of OpenSim: joint coordinates as storage (`.mot`), points as `.trc`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

METRES_PER = {"m": 1.0, "mm": 1e-3}
GAP = 0.25
"""s without a row that is too long to be bridged, unless rows are as far apart as that."""
SLOW = 2.5
"""Steps without a row that are too long to be bridged where rows are far apart."""


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


def uniform(t: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (T, N) at increasing times, linearly interpolated at their median rate, each segment from first to last.

    Uniform input comes back as it is (times to their own rounding); in a segment what is missing is bridged in a
    straight line. Nothing is made where there is a gap, however long.
    """
    parts = [_evened(t[part], values[part]) for part in segments(t)]
    return np.concatenate([grid for grid, _ in parts]), np.concatenate([rows for _, rows in parts])


def segments(t: np.ndarray) -> list[slice]:
    """The parts of increasing times (T,) without a gap."""
    if not len(t):
        return [slice(0, 0)]
    ends = np.flatnonzero(np.diff(t) > max(GAP, SLOW * step_of(t))) + 1
    return [slice(int(a), int(b)) for a, b in zip([0, *ends], [*ends, len(t)], strict=True)]


def step_of(t: np.ndarray) -> float:
    """The median step of increasing times (T,), s; 0 where there is none."""
    return float(np.median(np.diff(t))) if len(t) > 1 else 0.0


def _evened(t: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(t) < 2:
        return t, values
    grid = np.linspace(t[0], t[-1], max(1, round((t[-1] - t[0]) / step_of(t))) + 1)
    return grid, np.column_stack([np.interp(grid, t, column) for column in values.T])
