"""The daemon: its sockets, its solver thread, and its life from start to stop."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from streamfit.daemon.config import Config, load_config
from streamfit.daemon.logs import set_up_logs
from streamfit.daemon.monitoring.alarms import Alarms
from streamfit.daemon.monitoring.loop_lag import LoopLag
from streamfit.daemon.monitoring.metrics import Metrics
from streamfit.daemon.monitoring.status import Health, changes, keep_telling, status
from streamfit.daemon.net.control import Control
from streamfit.daemon.net.ingest import Ingest
from streamfit.daemon.net.publisher import Publisher
from streamfit.daemon.net.sockets import Sockets
from streamfit.daemon.net.subscribers import Subscribers
from streamfit.daemon.reload import reload_on
from streamfit.daemon.scheduling.background_compile import prepare
from streamfit.daemon.scheduling.solver import Solver
from streamfit.daemon.sessions.checkpoint import Checkpoint
from streamfit.daemon.sessions.load_setup import load_setup
from streamfit.daemon.sessions.recalibration import Recalibration
from streamfit.daemon.sessions.recording import record_settings
from streamfit.daemon.sessions.registry import Sessions
from streamfit.daemon.sessions.session import Session
from streamfit.daemon.systemd import notify, watchdog_interval
from streamfit.daemon.web.page_feed import PageFeed
from streamfit.daemon.web.server import HttpServer
from streamfit.engine.answers import Answer
from streamfit.engine.compile_queue import on_compilation
from streamfit.engine.engine import Engine, IngestSettings
from streamfit.engine.setup import Setup
from streamfit.errors import InputError
from streamfit.estimation.live_solver import SolverFactory
from streamfit.estimation.solvers import SOLVERS
from streamfit.protocol.control import ControlError

log = logging.getLogger(__name__)
DRAIN = 3.5  # s for what is left to be answered and written at the end
LEAVE = 4.5  # s after which the process ends whatever still holds it
SWITCH = 0.0001  # s that Python code of one thread may keep the other from running


def run(config_path: Path | str, log_json: bool = False) -> int:
    """Run the daemon of a configuration file until it is told to stop; the exit code."""
    set_up_logs(log_json)
    sys.setswitchinterval(SWITCH)
    try:
        asyncio.run(serve(load_config(config_path)))
    except InputError as error:
        print(f"streamfit: {error}", file=sys.stderr)
        return 2
    return 0


async def serve(config: Config, solver: SolverFactory | None = None) -> None:
    """The daemon, until SIGTERM, SIGINT or a `shutdown` request. Raises InputError."""
    daemon = Daemon(config, solver)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, daemon.shut_down)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, daemon.hangup.set)
    leaving = asyncio.create_task(_leave_in_time(daemon.stopping))
    await daemon.run()
    leaving.cancel()
    if daemon.solver.busy:  # a compilation cannot be interrupted, and nobody waits for it any more
        _leave()


class Daemon:
    """One daemon. `endpoints` says where it listens once `run` has bound its sockets."""

    def __init__(self, config: Config, solver: SolverFactory | None = None):
        self.config = config
        self.health = Health()
        self.stopping = asyncio.Event()
        self.hangup = asyncio.Event()
        self.endpoints: dict[str, str] = {}
        self.sessions: Sessions | None = None
        self.solver = Solver(lambda: self.sessions.all() if self.sessions else [], self._publish)
        self._pulse = LoopLag()
        self._alarms = Alarms(self.health, lambda: self.sessions, self.solver, self._pulse)
        self._recalibration = Recalibration(self.solver.call)
        self._live_solver = solver or SOLVERS[config.fit.solver]
        self._keys = config.server_keys()
        self._recording = record_settings(config)

    async def run(self) -> None:
        """Bind, warm up, serve until told to stop, and drain. Raises InputError."""
        stop_counting = on_compilation(self._count_compilation)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(stop_counting)
            stack.callback(self.solver.close)
            self._sockets = Sockets(self.config, self._keys)
            stack.callback(self._sockets.close)
            authenticator = self._sockets.authenticator
            self._consumers = Subscribers(authenticator)
            self._keeper = await asyncio.to_thread(Checkpoint, self.config, self.health)
            stack.callback(self._keeper.close)
            feed = PageFeed()
            self._publisher = Publisher(self._sockets.publish, self._consumers, feed, self._keeper.sequence)
            control = Control(self._sockets.control, self, authenticator)
            metrics = Metrics(self.health, lambda: self.sessions, self._alarms, self._pulse, control)
            server = HttpServer(self.health, metrics, self.status, lambda: self.sessions, control, feed)
            stack.push_async_callback(server.stop)
            http = await server.start(self.config.http.bind, self._sockets.endpoints["ingest"])
            self.endpoints = self._sockets.endpoints | {"http": http}
            log.info("starting: %s", ", ".join(f"{name} {where}" for name, where in self.endpoints.items()))
            tasks = [
                asyncio.create_task(service)
                for service in (
                    Ingest(self._sockets.ingest, self.health, authenticator, lambda: self.sessions).run(),
                    control.run(),
                    authenticator.run(),
                    self.solver.run(),
                    self._publisher.serve_subscriptions(),
                    keep_telling(self._seen, lambda: self._publisher.send("status", self.status())),
                    self._pulse.run(self._alarms.look),
                    self._start(),
                )
            ]
            stack.callback(lambda: [task.cancel() for task in tasks])
            await self._serve(tasks)
            self.health.state = "stopping"
            notify("STOPPING=1")
            log.info("stopping")
            tasks[0].cancel()
            await self._recalibration.stop()
            await self._drain()
            await self._keeper.finish()

    def status(self) -> dict[str, Any]:
        """What the status topic says, but for `seq`."""
        authenticator = self._sockets.authenticator
        peers = {
            "peers": authenticator.status(),
            "refused": authenticator.refused,
            "consumers": self._consumers.status(),
        }
        return {**status(self.health, self.sessions, self._alarms.texts), **peers}

    def calibrate(self, session: Session, seconds: float) -> float:
        """Begin to fit a session's last seconds; how many there are. Raises ControlError."""
        return self._recalibration.start(session, seconds)

    def shut_down(self) -> None:
        """Begin to stop."""
        self.stopping.set()

    async def reload(self) -> None:
        """Read the configuration again, for sessions opened from now on. Raises InputError, ControlError."""
        assert self.sessions is not None
        config = await asyncio.to_thread(load_config, self.config.source)
        for table in ("ingest", "publish", "control", "http"):
            if getattr(config, table).bind != getattr(self.config, table).bind:
                raise ControlError("refused", f"[{table}] bind has changed: restart the daemon for that")
        if config.fit.solver != self.config.fit.solver:
            raise ControlError("refused", "[fit] solver has changed: restart the daemon for that")
        for name in ("security", "state"):
            if getattr(config, name) != getattr(self.config, name):
                raise ControlError("refused", f"[{name}] has changed: restart the daemon for that")
        same_skeleton = config.session.skeleton == self.config.session.skeleton
        skeleton = self.sessions.setup.skeleton if same_skeleton else None
        setup = await asyncio.to_thread(load_setup, config, skeleton)
        if not (setup.compiles_like(self.sessions.setup) and config.fit.lag == self.sessions.lag):
            await prepare(self._engine(config, setup), others=lambda: bool(self.sessions and self.sessions.by_name))
        self.sessions.recording = await asyncio.to_thread(record_settings, config)
        self.sessions.setup, self.sessions.lag = setup, config.fit.lag
        self.sessions.ingest = IngestSettings(config.ingest.sync, config.ingest.wait)
        self._sockets.reload_clients()
        self.config = config

    async def _start(self) -> None:
        """Read and compile all that the configured session needs; then messages are taken."""
        setup = await asyncio.to_thread(load_setup, self.config)
        await self.solver.call(self._engine(self.config, setup).prepare)
        await self.solver.call(_freeze)
        sessions = Sessions(
            setup,
            IngestSettings(self.config.ingest.sync, self.config.ingest.wait),
            self.config.fit.lag,
            self._recording,
            self._live_solver,
            self.solver.wake,
            self._publisher.forget,
        )
        await self._keeper.resume(sessions)
        self.sessions = sessions
        self.health.state = "ready"
        log.info("ready after %.1f s", time.monotonic() - self.health.started)
        notify("READY=1")
        await asyncio.gather(
            self._feed_watchdog(),
            self._keeper.run(sessions, self._publisher.bound),
            reload_on(self.hangup, self.reload, self.health),
        )

    async def _serve(self, tasks: list[asyncio.Task[None]]) -> None:
        """Until told to stop; raises what a task that must not end has ended with."""
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in tasks:
            if task.done():
                task.result()

    async def _drain(self) -> None:
        if self.sessions is None:
            return
        try:
            async with asyncio.timeout(DRAIN):
                await self.sessions.close_all()
        except TimeoutError:
            log.warning("not everything could be answered or written in time")

    def _seen(self) -> tuple[object, ...]:
        """What makes a status worth sending at once when it is another than before."""
        return changes(self.health, self.sessions), self._alarms.keys

    async def _feed_watchdog(self) -> None:
        interval = watchdog_interval()
        while interval is not None:
            await self.solver.call(lambda: None)  # not before the thread that does the work has a moment
            notify("WATCHDOG=1")
            await asyncio.sleep(interval / 2)
        await asyncio.Event().wait()

    def _publish(self, session: Session, answer: Answer) -> None:
        now = time.monotonic()
        session.note(answer, self._publisher.send(answer.topic, answer.message(now)), now)

    def _engine(self, config: Config, setup: Setup) -> Engine:
        return Engine("warm-up", setup, lag=config.fit.lag, solver=self._live_solver)

    def _count_compilation(self) -> None:
        if self.health.state == "ready":
            self.health.compilations += 1
            self.health.late_compilations += self.solver.is_mine()


def _freeze() -> None:
    """Collect what the preparations have left; what is there now stays: no collection need look at it again.

    On the thread that prepared: before its next call it may hold the last one's engine.
    """
    gc.collect()
    gc.freeze()


async def _leave_in_time(stopping: asyncio.Event) -> None:
    """End the process some time after `stopping`, even if something holds it then."""
    await stopping.wait()
    timer = threading.Timer(LEAVE, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    sys.stderr.flush()
    os._exit(0)
