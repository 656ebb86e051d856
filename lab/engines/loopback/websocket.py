"""WebSockets for real: the connections of the source and of consumers to the broker.

A connection is over for both directions at once; its role is told, and decides what follows.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed, WebSocketException

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Source
from lab.engines.loopback.job import INGEST, Links, delivery
from lab.engines.loopback.keepalive import CountingClient, counting
from lab.engines.loopback.outlet import Outlet
from lab.engines.loopback.site import Site
from lab.engines.loopback.worker import Consumer
from lab.messages import Accepted, Deliver, Disconnected, OutOfRange, Subscribe, Writable
from lab.strategies import Stream
from lab.wire.formats import BadRequest, JsonStream, Payloads

UNREACHABLE = (OSError, WebSocketException)  # TimeoutError is an OSError


async def converse(connection: Connection, outlet: Outlet, read: Coroutine[Any, Any, None]) -> None:
    """Write what is put into `outlet` and `read`, until the connection ends or its peer is given up.

    What the library has received by then and `read` has not is lost.
    """
    coroutines = read, outlet.run(), connection.wait_closed()
    tasks: list[asyncio.Task[None]] = [asyncio.create_task(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        outlet.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        error = task.exception()
        if isinstance(error, TimeoutError):
            connection.transport.abort()
        elif error is not None and not isinstance(error, ConnectionClosed):
            raise error


def text_of(frame: str | bytes) -> str:
    """Return a frame that must be text."""
    if isinstance(frame, bytes):
        raise BadRequest(400, "text frames only")
    return frame


class WebSocketPublisher:
    """The source's connection to the broker."""

    def __init__(self, site: Site, source: Source) -> None:
        self.site = site
        self.source = source
        self.text = Payloads(site.messages.size.tolist())
        self.port = 0
        self.connection: ClientConnection | None = None
        self.outlet: Outlet | None = None
        source.send = self.send
        source.connect_again = lambda: site.run(self._dial())

    def aim(self, links: Links) -> None:
        """Learn where the server is."""
        self.port = links[INGEST]

    async def connect(self) -> None:
        uri = f"ws://{settings.LOOPBACK}:{self.port}/publish"
        self.connection = await connect(uri, proxy=None, **settings.WEBSOCKET)
        transport = self.connection.transport
        self.site.limit_buffers(transport)
        self.outlet = Outlet(self.source, 0, self.connection.send, transport)
        self.site.run(self._publish(self.connection, self.outlet))

    async def _dial(self) -> None:
        with self.site.dials():
            try:
                await self.connect()
            except UNREACHABLE:
                self.source.handle(Disconnected())
            else:
                self.source.handle(Writable())

    def send(self, message: Any) -> None:
        assert self.outlet is not None
        self.outlet.put(JsonStream().encode(message, self.text))

    async def _publish(self, connection: ClientConnection, outlet: Outlet) -> None:
        await converse(connection, outlet, self._read(connection))
        self.source.handle(Disconnected())

    async def _read(self, connection: ClientConnection) -> None:
        async for frame in connection:
            message = JsonStream().decode(text_of(frame))
            assert isinstance(message, Accepted)
            self.site.check(0, (message.sequence,))
            self.source.take(message)

    async def close(self) -> None:
        if self.connection:
            await self.connection.close()


class WebSocketListener:
    """A consumer's connection to the broker."""

    def __init__(self, site: Site, consumer: Consumer, wire: Stream) -> None:
        self.site = site
        self.consumer = consumer
        self.form = wire.format
        self.port = 0
        self.connection: ClientConnection | None = None
        self.outlet: Outlet | None = None
        self.refusal: OutOfRange | None = None  # if the broker does not have what was asked for
        consumer.send = self.send

    def aim(self, links: Links) -> None:
        """Learn where the server is."""
        self.port = links[delivery(self.consumer.index)]

    async def connect(self) -> None:
        uri = f"ws://{settings.LOOPBACK}:{self.port}/stream"
        self.site.counters["requests"] += 1
        pings = self.site.ping_interval
        options = {**settings.WEBSOCKET, "ping_interval": pings, **counting(CountingClient, pings)}
        self.connection = await connect(uri, proxy=None, **options)
        if pings:
            self.site.counting.append(self.connection)
        index, transport = self.consumer.index, self.connection.transport
        self.site.limit_buffers(transport)
        self.outlet = Outlet(self.consumer, index, self.connection.send, transport)
        self.site.run(self._stay(self.connection, self.outlet))

    def send(self, message: Any) -> None:
        if self.outlet and not self.outlet.closed:
            self.outlet.put(self.form.encode(message, str))
        elif isinstance(message, Subscribe):
            self.site.run(self._dial(message))

    async def _dial(self, first: Subscribe) -> None:
        with self.site.dials():
            try:
                await self.connect()
            except UNREACHABLE:
                self.consumer.handle(Disconnected(self.consumer.index))
            else:
                self.send(first)

    async def _stay(self, connection: ClientConnection, outlet: Outlet) -> None:
        self.refusal = None
        await converse(connection, outlet, self._listen(connection))
        index = self.consumer.index
        if self.refusal is None:
            self.consumer.handle(Disconnected(index))
        else:
            await connection.close()
            self.consumer.handle(self.refusal._replace(consumer=index))

    async def _listen(self, connection: ClientConnection) -> None:
        consumer, decode = self.consumer, self.form.decode
        async for frame in connection:
            message = decode(text_of(frame))
            if not isinstance(message, Deliver):
                assert isinstance(message, OutOfRange)
                self.refusal = message
                return
            consumer.take(message._replace(consumer=consumer.index))
            if not consumer.role.accepting:
                await consumer.accepts()

    async def close(self) -> None:
        if self.connection:
            await self.connection.close()
