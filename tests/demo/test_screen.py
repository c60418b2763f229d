"""What the consumer shows."""

import io

import numpy as np
from rich.console import Console

from streamfit.demo.screen import Screen


def shown(terminal, seconds=4.0):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None, legacy_windows=False)
    with Screen(console) as screen:
        for t in np.arange(0, seconds, 0.01):
            knee = 30 + 30 * np.sin(2 * np.pi * t)
            screen.show(t, {"knee_angle_r": (knee, 1.5), "hip_flexion_l": (12.0, 2.0)}, "tracking", 100.0, 0.0042)
    return out.getvalue()


def test_without_a_terminal_there_is_a_line_a_second():
    lines = shown(terminal=False).splitlines()
    assert len(lines) == 4
    assert "t   2.00 s   100.0 Hz   latency   4.2 ms   tracking" in lines[2]
    assert "knee_angle_r   30.0" in lines[2]


def test_a_terminal_gets_a_table_with_curves():
    text = shown(terminal=True)
    last = text[text.rindex("coordinate") :]
    assert "knee_angle_r" in last
    assert "hip_flexion_l" in last
    row = next(line for line in last.splitlines() if "knee_angle_r" in line)
    assert row.count("█") >= 3
    assert row.count("▁") >= 3
    assert "\x1b[?25h" in text  # the cursor is shown again


def test_what_happens_is_said_as_it_happens():
    out = io.StringIO()
    with Screen(Console(file=out, width=100, color_system=None)) as screen:
        screen.say("1.50 s   right foot strike")
    assert "1.50 s   right foot strike" in out.getvalue()
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None, legacy_windows=False)
    with Screen(console) as screen:
        screen.say("1.50 s   right foot strike")
        screen.show(1.6, {"knee_angle_r": (20.0, 1.5)}, "tracking", 100.0, 0.004)
    assert "right foot strike" in out.getvalue()
