"""The daemon's counters for Prometheus, read at each scrape."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from streamfit.daemon.sessions import Sessions
from streamfit.daemon.status import Health, latency_percentiles

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Collector):
    """A registry of its own over what the daemon counts anyway."""

    def __init__(self, health: Health, sessions: Callable[[], Sessions | None]):
        self._health, self._sessions = health, sessions
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Every metric with its labels."""
        sessions = self._sessions()
        yield GaugeMetricFamily("streamfit_ready", "1 once messages are taken", self._health.state == "ready")
        yield CounterMetricFamily(
            "streamfit_compilations_after_ready", "Compilations since ready", self._health.compilations
        )
        rejected = CounterMetricFamily(
            "streamfit_rejected", "Messages, views and points not used", labels=["session", "reason"]
        )
        answered = CounterMetricFamily("streamfit_instants", "Instants answered", labels=["session"])
        skipped = CounterMetricFamily("streamfit_skipped", "Instants given up", labels=["session"])
        failures = CounterMetricFamily("streamfit_failures", "Fits that failed", labels=["session"])
        waiting = GaugeMetricFamily("streamfit_backlog", "Instants waiting", labels=["session"])
        latency = GaugeMetricFamily(
            "streamfit_latency_seconds", "Last view in to answer out", labels=["session", "quantile"]
        )
        late = CounterMetricFamily("streamfit_late", "Views after their instant", labels=["session", "camera"])
        dropped = CounterMetricFamily("streamfit_dropped", "Views not used", labels=["session", "camera"])
        for reason, count in self._health.rejected.items():
            rejected.add_metric(["", reason], count)
        for name, session in (sessions.by_name if sessions else {}).items():
            for reason, count in session.live.rejected.items():
                rejected.add_metric([name, reason], count)
            answered.add_metric([name], session.answered)
            skipped.add_metric([name], session.backlog.skipped)
            failures.add_metric([name], session.live.fits.failures)
            waiting.add_metric([name], len(session.backlog))
            for quantile, value in zip(("0.5", "0.99"), latency_percentiles(session), strict=True):
                if value is not None:
                    latency.add_metric([name, quantile], value)
            for camera, counters in zip(session.live.rig.names, session.live.assembler.cameras, strict=True):
                late.add_metric([name, camera], counters.late)
                dropped.add_metric([name, camera], counters.dropped)
        yield from (rejected, answered, skipped, failures, waiting, latency, late, dropped)
