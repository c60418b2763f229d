"""`streamfit evaluate`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.engine.frame_assembler import Instant
from streamfit.errors import InputError
from streamfit.estimation.baselines.two_stage import fit_two_stage
from streamfit.estimation.batch.result import Fit, Movement, finish
from streamfit.estimation.batch.smooth import fit_offline
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.init.clock_search import clocks_of
from streamfit.estimation.init.initial_scale import measured_subject
from streamfit.estimation.quality.diagnostics import Finding
from streamfit.evaluation.findings import as_maps, findings
from streamfit.evaluation.fit_report import LIMITS, make_folder
from streamfit.evaluation.live_fit import Fitted, Motion, fit_recording
from streamfit.evaluation.pictures import pictures
from streamfit.evaluation.report import Picture, render_report
from streamfit.evaluation.scene import Scene
from streamfit.evaluation.tables import Method, Tracked, evaluation
from streamfit.exporters.stick_figure import StickFigure
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.recording.clock_offsets import said_of_clocks
from streamfit.recording.forward_times import ForwardTimes, said_of
from streamfit.recording.playback import Recording, open_recording, started_apart, subject_for
from streamfit.recording.videos import open_videos
from streamfit.recording.view_table import Sightings, sightings
from streamfit.terminal import ProgressCallback

LAG = 0.1  # s, of the smoothed topic: the daemon's own
TRIANGULATION = "triangulation"


@dataclass(frozen=True, eq=False)
class Case:
    """What is evaluated: one person's recording and subject. What is costly is made once, when it is asked for."""

    recording: Recording
    skeleton: Skeleton
    subject: Subject
    show: ProgressCallback

    @cached_property
    def instants(self) -> list[Instant]:
        """The instants that the live engine is given."""
        return list(self.recording.played(self.recording.engine(self.skeleton, self.subject), times=self.times))

    @cached_property
    def times(self) -> ForwardTimes:
        """Of the instants, when they have been made."""
        return ForwardTimes()

    @cached_property
    def t(self) -> np.ndarray:
        """(T,) s, of the instants."""
        return np.array([instant.t for instant in self.instants])

    @cached_property
    def cameras(self) -> tuple[Rig, np.ndarray]:
        """The rig as calibration has refined it, where it has, and the clock (C,) s of each camera."""
        return self.subject.rig_for(self.recording.rig)

    @cached_property
    def seen(self) -> Sightings:
        """Every view that was used, at its time as refined."""
        rig, clock = self.cameras
        views = [view for instant in self.instants for view in instant.views]
        rows = sightings(self.t, views, len(rig.names))
        return replace(rows, t=rows.t + clock)

    @cached_property
    def fitted(self) -> Fitted:
        """The live fit."""
        return fit_recording(self.recording, self.skeleton, self.subject, LAG, self.show)

    @cached_property
    def trial(self) -> Trial:
        """All views, for the fits of the whole trial."""
        instants = [(i.t, list(i.views)) for i in self.instants]
        return Trial(self.recording.name, self.recording.rig, instants)

    @property
    def known(self) -> tuple[Skeleton, KeypointSet]:
        """Skeleton and keypoint set."""
        return self.skeleton, self.recording.keypoints

    @cached_property
    def figure(self) -> StickFigure:
        """The person as lines."""
        return StickFigure(self.skeleton, self.recording.keypoints, self.subject)


def movements(case: Case) -> dict[str, Callable[[], Movement]]:
    """The methods that give a movement, best known first; each is run when it is called."""
    return {
        "live": lambda: _moved(case, "live", case.fitted.kinematics),
        "smoothed": lambda: _moved(case, "smoothed", case.fitted.smoothed),
        "offline": lambda: _whole(case, fit_offline([case.trial], *case.known, case.subject)),
        "two-stage": lambda: _whole(case, fit_two_stage([case.trial], *case.known, subject=case.subject)),
    }


def evaluate_session(
    session: Path,
    output: Path,
    subject: Path | None = None,
    cameras: Sequence[str] | None = None,
    person: str | None = None,
    skeleton: str = "rajagopal",
    videos: Sequence[str] = (),
    methods: Sequence[str] | None = None,
    show: ProgressCallback = lambda what, share: None,
) -> dict[str, Any]:
    """Compare the methods on a session; write tables, pictures and report into `output`. InputError.

    Gives the map of `evaluation.json`.
    """
    body = Skeleton.load(skeleton)
    recording = open_recording(session, body, cameras, person)
    recording, someone = started_apart(recording, subject_for(recording, body, subject, None))
    case = Case(recording, body, someone, show)
    case = replace(case, subject=measured_subject(case.trial, *case.known, case.subject))
    files = open_videos(videos, recording.rig)
    chosen = _chosen(methods, [*movements(case), TRIANGULATION])
    make_folder(output)
    results = [_run(case, name) for name in chosen]
    report = evaluation(recording, case.subject, _source(case, subject), case.t, case.seen, results, body)
    rig, views = recording.rig, [view for instant in case.instants for view in instant.views]
    report["findings"] = as_maps(_findings(case, results, subject.name if subject else "the subject"))
    report["summary"] = " ".join([*(found["text"] for found in report["findings"]), report["summary"]])
    report["said"] = said_of(case.times.jumps) + said_of_clocks(clocks_of(rig, views), recording.file.path.name)
    show("drawing", 0.0)
    scene = Scene(
        calibrated=case.cameras[0],
        clock=case.cameras[1] + [recording.offsets.get(name, 0.0) for name in recording.rig.names],
        keypoints=recording.keypoints.names,
        skeleton=body,
        figure=case.figure,
        seen=case.seen,
        methods=results,
        videos=files,
        t0=float(case.t[0]),
    )
    drawn = list(pictures(scene))
    _write(output, report, drawn)
    return report


def _write(output: Path, report: dict[str, Any], drawn: Sequence[Picture]) -> None:
    try:
        (output / "evaluation.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
        for picture in drawn:
            (output / f"{picture.name}.png").write_bytes(picture.png)
        (output / "report.html").write_text(render_report(report, drawn), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{error.filename or output}: cannot be written: {error.strerror}") from None


def summary(report: dict[str, Any], output: Path) -> str:
    """The evaluation in a few lines."""
    lines = [f"{report['session']}: person {report['person']}, subject {report['subject']['source']}"]
    for name, method in report["methods"].items():
        shares = [(f"GC_{limit}", method[f"GC_{limit}"], ".2f") for limit in report["limits"]]
        scores = [*shares, ("median px", method["median_px"], ".1f")]
        values = (f"{what} {'-' if value is None else format(value, digits)}" for what, value, digits in scores)
        lines.append(f"{name + ':':14} " + "  ".join(values))
    lines += [f"  - {finding['text']}" for finding in report["findings"]]
    return "\n".join([*lines, *report["said"], f"report in {output / 'report.html'}"])


def _findings(case: Case, results: Sequence[Method], named: str) -> list[Finding]:
    """What is wrong with the recording, or with the first of the methods that gives a movement."""
    views = [instant.views for instant in case.instants]
    moved = [method for method in results if method.movement is not None]
    nowhere = np.full((1, len(case.recording.keypoints.names), 3), np.nan)
    points = moved[0].movement.keypoints if moved and moved[0].movement is not None else nowhere
    share = (moved or results)[0].consistency.share_within(LIMITS[-1])
    measured = share if np.isfinite(share) else None
    return findings(case.recording, views, case.skeleton, case.subject, named, points, measured)


def _chosen(asked: Sequence[str] | None, available: Sequence[str]) -> list[str]:
    if asked is None:
        return list(available)
    for name in asked:
        if name not in available:
            raise InputError(f"--methods: there is no {name!r}; there are {', '.join(available)}")
    if not asked:
        raise InputError(f"--methods: names none; there are {', '.join(available)}")
    return list(dict.fromkeys(asked))


def _run(case: Case, name: str) -> Method:
    case.show(name, 0.0)
    if name == TRIANGULATION:
        return Method(name, case.seen.consistency_of_triangulation(case.cameras[0], case.subject.noise), None)
    movement = movements(case)[name]()
    return Method(name, case.seen.consistency(movement.rig, movement.t, movement.keypoints), movement)


def _moved(case: Case, name: str, motion: Motion | None) -> Tracked:
    """What the live engine published, NaN while it had lost the person."""
    assert motion is not None, "the live engine has both topics"
    rig, _ = case.cameras
    followed = (motion.state != "lost")[:, None]
    q, sd = np.where(followed, motion.q, np.nan), np.where(followed, motion.sd, np.nan)
    points, fitted = case.figure.keypoints(q) @ rig.to_ground, case.fitted
    return Tracked(name, rig, motion.t, q, points, sd, fitted.events, fitted.steps)


def _whole(case: Case, fit: Fit) -> Movement:
    """The recording as a fit of the whole of it has it; nowhere, where it cannot be fitted."""
    try:
        return finish(fit, case.show).movements[0]
    except InputError:
        count = len(case.t), len(case.recording.keypoints.names), 3
        q = np.full((len(case.t), len(case.skeleton.coordinates)), np.nan)
        return Movement(case.recording.name, case.cameras[0], case.t, q, np.full(count, np.nan))


def _source(case: Case, file: Path | None) -> str:
    """Where the subject is from."""
    if file is not None:
        return str(file)
    return "generic" if case.recording.file.subject_toml is None else "that of the session"
