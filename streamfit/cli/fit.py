"""`streamfit fit`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamfit.evaluation.film import check_films, write_films
from streamfit.evaluation.findings import MEASURES
from streamfit.evaluation.fit_report import check_exports, fit_report, make_folder, write_fit
from streamfit.evaluation.live_fit import fit_recording
from streamfit.evaluation.offline_fit import fit_whole
from streamfit.model import Skeleton
from streamfit.recording.playback import open_recording, started_apart, subject_for
from streamfit.recording.videos import open_videos
from streamfit.terminal import ProgressCallback


def fit_session(
    session: Path,
    output: Path,
    subject: Path | None = None,
    stature: float | None = None,
    lag: float | None = 0.1,
    cameras: Sequence[str] | None = None,
    person: str | None = None,
    skeleton: str = "rajagopal",
    show: ProgressCallback = lambda what, share: None,
    exports: Sequence[str] = (),
    videos: Sequence[str] = (),
    offsets: Sequence[str] = (),
) -> dict[str, Any]:
    """Fit a session, write its files into `output` and return its report. InputError.

    `exports` names further formats to write: see `fit_report.EXPORTS`; `videos` are `CAMERA=FILE`, to draw
    the skeleton over; `offsets` are `CAMERA=S`, to add to its capture times.

    With the live engine, or, where `lag` is None, the whole trial at once.
    """
    body = Skeleton.load(skeleton)
    recording = open_recording(session, body, cameras, person, offsets)
    recording, someone = started_apart(recording, subject_for(recording, body, subject, stature))
    check_exports(exports)
    files = open_videos(videos, recording.rig)
    check_films(output, files)
    make_folder(output)
    if lag is None:
        fitted = fit_whole(recording, body, someone, show)
    else:
        fitted = fit_recording(recording, body, someone, lag, show)
    someone = fitted.subject
    report = fit_report(recording, fitted, body, someone, lag, subject.name if subject else "the subject")
    write_fit(output, fitted, recording, body, someone, report, exports)
    write_films(output, files, recording, fitted, body, someone, show)
    return report


def summary(report: dict[str, Any], output: Path) -> str:
    """The report in a few lines."""
    instants, timing = report["instants"], report["timing"]
    others = [name for name in report["views"] if name != report["person"]]
    consistency = report["geometric_consistency"]
    lines = [
        f"{report['session']}: person {report['person']}"
        + (f" (of {len(others) + 1}; --person for {', '.join(others)})" if others else "")
        + ("" if report["complete"] else "; the recording was cut off, it is read up to there"),
        f"{instants['count']} instants: " + _followed(report),
        *report["times"]["said"],
        _speed(timing),
        *(f"  - {finding['text']}" for finding in report["findings"]),
        *(f"{name + ':':14} " + _scores(consistency[name]) for name in ("fit", "triangulation")),
        f"written to {output}",
    ]
    return "\n".join(lines)


def _followed(report: dict[str, Any]) -> str:
    """How the person was followed, where that is worth a figure."""
    within = report["geometric_consistency"]["fit"]["GC_20"]
    if within is None or within < MEASURES:
        return "not a measurement"
    return ", ".join(f"{state} {report['instants'][state]:.1%}" for state in ("tracking", "coasting", "lost"))


def _speed(timing: dict[str, float]) -> str:
    if "p50_ms" not in timing:
        return f"fitted in {timing['total_s']:.1f} s, compilation included"
    return (
        f"answered in p50 {timing['p50_ms']:.1f} ms, p99 {timing['p99_ms']:.1f} ms "
        f"({timing['times_real_time']:.1f} times real time)"
    )


def _scores(consistency: dict[str, float | None]) -> str:
    return "  ".join(f"{name} {'-' if value is None else f'{value:.2f}'}" for name, value in consistency.items())
