#!/usr/bin/env python
"""How near an answer without lag can come to the offline fit: whole fits that end at the instant they answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table

from streamfit.jax_runtime import single_threaded

single_threaded()

from streamfit.estimation.batch.result import finish  # noqa: E402
from streamfit.estimation.batch.smooth import fit_offline  # noqa: E402
from streamfit.estimation.batch.trial import Trial  # noqa: E402
from streamfit.estimation.estimate import View  # noqa: E402
from streamfit.evaluation.live_fit import fit_recording  # noqa: E402
from streamfit.model import Skeleton  # noqa: E402
from streamfit.model.subject import Subject  # noqa: E402
from streamfit.recording.playback import (  # noqa: E402
    Recording,
    open_recording,
    subject_for,
)
from streamfit.terminal import ProgressCallback, progress, run  # noqa: E402

STARTED = 0.15
"""s after which a fit's beginning no longer counts, as in recordings.py."""


@dataclass(frozen=True)
class Apart:
    """One recording: RMS differences (deg) from the offline fit at some instants, of each rotation.

    `known`: of a whole fit of all that had come by the instant; `live`: of the live fit.
    """

    session: str
    known: Float[np.ndarray, " R"]
    live: Float[np.ndarray, " R"]


@click.command(epilog="\b\nExample:\n  benchmarks/accuracy/causal.py walk2.mcap walk3.mcap --subject subject.toml")
@click.argument("recordings", metavar="SESSION.mcap...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--subject", type=click.Path(path_type=Path), required=True, help="The calibrated person of all of them.")
@click.option("--every", default=0.05, show_default=True, help="s between the instants that are looked at.")
def causal(recordings: tuple[Path, ...], subject: Path, every: float) -> None:
    """The least that any answer without lag is from the offline fit, and how far the live answers are.

    A recording's end is cut off after each instant that is looked at, and what is left fitted offline: nobody who does
    not know the future knows more. For short recordings: all that is left over is fitted at once.
    """
    skeleton = Skeleton.load()
    with progress() as show:
        found = []
        for path in recordings:
            recording = open_recording(path, skeleton)
            person = subject_for(recording, skeleton, subject, None)
            found.append(measure(recording, skeleton, person, every, show))
    rotations = [name for name, unit in zip(skeleton.coordinates, skeleton.units, strict=True) if unit == "rad"]
    Console(width=150).print(table(found, rotations))


def whole_trial(recording: Recording, skeleton: Skeleton, subject: Subject, show: ProgressCallback) -> Trial:
    """A recording as its instants with their views."""
    instants = recording.played(recording.engine(skeleton, subject), show)
    return Trial(
        recording.name, recording.rig, [(i.t, [View(v.camera, v.t, v.xyc) for v in i.views]) for i in instants]
    )


def measure(recording: Recording, skeleton: Skeleton, person: Subject, every: float, show: ProgressCallback) -> Apart:
    """Cut off at instants `every` s apart, all beginnings fitted together with the whole."""
    whole = whole_trial(recording, skeleton, person, show)
    begin, last = whole.instants[0][0], -np.inf
    beginnings = []
    for k, (t, _) in enumerate(whole.instants, 1):
        if t >= begin + STARTED and t >= last + every:
            beginnings.append(replace(whole, name=f"{whole.name} to {t:.3f} s", instants=whole.instants[:k]))
            last = t
    *cut, uncut = finish(fit_offline([*beginnings, whole], skeleton, recording.keypoints, person), show).movements
    rotations = np.flatnonzero(np.array(skeleton.units) == "rad")

    def apart(t: np.ndarray, q: np.ndarray) -> np.ndarray:
        expected = [np.interp(t, uncut.t, uncut.q[:, d]) for d in rotations]
        return np.degrees(np.sqrt(np.mean((q[:, rotations].T - expected) ** 2, 1)))

    t = np.array([movement.t[-1] for movement in cut])
    live = fit_recording(recording, skeleton, person, 0.1, show).kinematics
    at = [int(np.argmin(np.abs(live.t - one))) for one in t]
    known = apart(t, np.array([movement.q[-1] for movement in cut]))
    return Apart(recording.name, known, apart(live.t[at], live.q[at]))


def table(found: Sequence[Apart], rotations: Sequence[str]) -> Table:
    """Means over the rotations, and the rotations that are farthest."""
    out = Table(title="from the offline fit, RMS, deg: mean over the rotations")
    for heading in ("session", "all that is known", "live"):
        out.add_column(heading, justify="right")
    for one in found:
        out.add_row(one.session, f"{one.known.mean():.2f}", f"{one.live.mean():.2f}")
    known, live = (np.mean([getattr(one, key) for one in found], 0) for key in ("known", "live"))
    out.add_row("mean", f"{known.mean():.2f}", f"{live.mean():.2f}", end_section=True)
    for d in np.argsort(-live)[:6]:
        out.add_row(rotations[d], f"{known[d]:.2f}", f"{live[d]:.2f}")
    return out


if __name__ == "__main__":
    run(causal)
