"""The bridge as a process: a real inlet of the Lab Streaming Layer, and a real OSC server, get what was published."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import ThreadingOSCUDPServer
from talking_daemon import TOOLS

LOOPBACK = """
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
ListenAddress = 127.0.0.1
AddressesOverride = {127.0.0.1}
[lab]
KnownPeers = {127.0.0.1}
"""
INLET = """
import json, sys, pylsl
name = sys.argv[1]
motion, = pylsl.resolve_byprop("name", name, timeout=20)
events, = pylsl.resolve_byprop("name", name + "/events", timeout=20)
inlets = [pylsl.StreamInlet(motion), pylsl.StreamInlet(events)]
info = inlets[0].info()
channel, channels = info.desc().child("channels").child("channel"), []
while not channel.empty():
    channels.append([channel.child_value(key) for key in ("label", "type", "unit")])
    channel = channel.next_sibling()
for inlet in inlets:
    inlet.open_stream(timeout=10)
samples = [inlets[0].pull_sample(timeout=10) for _ in range(20)]
event = inlets[1].pull_sample(timeout=10)
print(json.dumps({"types": [motion.type(), events.type()], "channels": channels, "samples": samples, "event": event}))
"""
COORDINATES, UNITS = ["pelvis_tx", "knee_angle_r"], ["m", "rad"]


@pytest.fixture
def publisher() -> Iterator[str]:
    """The publish socket of a daemon, with one person whose t is in every coordinate; an event at every tenth."""
    stop, bound = threading.Event(), threading.Event()
    address: list[str] = []

    def publish() -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
            socket.linger = 0
            address.append(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
            bound.set()
            head = {"v": 1, "session": "s1", "person": "0"}

            def send(kind: str, **fields: Any) -> None:
                topic = kind if kind == "status" else f"{kind}/s1/0"
                socket.send_multipart([topic.encode(), msgpack.packb({"type": kind, **head, **fields})])

            i = 0
            while not stop.wait(0.02):
                i += 1
                if i % 5 == 0:
                    send("status", state="ready")
                if i % 10 == 0:
                    model = {"coordinates": COORDINATES, "units": UNITS, "skeleton": "rajagopal", "software": "test"}
                    send("model", **model)
                    send("gait", event="foot_strike", side="right", t=0.02 * i)
                state = "lost" if i % 7 == 0 else "tracking"
                send("kinematics", t=0.02 * i, q=[0.02 * i, 0.02 * i], state=state)
                for kind in ("model", "kinematics"):  # of another session whose name begins alike
                    fields = {"coordinates": COORDINATES, "units": UNITS, "q": [1.0, 1.0], "t": 0.0, "state": state}
                    fields |= {"skeleton": "rajagopal", "software": "test"}
                    fields |= {"type": kind, "v": 1, "session": "s10", "person": "0"}
                    socket.send_multipart([f"{kind}/s10/0".encode(), msgpack.packb(fields)])

    thread = threading.Thread(target=publish)
    thread.start()
    bound.wait()
    yield address[0]
    stop.set()
    thread.join()


@pytest.fixture
def bridged(publisher: str) -> Iterator[Any]:
    """Starts bridges."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> None:
        command = [sys.executable, str(TOOLS / "bridge.py"), "--publish", publisher, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
        started.append(process)
        assert process.stdout is not None
        assert "passing on s1/0\n" in iter(process.stdout.readline, "")

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def test_an_inlet_gets_the_angles_with_their_names_and_times(bridged: Any, tmp_path: Path) -> None:
    config = tmp_path / "lsl_api.cfg"
    config.write_text(LOOPBACK)
    bridged(LSLAPICFG=str(config))
    command = [sys.executable, "-c", INLET, "streamfit/s1/0"]
    environment = os.environ | {"LSLAPICFG": str(config)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    got = json.loads(done.stdout.splitlines()[-1])
    assert got["types"] == ["MoCap", "Markers"]
    assert got["channels"] == [["pelvis_tx", "Position", "meters"], ["knee_angle_r", "Angle", "radians"]]
    values, times = np.array([s[0] for s in got["samples"]]), np.array([s[1] for s in got["samples"]])
    np.testing.assert_array_equal(values[:, 0], values[:, 1])
    assert not np.isclose(values[:, 0] / 0.02 % 7, 0).any()  # lost: not passed on
    # as far apart as the captures were, but for the estimate of the clock, which only ever falls
    apart = np.diff(times) - np.diff(values[:, 0])
    assert np.abs(apart).max() < 0.02
    assert got["event"][0] == ["foot_strike right"]


def test_an_osc_server_gets_degrees_and_events(bridged: Any) -> None:
    heard: dict[str, list[Any]] = {}
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: heard.setdefault(address, []).append(values))
    with ThreadingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        bridged("--osc", f"127.0.0.1:{server.server_address[1]}", "--session", "s1")
        end = time.monotonic() + 20
        while "/streamfit/s1/0/event" not in heard and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.2)
        server.shutdown()
        thread.join()
    assert heard["/streamfit/s1/0/event"][0][:2] == ("foot_strike", "right")
    (t,), (knee,), (tx,) = (heard[f"/streamfit/s1/0/{name}"][0] for name in ("t", "knee_angle_r", "pelvis_tx"))
    assert knee == pytest.approx(np.degrees(t), rel=1e-6)
    assert tx == pytest.approx(t, rel=1e-6)
    assert ("tracking",) in heard["/streamfit/s1/0/state"]
    assert not [address for address in heard if not address.startswith("/streamfit/s1/0/")]


def test_a_bad_address_is_one_line(publisher: str) -> None:
    command = [sys.executable, str(TOOLS / "bridge.py"), "--publish", publisher, "--osc", "here"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "must be HOST:PORT" in done.stderr
    assert len(done.stderr.splitlines()) == 1
