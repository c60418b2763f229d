"""What /metrics serves: whole, well named, bounded, and cheap."""

import re
import time

import numpy as np
from daemon_process import CONFIGS, Client, DaemonProcess, wait_until
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from streamfit.daemon.monitoring.histogram import BOUNDS, Histogram

VIEWS = [{"camera": f"cam_0{i}", "xyc": np.ones((17, 3))} for i in (1, 2, 3, 4)]
UNITS = ("seconds", "bytes", "hertz", "pixels")
NOT_BASE = ("milliseconds", "ms", "minutes", "kilobytes", "megabytes", "percent", "px", "fps")


def scraped(daemon: DaemonProcess) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(daemon.get("/metrics")[1])}


def sessions(families: dict[str, Metric]) -> set[str]:
    return {s.labels["session"] for family in families.values() for s in family.samples if "session" in s.labels}


def test_names_follow_the_rules(fake_daemon: DaemonProcess, client: Client) -> None:
    client.keypoints("named", 0.0, VIEWS)
    client.wait_for("kinematics/named/0")
    families = scraped(fake_daemon)
    assert {"streamfit_latency_seconds", "streamfit_stage_duration_seconds", "process_open_fds"} <= set(families)
    for name, family in families.items():
        assert re.fullmatch(r"(streamfit|process)_[a-z_]+", name)
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")
        assert not set(name.split("_")) & set(NOT_BASE)
        assert family.type != "histogram" or name.endswith("_seconds")
        assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
        assert {s.name for s in family.samples} <= {
            "counter": {f"{name}_total"},
            "gauge": {name},
            "histogram": {f"{name}_bucket", f"{name}_sum", f"{name}_count"},
        }[family.type]
        assert not any(label in s.labels for s in family.samples for label in ("le", "quantile")) or (
            family.type == "histogram"
        )
    assert client.ask("close", session="named")["ok"]


def test_every_stage_of_every_answer_is_counted(fake_daemon: DaemonProcess, client: Client) -> None:
    for i in range(20):
        client.keypoints("staged", i / 100, VIEWS)
    client.wait_for("kinematics/staged/0", t=0.19)
    client.status()

    def count(name: str, **labels: str) -> float:
        wanted = {"session": "staged"} | labels
        return next(s.value for s in scraped(fake_daemon)[name].samples if s.name == f"{name}_count" and (
            s.labels == wanted
        ))  # fmt: skip

    assert count("streamfit_latency_seconds") == 20
    for stage in ("decode", "assemble", "queue", "fit"):
        assert count("streamfit_stage_duration_seconds", stage=stage) == 20
    assert count("streamfit_stage_duration_seconds", stage="publish") >= 20
    assert count("streamfit_stage_duration_seconds", stage="smooth") >= 19
    assert client.ask("close", session="staged")["ok"]


def test_series_of_closed_sessions_go_away(fake_daemon: DaemonProcess, client: Client) -> None:
    before = sum(len(family.samples) for family in scraped(fake_daemon).values())
    for i in range(40):
        client.keypoints(f"passing-{i}", 0.0, VIEWS)
        client.wait_for(f"kinematics/passing-{i}/0")
        assert f"passing-{i}" in sessions(scraped(fake_daemon))
        client.send(type="end", session=f"passing-{i}")
    wait_until(lambda: not any(s.startswith("passing") for s in sessions(scraped(fake_daemon))), "the end of all")
    # a reason that is new since then may be left
    assert sum(len(family.samples) for family in scraped(fake_daemon).values()) <= before + 3


def test_alerts_speak_of_what_there_is(fake_daemon: DaemonProcess, client: Client) -> None:
    client.keypoints("alerts", 0.0, VIEWS)
    client.wait_for("kinematics/alerts/0")
    families = scraped(fake_daemon)
    counters = {f"{name}_total" for name, family in families.items() if family.type == "counter"}
    histograms = {f"{name}_bucket" for name, family in families.items() if family.type == "histogram"}
    known = (set(families) - {c.removesuffix("_total") for c in counters}) | counters | histograms
    text = re.sub(r"#.*", "", (CONFIGS / "alerts.yml").read_text())
    expressions = re.findall(r"expr: (?:>\n)?(.+?)\n\s+(?:for|annotations):", text, re.S)
    assert len(expressions) == text.count("alert:") == 9
    for expression in expressions:
        named = set(re.findall(r"\b(?:streamfit|process)_\w+", expression))
        assert named
        assert named <= known, expression
    assert client.ask("close", session="alerts")["ok"]


def test_buckets_add_up() -> None:
    durations = Histogram()
    for seconds in (0.0, BOUNDS[0], 0.004, 99.0):
        durations.observe(seconds)
    buckets = dict(durations.buckets())
    assert buckets["0.0001"] == 2
    assert buckets["0.005"] == 3
    assert buckets["3.0"] == 3
    assert buckets["+Inf"] == 4
    assert durations.sum == 99.0041


def test_an_observation_costs_next_to_nothing() -> None:
    durations, best = Histogram(), float("inf")
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1000):
            durations.observe(0.004)
        best = min(best, (time.perf_counter() - began) / 1000)
    assert best < 5e-6  # some 10 for each answer of 10 ms
