"""How a client is connected: over a WebSocket, an event stream, or by polls.

Each function here serves one connection (or, for polls, goes on until one fails) and hands on what
comes. It returns or raises when that is over; the client connects again.
"""

import asyncio
import json
from typing import Any, Protocol

import aiohttp
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lab.engines.loopback import settings
from lab.feed.client.events import Delivery, FeedError, delivery_in, delivery_of
from lab.wire.formats import parse_json

SILENCE = 60.0  # seconds without a sign of life until a stream is given up
ANSWER = 10.0  # seconds for an answer, besides those that a poll is to be held
WEBSOCKET: dict[str, Any] = {
    **settings.WEBSOCKET,
    "max_size": 4 * 2**20,
    "ping_interval": 20.0,
    "ping_timeout": 20.0,
}


class Listener(Protocol):
    """What a transport needs to know of its client."""

    url: str
    name: str  # of the feed
    epoch: int
    next: int  # the offset from which on it wants messages
    headers: dict[str, str]
    wait: float
    interval: float
    batch: int
    credits: int | None
    session: aiohttp.ClientSession

    def heard(self) -> None: ...

    async def take(self, delivery: Delivery) -> None: ...


async def websocket(client: Listener) -> None:
    """Subscribe at the cursor; acknowledge what was taken if the client gave credits."""
    first = {"subscribe": client.name, "offset": client.next, "epoch": client.epoch}
    first |= {"batch": client.batch}
    if client.credits is not None:
        first |= {"credits": client.credits}
    try:
        async with connect(
            client.url, additional_headers=client.headers, proxy=None, **WEBSOCKET
        ) as connection:
            await connection.send(json.dumps(first))
            async for frame in connection:
                data = parse_json(frame)
                if "error" in data:
                    return
                if "subscribed" in data:
                    client.heard()
                    continue
                delivery = delivery_of(data)
                await client.take(delivery)
                if client.credits is not None:
                    await connection.send(f'{{"ack":{delivery.offset}}}')
    except InvalidStatus as error:
        refused(client.url, error.response.status_code)


async def events(client: Listener) -> None:
    """Read an event stream after the last event that was had."""
    query = {"offset": str(client.next), "epoch": str(client.epoch), "batch": str(client.batch)}
    limit = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER, sock_read=SILENCE)
    async with client.session.get(
        client.url, params=query, headers=client.headers, timeout=limit, allow_redirects=False
    ) as response:
        if response.status == 416:
            return
        if response.status != 200:
            refused(client.url, response.status)
        client.heard()
        rest = b""
        async for chunk in response.content.iter_any():
            *found, rest = (rest + chunk).split(b"\n\n")
            if len(rest) > WEBSOCKET["max_size"]:
                raise FeedError(f"{client.url}: an event without an end")
            for event in found:
                lines = [line[5:] for line in event.split(b"\n") if line.startswith(b"data:")]
                if lines:
                    await client.take(delivery_in(b"\n".join(lines)))


async def poll(client: Listener) -> None:
    """Ask for what is after the cursor: held by the server for `wait` seconds, or each `interval`."""
    limit = aiohttp.ClientTimeout(total=client.wait + ANSWER)
    while True:
        query = {"offset": str(client.next), "epoch": str(client.epoch)}
        if client.wait:
            query["max_wait"] = f"{client.wait:g}"
        async with client.session.get(
            client.url, params=query, headers=client.headers, timeout=limit, allow_redirects=False
        ) as response:
            if response.status == 416:
                return
            if response.status not in (200, 204):
                refused(client.url, response.status)
            body = await response.read()
        client.heard()
        if body:
            await client.take(delivery_in(body))
        if not client.wait:
            await asyncio.sleep(client.interval)


def refused(url: str, status: int) -> None:
    """Raise what an answer means that is not the one asked for: `FeedError`, unless it may pass."""
    if status >= 500 or status == 429:
        raise ConnectionError(f"{url}: the server answered {status}")
    raise FeedError(f"{url}: the server answered {status}")
