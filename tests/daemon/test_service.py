"""systemd's units: clean, hardened, installed where asked for, and what the daemon tells systemd."""

import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_process import Client, DaemonProcess, Starter, config_text, wait_until
from fake_solver import HANG, SLOW

ROOT = Path(__file__).parents[2]
EXPOSED = 20  # tenths of what systemd-analyze calls exposure: of 10 the most, 9.6 without any hardening
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
VIEWS = [{"camera": "cam_01", "xyc": [[1.0, 1.0, 1.0]] * 17}]


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the units were installed, with a program for them to start."""
    root = tmp_path_factory.mktemp("root")
    prefix = root / "prefix"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "streamfit").symlink_to(sys.executable)
    for _ in range(2):  # the second time as an update
        subprocess.run(["make", "install-units", f"DESTDIR={root}", f"PREFIX={prefix}"], cwd=ROOT, check=True)
        (root / "etc" / "streamfit" / "room.toml").write_text("mine")
    return root


def unit(name: str) -> str:
    return (ROOT / "systemd" / name).read_text()


@needs_make
def test_what_is_installed_is_what_is_here_and_no_configuration_is_overwritten(installed: Path) -> None:
    assert (installed / "etc" / "streamfit" / "room.toml").read_text() == "mine"
    assert (installed / "etc" / "streamfit" / "cameras.toml").exists()
    assert "streamfit" in (installed / "etc" / "sysusers.d" / "streamfit.conf").read_text()
    for name in ("streamfit.service", "streamfit@.service"):
        text = (installed / "etc" / "systemd" / "system" / name).read_text()
        assert text.replace(f"{installed}/prefix/", "/opt/streamfit/") == unit(name)
        assert f"ExecStart={installed}/prefix/bin/streamfit serve" in text


def test_the_unit_of_one_room_is_that_of_any(tmp_path: Path) -> None:
    one, any_ = unit("streamfit.service").splitlines(), unit("streamfit@.service").splitlines()
    assert one[1:] == [line.replace("%i", "room") for line in any_[1:]]


@needs_systemd
@needs_make
@pytest.mark.parametrize("name", ["streamfit.service", "streamfit@room.service"])
def test_systemd_finds_no_fault_with_the_units(installed: Path, name: str) -> None:
    units = installed / "etc" / "systemd" / "system"
    path = units / name
    if not path.exists():
        path.symlink_to(units / "streamfit@.service")
    result = analyze("verify", path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("name", ["streamfit.service", "streamfit@.service"])
def test_the_units_expose_little(name: str) -> None:
    result = analyze("security", "--offline=true", f"--threshold={EXPOSED}", ROOT / "systemd" / name)
    assert result.returncode == 0, result.stdout
    level = re.search(r"exposure level for \S+ (\d+\.\d+)", result.stdout)
    assert level is not None
    assert float(level[1]) <= EXPOSED / 10


@needs_systemd
@needs_make
def test_the_gpu_drop_in_is_understood(installed: Path) -> None:
    units = installed / "etc" / "systemd" / "system"
    drop_in = units / "gpu.service.d" / "gpu.conf"
    drop_in.parent.mkdir()
    shutil.copy(ROOT / "systemd" / "gpu.conf", drop_in)
    shutil.copy(units / "streamfit.service", units / "gpu.service")
    result = analyze("verify", units / "gpu.service")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


class Systemd:
    """The socket that systemd listens on, all the time as that does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._heard: queue.Queue[bytes] = queue.Queue()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def next(self, timeout: float = 15.0) -> bytes:
        """The next message. Raises queue.Empty."""
        return self._heard.get(timeout=timeout)

    def hear(self, but: bytes = b"WATCHDOG=1", timeout: float = 15.0) -> bytes:
        """The next message that is another."""
        while (message := self.next(timeout)) == but:
            pass
        return message

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while message := self._socket.recv(200):
            self._heard.put(message)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    one = Systemd(tmp_path / "notify")
    yield one
    one.close()


def watched(started: Starter, systemd: Systemd, text: str) -> DaemonProcess:
    process = started(text, NOTIFY_SOCKET=str(systemd.path), WATCHDOG_USEC="200000")
    assert systemd.hear() == b"READY=1"
    return process.wait_ready()


@pytest.mark.parametrize("hung", ["solver", "loop"])
@pytest.mark.alone
def test_a_daemon_that_hangs_feeds_no_watchdog(started: Starter, systemd: Systemd, hung: str) -> None:
    process = watched(started, systemd, config_text())
    with Client(process.endpoints) as client:
        slow = [{"camera": "cam_01", "xyc": [[SLOW, 1.0, 1.0]] * 17}]
        for i in range(20):
            client.keypoints("s", i / 100, slow)
        for _ in range(3):  # one that has much to do is not one that hangs
            assert systemd.next() == b"WATCHDOG=1"
        client.wait_for("kinematics/s/0")
        if hung == "solver":
            client.keypoints("s", 1.0, [{"camera": "cam_01", "xyc": [[HANG, 1.0, 1.0]] * 17}])
            wait_until(lambda: client.status()["sessions"]["s"]["answered"] >= 20, "the instants before")
        else:
            process.process.send_signal(signal.SIGSTOP)
        with pytest.raises(queue.Empty):
            systemd.hear(timeout=0.5)
        process.process.kill()


def test_sighup_takes_what_is_safe_and_says_what_is_not(started: Starter, systemd: Systemd) -> None:
    text = config_text()
    process = watched(started, systemd, text)

    def reload(changed: str) -> list[str]:
        before = len(process.log)
        (started.folder / "daemon.toml").write_text(changed)
        process.process.send_signal(signal.SIGHUP)
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", systemd.hear())
        assert systemd.hear() == b"READY=1"
        return wait_until(lambda: [x for x in process.log[before:] if "configuration" in x], "a line in the log")

    def alarms(client: Client) -> list[str]:
        return [alarm for alarm in client.status()["alarms"] if ": nothing received for " not in alarm]

    with Client(process.endpoints) as client:
        client.keypoints("before", 0.0, VIEWS)
        client.wait_for("kinematics/before/0")
        for wrong, said in (
            (text + "[fit]\nlagg = 1\n", "[fit] unknown key `lagg`; did you mean `lag`?"),
            (text.replace('"tcp://127.0.0.1:*"', '"tcp://127.0.0.1:1"', 1), "[ingest] bind has changed: restart"),
            (text + '[state]\ndirectory = "other"\n', "[state] has changed: restart"),
            (text.replace("coco17", "coco18"), "keypoint set 'coco18' is not built in"),
        ):
            (line,) = reload(wrong)
            assert said in line
            (alarm,) = alarms(client)
            assert alarm.startswith("the new configuration is not taken, the old one stays: ")
            assert said in alarm
        client.keypoints("between", 0.0, VIEWS)
        client.wait_for("kinematics/between/0")
        (line,) = reload(text.replace("coco17", "body25"))
        assert "the configuration was read again" in line
        assert alarms(client) == []
        client.keypoints("after", 0.0, VIEWS)
        client.keypoints("before", 1.0, VIEWS)
        client.wait_for("kinematics/before/0", t=1.0)
        assert client.rejected("after") == {"wrong_keypoints": 1}


def test_a_hangup_before_the_daemon_is_ready_is_heeded_then(started: Starter, systemd: Systemd) -> None:
    process = started(config_text(), FAKE_WARM_UP="0.5", NOTIFY_SOCKET=str(systemd.path)).wait_bound()
    process.process.send_signal(signal.SIGHUP)
    assert systemd.hear() == b"READY=1"
    assert systemd.hear().startswith(b"RELOADING=1")
    assert systemd.hear() == b"READY=1"
