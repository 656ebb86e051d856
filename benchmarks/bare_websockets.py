"""Bare loops on `websockets`: frames out and, with acks, a short frame back for each."""

import asyncio
import json
from typing import Any

from meter import Announce, Load, Meter, Used
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from lab.engines.loopback import settings


async def _listen(handler: Any, announce: Announce, done: asyncio.Future[Used]) -> Used:
    async with serve(handler, settings.LOOPBACK, 0, **settings.WEBSOCKET) as server:
        announce(next(iter(server.sockets)).getsockname()[1])
        return await done


def _connect(port: int, path: str) -> Any:
    return connect(f"ws://{settings.LOOPBACK}:{port}{path}", proxy=None, **settings.WEBSOCKET)


async def push_server(load: Load, announce: Announce, acks: bool = False) -> Used:
    """Send every frame as soon as the connection takes it."""
    done: asyncio.Future[Used] = asyncio.get_running_loop().create_future()

    async def push(connection: ServerConnection) -> None:
        await connection.recv()
        meter = Meter()
        for number in range(load.count):
            await connection.send(load.text(number))
            if acks:
                json.loads(await connection.recv())
        await connection.wait_closed()
        done.set_result(meter.stop())

    return await _listen(push, announce, done)


async def acked_push_server(load: Load, announce: Announce) -> Used:
    """Send a frame, wait for its ack, send the next."""
    return await push_server(load, announce, acks=True)


async def relay_server(load: Load, announce: Announce, acks: bool = False) -> Used:
    """Read frames from the one publisher and send each on to the one subscriber."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Used] = loop.create_future()
    subscribed: asyncio.Future[ServerConnection] = loop.create_future()

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.path == "/publish":
            await relay(connection, await subscribed)
            return
        await connection.recv()
        subscribed.set_result(connection)
        await connection.wait_closed()

    async def relay(publisher: ServerConnection, subscriber: ServerConnection) -> None:
        meter = Meter()
        for _ in range(load.count):
            frame = json.loads(await publisher.recv())
            await subscriber.send(load.text(frame["offset"]))
            if acks:
                json.loads(await subscriber.recv())
        await subscriber.wait_closed()
        done.set_result(meter.stop())

    return await _listen(handle, announce, done)


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
    """Read every frame and answer each with a short one."""
    return await subscriber(load, port, acks=True)
