"""Same-origin checks: who may use the live page, and who its buttons."""

import hmac
import secrets

from aiohttp import web

from streamfit.transport.endpoints import is_loopback

HEADER = "X-Streamfit-Token"


class SameOrigin:
    """The rules of one http address. `token` is new at each start, and is in the page itself."""

    def __init__(self, bind: str) -> None:
        self.local = is_loopback(bind.rpartition(":")[0])
        """Whether nobody from outside can come: only then there are buttons."""
        self.token = secrets.token_urlsafe(24)

    def look(self, request: web.Request) -> None:
        """Refuse (403) a page that is not ours: another origin's, or one that has taken our address for its name."""
        host = request.headers.get("Host", "")
        if self.local and not is_loopback(host.rpartition(":")[0] if host.count(":") == 1 or "]:" in host else host):
            raise web.HTTPForbidden(text="open this page by a loopback address, as http://127.0.0.1:PORT\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise web.HTTPForbidden(text="another page may not look in here\n")

    def use(self, request: web.Request) -> None:
        """Refuse (403) a button that was not pressed in our own page on this machine."""
        self.look(request)
        if not self.local:
            raise web.HTTPForbidden(text="the buttons work on the daemon's own machine only\n")
        if request.headers.get("Origin") is None:
            raise web.HTTPForbidden(text="a button is pressed in a browser\n")
        if not hmac.compare_digest(request.headers.get(HEADER, "").encode(), self.token.encode()):
            raise web.HTTPForbidden(text="the daemon was started anew: reload the page\n")
