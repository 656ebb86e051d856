"""Bare loops on `aiohttp`: POST or GET, one request after the other over one connection.

All settings are the lab's; its middleware, routes and handlers are not used.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web
from meter import Announce, Load, Meter, Used

from lab.engines.loopback import settings

JSON = {"Content-Type": "application/json"}


class Countdown:
    """Measures a server from its first request, which does not count, to the last of `count`."""

    def __init__(self, count: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Used] = self.loop.create_future()
        self.left = count
        self.meter: Meter | None = None

    def served(self) -> None:
        if self.meter is None:
            self.meter = Meter()
            return
        self.left -= 1
        if not self.left:
            self.loop.call_soon(self._stop, self.meter)  # after the answer is on its way

    def _stop(self, meter: Meter) -> None:
        self.done.set_result(meter.stop())


async def server(load: Load, announce: Announce) -> Used:
    """Take `POST /messages`, and answer `GET /records?offset=N` with record N."""
    countdown = Countdown(load.count)

    async def post(request: web.Request) -> web.Response:
        json.loads(await request.read())
        countdown.served()
        return web.Response(status=204)

    async def get(request: web.Request) -> web.Response:
        body = load.text(int(request.query["offset"])).encode()
        countdown.served()
        return web.Response(body=body, headers=JSON)

    app = web.Application(client_max_size=settings.MAX_BODY)
    app.router.add_post("/messages", post)
    app.router.add_get("/records", get, allow_head=False)
    runner = web.AppRunner(app, **settings.SERVER)
    await runner.setup()
    await web.TCPSite(runner, settings.LOOPBACK, 0).start()
    announce(runner.addresses[0][1])
    try:
        return await countdown.done
    finally:
        await runner.cleanup()


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(**settings.CONNECTOR),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=settings.SKIPPED_HEADERS,
        **settings.CLIENT,
    )


async def post_client(load: Load, port: int) -> Used:
    """POST one message after the other."""
    url = f"http://{settings.LOOPBACK}:{port}/messages"

    async def send(number: int) -> None:
        body = load.text(number).encode()
        async with session.post(url, data=body, headers=JSON, allow_redirects=False) as response:
            await response.read()

    async with _session() as session:
        return await _one_by_one(load, send)


async def get_client(load: Load, port: int) -> Used:
    """GET one message after the other, each by its offset."""
    url = f"http://{settings.LOOPBACK}:{port}/records?offset="

    async def ask(number: int) -> None:
        async with session.get(f"{url}{number}", allow_redirects=False) as response:
            json.loads(await response.read())

    async with _session() as session:
        return await _one_by_one(load, ask)


async def _one_by_one(load: Load, act: Callable[[int], Awaitable[None]]) -> Used:
    await act(0)
    meter = Meter()
    for number in range(load.count):
        await act(number)
    return meter.stop()
