"""The figures of the engine's benchmark as tables, the targets beside them."""

from collections.abc import Mapping

from rich.table import Table

from benchmarks.lib.daemon_runs import Played
from benchmarks.speed.peer import Peer
from benchmarks.speed.shapes import Cost
from benchmarks.speed.stages import STAGES

LATENCY_P50, LATENCY_P99, CLIENT_P99 = 3.0, 8.0, 15.0
BUSY_P99 = 15.0
PER_SECOND, FASTER = 300.0, 20.0
COLD, WARM = 20.0, 5.0
"""Targets: ms, ms under load, instants/s at full speed and times faster per frame than OpenSim, s to ready."""


def stage_table(cost: Cost) -> Table:
    """What an instant of the usual stream costs."""
    table = _table(f"an instant: {_shape(cost)}; ms", "stage", "p50", "p90")
    for name in (*STAGES, "total", "cpu"):
        table.add_row(name, f"{cost.ms(name):.3f}", f"{cost.ms(name, 90):.3f}")
    return table


def growth_table(growth: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """A row for each shape."""
    table = _table("an instant by the size of the stream", "", "", "assemble + fit, ms", "computed, ms", "of real time")
    for axis, rows in growth.items():
        for value, row in rows.items():
            share = f"{row['share_of_real_time']:.0%}"
            table.add_row(axis, value, f"{row['engine_ms']:.2f}", f"{row['cpu_ms']:.2f}", share)
        table.add_section()
    return table


def daemon_table(runs: Mapping[str, Played]) -> Table:
    """The daemon through its sockets."""
    headings = ("answered / sent", "seq gaps", "p50 ms", "p99 ms", "client p99 ms", "instants/s", "compiled after")
    table = _table("the daemon through its sockets", "", *headings)
    for name, run in runs.items():
        real_time = run.client_p99 is not None
        p99 = BUSY_P99 if name == "with busy cores" else LATENCY_P99
        cells = (
            beside(run.latency_p50, LATENCY_P50) if name == "real time" else _or_dash(run.latency_p50),
            beside(run.latency_p99, p99) if real_time else "-",
            beside(run.client_p99, CLIENT_P99) if name == "real time" else _or_dash(run.client_p99),
            f"{run.per_second:.0f}" if real_time else beside(run.per_second, PER_SECOND, at_least=True),
        )
        table.add_row(name, f"{run.answered} / {run.sent}", str(run.gaps), *cells, str(run.compilations))
    return table


def peer_table(peer: Peer) -> Table:
    """OpenSim's inverse kinematics beside ours."""
    table = _table("a frame, against OpenSim's inverse kinematics", "", "ms", "computed, ms")
    table.add_row("OpenSim, points to angles", f"{peer.opensim_ms:.2f}", f"{peer.opensim_cpu_ms:.2f}")
    table.add_row(
        "streamfit, bytes of the views to bytes of the answers", f"{peer.ours_ms:.2f}", f"{peer.ours_cpu_ms:.2f}"
    )
    table.add_row("times faster", "", beside(peer.ratio, FASTER, at_least=True))
    table.add_row("OpenSim's legs off the truth, deg", f"{peer.legs_deg:.2f}", "")
    return table


def other_table(start: Mapping[str, float], ratios: Mapping[str, float]) -> Table:
    """Start and ratios, as far as there are any."""
    table = _table("start, ratios", "", "")
    if start:
        table.add_row("start to ready, nothing compiled, s", beside(start["cold"], COLD))
        table.add_row("start to ready, s", beside(start["warm"], WARM))
    for name, value in ratios.items():
        table.add_row(name, f"{value:.3g}")
    return table


def beside(value: float | None, target: float, at_least: bool = False) -> str:
    """A figure with its target, and whether it is missed."""
    if value is None:
        return "-"
    missed = value < target if at_least else value > target
    return f"{value:.1f} ({'>=' if at_least else '<='} {target:g}{', MISSED' if missed else ''})"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _shape(cost: Cost) -> str:
    shape = cost.shape
    return f"{shape.cameras} cameras x {shape.keypoints} x {shape.rate:g} Hz"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", min_width=len(title))
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    return table
