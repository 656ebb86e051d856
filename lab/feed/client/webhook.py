"""A client that is POSTed to: it runs the target of a webhook, and registers it at its cursor.

A delivery counts if its signature is right, its time is near and its id is new. The answer is given
when `on_event` has had it: what a sink still holds back then, a client that was killed gets again,
because it registers again at the cursor that was saved with the rows.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from typing import Any

import aiohttp
from aiohttp import web

from lab.engines.loopback.http import HttpServer, body_of
from lab.feed import limits
from lab.feed.client.events import FeedError, delivery_of
from lab.feed.client.transports import ANSWER, Listener, refused
from lab.feed.signature import BadSignature, secret_of, verify
from lab.wire.formats import BadRequest, parse_json

LOOK = 2.0  # seconds between looks whether the server still has the webhook
IDS = 10_000  # of deliveries, remembered
LIMIT = aiohttp.ClientTimeout(total=ANSWER)


class Endpoint:
    """The target: an HTTP server of the client's own, on any free port of 127.0.0.1."""

    def __init__(self, client: Listener) -> None:
        self.client = client
        self.secret = secret_of(secrets.token_bytes(32))
        self.ids: OrderedDict[str, None] = OrderedDict()
        self.lock = asyncio.Lock()
        self.taking: set[asyncio.Future[None]] = set()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.server = HttpServer(self, max_body=2 * limits.ANSWER)
        self.server.route("POST", "/hook", self._take)

    def report(self, error: BaseException | None) -> None:
        """End this connection with an error."""
        if error and not self.ended.done():
            self.ended.set_exception(error)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await body_of(request)
        try:
            message_id = verify(self.secret, request.headers, body, time.time())
        except BadSignature as error:
            return web.json_response({"error": str(error)}, status=401)
        taking = asyncio.ensure_future(self._take_once(message_id, body))
        self.taking.add(taking)
        taking.add_done_callback(self.taking.discard)
        await asyncio.wait([taking])  # goes on if the server does not wait for the answer
        problem = taking.exception()
        if isinstance(problem, BadRequest):
            raise problem
        if problem:  # messages are missing, or `on_event` failed
            self.report(problem)
            return web.json_response({"error": "not taken"}, status=503)
        return web.Response(status=204)

    async def _take_once(self, message_id: str, body: bytes) -> None:
        async with self.lock:
            if message_id in self.ids:
                return
            data = parse_json(body)
            if data.get("epoch") != self.client.epoch:
                raise BadRequest(409, "epoch: of another log")
            await self.client.take(delivery_of(data))
            self.ids[message_id] = None
            if len(self.ids) > IDS:
                self.ids.popitem(last=False)


async def webhook(client: Listener, name: str) -> None:
    """Be delivered to under that name, until the server has the webhook no more, or stopped it."""
    endpoint = Endpoint(client)
    port = await endpoint.server.listen()
    place = f"{client.url}/{name}"
    try:
        asked = {"url": f"http://127.0.0.1:{port}/hook", "secret": endpoint.secret}
        await _register(client, place, asked)
        looks = asyncio.ensure_future(_until_stopped(client, place, asked["url"]))
        try:
            done, _ = await asyncio.wait(
                [looks, endpoint.ended], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            looks.cancel()
        for each in done:
            each.result()
    finally:
        await _remove(client, place)
        await endpoint.server.close()


async def _register(client: Listener, place: str, asked: dict[str, Any]) -> None:
    where = {"offset": client.next, "epoch": client.epoch, "batch": client.batch}
    async with client.session.put(
        place, json=asked | where, headers=client.headers, timeout=LIMIT, allow_redirects=False
    ) as response:
        if response.status not in (200, 201, 416):
            refused(place, response.status)
    client.heard()


async def _until_stopped(client: Listener, place: str, url: str) -> None:
    """Look now and then whether the server still delivers."""
    while True:
        async with client.session.get(place, headers=client.headers, timeout=LIMIT) as response:
            if response.status == 404:
                return
            if response.status != 200:
                refused(place, response.status)
            data = parse_json(await response.read())
        if data.get("url") != url:
            raise FeedError(f"{place}: another client has registered under this name")
        if data.get("state") != "active":
            return
        await asyncio.sleep(LOOK)


async def _remove(client: Listener, place: str) -> None:
    """Say goodbye, if there is still somebody to hear it."""
    try:
        async with client.session.delete(place, headers=client.headers, timeout=LIMIT):
            pass
    except (aiohttp.ClientError, OSError):
        pass
