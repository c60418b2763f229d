"""The http socket: metrics, health and the live page."""

import json
import math
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from aiohttp import web

from streamfit.daemon.metrics import CONTENT_TYPE, Metrics
from streamfit.daemon.status import Health
from streamfit.errors import InputError

SHUTDOWN = 0.5  # s for requests that are still being answered


class HttpServer:
    """Serves GET requests; `status()` gives what the page shows."""

    def __init__(self, health: Health, metrics: Metrics, status: Callable[[], dict[str, Any]]):
        self._health, self._metrics, self._status = health, metrics, status
        self._page = (files("streamfit.daemon") / "page.html").read_text(encoding="utf-8")
        application = web.Application()
        application.router.add_get("/metrics", self._get_metrics)
        application.router.add_get("/healthz", self._get_health)
        application.router.add_get("/status.json", self._get_status)
        application.router.add_get("/", self._get_page)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

    async def start(self, bind: str) -> str:
        """Listen on HOST:PORT; the address that is listened on. Raises InputError."""
        host, _, port = bind.rpartition(":")
        await self._runner.setup()
        site = web.TCPSite(self._runner, host.strip("[]"), int(port), shutdown_timeout=SHUTDOWN)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"[http] bind = {bind!r} cannot be used: {reason}; choose another") from None
        address = self._runner.addresses[0]
        return f"http://{address[0]}:{address[1]}"

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _get_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=await self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _get_health(self, _: web.Request) -> web.Response:
        return web.Response(text=self._health.state + "\n", status=200 if self._health.state == "ready" else 503)

    async def _get_status(self, _: web.Request) -> web.Response:
        return web.Response(text=json.dumps(_finite(self._status())), content_type="application/json")

    async def _get_page(self, _: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")


def _finite(value: Any) -> Any:
    """`value` without what JSON cannot say."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
