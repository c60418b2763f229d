"""The live page in a real browser before a real daemon."""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import REAL, Client, DaemonProcess, config_text, daemon
from standing import standing_views

from streamfit.model import KeypointSet
from streamfit.model.camera import Rig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DRAWN = "document.querySelector('#scene canvas').toDataURL()"
RATE = 50.0
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.slow,
    pytest.mark.alone,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


class Detector:
    """Somebody sways before the cameras of the example room, until the context ends."""

    def __init__(self, process: DaemonProcess, session: str) -> None:
        self._process, self._session = process, session
        rig = Rig.load(Path(__file__).parents[2] / "configs" / "cameras.toml")
        keypoints = KeypointSet.load("coco17")
        self._poses = [standing_views(rig, keypoints, place=0.2 * math.sin(0.1 * i)) for i in range(63)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with Client(self._process.endpoints) as client:
            i = 0
            while not self._stop.wait(1 / RATE):
                client.keypoints(self._session, i / RATE, self._poses[i % len(self._poses)])
                i += 1

    def __enter__(self) -> Detector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def errors() -> list[str]:
    return []


def opened(browser: Browser, process: DaemonProcess, errors: list[str], width: int = 1200) -> Page:
    """The page; what it complains of goes to `errors`."""

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            errors.append(message.text)

    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(process.endpoints["http"])
    return page


def test_it_shows_a_person_who_moves(real_daemon: DaemonProcess, browser: Browser, errors: list[str]) -> None:
    page = opened(browser, real_daemon, errors)
    playwright.expect(page.locator("#notice")).to_contain_text("Nothing arrives yet")
    playwright.expect(page.locator("#notice")).to_contain_text(real_daemon.endpoints["ingest"])
    with Detector(real_daemon, "seen"):
        playwright.expect(page.locator("#person-state")).to_have_text("tracking", timeout=20_000)
        playwright.expect(page.locator("#notice")).to_be_hidden()
        playwright.expect(page.locator("#latency")).to_contain_text("instants/s")
        playwright.expect(page.locator("#cameras tr")).to_have_count(1 + len(standing_rig().names))
        playwright.expect(page.locator(".trace canvas")).to_have_count(3)
        page.wait_for_timeout(500)
        before = page.evaluate(DRAWN)
        page.wait_for_timeout(500)
        assert page.evaluate(DRAWN) != before
        colours = page.evaluate(PAINTED)
        assert all(count > 20 for count in colours.values()), colours
        before = page.evaluate("document.querySelector('.trace canvas').toDataURL()")
        page.locator(".trace select").first.select_option("pelvis_tx")
        playwright.expect(page.locator(".trace").first).to_contain_text("cm")
        page.wait_for_timeout(300)
        assert page.evaluate("document.querySelector('.trace canvas').toDataURL()") != before
        page.locator("#record").click()
        playwright.expect(page.locator("#answer")).to_contain_text("set directory in [record]")
        page.locator("#seconds").fill("5")
        page.locator("#calibrate").click()
        playwright.expect(page.locator("#answer")).not_to_contain_text("set directory")
    playwright.expect(page.locator("#notice")).to_contain_text("Nothing arrives any more", timeout=10_000)
    assert errors == []
    page.close()


PAINTED = """(() => {
  const canvas = document.querySelector("#scene canvas"), style = getComputedStyle(document.documentElement)
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
  const counts = {}
  for (const name of ["--right", "--left", "--line", "--faint"]) {
    const rgb = style.getPropertyValue(name).trim().slice(1).match(/../g).map(x => parseInt(x, 16))
    counts[name] = 0
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200 && rgb.every((x, k) => Math.abs(x - data[i + k]) < 12)) counts[name]++
    }
  }
  return counts
})()"""


def standing_rig() -> Rig:
    return Rig.load(Path(__file__).parents[2] / "configs" / "cameras.toml")


def test_it_fits_a_tablet_and_can_be_turned_by_touch(
    real_daemon: DaemonProcess, browser: Browser, errors: list[str]
) -> None:
    page = opened(browser, real_daemon, errors, width=768)
    with Detector(real_daemon, "tablet"):
        playwright.expect(page.locator("#person-state")).to_have_text("tracking", timeout=20_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    page.wait_for_timeout(300)
    before = page.evaluate(DRAWN)
    box = page.locator("#scene canvas").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 130)
    page.mouse.up()
    assert page.evaluate(DRAWN) != before
    before = page.evaluate(DRAWN)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(200)
    assert page.evaluate(DRAWN) != before
    assert errors == []
    page.close()


def test_it_comes_back_when_the_daemon_does(tmp_path: Path, browser: Browser, errors: list[str]) -> None:
    with daemon(tmp_path, config_text(), REAL) as process:
        endpoints = dict(process.endpoints)
        page = opened(browser, process, errors)
        playwright.expect(page.locator("#daemon")).to_contain_text("ready")
        process.stop()
        playwright.expect(page.locator("#daemon")).to_have_text("no answer", timeout=10_000)
        playwright.expect(page.locator("#notice")).to_contain_text("streamfit serve")
    same = config_text(http=endpoints["http"].removeprefix("http://"))
    with daemon(tmp_path, same, REAL) as process, Detector(process, "again"):
        playwright.expect(page.locator("#person-state")).to_have_text("tracking", timeout=30_000)
        playwright.expect(page.locator("#notice")).to_be_hidden()
        # the old page has the old token: it says what to do
        page.locator("#record").click()
        playwright.expect(page.locator("#answer")).to_contain_text("reload the page")
        time.sleep(0.1)
    page.close()
