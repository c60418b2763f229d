"""Processes of the demo: reached, started, and ended whatever happens to the one that started them."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib

import psutil
import pytest

from streamfit.daemon.config import load_config
from streamfit.demo.processes import free_addresses, last_line, process, wait_until_ready, write_config
from streamfit.errors import InputError
from streamfit.recording.mcap_file import SessionWriter, read_session

CHILD = ["http.server", "0", "--bind", "127.0.0.1"]
PARENT = f"""
import sys, time
from streamfit.demo.processes import ended_by_sigterm, process
with ended_by_sigterm(), process({CHILD}, log=None) as child:
    print(child.pid, flush=True)
    time.sleep(60)
"""


def gone(pid, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_a_process_lives_as_long_as_its_context(tmp_path):
    with process(CHILD, tmp_path / "log") as child:
        assert child.poll() is None
    assert child.poll() is not None
    assert gone(child.pid)


def test_a_process_ends_when_its_context_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), process(CHILD, tmp_path / "log") as child:
        raise ZeroDivisionError
    assert gone(child.pid)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_process_ends_with_the_one_that_started_it(how):
    if how == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux tells a child of its parent's death")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        os.kill(parent.pid, how)
        parent.wait(15)
    assert gone(pid)


def test_addresses_are_free_ports_of_this_machine():
    addresses = free_addresses()
    ports = {
        int(text.rpartition(":")[2])
        for text in (addresses.ingest, addresses.publish, addresses.control, addresses.http)
    }
    assert len(ports) == 4
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


@pytest.mark.parametrize("subject", [None, 'skeleton = "rajagopal"\n'])
def test_the_configuration_is_what_the_daemon_reads(tmp_path, subject):
    with SessionWriter(tmp_path / "s.mcap", "# cameras\n", 'name = "coco17"\n', subject):
        pass
    addresses = free_addresses()
    config = load_config(write_config(tmp_path, read_session(tmp_path / "s.mcap"), addresses))
    assert config.ingest.bind == addresses.ingest
    assert config.http.bind == addresses.http
    assert config.path(config.session.cameras).read_text() == "# cameras\n"
    assert tomllib.loads(config.path(config.session.keypoints).read_text()) == {"name": "coco17"}
    assert bool(config.session.subject) == (subject is not None)


def test_a_daemon_that_ends_says_why_in_one_line(tmp_path):
    log = tmp_path / "log"
    complaint = r"ended with code 2: .*none\.toml.*no such file"
    with (
        process(["streamfit.cli.main", "serve", str(tmp_path / "none.toml")], log) as daemon,
        pytest.raises(InputError, match=complaint),
    ):
        wait_until_ready(daemon, free_addresses().http, log, 60.0)
    assert "none.toml" in last_line(log)
