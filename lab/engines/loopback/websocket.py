"""WebSockets for real: what the source publishes, and streams to consumers.

A connection is over for both directions at once; its role is told, and decides what follows.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, WebSocketException

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Broker, Consumer, Source
from lab.engines.loopback.job import INGEST, Links, delivery
from lab.engines.loopback.outlet import Outlet
from lab.engines.loopback.site import Site
from lab.formats import BadRequest, JsonStream, Payloads, websocket_size
from lab.messages import Accepted, Ack, Deliver, Disconnected, Nack, Publish, Subscribe, Writable
from lab.strategies import Stream

UNSUPPORTED_DATA = 1003  # WebSocket close code for input that is not understood
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


class WebSocketHub:
    """The broker's WebSocket server: `/publish` for the source, `/stream` for consumers."""

    def __init__(self, site: Site, broker: Broker, wire: Stream | None, port: int = 0) -> None:
        self.site = site
        self.broker = broker
        self.form = wire.format if wire else JsonStream()
        self.text = Payloads(site.messages.size.tolist())
        self.outlets: dict[int, Outlet] = {}
        self.producer: Outlet | None = None
        self.publisher: ServerConnection | None = None
        self.port = port
        self.server: Server | None = None
        broker.accept = self.accept
        if wire:
            broker.send = self.send
            broker.cut_off = self.cut_off

    async def listen(self) -> int:
        self.server = await settings.when_free(
            lambda: serve(
                self._serve, settings.LOOPBACK, self.port, origins=[None], **settings.WEBSOCKET
            )
        )
        return int(next(iter(self.server.sockets)).getsockname()[1])

    def send(self, message: Any) -> None:
        frame = self.form.encode(message, self.text)
        self.site.counters["bytes_out"] += websocket_size(len(frame), masked=False)
        if message.consumer in self.outlets:  # or else the connection is gone, and it is lost
            self.outlets[message.consumer].put(frame)

    def accept(self, message: Accepted) -> None:
        if self.producer:
            self.producer.put(JsonStream().encode(message, self.text))

    def cut_off(self, consumer: int) -> None:
        if consumer in self.outlets:
            self.outlets.pop(consumer).abort()

    async def close(self) -> None:
        if self.server:
            self.server.close(close_connections=True)
            await self.server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        try:
            if connection.request.path == "/publish":
                await self._take_published(connection)
            elif connection.request.path == "/stream":
                await self._stream(connection)
            else:
                raise BadRequest(404, "there are /publish and /stream")
        except BadRequest as error:
            await connection.close(UNSUPPORTED_DATA, error.reason)
        except ConnectionClosed:
            pass
        except Exception as error:  # of a role: the connection ends, and the run fails
            self.site.report(error)
            raise

    async def _take_published(self, connection: ServerConnection) -> None:
        outlet = self.producer = Outlet(None, 0, connection.send)
        self.publisher = connection
        await converse(connection, outlet, self._read_published(connection))

    async def _read_published(self, connection: ServerConnection) -> None:
        publish, counters, broker = JsonStream(), self.site.counters, self.broker
        async for frame in connection:
            counters["bytes_in"] += websocket_size(len(frame), masked=True)
            message = publish.decode(_text(frame))
            if not isinstance(message, Publish):
                raise BadRequest(400, "only publish is understood here")
            self.site.check(0, message.messages)
            broker.take(message)
            if not broker.role.accepting:
                await broker.accepts()

    async def _stream(self, connection: ServerConnection) -> None:
        first = self.form.decode(_text(await connection.recv()))
        if not isinstance(first, Subscribe):
            raise BadRequest(400, "subscribe first")
        who = first.consumer
        self.site.check(who)
        self.cut_off(who)  # a newer connection takes the place of an older one
        outlet = Outlet(self.broker, who, connection.send, connection.transport)
        self.outlets[who] = outlet
        try:
            self.broker.subscribe(first)
            await converse(connection, outlet, self._read_acks(connection, who))
        finally:
            if self.outlets.get(who) is outlet:
                del self.outlets[who]
                self.broker.handle(Disconnected(who))

    async def _read_acks(self, connection: ServerConnection, who: int) -> None:
        async for frame in connection:
            self.site.counters["bytes_back"] += websocket_size(len(frame), masked=True)
            message = self.form.decode(_text(frame))
            if not isinstance(message, Ack | Nack):
                raise BadRequest(400, "only acks are understood here")
            self.broker.take(message._replace(consumer=who))


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
            message = JsonStream().decode(_text(frame))
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
        consumer.send = self.send

    def aim(self, links: Links) -> None:
        """Learn where the server is."""
        self.port = links[delivery(self.consumer.index)]

    async def connect(self) -> None:
        uri = f"ws://{settings.LOOPBACK}:{self.port}/stream"
        self.site.counters["requests"] += 1
        self.connection = await connect(uri, proxy=None, **settings.WEBSOCKET)
        index = self.consumer.index
        self.outlet = Outlet(self.consumer, index, self.connection.send, self.connection.transport)
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
        await converse(connection, outlet, self._listen(connection))
        self.consumer.handle(Disconnected(self.consumer.index))

    async def _listen(self, connection: ClientConnection) -> None:
        consumer, decode = self.consumer, self.form.decode
        async for frame in connection:
            message = decode(_text(frame))
            assert isinstance(message, Deliver)
            consumer.take(message._replace(consumer=consumer.index))
            if not consumer.role.accepting:
                await consumer.accepts()

    async def close(self) -> None:
        if self.connection:
            await self.connection.close()


def _text(frame: str | bytes) -> str:
    if isinstance(frame, bytes):
        raise BadRequest(400, "text frames only")
    return frame
