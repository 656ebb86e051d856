"""Streams for real: publishing and pushing over WebSockets, and server-sent events over HTTP."""

import asyncio
from typing import Any

import aiohttp
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Broker, Consumer, Site, Source
from lab.engines.loopback.http import HttpServer, client_session, head_bytes
from lab.engines.loopback.outlet import Outlet
from lab.formats import BadRequest, JsonStream, Payloads, websocket_size, whole
from lab.messages import Ack, Deliver, Publish, Subscribe
from lab.strategies import Stream

UNSUPPORTED_DATA = 1003  # WebSocket close code for input that is not understood


class WebSocketHub:
    """The broker's WebSocket server: `/publish` for the source, `/stream` for consumers."""

    def __init__(self, site: Site, broker: Broker, wire: Stream | None, port: int = 0) -> None:
        self.site = site
        self.broker = broker
        self.form = wire.format if wire else JsonStream()
        self.text = Payloads(site.messages.size.tolist())
        self.outlets: dict[int, Outlet] = {}
        self.port = port
        self.server: Server | None = None
        if wire:
            broker.send = self.send

    async def listen(self) -> int:
        self.server = await serve(
            self._serve, settings.LOOPBACK, self.port, origins=[None], **settings.WEBSOCKET
        )
        return int(next(iter(self.server.sockets)).getsockname()[1])

    def send(self, message: Any) -> None:
        frame = self.form.encode(message, self.text)
        self.site.counters["bytes_out"] += websocket_size(len(frame), masked=False)
        self.outlets[message.consumer].put(frame)

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

    async def _take_published(self, connection: ServerConnection) -> None:
        publish, counters = JsonStream(), self.site.counters
        async for frame in connection:
            counters["bytes_in"] += websocket_size(len(frame), masked=True)
            message = publish.decode(_text(frame))
            if not isinstance(message, Publish):
                raise BadRequest(400, "only publish is understood here")
            self.site.check(0, message.messages)
            self.broker.take(message)

    async def _stream(self, connection: ServerConnection) -> None:
        first = self.form.decode(_text(await connection.recv()))
        if not isinstance(first, Subscribe):
            raise BadRequest(400, "subscribe first")
        who = first.consumer
        self.site.check(who)
        outlet = self.outlets[who] = Outlet(self.broker, who, connection.send)
        writer = self.site.run(outlet.run())
        try:
            self.broker.subscribe(first)
            async for frame in connection:
                self.site.counters["bytes_back"] += websocket_size(len(frame), masked=True)
                message = self.form.decode(_text(frame))
                if not isinstance(message, Ack):
                    raise BadRequest(400, "only acks are understood here")
                self.broker.take(message._replace(consumer=who))
        finally:
            writer.cancel()


class WebSocketPublisher:
    """The source's connection to the broker."""

    def __init__(self, site: Site, source: Source) -> None:
        self.site = site
        self.source = source
        self.text = Payloads(site.messages.size.tolist())
        self.connection: ClientConnection | None = None
        self.outlet: Outlet | None = None
        source.send = self.send

    async def connect(self, port: int) -> None:
        uri = f"ws://{settings.LOOPBACK}:{port}/publish"
        self.connection = await connect(uri, proxy=None, **settings.WEBSOCKET)
        self.outlet = Outlet(self.source, 0, self.connection.send)
        self.site.run(self.outlet.run())

    def send(self, message: Any) -> None:
        assert self.outlet is not None
        self.outlet.put(JsonStream().encode(message, self.text))

    async def close(self) -> None:
        if self.connection:
            await self.connection.close()


class WebSocketListener:
    """A consumer's connection to the broker."""

    def __init__(self, site: Site, consumer: Consumer, wire: Stream) -> None:
        self.site = site
        self.consumer = consumer
        self.form = wire.format
        self.connection: ClientConnection | None = None
        self.outlet: Outlet | None = None
        consumer.send = self.send

    async def connect(self, port: int) -> None:
        uri = f"ws://{settings.LOOPBACK}:{port}/stream"
        self.connection = await connect(uri, proxy=None, **settings.WEBSOCKET)
        self.outlet = Outlet(self.consumer, self.consumer.index, self.connection.send)
        self.site.counters["requests"] += 1
        self.site.run(self.outlet.run())
        self.site.run(self._listen(self.connection))

    def send(self, message: Any) -> None:
        assert self.outlet is not None
        self.outlet.put(self.form.encode(message, str))

    async def _listen(self, connection: ClientConnection) -> None:
        consumer, decode = self.consumer, self.form.decode
        async for frame in connection:
            message = decode(_text(frame))
            assert isinstance(message, Deliver)
            consumer.take(message._replace(consumer=consumer.index))
            if not consumer.role.accepting:
                await consumer.readable.wait()

    async def close(self) -> None:
        if self.connection:
            await self.connection.close()


class EventSource:
    """The broker's endless responses: `GET /events`, resumed by `Last-Event-ID`."""

    def __init__(self, site: Site, broker: Broker, wire: Stream, server: HttpServer) -> None:
        self.site = site
        self.broker = broker
        self.form = wire.format
        self.text = Payloads(site.messages.size.tolist())
        self.outlets: dict[int, Outlet] = {}
        broker.send = self.send
        server.route("GET", "/events", self._serve)

    def send(self, message: Any) -> None:
        frame = self.form.encode(message, self.text).encode()
        self.site.counters["bytes_out"] += len(frame) + len(f"{len(frame):x}") + 4
        self.outlets[message.consumer].put(frame)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        who = whole(request.query.get("consumer", 0), "consumer")
        self.site.check(who)
        last = request.headers.get("Last-Event-ID")
        offset = None if last is None else whole(last, "Last-Event-ID") + 1
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        outlet = self.outlets[who] = Outlet(self.broker, who, response.write)
        self.broker.subscribe(Subscribe(who, offset))
        try:
            await outlet.run()
        except (ConnectionError, TimeoutError):
            pass  # the client left, or stopped reading
        return response


class EventListener:
    """A consumer's open response; opened again with the last id if it ends."""

    def __init__(self, site: Site, consumer: Consumer, wire: Stream) -> None:
        self.site = site
        self.consumer = consumer
        self.form = wire.format
        self.session: aiohttp.ClientSession | None = None
        self.last_id = ""
        self.opened = asyncio.Event()
        consumer.send = self._refuse

    async def connect(self, port: int) -> None:
        self.session = client_session(keep_alive=True)
        url = f"http://{settings.LOOPBACK}:{port}/events?consumer={self.consumer.index}"
        self.site.run(self._listen(url))
        await self.opened.wait()

    def _refuse(self, message: Any) -> None:
        """Subscribing is done by the request itself; nothing else can be sent."""
        if not isinstance(message, Subscribe):
            raise TypeError(f"an event stream takes no {message!r}")

    async def _listen(self, url: str) -> None:
        assert self.session is not None
        while not self.session.closed:
            headers = {"Accept": "text/event-stream"}
            if self.last_id:
                headers["Last-Event-ID"] = self.last_id
            try:
                await self._read(url, headers)
            except (aiohttp.ClientError, ConnectionError):
                pass
            await asyncio.sleep(0.05)

    async def _read(self, url: str, headers: dict[str, str]) -> None:
        assert self.session is not None
        self.site.counters["requests"] += 1
        async with self.session.get(url, headers=headers) as response:
            self.site.counters["bytes_out"] += head_bytes(response)
            self.opened.set()
            rest = b""
            async for chunk in response.content.iter_any():
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    await self._take(event.decode())

    async def _take(self, event: str) -> None:
        for line in event.splitlines():
            if line.startswith("id:"):
                self.last_id = line[3:].strip()
        message = self.form.decode(event)
        assert isinstance(message, Deliver)
        consumer = self.consumer
        consumer.take(message._replace(consumer=consumer.index))
        if not consumer.role.accepting:
            await consumer.readable.wait()

    async def close(self) -> None:
        if self.session:
            await self.session.close()


def _text(frame: str | bytes) -> str:
    if isinstance(frame, bytes):
        raise BadRequest(400, "text frames only")
    return frame
