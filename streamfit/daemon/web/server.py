"""The http socket: metrics, health and the live page."""

import json
from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from aiohttp import WSCloseCode, web

from streamfit.daemon.monitoring.metrics import CONTENT_TYPE, Metrics
from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.net.control import Control
from streamfit.daemon.sessions.registry import Sessions
from streamfit.daemon.web.page_feed import PageFeed
from streamfit.daemon.web.same_origin import SameOrigin
from streamfit.errors import InputError
from streamfit.model import Skeleton
from streamfit.model.camera import Rig
from streamfit.protocol.codec import finite
from streamfit.protocol.control import ControlError, Request

SHUTDOWN = 0.5  # s for requests that are still being answered
PING = 10.0  # s between two looks whether a page is still there
BUTTONS = ("calibrate", "record")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
POLICY = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'"


class HttpServer:
    """Serves GET requests and the page's buttons; `status()` gives what the page shows, `feed` what moves in it."""

    def __init__(
        self,
        health: Health,
        metrics: Metrics,
        status: Callable[[], dict[str, Any]],
        sessions: Callable[[], Sessions | None],
        control: Control,
        feed: PageFeed,
    ):
        self._health, self._metrics, self._status = health, metrics, status
        self._sessions, self._control, self._feed = sessions, control, feed
        self._files = dict(_page_files())
        self._ingest = ""
        application = web.Application(client_max_size=4096)
        application.router.add_get("/metrics", self._get_metrics)
        application.router.add_get("/healthz", self._get_health)
        application.router.add_get("/status.json", self._get_status)
        application.router.add_get("/live", self._get_live)
        application.router.add_get("/scene/{session}", self._get_scene)
        application.router.add_post("/control", self._post_control)
        application.router.add_get("/", self._get_page)
        application.router.add_get("/page/{file:.+}", self._get_file)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

    async def start(self, bind: str, ingest: str) -> str:
        """Listen on HOST:PORT; the address that is listened on. `ingest` is shown to who waits. Raises InputError."""
        host, _, port = bind.rpartition(":")
        self._visitors, self._ingest = SameOrigin(bind), ingest
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

    async def _get_status(self, request: web.Request) -> web.Response:
        self._visitors.look(request)
        return _json(self._status())

    async def _get_page(self, request: web.Request) -> web.Response:
        self._visitors.look(request)
        token = self._visitors.token if self._visitors.local else ""
        page = self._files["index.html"].replace("{{token}}", token).replace("{{ingest}}", escape(self._ingest))
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def _get_file(self, request: web.Request) -> web.Response:
        name = request.match_info["file"]
        if name not in self._files or name == "index.html":
            raise web.HTTPNotFound
        kind = TYPES[name[name.rindex(".") :]]
        return web.Response(text=self._files[name], content_type=kind, headers={"Cache-Control": "no-cache"})

    async def _get_scene(self, request: web.Request) -> web.Response:
        """What of a session does not move: its cameras, and which body hangs on which."""
        self._visitors.look(request)
        sessions = self._sessions()
        session = sessions.by_name.get(request.match_info["session"]) if sessions else None
        if session is None:
            raise web.HTTPNotFound
        return _json(scene(session.setup.rig, session.setup.skeleton))

    async def _get_live(self, request: web.Request) -> web.WebSocketResponse:
        """All that is published for eyes, as it comes: MessagePack, a message each."""
        self._visitors.look(request)
        socket = web.WebSocketResponse(heartbeat=PING, max_msg_size=1024, compress=False)
        await socket.prepare(request)
        with self._feed.page() as page:
            if page is None:
                await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too many pages are open")
                return socket
            sessions = self._sessions()
            for session in sessions.by_name.values() if sessions else ():
                for message in session.models.values():
                    page.put(message)
            try:
                async for message in page.messages():
                    await socket.send_bytes(message)
            except (ConnectionError, RuntimeError):  # it was closed meanwhile
                return socket
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow")
        return socket

    async def _post_control(self, request: web.Request) -> web.Response:
        """A button: `{operation, ...}` as the control socket takes it."""
        self._visitors.use(request)
        try:
            fields = await request.json()
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or fields.get("operation") not in BUTTONS:
            raise web.HTTPBadRequest(text=f"the page offers {' and '.join(BUTTONS)}\n")
        try:
            result = await self._control.perform(Request(fields["operation"], None, fields))
        except (ControlError, InputError) as error:
            return _json({"ok": False, "error": str(error)})
        return _json({"ok": True, "result": result})


def scene(rig: Rig, skeleton: Skeleton) -> dict[str, Any]:
    """A rig and a skeleton for drawing.

    `to_ground` (3 x 3) takes world vectors to a frame with y up; per camera its `centre` (3, world), `axes` (3 x 3:
    right, down, ahead; world) and `field` (half width and half height of the picture at 1 m); `bodies` and their
    `parents` (index, -1 for none).
    """
    turns = rig.lenses().rotation @ rig.to_ground
    return {
        "to_ground": rig.to_ground.tolist(),
        "cameras": [
            {
                "name": camera.name,
                "centre": camera.centre.tolist(),
                "axes": turn.tolist(),
                "field": camera.field.tolist(),
            }
            for camera, turn in zip(rig.cameras, turns, strict=True)
        ],
        "bodies": list(skeleton.bodies),
        "parents": (skeleton.model.body_parentid[1:] - 1).tolist(),
    }


def _page_files() -> Mapping[str, str]:
    """The page's files by their name below its folder."""
    folder = files("streamfit.daemon.web") / "page"
    found = {}
    for place, prefix in ((folder, ""), (folder / "vendor", "vendor/")):
        for entry in place.iterdir():
            if entry.name.endswith(tuple(TYPES)):
                found[prefix + entry.name] = entry.read_text(encoding="utf-8")
    return found


def _json(value: Any) -> web.Response:
    return web.Response(text=json.dumps(finite(value)), content_type="application/json")
