"""A daemon as a process, and a detector and a consumer to talk to it."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import msgpack
import zmq
from fake_daemon import run_fake
from forked import Forked

from streamfit.protocol.codec import encode

CONFIGS = Path(__file__).parents[2] / "configs"
REAL = [sys.executable, "-m", "streamfit.cli.main", "serve"]
Command = list[str] | Callable[[Path], int]
"""How a daemon is started: a command line, or a function that a forked process calls."""
FAKE: Command = run_fake
PATIENCE = 60.0  # s; nothing here takes that long unless it is broken
COMPILING = 400.0  # s; a daemon's start where nothing is compiled yet, beside other tests


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """What `condition` answers once it is true."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


async def until(condition: Callable[[], object], between: Callable[[], object] = lambda: None) -> None:
    """Wait on an event loop, doing something `between` looks."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            between()
            await asyncio.sleep(0.002)


def config_text(keypoints: str = "coco17", more: str = "", **binds: str) -> str:
    """A configuration with ports that the system chooses."""
    bind = {name: "tcp://127.0.0.1:*" for name in ("ingest", "publish", "control")}
    bind |= {"http": "127.0.0.1:0"} | binds
    tables = "".join(f'[{name}]\nbind = "{address}"\n' for name, address in bind.items())
    return f'{tables}[session]\ncameras = "{CONFIGS}/cameras.toml"\nkeypoints = "{keypoints}"\n{more}'


def assert_went_on(sent: list[float], answers: list[dict[str, Any]], skipped: int) -> None:
    """Each instant was answered in its turn, or counted as skipped where the machine itself stood still."""
    numbers = [answer["seq"] for answer in answers]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "published, but not heard"
    answered = [answer["t"] for answer in answers]
    assert answered == sorted(set(answered) & set(sent))
    missing = [t for t in sent if t not in set(answered)]
    assert len(missing) == skipped, missing
    assert len(answered) > len(sent) / 3


class DaemonProcess:
    """Starts at once; `log` is what it says on stderr."""

    def __init__(self, config: Path, command: Command = FAKE, **environment: str) -> None:
        self.log: list[str] = []
        self.endpoints: dict[str, str] = {}
        environment = os.environ | {"XDG_STATE_HOME": str(config.parent / "state")} | environment
        self.process: Forked | subprocess.Popen[str]
        if isinstance(command, list):
            self.process = subprocess.Popen(
                [*command, str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
            )
        else:
            self.process = Forked(command, (config,), environment)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())
            if "starting: " in line:
                self.endpoints = dict(re.findall(r"(\w+) (\w+://[^,\s]+)", line))

    def wait_bound(self) -> Self:
        wait_until(lambda: self.endpoints or self.process.poll() is not None, "the sockets")
        assert self.endpoints, self.log
        return self

    def wait_ready(self) -> Self:
        self.wait_bound()
        wait_until(lambda: self.health() == 200 or self.process.poll() is not None, "readiness", COMPILING)
        assert self.process.poll() is None, self.log
        return self

    def health(self) -> int:
        return self.get("/healthz")[0]

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.endpoints["http"] + path, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The sum over all labels."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}[{{ ]", line))

    def wait_end(self, patience: float = PATIENCE) -> int:
        code = self.process.wait(patience)
        self._reader.join()
        return code

    def stop(self) -> int:
        """End it as systemd does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait_end(10)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.wait_end()
            assert self.process.stdout is not None
            self.process.stdout.close()


@contextlib.contextmanager
def daemon(folder: Path, text: str, command: Command = FAKE, **environment: str) -> Iterator[DaemonProcess]:
    """A daemon that is ready, stopped at the end."""
    config = folder / "daemon.toml"
    config.write_text(text)
    process = DaemonProcess(config, command, **environment)
    try:
        yield process.wait_ready()
    finally:
        process.stop()


class Starter:
    """Starts daemons in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, list[DaemonProcess]()

    def __call__(self, text: str, command: Command = FAKE, **environment: str) -> DaemonProcess:
        config = self.folder / "daemon.toml"
        config.write_text(text)
        process = DaemonProcess(config, command, **environment)
        self.processes.append(process)
        return process


class Client:
    """Sockets of one detector, consumer and controller; `secure` is called with each before it connects."""

    def __init__(
        self, endpoints: dict[str, str], topics: tuple[str, ...] = ("",), secure: Callable[[Any], None] | None = None
    ) -> None:
        self.context = zmq.Context()
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._requests = self._seen = 0
        self._sockets = {}
        for name, kind in (("ingest", zmq.PUSH), ("publish", zmq.SUB), ("control", zmq.DEALER)):
            socket = self.context.socket(kind)
            socket.linger = 0
            socket.rcvhwm = 0  # a test may be long about something else: all that was published is heard
            if secure is not None:
                secure(socket)
            socket.connect(endpoints[name])
            self._sockets[name] = socket
        self.push, self.sub, self.dealer = self._sockets.values()
        for topic in topics:
            self.sub.subscribe(topic)

    def __enter__(self) -> Self:
        self.wait_for("status")
        return self

    def __exit__(self, *_: object) -> None:
        for socket in self._sockets.values():
            socket.close(linger=0)
        self.context.term()

    def send(self, **fields: Any) -> None:
        self.push.send(encode({"v": 1} | fields))

    def keypoints(self, session: str, t: float, views: list[dict[str, Any]], **more: Any) -> None:
        self.send(type="keypoints", session=session, t=t, views=views, **more)

    def listen(self, seconds: float = 0.0) -> list[tuple[str, dict[str, Any]]]:
        """Hear for at least so long; everything heard so far."""
        end = time.monotonic() + seconds
        while self.sub.poll(max(0, int(1000 * (end - time.monotonic())))):
            topic, payload = self.sub.recv_multipart()
            self.heard.append((topic.decode(), msgpack.unpackb(payload)))
        return self.heard

    def wait_for(
        self, prefix: str, suits: Callable[[dict[str, Any]], bool] = lambda message: True, **wanted: Any
    ) -> dict[str, Any]:
        """The first message after the last one waited for whose topic begins so, that suits and has these values."""

        def find() -> dict[str, Any] | None:
            if self._seen == len(self.heard):
                self.listen(0.02)
            while self._seen < len(self.heard):
                topic, payload = self.heard[self._seen]
                self._seen += 1
                if topic.startswith(prefix) and suits(payload) and all(payload.get(k) == v for k, v in wanted.items()):
                    return payload
            return None

        return wait_until(find, f"{prefix} {wanted}")

    def forget(self) -> None:
        """Drop what was heard."""
        self.listen()
        self.heard.clear()
        self._seen = 0

    def payloads(self, prefix: str) -> list[dict[str, Any]]:
        return [payload for topic, payload in self.heard if topic.startswith(prefix)]

    def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        """The reply to a control request."""
        self._requests += 1
        self.dealer.send(encode({"v": 1, "type": operation, "id": self._requests} | fields))
        return self.reply(self._requests)

    def reply(self, identifier: Any = None) -> dict[str, Any]:
        assert self.dealer.poll(PATIENCE * 1000), "no reply"
        reply = msgpack.unpackb(self.dealer.recv())
        assert reply["id"] == identifier
        return reply

    def status(self) -> dict[str, Any]:
        return self.ask("status")["result"]

    def rejected(self, session: str | None = None) -> dict[str, int]:
        status = self.status()
        return (status if session is None else status["sessions"][session])["rejected"]
