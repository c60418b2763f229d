"""The constants of the first-order fit in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamfit.estimation.baselines.seed.loss import HUBER
from streamfit.estimation.baselines.seed.mlp import HIDDEN


@dataclass(frozen=True)
class FirstOrderSettings:
    """The defaults are those of Cotton 2024 (arXiv 2402.17192); the last three are ours."""

    hidden: tuple[int, ...] = HIDDEN
    steps: int = 25_000
    samples: int = 300
    """Times drawn from each trial at each step, with replacement; never more than the longest trial has."""
    learning_rate: tuple[float, float] = (1e-3, 1e-6)
    """At the first and the last step, exponentially between."""
    beta1: float = 0.8
    weight_decay: float = 1e-5
    huber: float = HUBER
    """px at 2048 wide."""
    offset_penalty: float = 1e2
    """Per m^2, of the sum of all squared offsets."""
    trajectory: Literal["mlp", "spline"] = "mlp"
    seed: int = 0
    report_every: int = 200
    """Steps between two stages; fewer where these would take long."""
