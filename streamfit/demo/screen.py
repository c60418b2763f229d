"""The demo on screen: angles as they stream, on a terminal as a live table, elsewhere a line a second."""

from collections import deque
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

SHOWN = (
    "pelvis_tilt", "pelvis_rotation", "lumbar_rotation",
    "hip_flexion_r", "hip_flexion_l", "hip_adduction_r", "hip_adduction_l",
    "knee_angle_r", "knee_angle_l", "ankle_angle_r", "ankle_angle_l",
    "arm_flex_r", "arm_flex_l", "elbow_flex_r", "elbow_flex_l",
)  # fmt: skip
"""Coordinates in the live table."""
_IN_A_LINE = (
    "hip_flexion_r",
    "knee_angle_r",
    "ankle_angle_r",
    "hip_flexion_l",
    "knee_angle_l",
    "ankle_angle_l",
)
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 48
_LINES = 4
"""Of what has happened, in the live table."""
_HISTORY, _EVERY = 3.0, 0.1
"""s that a curve shows, and between two pictures."""


class Screen:
    """Shows one person's answers; `show` may be called for every one of them, it draws ten times a second."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._past: deque[tuple[float, np.ndarray]] = deque()
        self._drawn = -np.inf
        self._said: deque[str] = deque(maxlen=_LINES)

    def __enter__(self) -> "Screen":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, t: float, degrees: dict[str, tuple[float, float]], state: str, rate: float, latency: float) -> None:
        """One answer at `t` (s): value and standard deviation (deg) by coordinate; 1/s, s."""
        names = [name for name in SHOWN if name in degrees]
        self._past.append((t, np.array([degrees[name][0] for name in names])))
        while self._past[0][0] < t - _HISTORY:
            self._past.popleft()
        if t - self._drawn < (_EVERY if self._live else 1.0):
            return
        self._drawn = t
        head = f"t {t:6.2f} s   {rate:5.1f} Hz   latency {1000 * latency:5.1f} ms   {state}"
        if self._live:
            self._live.update(self._table(head, names, degrees), refresh=True)
        else:
            values = "  ".join(f"{name} {degrees[name][0]:6.1f}" for name in _IN_A_LINE if name in degrees)
            self._console.print(f"{head}   {values}", soft_wrap=True, highlight=False)

    def say(self, line: str) -> None:
        """Something that has happened: in the live table the last few of them."""
        if self._live:
            self._said.append(line)
        else:
            self._console.print(f"    {line}", soft_wrap=True, highlight=False)

    def _table(self, head: str, names: list[str], degrees: dict[str, tuple[float, float]]) -> Table:
        table = Table(title=head, title_justify="left", box=None, padding=(0, 1), caption_justify="left")
        table.caption = "\n".join(self._said)
        for column in ("coordinate", "deg", "± sd"):
            table.add_column(column, justify="left" if column == "coordinate" else "right")
        table.add_column(f"last {_HISTORY:g} s", width=_WIDTH)
        times = np.array([t for t, _ in self._past])
        values = np.array([row for _, row in self._past])
        for i, name in enumerate(names):
            value, sd = degrees[name]
            style = "red" if name.endswith("_r") else "dodger_blue1" if name.endswith("_l") else ""
            table.add_row(name, f"{value:.1f}", f"{sd:.1f}", Text(_sparkline(times, values[:, i]), style=style))
        return table


def _sparkline(times: np.ndarray, values: np.ndarray) -> str:
    """The curve as a row of bars from its lowest to its highest value; at least 5 degrees high."""
    grid = np.linspace(times[-1] - _HISTORY, times[-1], _WIDTH)
    curve = np.interp(grid, times, values)
    low, high = values.min(), values.max()
    height = (curve - low) / max(high - low, 5.0)
    bars = [_BARS[min(int(8 * h), 7)] for h in np.clip(height, 0.0, 1.0)]
    return "".join(bar if t >= times[0] - _EVERY else " " for t, bar in zip(grid, bars, strict=True))
