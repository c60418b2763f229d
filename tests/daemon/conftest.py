"""Daemons in processes of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_process import REAL, Client, DaemonProcess, Starter, config_text, daemon
from fake_daemon import run_shallow


@pytest.fixture(scope="session")
def fake_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """One daemon with a fake tracker for all tests that do not end it."""
    with daemon(tmp_path_factory.mktemp("fake"), config_text()) as process:
        yield process


@pytest.fixture
def shallow_daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """One with a fake tracker whose queues are soon full."""
    with daemon(tmp_path, config_text(), run_shallow) as process:
        yield process


@pytest.fixture(scope="session")
def real_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """One daemon as people run it, for all tests that do not end it."""
    with daemon(tmp_path_factory.mktemp("real"), config_text(), REAL) as process:
        yield process


@pytest.fixture
def client(fake_daemon: DaemonProcess) -> Iterator[Client]:
    """A client of the daemon with the fake tracker."""
    with Client(fake_daemon.endpoints) as connected:
        yield connected


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Starter]:
    """Starts daemons that are stopped at the end."""
    starter = Starter(tmp_path)
    yield starter
    for process in starter.processes:
        process.stop()
