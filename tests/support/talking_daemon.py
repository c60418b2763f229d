"""A daemon that only talks: real sockets, answers of a known kind, no fit."""

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zmq

from streamfit.transport.curve import ServerKeys, secure_server

TOOLS = Path(__file__).parents[2] / "tools"
CAMERAS, KEYPOINTS = '[cam_01]\nname = "cam_01"\n', 'name = "coco17"\n'
ALARM = "session s1: cam_01: silent for 4 s: check the camera"
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class TalkingDaemon:
    """Answers each instant of each session once; `skip` makes one `seq` in ten go missing."""

    answering: bool = True
    skip: bool = False
    telling: bool = True
    keys: ServerKeys | None = None
    received: list[dict[str, Any]] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    under_way: int = 0
    ingest: str = ""
    publish: str = ""
    control: str = ""

    def serve(self, context: zmq.Context[zmq.Socket[bytes]], stop: threading.Event) -> None:
        with (
            context.socket(zmq.PULL) as pull,
            context.socket(zmq.XPUB) as publisher,
            context.socket(zmq.ROUTER) as router,
        ):
            for name, socket in (("ingest", pull), ("publish", publisher), ("control", router)):
                secure_server(socket, "tcp://127.0.0.1", self.keys)
                port = socket.bind_to_random_port("tcp://127.0.0.1")
                setattr(self, name, f"tcp://127.0.0.1:{port}")
            self._talk(pull, publisher, router, stop)

    def _talk(
        self,
        pull: zmq.Socket[bytes],
        publisher: zmq.Socket[bytes],
        router: zmq.Socket[bytes],
        stop: threading.Event,
    ) -> None:
        started = spoke = time.monotonic()
        seq: dict[str, int] = {}
        answered: dict[str, float] = {}

        def send(topic: str, content: dict[str, Any]) -> None:
            seq[topic] = seq.get(topic, 0) + 1
            if not (self.skip and topic.startswith("kinematics/") and seq[topic] % 10 == 0):
                content = {"v": 1, "type": topic.split("/")[0], "seq": seq[topic], **content}
                publisher.send_multipart([topic.encode(), msgpack.packb(content)])

        poller = zmq.Poller()
        for socket in (pull, publisher, router):
            poller.register(socket, zmq.POLLIN)
        waiting: list[tuple[str, float]] = []
        while not stop.is_set():
            if time.monotonic() > spoke + 0.1:
                spoke = time.monotonic()
                status = {"state": "ready", "uptime": spoke - started, "alarms": [ALARM]}
                send("status", status | {"sessions": self._sessions()})
            ready = dict(poller.poll(10))
            if publisher in ready and publisher.recv() in (b"\x01", b"\x01model/"):
                model = {"coordinates": ["hip_flexion_r", "knee_angle_r"], "units": ["rad", "rad"]}
                send("model/s1/0", model)
            if router in ready:
                *way, request = router.recv_multipart()
                content = msgpack.unpackb(request)
                tomls = {"cameras": CAMERAS, "keypoints": KEYPOINTS, "subject": None}
                result = {"sessions": {m["session"]: tomls for m in self.received}} if self.telling else {}
                reply = {"v": 1, "type": content["type"], "id": content["id"], "ok": True, "result": result}
                router.send_multipart([*way, msgpack.packb(reply)])
            while pull.poll(0):
                self.payloads.append(pull.recv())
                self.arrivals.append(time.monotonic())
                message = msgpack.unpackb(self.payloads[-1])
                self.received.append(message)
                if message["type"] == "keypoints" and message["t"] > answered.get(message["session"], -1.0):
                    waiting.append((message["session"], message["t"]))
                    answered[message["session"]] = message["t"]
            self.under_way = max(self.under_way, len(waiting))
            if waiting and self.answering:  # one at a time, so that a sender that does not wait runs ahead
                session, t = waiting.pop(0)
                pose = {"q": [0.5, 1.0], "qd": [0.0, 0.0], "sd": [0.01, 0.02], "state": "tracking"}
                health = {"latency": 0.005, "rms_px": 4.5, "views": 2}
                send(f"kinematics/{session}/0", {"session": session, "person": "0", "t": t, **pose, **health})

    def _sessions(self) -> dict[str, Any]:
        camera = {"rate": 99.9, "dropped": 1, "late": 2, "rms_px": 3.3, "offset_t": 0.0015}
        return {"s1": {"cameras": {"cam_01": camera}, "fps": 100.0, "rejected": {"bad_array": 7}}}


def keypoints(t: float, cameras: tuple[str, ...] = ("cam_01", "cam_02"), session: str = "s1") -> bytes:
    views = [{"camera": name, "person": "0", "xyc": np.full((17, 3), 0.5).tolist()} for name in cameras]
    return msgpack.packb({"v": 1, "type": "keypoints", "session": session, "t": t, "views": views})
