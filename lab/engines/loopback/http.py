"""HTTP requests and answers for real, with either the broker or the consumer as the server."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakSet

import aiohttp
from aiohttp import web

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Broker
from lab.engines.loopback.job import Links
from lab.engines.loopback.site import Site
from lab.engines.loopback.watch import Patience, Watch
from lab.engines.loopback.worker import Consumer
from lab.messages import Disconnected, Nack, Subscribe
from lab.strategies import Exchange
from lab.wire.formats import JSON, SERVER, BadRequest, HttpRequest, HttpResponse, Payloads
from lab.wire.group_format import PATHS, GroupFormat

SUPERSEDED = HttpResponse(409, JSON, b'{"error":"a newer request took the place of this one"}')
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Seen = WeakSet[socket.socket]


def client_session(keep_alive: bool, seen: Seen | None = None) -> aiohttp.ClientSession:
    """Return a client that adds nothing to what it is told to send, and sends it once.

    Its sockets are put into `seen`, if given.
    """
    factory = None if seen is None else _noting(seen)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            force_close=not keep_alive, socket_factory=factory, **settings.CONNECTOR
        ),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=settings.SKIPPED_HEADERS,
        **settings.CLIENT,
    )
    session._retry_connection = False  # there is no other way: it would repeat GET and PUT unasked
    return session


def _noting(seen: Seen) -> Callable[[Any], socket.socket]:
    def make(address: Any) -> socket.socket:
        made = socket.socket(*address[:3])
        seen.add(made)
        return made

    return make


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


class Reports(Protocol):
    """What is told of a fault of ours."""

    def report(self, error: BaseException | None) -> None: ...


class HttpServer:
    """An aiohttp server, on loopback by default, for whatever routes are added to `app`.

    A request reaches its handler if all `guards` let it pass. Who does not ask for anything for longer
    than its `patience`, by default `settings.HEAD_DEADLINE`, is cut off.
    """

    def __init__(
        self,
        site: Reports,
        port: int = 0,
        host: str = settings.LOOPBACK,
        guards: Sequence[Any] = (only_local,),
        max_body: int | None = None,
        options: Mapping[str, Any] = settings.SERVER,
        patience: Patience | None = None,
    ) -> None:
        self.site = site
        self.app = web.Application(
            middlewares=guards, client_max_size=max_body or settings.MAX_BODY
        )
        self.runner: web.AppRunner | None = None
        self.port = port
        self.host = host
        self.options = options
        usual = Patience(settings.HEAD_DEADLINE, settings.HEAD_DEADLINE)
        self.watch = Watch(patience or usual, self._connections)

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Have `handler` answer; a `BadRequest` is told as JSON."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.watch.heard.add(request.protocol)
            try:
                return await handler(request)
            except BadRequest as error:
                return web.json_response({"error": error.reason}, status=error.status)
            except web.HTTPException:
                raise
            except ConnectionError:
                return web.Response()  # the client is gone; nobody reads it
            except Exception as error:  # of a role: the client gets a 500, and the run fails
                self.site.report(error)
                raise

        self.app.router.add_route(method, path, answer)

    async def listen(self) -> int:
        self.runner = web.AppRunner(self.app, **self.options)
        await self.runner.setup()
        await settings.when_free(self._open)
        self.watch.start()
        return int(self.runner.addresses[0][1])

    def _connections(self) -> list[Any]:
        server = self.runner.server if self.runner else None
        return server.connections if server else []

    async def _open(self) -> None:
        assert self.runner is not None
        site = web.TCPSite(self.runner, self.host, self.port)
        try:
            await site.start()
        except OSError:
            await site.stop()
            raise

    def transports(self) -> list[Any]:
        """Return the open connections."""
        found = [each.transport for each in self._connections()]
        return [transport for transport in found if transport is not None]

    async def close(self) -> None:
        self.watch.stop()
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
        self.wire = wire
        self.server = server
        self.form = wire.format
        self.text = Payloads(site.messages.size.tolist())
        self.waiting: dict[Any, asyncio.Future[HttpResponse]] = {}
        for actor in actors.values():
            actor.send = self.send
        if wire.server == "broker":
            self.inbound, self.outbound = "bytes_back", "bytes_out"
            server.route("GET", "/records", self._serve)
            group = isinstance(wire.format, GroupFormat)
            for path in PATHS.values() if group else ("/head", "/offset"):
                server.route("POST" if group else "GET", path, self._serve)
        else:
            self.inbound, self.outbound = "bytes_out", "bytes_back"
            server.route("POST", "/messages", self._serve)
            server.route("PUT", "/messages/{id}", self._serve)

    def sockets(self) -> list[Any]:
        """Return the sockets of open connections."""
        return [each.get_extra_info("socket") for each in self.server.transports()]

    def send(self, message: Any) -> None:
        if isinstance(message, Subscribe):
            return  # a webhook's subscription is part of the broker's set-up
        waiting = self.waiting.pop(_key(message), None)
        if waiting and not waiting.done():
            waiting.set_result(self.form.response(message, self.text))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.site.met(request.get_extra_info("peername"))
        body = await body_of(request)
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
        except asyncio.CancelledError:
            if self.wire.server == "broker" and self.waiting.get(key) is answer:
                self.actors[message.consumer].handle(Disconnected(message.consumer))
            raise
        finally:
            if self.waiting.get(key) is answer:
                del self.waiting[key]
        return web.Response(
            status=response.status,
            headers={**response.headers, "Server": SERVER},
            body=response.body or None,
        )


class Asking:
    """The asking end of an exchange: each message of the role is a request of its own.

    `ports` are those of the servers, by consumer. One that polls asks one thing at a time: a new
    request takes the place of one that has no answer.
    """

    def __init__(self, site: Site, actor: Broker | Consumer, wire: Exchange) -> None:
        self.site = site
        self.actor = actor
        self.wire = wire
        self.polls = wire.server == "broker"
        self.text = Payloads(site.messages.size.tolist())
        self.session: aiohttp.ClientSession | None = None
        self.seen: Seen = WeakSet()  # sockets, where they are sampled
        self.ports: dict[int, int] = {}
        self.asking: asyncio.Task[None] | None = None
        self.inbound = "bytes_out" if self.polls else "bytes_back"
        actor.send = self.send

    def aim(self, links: Links) -> None:
        """Learn where the servers are."""
        self.ports = {
            consumer: port for (link, consumer), port in links.items() if link != "ingest"
        }

    async def connect(self) -> None:
        """Make ready to ask; connections are opened by requests."""
        sampled = self.site.trouble is not None and self.site.trouble.sample
        self.session = client_session(self.wire.keep_alive, self.seen if sampled else None)

    def sockets(self) -> list[socket.socket]:
        """Return the sockets of open connections, if they are sampled."""
        return [each for each in self.seen if each.fileno() >= 0]

    def send(self, message: Any) -> None:
        if isinstance(message, Subscribe) or self.site.closed:
            return  # a stream's message, or a timer's that went off at the very end
        if self.asking is not None:
            self.asking.cancel()
        task = self.site.run(self._ask(message))
        if self.polls:
            self.asking = task

    async def _ask(self, asked: Any) -> None:
        try:
            message = await self._answer(asked)
        except (aiohttp.ClientError, OSError, BadRequest) as error:
            if not self.polls:
                which = asked.consumer, asked.offset, asked.attempt
                message = Nack(*which, epoch=asked.epoch)
            elif isinstance(error, BadRequest):
                raise
            else:
                message = Disconnected(asked.consumer)
        self.asking = None
        if isinstance(message, Disconnected):
            self.actor.handle(message)
        else:
            self.actor.take(message)

    async def _answer(self, asked: Any) -> Any:
        if self.session is None:
            await self.connect()
        assert self.session is not None
        request = self.wire.format.request(asked, self.text)
        self.site.counters["requests"] += 1
        async with self.session.request(
            request.method,
            f"http://{settings.LOOPBACK}:{self.ports[asked.consumer]}{request.target}",
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            body = await response.read()
            self.site.counters[self.inbound] += head_bytes(response) + len(body)
            answer = HttpResponse(response.status, response.headers, body)
        return self.wire.format.parse_response(asked, answer)

    async def close(self) -> None:
        if self.session:
            await self.session.close()


def _key(message: Any) -> Any:
    """Return what an answer and its request have in common."""
    attempt = getattr(message, "attempt", 0)
    return (message.consumer, attempt, *((message.offset, message.epoch) if attempt else ()))


async def body_of(request: web.Request) -> bytes:
    """Return the body of a request, which must come within `settings.BODY_DEADLINE`."""
    announced = request.content_length or 0
    if announced > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, announced)
    if request.content.is_eof():
        return await request.read()
    try:
        async with asyncio.timeout(settings.BODY_DEADLINE):
            return await request.read()
    except TimeoutError:
        raise BadRequest(408, f"no whole body in {settings.BODY_DEADLINE:g} s") from None
