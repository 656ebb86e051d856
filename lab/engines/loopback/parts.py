"""Puts together what lives in one side: its actors, the servers they listen on, their clients."""

from typing import Any, Protocol

from lab.engines import common
from lab.engines.loopback import columns
from lab.engines.loopback.actor import Broker, Source
from lab.engines.loopback.events import EventListener, EventSource
from lab.engines.loopback.http import Answering, Asking, HttpServer
from lab.engines.loopback.hub import WebSocketHub
from lab.engines.loopback.job import BROKER, LIFE, SOURCE, Job, Links
from lab.engines.loopback.journal import SqliteJournal
from lab.engines.loopback.site import Site
from lab.engines.loopback.websocket import WebSocketListener, WebSocketPublisher
from lab.engines.loopback.worker import Consumer
from lab.roles import Log, Producer
from lab.strategies import BrokerSetting, Call, Exchange, Start, Stream


class Server(Protocol):
    async def listen(self) -> int: ...

    async def close(self) -> None: ...


class Client(Protocol):
    def aim(self, links: Links) -> None: ...

    async def connect(self) -> None: ...

    async def close(self) -> None: ...


class Parts:
    """The parts of a run that live in the side `name`."""

    def __init__(self, name: str, job: Job) -> None:
        self.name = name
        self.job = job
        self.site = Site(name, job)
        self.servers: dict[str, Server] = {}
        self.answering: list[EventSource | Answering] = []
        self.clients: list[Client] = []
        self.source: Source | None = None
        self.broker: Broker | None = None
        self.consumers: list[Consumer] = []
        self.journal: SqliteJournal | None = None
        place = job.layout
        if place.source == name:
            self.source = self._source()
        if place.broker == name:
            self.broker = self._broker()
        for index, target in enumerate(place.targets):
            if target == name:
                self.consumers.append(self._consumer(index))
        self._wire_ingest(place.ingest)
        self._wire_delivery(job.strategy.wire)

    def _source(self) -> Source:
        job = self.job
        created = common.view(job.messages.created)
        return Source(Producer(created, job.publishing, job.luck(SOURCE)), self.site)

    def _broker(self) -> Broker:
        job, sizes = self.job, common.view(self.job.messages.size)
        durable = bool(job.trouble and job.trouble.durable)
        kept: Log | None = None
        if job.trouble and durable:
            self.journal = SqliteJournal(job.trouble.folder / "journal.sqlite")
            kept = self.journal.restore(job.retention, sizes)
        luck = job.luck(BROKER + job.life)
        setting = BrokerSetting(job.consumers, job.retention, sizes, kept, durable, job.life, luck)
        return Broker(job.strategy.broker(setting), self.site, common.acknowledges(job.strategy))

    def _consumer(self, index: int) -> Consumer:
        job = self.job
        saved = columns.unpacked(int(self.site.columns[columns.SAVED][0, index]))
        start = Start(*saved, job.luck(index + LIFE * job.life))
        return Consumer(job.strategy.consumer(index, start), self.site, index)

    def _port(self, kind: str) -> int:
        """Return the port to listen on: where it was before, the one asked for, or any."""
        job, place = self.job, self.job.layout
        if job.before:
            return job.before.ports[kind]
        main = self.name in (place.broker, place.targets[0])
        return job.port if main else 0

    def _wire_ingest(self, ingest: Any) -> None:
        source, broker = self.source, self.broker
        if isinstance(ingest, Call):
            if source and broker:
                source.send = broker.take
                broker.accept = lambda m: _soon(self.site, source.take, m)
        elif source:
            self.clients.append(WebSocketPublisher(self.site, source))

    def _wire_delivery(self, wire: Any) -> None:
        if isinstance(wire, Call):
            self._wire_calls()
        elif isinstance(wire, Stream):
            self._wire_stream(wire)
        else:
            self._wire_exchange(wire)
        needs_hub = self.broker and not isinstance(self.job.layout.ingest, Call)
        if self.broker and needs_hub and "websocket" not in self.servers:
            port = self._port("websocket") if self.job.before else 0
            hub = WebSocketHub(self.site, self.broker, None, port)
            self.servers["websocket"] = hub

    def _wire_calls(self) -> None:
        site, broker = self.site, self.broker
        assert broker is not None
        broker.send = lambda m: _soon(site, self.consumers[m.consumer].take, m)
        for consumer in self.consumers:
            consumer.send = lambda m: self._call(broker, m)

    def _call(self, broker: Broker, message: Any) -> None:
        self.site.counters["requests"] += 1
        _soon(self.site, broker.take, message)

    def _wire_stream(self, wire: Stream) -> None:
        if self.broker and wire.duplex:
            hub = WebSocketHub(self.site, self.broker, wire, self._port("websocket"))
            self.servers["websocket"] = hub
        elif self.broker:
            server = HttpServer(self.site, self._port("http"))
            self.answering.append(EventSource(self.site, self.broker, wire, server))
            self.servers["http"] = server
        listener = WebSocketListener if wire.duplex else EventListener
        self.clients.extend(listener(self.site, consumer, wire) for consumer in self.consumers)

    def _wire_exchange(self, wire: Exchange) -> None:
        answering: dict[int, Any] = {}
        asking: list[Broker | Consumer] = []
        if wire.server == "broker":
            asking.extend(self.consumers)
            if self.broker:
                answering = dict.fromkeys(range(self.job.consumers), self.broker)
        else:
            answering = {consumer.index: consumer for consumer in self.consumers}
            if self.broker:
                asking.append(self.broker)
        if answering:
            server = HttpServer(self.site, self._port("http"))
            self.answering.append(Answering(self.site, answering, wire, server))
            self.servers["http"] = server
        self.clients.extend(Asking(self.site, actor, wire) for actor in asking)


def _soon(site: Site, take: Any, message: Any) -> None:
    site.loop.call_soon(take, message)
