"""Steps and strides from foot events and the way of the heels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamfit.gait.types import SIDES, FootEvent, Side, Step

STANDS = (0.05, 0.2)
"""s after its strike over which a heel's place is taken."""
LONGEST = 4.0
"""s of a stride; who takes longer has stood still in between."""
POSSIBLE = {
    "step_time": (0.12, LONGEST),
    "stride_time": (0.24, LONGEST),
    "stance_time": (0.05, LONGEST),
    "swing_time": (0.05, LONGEST),
    "double_support_time": (0.0, LONGEST),
    "cadence": (15.0, 500.0),
    "step_length": (-1.5, 3.0),
    "stride_length": (0.0, 5.5),
    "step_width": (0.0, 1.5),
    "speed": (0.0, 12.5),
}
"""What people do, from shuffling on the spot to sprinting (12.4 m/s, 4.4 to 5 steps a second, strides of 2.7 m and,
a hurdler's, 3.7 m) with room on either side: s, steps/min, m, m/s."""


@dataclass(frozen=True, eq=False)
class _Strike:
    side: Side
    t: float
    place: np.ndarray | None


class Steps:
    """Takes foot events and heels as they come; gives the steps that strikes close once the heel has its place."""

    def __init__(self, period: float) -> None:
        self._heels: dict[Side, deque[tuple[float, np.ndarray]]] = {
            side: deque(maxlen=round(0.5 / period)) for side in SIDES
        }
        self._strikes: deque[_Strike] = deque(maxlen=8)
        self._offs: deque[FootEvent] = deque(maxlen=8)
        self._pending: list[FootEvent] = []

    def heel(self, side: Side, t: float, place: np.ndarray) -> None:
        """Where a heel is (3,) on the ground, m."""
        self._heels[side].append((t, place))

    def event(self, event: FootEvent) -> None:
        """An event that has been detected."""
        if event.kind == "foot_off":
            self._offs.append(event)
        else:
            self._pending.append(event)

    def due(self, t: float) -> Iterator[Step]:
        """The steps whose heels have their places at time t."""
        while self._pending and t >= self._pending[0].t + STANDS[1]:
            yield from self._close(self._pending.pop(0))

    def finish(self) -> Iterator[Step]:
        """The steps left, by what is known of their heels' places."""
        while self._pending:
            yield from self._close(self._pending.pop(0))

    def _close(self, event: FootEvent) -> Iterator[Step]:
        stood = [x for t, x in self._heels[event.side] if STANDS[0] <= t - event.t <= STANDS[1]]
        strike = _Strike(event.side, event.t, np.median(stood, axis=0) if stood else None)
        recent = [s for s in self._strikes if strike.t - LONGEST < s.t < strike.t]
        self._strikes.append(strike)
        other = next((s for s in reversed(recent) if s.side != strike.side), None)
        before = next((s for s in reversed(recent) if s.side == strike.side), None)
        if other is None or (before is not None and other.t < before.t):
            return
        yield from _possible(self._step(strike, other, before))

    def _step(self, strike: _Strike, other: _Strike, before: _Strike | None) -> Step:
        step_time = strike.t - other.t
        length = stride = width = speed = stride_time = stance = swing = double = None
        if before is not None:
            stride_time = strike.t - before.t
            own_off = self._off(strike.side, before.t, strike.t)
            # a runner's other foot leaves before this one lands
            other_off = self._off(other.side, before.t - stride_time, other.t)
            if own_off is not None:
                stance, swing = own_off - before.t, strike.t - own_off
                if other_off is not None:
                    double = max(other_off - before.t, 0.0) + max(own_off - other.t, 0.0)
            if before.place is not None and strike.place is not None:
                way = (strike.place - before.place)[[0, 2]]
                stride = float(np.hypot(*way))
                speed = stride / stride_time
                if other.place is not None and stride > 0.0:
                    along, step = way / stride, (strike.place - other.place)[[0, 2]]
                    length = float(step @ along)
                    width = float(abs(step[0] * along[1] - step[1] * along[0]))
        return Step(
            side=strike.side,
            t=strike.t,
            step_length=length,
            stride_length=stride,
            step_width=width,
            step_time=step_time,
            stride_time=stride_time,
            stance_time=stance,
            swing_time=swing,
            double_support_time=double,
            cadence=60.0 / step_time,
            speed=speed,
        )

    def _off(self, side: Side, after: float, before: float) -> float | None:
        return next((e.t for e in reversed(self._offs) if e.side == side and after < e.t < before), None)


def _possible(step: Step) -> Iterator[Step]:
    """The step without what nobody can do; none where two feet cannot follow each other so."""
    wrong = {name for name, (least, most) in POSSIBLE.items() if not least <= _known(step, name, least) <= most}
    if "step_time" in wrong:
        return
    if wrong & {"step_length", "stride_length", "step_width", "speed"}:
        wrong |= {"step_length", "stride_length", "step_width", "speed"}
    if "stride_time" in wrong:
        wrong |= {"speed", "double_support_time", "stance_time", "swing_time"}
    unknown: dict[str, Any] = dict.fromkeys(wrong)
    yield replace(step, **unknown)


def _known(step: Step, name: str, default: float) -> float:
    value = getattr(step, name)
    return default if value is None else float(value)
