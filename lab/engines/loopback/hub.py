"""The broker's WebSocket server: what the source publishes, and streams to consumers."""

import asyncio
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Broker
from lab.engines.loopback.keepalive import CountingServer, counting
from lab.engines.loopback.outlet import Outlet
from lab.engines.loopback.site import Site
from lab.engines.loopback.websocket import converse, text_of
from lab.messages import Accepted, Ack, Disconnected, Nack, OutOfRange, Publish, Subscribe
from lab.strategies import Stream
from lab.wire.formats import OUT_OF_RANGE, BadRequest, JsonStream, Payloads, websocket_size

UNSUPPORTED_DATA = 1003  # WebSocket close code for input that is not understood


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
        options = settings.WEBSOCKET | counting(CountingServer, self.site.ping_interval)
        self.server = await settings.when_free(
            lambda: serve(self._serve, settings.LOOPBACK, self.port, origins=[None], **options)
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
        self.site.limit_buffers(connection.transport)
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
            message = publish.decode(text_of(frame))
            if not isinstance(message, Publish):
                raise BadRequest(400, "only publish is understood here")
            self.site.check(0, message.messages)
            broker.take(message)
            if not broker.role.accepting:
                await broker.accepts()

    async def _stream(self, connection: ServerConnection) -> None:
        first = self.form.decode(text_of(await _first_frame(connection)))
        if not isinstance(first, Subscribe):
            raise BadRequest(400, "subscribe first")
        who = first.consumer
        self.site.check(who)
        self.site.met(connection.remote_address)
        if self.site.ping_interval:
            self.site.counting.append(connection)
        self.cut_off(who)  # a newer connection takes the place of an older one
        outlet = Outlet(self.broker, who, connection.send, connection.transport)
        self.outlets[who] = outlet
        try:
            refusal = self.broker.subscribe(first)
            if refusal:
                await self._refuse(connection, refusal)
            else:
                await converse(connection, outlet, self._read_acks(connection, who))
        finally:
            if self.outlets.get(who) is outlet:
                del self.outlets[who]
                self.broker.handle(Disconnected(who))

    async def _refuse(self, connection: ServerConnection, why: OutOfRange) -> None:
        """Say in a last frame which offsets there are, and close."""
        frame = self.form.encode(why, self.text)
        self.site.counters["bytes_out"] += websocket_size(len(frame), masked=False)
        await connection.send(frame)
        await connection.close(OUT_OF_RANGE, "offset out of range")

    async def _read_acks(self, connection: ServerConnection, who: int) -> None:
        async for frame in connection:
            self.site.counters["bytes_back"] += websocket_size(len(frame), masked=True)
            message = self.form.decode(text_of(frame))
            if not isinstance(message, Ack | Nack):
                raise BadRequest(400, "only acks are understood here")
            self.broker.take(message._replace(consumer=who))


async def _first_frame(connection: ServerConnection) -> str | bytes:
    try:
        async with asyncio.timeout(settings.HEAD_DEADLINE):
            return await connection.recv()
    except TimeoutError:
        raise BadRequest(408, f"nothing came in {settings.HEAD_DEADLINE:g} s") from None
