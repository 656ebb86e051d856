"""Bare loops on `websockets` and `aiohttp`: what the libraries cost with nothing of the lab in between.

Processes, cores, event loop and library settings are those of the lab's measured runs, and so is the
garbage collector: frozen and off. Frames and bodies are as long as the lab's. Where the lab has to
turn a record into JSON and back, so does the bare loop, with an f-string and `json.loads`.
There are no roles, stamps, counters, offsets or checks of what arrives.
"""

import asyncio
import gc
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve

from lab.engines.loopback import settings
from lab.engines.loopback.http import HttpServer, client_session

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Load:
    """`count` messages whose records are of `size` bytes."""

    count: int
    size: int = 100

    def text(self, number: int) -> str:
        head = f'{{"id":{number},"data":"'
        return f'{{"offset":{number},"records":[{head}{"x" * (self.size - len(head) - 2)}"}}]}}'


class Used(NamedTuple):
    """One process's loop: CLOCK_MONOTONIC when it began and ended, and its CPU seconds."""

    begun_at: float
    ended_at: float
    cpu: float


class Meter:
    """Measures from its creation to `stop`, without the garbage collector."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self.begun_at = time.monotonic()
        self.cpu = time.process_time()

    def stop(self) -> Used:
        used = Used(self.begun_at, time.monotonic(), time.process_time() - self.cpu)
        gc.enable()
        gc.unfreeze()
        return used


Announce = Callable[[int], None]
Part = Callable[[Load, Any], Awaitable[Used]]  # a server is given `Announce`, a client the port


async def _serve_websocket(handler: Any, announce: Announce, done: asyncio.Future[Used]) -> Used:
    server: Server = await serve(handler, settings.LOOPBACK, 0, **settings.WEBSOCKET)
    async with server:
        announce(next(iter(server.sockets)).getsockname()[1])
        return await done


def _connect(port: int, path: str) -> Any:
    return connect(f"ws://{settings.LOOPBACK}:{port}{path}", proxy=None, **settings.WEBSOCKET)


async def echo_server(load: Load, announce: Announce) -> Used:
    """Send a frame, wait for its ack, send the next."""
    done = asyncio.get_running_loop().create_future()

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        meter = Meter()
        for number in range(load.count):
            await connection.send(load.text(number))
            json.loads(await connection.recv())
        done.set_result(meter.stop())

    return await _serve_websocket(handle, announce, done)


async def flood_server(load: Load, announce: Announce) -> Used:
    """Send every frame as soon as the connection takes it."""
    done = asyncio.get_running_loop().create_future()

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        meter = Meter()
        for number in range(load.count):
            await connection.send(load.text(number))
        await connection.wait_closed()
        done.set_result(meter.stop())

    return await _serve_websocket(handle, announce, done)


async def relay_server(load: Load, announce: Announce, acks: bool = False) -> Used:
    """Read frames from a publisher and send each on to the one subscriber."""
    loop = asyncio.get_running_loop()
    done, subscribed = loop.create_future(), loop.create_future()

    async def handle(connection: ServerConnection) -> None:
        if connection.request is None or connection.request.path != "/publish":
            await connection.recv()
            subscribed.set_result((connection, Meter()))
            await connection.wait_closed()
            return
        subscriber, meter = await subscribed
        for _ in range(load.count):
            await subscriber.send(load.text(json.loads(await connection.recv())["offset"]))
            if acks:
                json.loads(await subscriber.recv())
        done.set_result(meter.stop())

    return await _serve_websocket(handle, announce, done)


async def acked_relay_server(load: Load, announce: Announce) -> Used:
    """Wait for the subscriber's ack of each frame before reading the next."""
    return await relay_server(load, announce, acks=True)


async def publisher(load: Load, port: int) -> Used:
    """Publish every frame as soon as the connection takes it."""
    async with _connect(port, "/publish") as connection:
        meter = Meter()
        for number in range(load.count):
            await connection.send(load.text(number))
        used = meter.stop()
        await connection.wait_closed()
        return used


async def subscriber(load: Load, port: int, acks: bool = False) -> Used:
    """Read every frame."""
    async with _connect(port, "/stream") as connection:
        meter = Meter()
        await connection.send("{}")
        for _ in range(load.count):
            frame = json.loads(await connection.recv())
            if acks:
                await connection.send(f'{{"ack":{frame["offset"]}}}')
        return meter.stop()


async def acking_subscriber(load: Load, port: int) -> Used:
    """Read every frame and answer it with a short one."""
    return await subscriber(load, port, acks=True)


async def http_server(load: Load, announce: Announce) -> Used:
    """Answer `load.count` requests after a first one, which is not measured."""
    done = asyncio.get_running_loop().create_future()
    meters: list[Meter] = []
    served = 0

    def count() -> None:
        nonlocal served
        served += 1
        if served == 1:
            meters.append(Meter())
        elif served == load.count + 1:
            asyncio.get_running_loop().call_soon(lambda: done.set_result(meters[0].stop()))

    async def post(request: web.Request) -> web.Response:
        json.loads(await request.read())
        count()
        return web.Response(status=204)

    async def get(request: web.Request) -> web.Response:
        body = load.text(int(request.query["offset"])).encode()
        count()
        return web.Response(body=body, headers=JSON)

    server = HttpServer()
    server.app.router.add_post("/messages", post)
    server.app.router.add_get("/records", get)
    announce(await server.listen())
    used = await done
    await server.close()
    return used


async def post_client(load: Load, port: int) -> Used:
    """POST one message after the other over one connection."""
    url = f"http://{settings.LOOPBACK}:{port}/messages"

    async def send(number: int) -> None:
        body = load.text(number).encode()
        async with session.post(url, data=body, headers=JSON) as response:
            await response.read()

    async with client_session(keep_alive=True) as session:
        return await _one_by_one(load, send)


async def get_client(load: Load, port: int) -> Used:
    """GET one message after the other, each by its offset, over one connection."""
    url = f"http://{settings.LOOPBACK}:{port}/records?offset="

    async def ask(number: int) -> None:
        async with session.get(f"{url}{number}") as response:
            json.loads(await response.read())

    async with client_session(keep_alive=True) as session:
        return await _one_by_one(load, ask)


async def _one_by_one(load: Load, act: Callable[[int], Awaitable[None]]) -> Used:
    await act(0)
    meter = Meter()
    for number in range(load.count):
        await act(number)
    return meter.stop()


FLOORS: dict[str, dict[str, Part]] = {  # by side, as in the lab; the first listens
    "echo": {"broker": echo_server, "target": acking_subscriber},
    "flood": {"broker": flood_server, "target": subscriber},
    "relay, one at a time": {
        "broker": acked_relay_server,
        "target": acking_subscriber,
        "source": publisher,
    },
    "relay": {"broker": relay_server, "target": subscriber, "source": publisher},
    "POST": {"target": http_server, "source": post_client},
    "GET": {"broker": http_server, "target": get_client},
}
