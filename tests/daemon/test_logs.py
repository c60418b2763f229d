"""What the log says: whose it is, as text or as JSON, and repetitions as a number."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import REAL, DaemonProcess, config_text, wait_until

from streamfit.daemon.logs import CountingHandler, _formatter

INTERVAL = 0.05  # s


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], tuple[logging.Logger, io.StringIO]]]:
    handlers = []
    log = logging.Logger("streamfit.test")

    def make(as_json: bool) -> tuple[logging.Logger, io.StringIO]:
        out = io.StringIO()
        handler = CountingHandler(_formatter(as_json), INTERVAL)
        handler.setStream(out)
        log.addHandler(handler)
        handlers.append(handler)
        return log, out

    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    yield make
    for handler in handlers:
        handler.close()


def test_json_lines_say_whose_they_are(logged: Callable[..., tuple[logging.Logger, io.StringIO]]) -> None:
    log, out = logged(True)
    log.warning("session %s: %s", "s1", "cam_03: silent", extra={"session": "s1", "camera": "cam_03"})
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("Z")
    own = {"level": "WARNING", "logger": "streamfit.test", "message": "session s1: cam_03: silent"}
    assert line == own | {"session": "s1", "camera": "cam_03"}


def test_a_traceback_is_one_json_line(logged: Callable[..., tuple[logging.Logger, io.StringIO]]) -> None:
    log, out = logged(True)
    try:
        raise ValueError("told to fail")
    except ValueError:
        log.exception("an instant is lost", extra={"session": "s1"})
    assert "ValueError: told to fail" in json.loads(out.getvalue())["exc_info"]


def test_the_journal_gets_priorities(
    logged: Callable[..., tuple[logging.Logger, io.StringIO]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    log, out = logged(False)
    log.error("lost\nand gone")
    log.info("ready")
    assert out.getvalue().splitlines() == ["<3>streamfit: lost", "<3>and gone", "<6>streamfit: ready"]


def test_what_repeats_is_counted(logged: Callable[..., tuple[logging.Logger, io.StringIO]]) -> None:
    log, out = logged(False)
    for i in range(100):
        for session in ("s1", "s2"):
            log.warning("session %s: fault %d", session, i, extra={"session": session})
    said = out.getvalue().splitlines()
    assert said == ["streamfit: session s1: fault 0", "streamfit: session s2: fault 0"]
    wait_until(lambda: len(out.getvalue().splitlines()) == 4, "the counts")
    assert out.getvalue().splitlines()[2:] == [
        f"streamfit: session {session}: fault 99 (99 times in {INTERVAL:g} s)" for session in ("s1", "s2")
    ]


def test_nothing_is_lost_at_the_end(logged: Callable[..., tuple[logging.Logger, io.StringIO]]) -> None:
    log, out = logged(False)
    for i in range(3):
        log.warning("fault %d", i)
    log.handlers[0].close()
    assert out.getvalue().splitlines()[-1] == f"streamfit: fault 2 (2 times in {INTERVAL:g} s)"


def test_serve_logs_json(tmp_path: Path) -> None:
    config = tmp_path / "daemon.toml"
    config.write_text(config_text())
    process = DaemonProcess(config, [*REAL, "--log-json"])
    try:
        process.wait_bound()
        assert json.loads(process.log[0])["message"].startswith("starting: ingest tcp://")
    finally:
        process.stop()
