"""Ratios within one run against those of the committed baseline: what has become slower, on whatever machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.lib.stream import Shape
from benchmarks.speed.shapes import Cost, ratio


@dataclass(frozen=True)
class Rule:
    """How much a ratio may grow over the baseline's (a factor); `most` it may be whatever the baseline says."""

    name: str
    says: str
    tolerance: float
    most: float | None = None


# repeated runs on one machine differ by a tenth; processors differ in what they do best
RULES = (
    Rule("instant_to_yardstick", "an instant's computing, over that of a fixed NumPy computation", 1.5),
    Rule("around_the_fit_to_yardstick", "all of an instant but the fit, over the same", 1.6),
    Rule("cameras_16_to_2", "an instant's computing, 16 cameras over 2", 1.25, most=2.0),
    Rule("lost", "instants that were not answered at full speed", 1.0, most=0.0),
    Rule("gaps", "answers that were sent and not received at full speed", 1.0, most=0.0),
    Rule("compilations", "compilations after the daemon was ready", 1.0, most=0.0),
)


def cost_ratios(costs: Sequence[Cost]) -> dict[str, float]:
    """The ratios that the costs of the usual shape and of 2 and 16 cameras give, as far as they are among them."""
    found = {cost.shape: cost for cost in costs}
    out = {}
    if (usual := found.get(Shape())) is not None:
        around = sum(usual.column(stage) for stage in ("decode", "assemble", "answer", "encode"))
        out["instant_to_yardstick"] = ratio(usual.column("cpu"), usual.column("yardstick"))
        out["around_the_fit_to_yardstick"] = ratio(np.asarray(around), usual.column("yardstick"))
    few, many = (found.get(Shape(cameras=cameras)) for cameras in (2, 16))
    if few is not None and many is not None:
        out["cameras_16_to_2"] = ratio(many.column("cpu"), few.column("cpu"))
    return out


def worsened(ratios: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """A line for each ratio of this run that is above what the baseline and its rule allow."""
    lines = []
    for rule in RULES:
        if rule.name not in ratios:
            continue
        now = ratios[rule.name]
        usual = baseline[rule.name]
        allowed = {f"{rule.tolerance:g} times the baseline's {usual:.2f}": rule.tolerance * usual}
        if rule.most is not None:
            allowed[f"{rule.most:g}"] = rule.most
        reason, limit = min(allowed.items(), key=lambda item: item[1])
        if now > limit:
            lines.append(f"{rule.name} is {now:.2f}, more than {reason}: {rule.says}")
    return lines
