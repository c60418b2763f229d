"""How the cost of an instant grows with cameras, keypoints, rate, people and sessions."""

from dataclasses import replace

from benchmarks.lib.stream import MARKERS, Shape
from benchmarks.speed.shapes import Cost, measure

USUAL = Shape()
AXES: dict[str, tuple[Shape, ...]] = {
    "cameras": tuple(replace(USUAL, cameras=n) for n in (2, 4, 8, 16)),
    "keypoints": tuple(replace(USUAL, keypoints=name) for name in ("coco17", "halpe26", MARKERS, "wholebody133")),
    "rate": tuple(replace(USUAL, rate=rate) for rate in (30.0, 60.0, 120.0, 240.0)),
    "people": tuple(replace(USUAL, people=n) for n in (1, 2, 4)),
    "sessions": tuple(replace(USUAL, sessions=n) for n in (1, 2, 4)),
}
"""What is compared; the shapes of an axis take turns."""


def measure_axis(axis: str, rounds: int) -> dict[str, Cost]:
    """The costs by the value of the axis, as text."""
    costs = measure(AXES[axis], rounds)
    return {_text(getattr(cost.shape, axis)): cost for cost in costs}


def figures(cost: Cost) -> dict[str, float]:
    """Per instant: ms to assemble and fit, ms computed in all stages, and the share of real time that these take."""
    total = cost.ms("total")
    return {
        "engine_ms": cost.ms("engine"),
        "cpu_ms": cost.ms("cpu"),
        "share_of_real_time": total / 1000 * cost.shape.rate,
    }


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
