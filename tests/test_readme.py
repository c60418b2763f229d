"""The documented way from public videos to the live page, OpenSim and LSL, walked as it is written."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.alone]

playwright = pytest.importorskip("playwright.sync_api")
ROOT = Path(__file__).parents[1]
PAGE_OF_THE_WALK = ROOT / "docs" / "videos.md"
SECTION = "# On public videos"
PAGE = "http://127.0.0.1:5573"
CHROMIUM = shutil.which("chromium")
OPENSIM = ROOT / ".venv-opensim" / "bin" / "python"
MINUTES = 15
"""For all of it: packages are fetched, and all is compiled."""
NOT_CLONED = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "build", "*.egg-info", "balance")

INLET = """
import json, pylsl
streams = []
while not streams:
    streams = pylsl.resolve_byprop("name", "streamfit/balance/0", timeout=10)
inlet = pylsl.StreamInlet(streams[0])
channel, labels = inlet.info().desc().child("channels").child("channel"), []
while not channel.empty():
    labels.append(channel.child_value("label"))
    channel = channel.next_sibling()
print(json.dumps({"type": streams[0].type(), "labels": labels, "samples": [inlet.pull_sample(60) for _ in range(30)]}))
"""


@dataclass(frozen=True)
class Walked:
    """What came of it: the clone's folder, the bodies of the page's skeleton, and what an LSL inlet got."""

    folder: Path
    shown: dict[str, str]
    streamed: dict[str, Any]


def block(page: Path, after: str) -> str:
    """The first indented block after these words."""
    text = page.read_text(encoding="utf-8").partition(after)[2]
    found = re.search(r"(?:^ {4}.*\n)+", text, re.MULTILINE)
    assert found is not None, f"{page.name} has no commands after {after!r}"
    return textwrap.dedent(found.group())


@contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str], log: Path) -> "Iterator[subprocess.Popen]":
    """A process and all that it starts, which is ended with the context."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        end = time.monotonic() + 30
        with suppress(ProcessLookupError):  # nothing is left of them
            while True:
                os.killpg(process.pid, signal.SIGTERM if time.monotonic() < end else signal.SIGKILL)
                process.poll()
                time.sleep(0.2)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    folder = tmp_path_factory.mktemp("readme") / "clone"
    shutil.copytree(ROOT, folder, ignore=NOT_CLONED)
    (folder / ".venv").symlink_to(sys.prefix)  # what `make demo` leaves
    loopback = folder.parent / "lsl_api.cfg"
    loopback.write_text(block(ROOT / "docs" / "streams.md", "LSLAPICFG"))
    environment = {"LSLAPICFG": str(loopback)}
    said, streamed = folder.parent / "said.txt", folder.parent / "streamed.txt"
    commands = ["bash", "-ec", block(PAGE_OF_THE_WALK, SECTION)]
    with (
        running(commands, folder, environment, said) as process,
        running([sys.executable, "-c", INLET], folder, environment, streamed) as inlet,
    ):
        end = time.monotonic() + 60 * MINUTES
        shown = seen_in_browser(process, end) if CHROMIUM else {}
        assert process.wait(end - time.monotonic()) == 0, said.read_text()[-3000:]
        assert inlet.wait(60) == 0, streamed.read_text()[-3000:]
    return Walked(folder, shown, json.loads(streamed.read_text().splitlines()[-1]))


def seen_in_browser(process: "subprocess.Popen[bytes]", end: float) -> dict[str, str]:
    """What the page shows once the daemon is up."""
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), urllib.request.urlopen(f"{PAGE}/healthz", timeout=5):
            break
        time.sleep(0.5)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(PAGE)
        playwright.expect(page.locator("#person-state")).to_have_text("tracking", timeout=180_000)
        playwright.expect(page.locator("#cameras tr")).to_have_count(1 + 4)
        before = page.evaluate("document.querySelector('#scene canvas').toDataURL()")
        page.wait_for_timeout(1000)
        after = page.evaluate("document.querySelector('#scene canvas').toDataURL()")
        cameras = page.locator("#cameras").inner_text()
        browser.close()
    return {"before": before, "after": after, "cameras": cameras}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_shows_him_move_among_his_cameras(walked: Walked) -> None:
    assert walked.shown["before"] != walked.shown["after"]
    assert all(name in walked.shown["cameras"] for name in ("cam01", "cam02", "cam03", "cam04"))


def test_his_angles_are_a_stream(walked: Walked) -> None:
    assert walked.streamed["type"] == "MoCap"
    knee = walked.streamed["labels"].index("knee_angle_r")
    values, times = zip(*walked.streamed["samples"], strict=True)
    assert len(set(times)) == len(times)
    assert all(-0.2 < sample[knee] < 2.0 for sample in values)
    assert len({sample[knee] for sample in values}) == len(values)


def test_the_fit_explains_what_the_cameras_saw(walked: Walked) -> None:
    report = json.loads((walked.folder / "balance" / "fit" / "fit.json").read_text())
    assert report["instants"]["count"] == 100
    assert report["instants"]["tracking"] > 0.9
    fit, points = (report["geometric_consistency"][kind]["GC_20"] for kind in ("fit", "triangulation"))
    assert fit > 0.5
    assert fit > points - 0.15


@pytest.mark.skipif(not OPENSIM.is_file(), reason="benchmarks/speed/opensim_env.sh has not been run")
def test_opensim_opens_the_model_and_plays_the_motion(walked: Walked) -> None:
    helper = ROOT / "tests" / "support" / "opensim_reads.py"
    done = subprocess.run([OPENSIM, helper, walked.folder / "balance" / "fit"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    apart = json.loads(done.stdout.splitlines()[-1])
    assert apart["kinematics"] < 0.005
