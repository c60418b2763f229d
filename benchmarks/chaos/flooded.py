"""What a live session had beside a flood of mutated inputs, and whether that is too bad."""

from dataclasses import dataclass

from rich.table import Table

SLOWED, GROWN = 2.0, 0.05
"""Times the latency that the flood may make of the other, and the share that memory may grow by in its second half."""


@dataclass(frozen=True)
class Run:
    """What the walks of one kind had together.

    Instants; latency (ms) of all, and the median over the walks of their 99th percentiles; longest silence of the
    status (s); the daemon's memory (MB) at the end of each walk.
    """

    sent: int
    answered: int
    latency_p50: float
    latency_p99: float
    walks_p99: float
    silence: float
    memory: list[float]


@dataclass(frozen=True)
class Outcome:
    """The live session `alone` and `during` the flood, in turn; the inputs, and what the daemon counted of them."""

    alone: Run
    during: Run
    inputs: int
    seconds: float
    rejected: dict[str, int]
    crashed: bool
    hung: bool

    @property
    def missed(self) -> list[str]:
        """What must not be.

        Memory is compared with that at half of the flood: of 100,000 inputs or more, all tables are full by then.
        """
        memory = self.during.memory
        half, last = memory[(len(memory) - 1) // 2], memory[-1]
        lost = self.alone.sent + self.during.sent - self.alone.answered - self.during.answered
        checks = {
            "it crashed": self.crashed,
            "it hung": self.hung,
            f"{lost} instants lost": lost > 0,
            f"latency p99 from {self.alone.latency_p99:.1f} to {self.during.latency_p99:.1f} ms": (
                self.during.latency_p99 > SLOWED * self.alone.latency_p99
            ),
            f"memory grows by {last / half - 1:.1%} in the second half": last > (1 + GROWN) * half,
        }
        return [what for what, wrong in checks.items() if wrong]


def table(outcome: Outcome) -> Table:
    """The two kinds of walks, a row each, and the verdict."""
    per_second = outcome.inputs / outcome.seconds
    verdict = f"crashed: {outcome.crashed}, hung: {outcome.hung}; refused: {sum(outcome.rejected.values())}"
    out = Table(title=f"{outcome.inputs} mutated inputs, {per_second:.0f}/s; {verdict}")
    for heading in (
        "live session",
        "answered / sent",
        "p50 ms",
        "p99 ms",
        "of a walk",
        "longest silence s",
        "MB by quarters",
    ):
        out.add_column(heading, justify="right")
    for name, r in (("alone", outcome.alone), ("during the flood", outcome.during)):
        latencies = (f"{r.latency_p50:.1f}", f"{r.latency_p99:.1f}", f"{r.walks_p99:.1f}")
        memory = ", ".join(f"{r.memory[(len(r.memory) - 1) * i // 4]:.0f}" for i in range(5))
        out.add_row(name, f"{r.answered} / {r.sent}", *latencies, f"{r.silence:.1f}", memory)
    return out
