"""HTTP requests and answers for real, with either the broker or the consumer as the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Actor, Broker, Consumer, Site
from lab.formats import JSON, SERVER, BadRequest, HttpRequest, HttpResponse, Payloads
from lab.messages import Nack, Subscribe
from lab.strategies import Exchange

SUPERSEDED = HttpResponse(409, JSON, b'{"error":"a newer request took the place of this one"}')
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def client_session(keep_alive: bool) -> aiohttp.ClientSession:
    """Return a client that adds nothing to what it is told to send."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=not keep_alive, **settings.CONNECTOR),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=settings.SKIPPED_HEADERS,
        **settings.CLIENT,
    )


def head_bytes(message: Any) -> int:
    """Return the bytes of the head of a request that was received, or of a response."""
    if isinstance(message, web.Request):
        first = len(message.method) + len(message.raw_path) + 11
    else:
        first = 14 + len(message.reason or "")
    return first + 4 + sum(len(k) + len(v) + 4 for k, v in message.raw_headers)


@web.middleware
async def only_local(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page sends: a browser names its Origin, or another Host led it here."""
    host = request.headers.get("Host", "").rpartition(":")[0]
    if host not in (settings.LOOPBACK, "localhost") or "Origin" in request.headers:
        raise web.HTTPForbidden(text="only for local programs")
    return await handler(request)


class HttpServer:
    """An aiohttp server on loopback, for whatever routes are added to `app`."""

    def __init__(self, port: int = 0) -> None:
        self.app = web.Application(middlewares=[only_local], client_max_size=settings.MAX_BODY)
        self.runner: web.AppRunner | None = None
        self.port = port

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Have `handler` answer; a `BadRequest` is told as JSON."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except BadRequest as error:
                return web.json_response({"error": error.reason}, status=error.status)

        self.app.router.add_route(method, path, answer)

    async def listen(self) -> int:
        self.runner = web.AppRunner(self.app, **settings.SERVER)
        await self.runner.setup()
        site = web.TCPSite(self.runner, settings.LOOPBACK, self.port)
        await site.start()
        return int(self.runner.addresses[0][1])

    async def close(self) -> None:
        if self.runner:
            await self.runner.cleanup()


class Answering:
    """The serving end of an exchange: each request waits for its role's answer.

    `actor` is the broker, or stands for all consumers of a process through `actors`.
    """

    def __init__(
        self, site: Site, actors: dict[int, Any], wire: Exchange, server: HttpServer
    ) -> None:
        self.site = site
        self.actors = actors
        self.form = wire.format
        self.text = Payloads(site.messages.size.tolist())
        self.waiting: dict[Any, asyncio.Future[HttpResponse]] = {}
        for actor in actors.values():
            actor.send = self.send
        if wire.server == "broker":
            self.inbound, self.outbound = "bytes_back", "bytes_out"
            server.route("GET", "/records", self._serve)
            server.route("GET", "/head", self._serve)
        else:
            self.inbound, self.outbound = "bytes_out", "bytes_back"
            server.route("POST", "/messages", self._serve)
            server.route("PUT", "/messages/{id}", self._serve)

    def send(self, message: Any) -> None:
        if isinstance(message, Subscribe):
            return  # a webhook's subscription is part of the broker's set-up
        waiting = self.waiting.pop(_key(message), None)
        if waiting and not waiting.done():
            waiting.set_result(self.form.response(message, self.text))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        self.site.counters[self.inbound] += head_bytes(request) + len(body)
        asked = HttpRequest(request.method, request.path, request.query, request.headers, body)
        message: Any = self.form.parse_request(asked)
        self.site.check(message.consumer, getattr(message, "messages", ()))
        key = _key(message)
        before = self.waiting.get(key)
        if before and not before.done():
            before.set_result(SUPERSEDED)
        answer = self.waiting[key] = self.site.loop.create_future()
        self.actors[message.consumer].take(message)
        try:
            response = answer.result() if answer.done() else await answer
        finally:
            if self.waiting.get(key) is answer:
                del self.waiting[key]
        return web.Response(
            status=response.status,
            headers={**response.headers, "Server": SERVER},
            body=response.body or None,
        )


class Asking:
    """The asking end of an exchange: each message of the role is a request of its own."""

    def __init__(self, site: Site, actor: Actor, wire: Exchange) -> None:
        self.site = site
        self.actor = actor
        self.wire = wire
        self.text = Payloads(site.messages.size.tolist())
        self.session: aiohttp.ClientSession | None = None
        self.url = ""
        polls = wire.server == "broker"
        self.inbound = "bytes_out" if polls else "bytes_back"
        actor.send = self.send

    async def connect(self, port: int) -> None:
        self.session = client_session(self.wire.keep_alive)
        self.url = f"http://{settings.LOOPBACK}:{port}"

    def send(self, message: Any) -> None:
        if not isinstance(message, Subscribe):
            self.site.run(self._ask(message))

    async def _ask(self, asked: Any) -> None:
        assert self.session is not None
        form, actor = self.wire.format, self.actor
        assert isinstance(actor, Broker | Consumer)
        request = form.request(asked, self.text)
        self.site.counters["requests"] += 1
        try:
            async with self.session.request(
                request.method,
                self.url + request.target,
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
            ) as response:
                body = await response.read()
                self.site.counters[self.inbound] += head_bytes(response) + len(body)
                answer = HttpResponse(response.status, response.headers, body)
            message = form.parse_response(asked, answer)
        except (aiohttp.ClientError, ConnectionError, BadRequest):
            if self.session.closed or self.wire.server == "broker":
                raise
            message = Nack(asked.consumer, asked.offset, asked.attempt)
        actor.take(message)

    async def close(self) -> None:
        if self.session:
            await self.session.close()


def _key(message: Any) -> Any:
    """Return what an answer and its request have in common."""
    attempt = getattr(message, "attempt", 0)
    return message.consumer, attempt, attempt and message.offset


async def _body(request: web.Request) -> bytes:
    if request.content.is_eof():
        return await request.read()
    try:
        async with asyncio.timeout(settings.BODY_DEADLINE):
            return await request.read()
    except TimeoutError:
        raise BadRequest(408, f"no whole body in {settings.BODY_DEADLINE:g} s") from None
