"""`pushpull serve`: the endpoints of all ways of delivering, on one port, over one log.

docs/serve.md describes paths and messages.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiohttp import web

from lab.engines.loopback.http import HttpServer, body_of
from lab.engines.loopback.watch import Patience
from lab.feed import limits
from lab.feed.answers import json_response, response_of
from lab.feed.board import KEEP, Board, Place
from lab.feed.formats import NotHere
from lab.feed.group import Group
from lab.feed.group import routes as group_routes
from lab.feed.guard import Guard
from lab.feed.streams import Streams
from lab.feed.ticks import SYMBOLS, ticks
from lab.feed.webhooks import Webhooks
from lab.messages import Check, Fetch
from lab.roles import Retention
from lab.wire.formats import BadRequest, HttpRequest, HttpResponse, parse_json

KEY = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True)
class Source:
    """A tick source: `rate` ticks a second of these symbols, drawn from `seed`."""

    rate: float = 100.0
    symbols: Sequence[str] = SYMBOLS
    seed: int = 1


@dataclass(frozen=True)
class Settings:
    """What a server is started with; `allowed` are hosts that webhooks may lead to."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    name: str = "ticks"
    keep: Retention = KEEP
    allowed: Sequence[str] = ()
    source: Source | None = None


class FeedServer:
    """One running server; `url` says where."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.place = Place()
        self.board = Board(self.place, settings.name, settings.keep)
        self.streams = Streams(self.board)
        self.group = Group(self.board, settings.keep)
        self.hooks = Webhooks(self.board, settings.allowed)
        self.server = HttpServer(
            self.place,
            settings.port,
            settings.host,
            [Guard(settings.host, settings.token).middleware()],
            limits.BODY,
            limits.HTTP,
            Patience(limits.FIRST_REQUEST, limits.LOOK, limits.CONNECTIONS),
        )
        self.port = 0
        self._add_routes()

    def _add_routes(self) -> None:
        for method, path, handler in (
            ("GET", "/", self._describe),
            ("GET", "/records", self._records),
            ("GET", "/head", self._head),
            ("POST", "/messages", self._post),
            ("PUT", "/messages/{key}", self._put),
            ("GET", "/stream", self.streams.websocket),
            ("GET", "/events", self.streams.events),
            ("GET", "/webhooks", self._list_hooks),
            ("POST", "/webhooks", self._add_hook),
            ("PUT", "/webhooks/{name}", self._add_hook),
            ("GET", "/webhooks/{name}", self._show_hook),
            ("DELETE", "/webhooks/{name}", self._remove_hook),
            *group_routes(self.group),
        ):
            self.server.route(method, path, handler)

    async def start(self) -> None:
        self.port = self.hooks.port = await self.server.listen()
        if self.settings.source:
            self.place.run(publish_ticks(self.board, self.settings.source))

    async def close(self) -> None:
        await self.hooks.close()
        await self.place.close()
        await self.server.close()

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        return json_response(self.board.described(), headers={"Cache-Control": "no-store"})

    async def _records(self, request: web.Request) -> web.StreamResponse:
        """Answer a short poll at once, or a long one when there is enough."""
        query = dict(request.query)
        try:
            offset = self.board.resolve(query.get("offset", "earliest"), query.get("epoch"))
        except NotHere as error:
            return response_of(error.response())
        query |= {"offset": str(offset), "epoch": str(self.board.log.epoch), "consumer": "0"}
        asked = HttpRequest(request.method, request.path, query, request.headers)
        fetch = self.board.format.parse_request(asked)
        assert isinstance(fetch, Fetch)
        if fetch.max_wait > limits.HELD:
            raise BadRequest(400, f"max_wait: need seconds from 0 to {limits.HELD:g}")
        most = min(fetch.max_records, limits.RECORDS)
        fetch = fetch._replace(max_records=most, min_records=min(fetch.min_records, most))
        answer = await self.board.ask(lambda slot: fetch._replace(consumer=slot))
        if not fetch.max_wait and "ETag" in answer.headers:
            answer = _conditional(request, answer)
        return response_of(answer)

    async def _head(self, request: web.Request) -> web.StreamResponse:
        asked = HttpRequest(request.method, request.path, {}, request.headers)
        check = self.board.format.parse_request(asked)
        assert isinstance(check, Check)
        return response_of(await self.board.ask(lambda slot: check._replace(consumer=slot)))

    async def _post(self, request: web.Request) -> web.StreamResponse:
        """Publish a message, or the messages of an array."""
        body = _json(await body_of(request))
        bodies = body if isinstance(body, list) else [body]
        offset = self.board.publish(bodies)
        return json_response({"offset": offset, "count": len(bodies)}, status=201)

    async def _put(self, request: web.Request) -> web.StreamResponse:
        """Publish one message under a key, once."""
        key = request.match_info["key"]
        if not KEY.fullmatch(key):
            raise BadRequest(400, "key: need 1 to 128 visible ASCII characters")
        offset, new = self.board.publish_once(key, _json(await body_of(request)))
        return json_response({"offset": offset, "count": 1}, status=201 if new else 200)

    async def _list_hooks(self, request: web.Request) -> web.StreamResponse:
        return json_response({"webhooks": [h.described() for h in self.hooks.hooks.values()]})

    async def _add_hook(self, request: web.Request) -> web.StreamResponse:
        asked = parse_json(await body_of(request))
        hook, new = await self.hooks.register(request.match_info.get("name"), asked)
        told = {} if "secret" in asked else {"secret": hook.target.secret}
        return json_response(hook.described() | told, status=201 if new else 200)

    async def _show_hook(self, request: web.Request) -> web.StreamResponse:
        return json_response(self.hooks.find(request.match_info["name"]).described())

    async def _remove_hook(self, request: web.Request) -> web.StreamResponse:
        await self.hooks.remove(request.match_info["name"])
        return web.Response(status=204)


async def publish_ticks(board: Board, source: Source) -> None:
    """Publish ticks for ever, each when it is due; those that are overdue together."""
    begun, start = time.time(), board.place.now()
    rng = np.random.default_rng(source.seed)
    for tick in ticks(rng, source.symbols, source.rate, begun):
        due = start + tick.time - begun
        while (wait := due - board.place.now()) > 0:
            await asyncio.sleep(wait)
        board.publish([tick._asdict()])
        if wait < -0.01:
            await asyncio.sleep(0)  # it is late: others must have their turn all the same


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[FeedServer]:
    """Run a server for as long as the context lasts."""
    server = FeedServer(settings)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


def _conditional(request: web.Request, answer: HttpResponse) -> HttpResponse:
    """Return the answer to a short poll: 304 if the client has it already."""
    tag = answer.headers["ETag"]
    headers = {**answer.headers, "Cache-Control": "no-cache"}
    if tag in (each.strip() for each in request.headers.get("If-None-Match", "").split(",")):
        return HttpResponse(304, {"ETag": tag, "Cache-Control": "no-cache"})
    return answer._replace(headers=headers)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest(400, "not JSON") from None
