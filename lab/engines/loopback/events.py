"""Server-sent events for real: endless HTTP responses, resumed by `Last-Event-ID`."""

from typing import Any

import aiohttp
from aiohttp import web

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Broker
from lab.engines.loopback.http import HttpServer, client_session, head_bytes
from lab.engines.loopback.job import Links, delivery
from lab.engines.loopback.outlet import Outlet
from lab.engines.loopback.site import Site
from lab.engines.loopback.worker import Consumer
from lab.messages import Deliver, Disconnected, Message, Subscribe
from lab.strategies import Stream
from lab.wire.formats import JSON, JsonStream, Payloads, parse_position, position, refusal, whole


class EventSource:
    """The broker's endless responses: `GET /events`, resumed after `Last-Event-ID`, or at `offset`."""

    def __init__(self, site: Site, broker: Broker, wire: Stream, server: HttpServer) -> None:
        self.site = site
        self.broker = broker
        self.form = wire.format
        self.text = Payloads(site.messages.size.tolist())
        self.outlets: dict[int, Outlet] = {}
        broker.send = self.send
        broker.cut_off = self.cut_off
        server.route("GET", "/events", self._serve)

    def send(self, message: Any) -> None:
        frame = self.form.encode(message, self.text).encode()
        self.site.counters["bytes_out"] += len(frame) + len(f"{len(frame):x}") + 4
        if message.consumer in self.outlets:  # or else the connection is gone, and it is lost
            self.outlets[message.consumer].put(frame)

    def cut_off(self, consumer: int) -> None:
        if consumer in self.outlets:
            self.outlets.pop(consumer).abort()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        who = whole(request.query.get("consumer", 0), "consumer")
        self.site.check(who)
        self.site.met(request.get_extra_info("peername"))
        last, offset, epoch = request.headers.get("Last-Event-ID"), None, 0
        if last is not None:
            seen, epoch = parse_position(last, "Last-Event-ID")
            offset = seen + 1
        elif "offset" in request.query:
            offset = whole(request.query["offset"], "offset")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        self.site.limit_buffers(request.transport)
        self.cut_off(who)  # a newer request takes the place of an older one
        outlet = Outlet(self.broker, who, response.write, request.transport)
        self.outlets[who] = outlet
        try:
            refused = self.broker.subscribe(Subscribe(who, offset, epoch))
            if refused:
                return web.Response(status=416, headers=JSON, body=refusal(refused).encode())
            await response.prepare(request)
            await outlet.run()
        except (ConnectionError, TimeoutError):
            outlet.abort()  # the client left, or stopped reading
        finally:
            outlet.close()
            if self.outlets.get(who) is outlet:
                del self.outlets[who]
                self.broker.handle(Disconnected(who))
        return response


class EventListener:
    """A consumer's open response. Subscribing is done by the request itself."""

    def __init__(self, site: Site, consumer: Consumer, wire: Stream) -> None:
        self.site = site
        self.consumer = consumer
        self.form = wire.format
        self.port = 0
        self.session: aiohttp.ClientSession | None = None
        self.content: aiohttp.StreamReader | None = None
        self.taken = 0  # bytes of its content
        self.transport: Any = None
        consumer.send = self.send

    def aim(self, links: Links) -> None:
        """Learn where the server is."""
        self.port = links[delivery(self.consumer.index)]

    async def connect(self) -> None:
        self.session = client_session(keep_alive=True)

    def send(self, message: Any) -> None:
        if not isinstance(message, Subscribe):
            raise TypeError(f"an event stream takes no {message!r}")
        self.site.run(self._listen(message))

    async def _listen(self, first: Subscribe) -> None:
        ended: Message = Disconnected(self.consumer.index)
        try:
            ended = await self._read(first) or ended
        except (aiohttp.ClientError, OSError):
            pass
        self.content = None
        self.consumer.handle(ended)

    async def _read(self, first: Subscribe) -> Message | None:
        """Read to the end, or return why there is nothing to read."""
        if self.session is None:
            await self.connect()
        assert self.session is not None
        self.site.counters["requests"] += 1
        url = f"http://{settings.LOOPBACK}:{self.port}/events?consumer={self.consumer.index}"
        headers = {"Accept": "text/event-stream"}
        if first.offset:
            headers["Last-Event-ID"] = position(first.offset - 1, first.epoch)
        elif first.offset == 0:
            url += "&offset=0"
        with self.site.dials():
            opened = await self.session.get(url, headers=headers)
        async with opened as response:
            if response.status == 416:
                return JsonStream().decode(await response.text(), self.consumer.index)
            response.raise_for_status()
            self.site.counters["bytes_out"] += head_bytes(response)
            self.content, self.taken, rest = response.content, 0, b""
            self.transport = response.connection.transport if response.connection else None
            if self.transport:
                self.site.limit_buffers(self.transport)
            async for chunk in response.content.iter_any():
                self.taken += len(chunk)
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    await self._take(event.decode())
        return None

    async def _take(self, event: str) -> None:
        message = self.form.decode(event)
        assert isinstance(message, Deliver)
        consumer = self.consumer
        consumer.take(message._replace(consumer=consumer.index))
        if not consumer.role.accepting:
            await consumer.accepts()

    async def close(self) -> None:
        if self.session:
            await self.session.close()
