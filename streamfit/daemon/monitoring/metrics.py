"""The daemon's figures for Prometheus, read at each scrape; a session that is closed takes its series with it."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamfit.daemon.monitoring.alarms import Alarms
from streamfit.daemon.monitoring.histogram import Histogram
from streamfit.daemon.monitoring.loop_lag import LoopLag
from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.net.control import Control
from streamfit.daemon.sessions.registry import Sessions
from streamfit.daemon.sessions.session import STAGES, Session
from streamfit.engine.snapshot import EngineSnapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Figure = tuple[str, str, Callable[[Session, EngineSnapshot], float]]

COUNTERS: tuple[Figure, ...] = (
    ("instants_in", "Instants to answer", lambda s, _: s.instants),
    ("instants_fitted", "Instants answered", lambda s, _: s.answered),
    ("instants_skipped", "Instants given up for want of time", lambda s, _: s.backlog.skipped),
    ("fit_failures", "Fits of a person that failed", lambda s, now: now.fit.failures + s.lost),
    ("views_too_late", "Views older than the window of the fit", lambda _, now: now.fit.too_late),
)
GAUGES: tuple[Figure, ...] = (
    ("backlog_instants", "Instants that wait for the solver", lambda s, _: len(s.backlog)),
    ("persons", "Persons followed", lambda _, now: len(now.fit.states)),
    ("persons_tracked", "Persons followed whose state is tracking", lambda _, now: _tracked(now)),
)
RECORDING = {
    "messages": ("recording_messages", "Messages written to the recording", CounterMetricFamily),
    "bytes": ("recording_bytes", "Written to the recording", CounterMetricFamily),
    "dropped": ("recording_dropped_messages", "Messages that the disk was too slow for", CounterMetricFamily),
    "waiting": ("recording_queue_messages", "Messages that wait for the disk", GaugeMetricFamily),
    "failures": ("recording_failures", "How often the disk has failed", CounterMetricFamily),
    "error": ("recording_failed", "1 once the recording has failed", GaugeMetricFamily),
}
"""By the key of `Recording.status()`: those that it has are shown."""


class Metrics(Collector):
    """A registry of its own over what the daemon counts anyway, and over its process."""

    def __init__(
        self, health: Health, sessions: Callable[[], Sessions | None], alarms: Alarms, pulse: LoopLag, control: Control
    ):
        self._health, self._sessions, self._alarms, self._pulse = health, sessions, alarms, pulse
        self._control = control
        self._registry, self._process = CollectorRegistry(), CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._process)

    async def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        process = await asyncio.to_thread(generate_latest, self._process)  # reads files
        return generate_latest(self._registry) + process

    def collect(self) -> Iterator[Metric]:
        """Every metric with its labels."""
        sessions = self._sessions()
        by_name = dict(sessions.by_name) if sessions else {}
        yield GaugeMetricFamily("streamfit_ready", "1 once messages are taken", self._health.state == "ready")
        yield CounterMetricFamily(
            "streamfit_compilations_after_ready", "Compilations since ready", self._health.compilations
        )
        yield GaugeMetricFamily("streamfit_sessions", "Sessions that are open", len(by_name))
        yield GaugeMetricFamily("streamfit_control_requests", "Control requests under way", self._control.under_way)
        lag = HistogramMetricFamily("streamfit_event_loop_lag_seconds", "By how much the event loop was late")
        lag.add_metric([], self._pulse.lag.buckets(), self._pulse.lag.sum)
        yield lag
        rejected = CounterMetricFamily(
            "streamfit_rejected", "Messages, views and points not used", labels=["session", "reason"]
        )
        alarms = GaugeMetricFamily("streamfit_alarms", "What somebody should look after", labels=["session"])
        snapshots = {name: session.engine.snapshot() for name, session in by_name.items()}
        of_sessions = {name: snapshot.rejected for name, snapshot in snapshots.items()}
        for name, reasons in {"": self._health.rejected, **of_sessions}.items():
            alarms.add_metric([name], self._alarms.count(name))
            for reason, count in list(reasons.items()):
                rejected.add_metric([name, reason], count)
        yield from (rejected, alarms)
        yield from _of_sessions(by_name, snapshots)
        yield from _durations(by_name)
        yield from _of_cameras(snapshots)
        yield from _of_recordings(by_name)


def _of_sessions(by_name: dict[str, Session], snapshots: dict[str, EngineSnapshot]) -> Iterator[Metric]:
    for kind, figures in ((CounterMetricFamily, COUNTERS), (GaugeMetricFamily, GAUGES)):
        for name, text, figure in figures:
            family = kind(f"streamfit_{name}", text, labels=["session"])
            for session in by_name.values():
                family.add_metric([session.name], figure(session, snapshots[session.name]))
            yield family


def _durations(by_name: dict[str, Session]) -> Iterator[Metric]:
    latency = HistogramMetricFamily("streamfit_latency_seconds", "Last view in to answer out", labels=["session"])
    stages = HistogramMetricFamily(
        "streamfit_stage_duration_seconds", "Stages of the way from bytes to answer", labels=["session", "stage"]
    )
    for name, session in by_name.items():
        latency.add_metric([name], *_histogram(session.latency))
        for stage in STAGES:
            stages.add_metric([name, stage], *_histogram(session.stages[stage]))
    yield from (latency, stages)


def _of_cameras(snapshots: dict[str, EngineSnapshot]) -> Iterator[Metric]:
    labels = ["session", "camera"]
    late = CounterMetricFamily("streamfit_camera_late_views", "Views after their instant was answered", labels=labels)
    dropped = CounterMetricFamily("streamfit_camera_dropped_views", "Views not used", labels=labels)
    rate = GaugeMetricFamily("streamfit_camera_rate_hertz", "Views per second", labels=labels)
    delay = GaugeMetricFamily(
        "streamfit_camera_delay_seconds", "From capture to arrival, more than the quickest camera's", labels=labels
    )
    offset = GaugeMetricFamily(
        "streamfit_camera_clock_offset_seconds", "How far its clock is ahead of the median camera's", labels=labels
    )
    residual = GaugeMetricFamily("streamfit_camera_residual_pixels", "RMS reprojection error lately", labels=labels)
    families: tuple[CounterMetricFamily | GaugeMetricFamily, ...] = (late, dropped, rate, delay, offset, residual)
    for name, camera, figures in _cameras(snapshots):
        for family, value in zip(families, figures, strict=True):
            if value is not None and not math.isnan(value):
                family.add_metric([name, camera], value)
    yield from families


def _cameras(snapshots: dict[str, EngineSnapshot]) -> Iterator[tuple[str, str, Iterable[float | None]]]:
    """Session, camera, and its figures in the order of the families."""
    for name, snapshot in snapshots.items():
        clocks = snapshot.fit.clocks
        quickest = min((camera.delay for camera in snapshot.cameras if camera.delay is not None), default=0.0)
        for i, camera in enumerate(snapshot.cameras):
            yield (
                name,
                camera.name,
                (
                    camera.late,
                    camera.dropped,
                    camera.rate,
                    None if camera.delay is None else camera.delay - quickest,
                    -float(clocks.offset[i]) if clocks.known[i] else None,
                    float(snapshot.fit.rms_px[i]),
                ),
            )


def _of_recordings(by_name: dict[str, Session]) -> Iterator[Metric]:
    said: dict[str, dict[str, Any]] = {n: s.recording.status() for n, s in by_name.items() if s.recording is not None}
    for key, (name, text, kind) in RECORDING.items():
        family = kind(f"streamfit_{name}", text, labels=["session"])
        for session, status in said.items():
            if key in status:
                family.add_metric([session], float(bool(status[key]) if key == "error" else status[key]))
        yield family


def _histogram(durations: Histogram) -> tuple[list[tuple[str, float]], float]:
    return durations.buckets(), durations.sum


def _tracked(snapshot: EngineSnapshot) -> int:
    return sum(state == "tracking" for state in snapshot.fit.states.values())
