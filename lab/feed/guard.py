"""Who may ask: the token, the Host, the Origin of a request.

A web page cannot use the server: a browser names the page's origin, or a host that is not ours, if
the page had its own name lead here.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
ALL_ADDRESSES = ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    """Say whether `host` is this machine for itself: localhost, or an address like 127.0.0.1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets requests pass that name this server as host, no other origin, and the token if there is one.

    A server on all addresses has no name of its own; there the token decides alone.
    """

    def __init__(self, host: str, token: str | None) -> None:
        self.names = (*LOCAL_NAMES, host, f"[{host}]")
        self.any_name = host in ALL_ADDRESSES
        self.token = token

    def middleware(self) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._check(request)
            return await handler(request)

        return check

    def _check(self, request: web.Request) -> None:
        host = request.headers.get("Host", "")
        name, _, port = host.rpartition(":")
        if not (port.isascii() and port.isdigit()):
            name = host
        if not (self.any_name or name.lower() in self.names):
            raise web.HTTPForbidden(text="Host: this server has another name\n")
        origin = request.headers.get("Origin")
        if origin not in (None, f"http://{host}", f"https://{host}"):
            raise web.HTTPForbidden(text="Origin: not for web pages of others\n")
        if self.token is None:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _same(given.strip(), self.token):
            raise web.HTTPUnauthorized(
                text="need Authorization: Bearer TOKEN\n", headers={"WWW-Authenticate": "Bearer"}
            )


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())
