"""A room as processes: a daemon, a detector for each camera, consumers, and one who watches what comes out."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tomli_w
import zmq

from streamfit.demo.processes import Addresses, free_addresses, process, wait_until_ready, write_config
from streamfit.protocol.codec import decode_map, encode
from streamfit.recording.mcap_file import SessionFile, read_session

HERE = Path(__file__).parent
READY, PATIENCE = 180.0, 15.0
"""s that a daemon may take to be ready, and that anything else is waited for."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """A `kinematics` message as it was received (s, monotonic)."""

    received: float
    t: float
    seq: int
    views: int
    state: str
    latency: float


class Watcher:
    """Hears all answers and the status, on a thread of its own."""

    def __init__(self, publish: str) -> None:
        self.answers: list[Answer] = []
        self.status: dict[str, Any] = {}
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hear, args=(publish,))
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, find: Callable[[], Result | None], patience: float = PATIENCE) -> Result | None:
        """What `find` finds when something new has come; None where it finds nothing in time."""
        end = time.monotonic() + patience
        with self._news:
            while (found := find()) is None and time.monotonic() < end:
                self._news.wait(end - time.monotonic())
        return found

    def first(self, after: float, wanted: Callable[[Answer], bool], patience: float = PATIENCE) -> Answer | None:
        """The first answer received after a time that is as wanted."""
        place = len(self.answers)
        while place and self.answers[place - 1].received > after:
            place -= 1

        def find() -> Answer | None:
            nonlocal place
            while place < len(self.answers):
                answer = self.answers[place]
                place += 1
                if answer.received > after and wanted(answer):
                    return answer
            return None

        return self.wait_for(find, patience)

    def between(self, begin: float, end: float) -> list[Answer]:
        """The answers received then."""
        return [answer for answer in self.answers if begin <= answer.received < end]

    def alarm(self, words: str, there: bool = True, patience: float = PATIENCE) -> bool:
        """Wait until an alarm that has these words is there, or is not; whether it is so."""

        def find() -> bool | None:
            return True if any(words in alarm for alarm in self.status.get("alarms", [])) == there else None

        return bool(self.wait_for(find, patience))

    def _hear(self, publish: str) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.set(zmq.LINGER, 0)
            for topic in ("kinematics/", "status"):
                socket.subscribe(topic)
            socket.connect(publish)
            while not self._stop.is_set():
                if socket.poll(50):
                    message = decode_map(socket.recv_multipart()[1])
                    with self._news:
                        self._take(message, time.monotonic())
                        self._news.notify_all()

    def _take(self, m: dict[str, Any], now: float) -> None:
        if m["type"] == "status":
            self.status = m
        else:
            self.answers.append(Answer(now, m["t"], m["seq"], m["views"], m["state"], m["latency"]))


class Helper:
    """A process of this folder that is told things on stdin, ends with it, and says lines on stdout."""

    def __init__(self, script: str, *arguments: str) -> None:
        self.heard: list[tuple[float, str]] = []
        command = [sys.executable, str(HERE / script), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def tell(self, **what: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, and gone."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End it, and wait for it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def first(self) -> float:
        """When a detector that was just started has sent its first message."""
        end = time.monotonic() + PATIENCE
        while not self.heard and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.002)
        assert self.heard, "a detector has sent nothing"
        return float(self.heard[0][1])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.heard.append((time.monotonic(), line))


class Room:
    """All of it. `detectors` by camera; `rate` Hz."""

    def __init__(self, recording: Path, folder: Path, rate: float, stack: ExitStack) -> None:
        self._recording, self._folder, self.rate, self._stack = recording, folder, rate, stack
        file = read_session(recording)
        self.addresses: Addresses = free_addresses()
        self.recordings = folder / "recordings"
        self.recordings.mkdir()
        self._config = write_config(folder, file, self.addresses)
        with self._config.open("a") as config:
            config.write(tomli_w.dumps({"record": {"directory": "recordings"}}))
        self.cameras = _cameras(file)
        self.daemon = self.start_daemon()
        self.watcher = Watcher(self.addresses.publish)
        stack.callback(self.watcher.close)
        self.consumer = Helper("consumer_process.py", self.addresses.publish)
        stack.callback(self.consumer.close)
        self.detectors: dict[str, Helper] = {}
        for camera in self.cameras:
            self.start_detector(camera)

    def start_daemon(self) -> "subprocess.Popen[bytes]":
        """A daemon that is ready."""
        log = self._folder / f"daemon-{time.monotonic_ns()}.log"
        self.daemon = self._stack.enter_context(process(["streamfit.cli.main", "serve", str(self._config)], log))
        wait_until_ready(self.daemon, self.addresses.http, log, READY)
        return self.daemon

    def start_detector(self, camera: str) -> Helper:
        """A detector, from now on the camera's."""
        arguments = (str(self._recording), camera, self.addresses.ingest, str(self.rate))
        self.detectors[camera] = detector = Helper("detector_process.py", *arguments)
        self._stack.callback(detector.close)
        return detector

    def usual(self, seconds: float = 1.0) -> tuple[int, float]:
        """How many views are used (median) and p99 of latency (s) over the next seconds."""
        begin = time.monotonic()
        time.sleep(seconds)
        answers = self.watcher.between(begin, time.monotonic())
        return (
            int(np.median([a.views for a in answers])),
            float(np.percentile([a.latency for a in answers], 99)),
        )

    def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        """The reply to a control request."""
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.set(zmq.LINGER, 0)
            socket.connect(self.addresses.control)
            socket.send(encode({"v": 1, "type": operation, "id": 1} | fields))
            assert socket.poll(int(1000 * PATIENCE)), f"no reply to {operation}"
            return decode_map(socket.recv())

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.addresses.http}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())


@contextmanager
def room(recording: Path, folder: Path, rate: float) -> Iterator[Room]:
    """A room in which everybody is at work and the person is tracked."""
    with ExitStack() as stack:
        made = Room(recording, folder, rate, stack)
        full = len(made.cameras)
        ready = made.watcher.first(0.0, lambda a: a.state == "tracking" and a.views >= full - 1, READY)
        assert ready is not None, "the person is never tracked"
        yield made


def _cameras(file: SessionFile) -> list[str]:
    message = next(iter(file.messages({"keypoints"})))
    return [str(view["camera"]) for view in decode_map(message.payload)["views"]]
