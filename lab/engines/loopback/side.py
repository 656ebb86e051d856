"""One process of a measured run. It does what the session tells it through a pipe.

Commands, each answered: `listen` (a job; returns ports), `connect` (all ports), `go` (the time to
start at), `status`, and `stop` (returns this side's part of the trace).
"""

import asyncio
import gc
import resource
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from lab.engines import common
from lab.engines.loopback import settings
from lab.engines.loopback.actor import Actor, Broker, Consumer, Site, Source
from lab.engines.loopback.http import Answering, Asking, HttpServer
from lab.engines.loopback.streams import (
    EventListener,
    EventSource,
    WebSocketHub,
    WebSocketListener,
    WebSocketPublisher,
)
from lab.messages import Subscribe
from lab.roles import Producer, Retention
from lab.strategies import BrokerSetting, Call, Exchange, Strategy, Stream
from lab.workload import Messages

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Job:
    """What a side needs to know of a run. `port` is the broker's (or endpoint's), 0 for any."""

    strategy: Strategy
    layout: common.Layout
    messages: Messages
    consumers: int
    retention: Retention
    port: int = 0


class SessionEnded(Exception):
    """The session is gone, or has closed the pipe: there is nobody to run for."""


class Server(Protocol):
    async def listen(self) -> int: ...

    async def close(self) -> None: ...


class Client(Protocol):
    async def connect(self, port: int) -> None: ...

    async def close(self) -> None: ...


class Side:
    """The parts of a run that live in this process."""

    def __init__(self, name: str, job: Job) -> None:
        self.job = job
        self.site = Site(job.messages, job.consumers)
        self.servers: dict[str, Server] = {}
        self.clients: list[tuple[str, Client]] = []  # with the name of the server each wants
        self.source: Source | None = None
        self.broker: Broker | None = None
        self.consumers: list[Consumer] = []
        place = job.layout
        if place.source == name:
            self.source = Source(Producer(common.view(job.messages.created)), self.site)
        if place.broker == name:
            tracked = common.acknowledges(job.strategy)
            setting = BrokerSetting(job.consumers, job.retention, common.view(job.messages.size))
            self.broker = Broker(job.strategy.broker(setting), self.site, tracked)
        if place.target == name:
            for index in range(job.consumers):
                self.consumers.append(Consumer(job.strategy.consumer(index), self.site, index))
        self._wire_ingest(place.ingest)
        self._wire_delivery(job.strategy.wire)

    def _wire_ingest(self, ingest: Any) -> None:
        if isinstance(ingest, Call):
            if self.source and self.broker:
                self.source.send = self.broker.take
        elif self.source:
            self.clients.append(("websocket", WebSocketPublisher(self.site, self.source)))

    def _wire_delivery(self, wire: Any) -> None:
        if isinstance(wire, Call):
            self._wire_calls()
        elif isinstance(wire, Stream):
            self._wire_stream(wire)
        else:
            self._wire_exchange(wire)
        needs_hub = self.broker and not isinstance(self.job.layout.ingest, Call)
        if self.broker and needs_hub and "websocket" not in self.servers:
            self.servers["websocket"] = WebSocketHub(self.site, self.broker, None)

    def _wire_calls(self) -> None:
        loop, broker = self.site.loop, self.broker
        assert broker is not None

        def reply(message: Any) -> None:
            loop.call_soon(self.consumers[message.consumer].take, message)

        broker.send = reply
        for consumer in self.consumers:
            consumer.send = lambda m: self._call(broker, m)

    def _call(self, broker: Broker, message: Any) -> None:
        self.site.counters["requests"] += 1
        self.site.loop.call_soon(broker.take, message)

    def _wire_stream(self, wire: Stream) -> None:
        if self.broker and wire.duplex:
            hub = WebSocketHub(self.site, self.broker, wire, self.job.port)
            self.servers["websocket"] = hub
        elif self.broker:
            server = HttpServer(self.job.port)
            EventSource(self.site, self.broker, wire, server)
            self.servers["http"] = server
        for consumer in self.consumers:
            if wire.duplex:
                self.clients.append(("websocket", WebSocketListener(self.site, consumer, wire)))
            else:
                self.clients.append(("http", EventListener(self.site, consumer, wire)))

    def _wire_exchange(self, wire: Exchange) -> None:
        answering: dict[int, Any] = {}
        asking: list[Actor] = []
        if wire.server == "broker":
            asking.extend(self.consumers)
            if self.broker:
                answering = dict.fromkeys(range(self.job.consumers), self.broker)
        else:
            answering = dict(enumerate(self.consumers))
            if self.broker:
                asking.append(self.broker)
        if answering:
            server = HttpServer(self.job.port)
            Answering(self.site, answering, wire, server)
            self.servers["http"] = server
        self.clients.extend(("http", Asking(self.site, actor, wire)) for actor in asking)

    async def listen(self) -> dict[str, int]:
        return {name: await server.listen() for name, server in self.servers.items()}

    async def connect(self, ports: dict[str, int]) -> None:
        """Connect and subscribe; nothing is published or polled before `go`."""
        self.site.start = time.monotonic()
        gc.collect()
        gc.freeze()
        gc.disable()
        await asyncio.gather(*(client.connect(ports[name]) for name, client in self.clients))
        if common.polls(self.job.strategy.wire):
            return
        for consumer in self.consumers:
            consumer.wake()
        if self.broker and not isinstance(self.job.strategy.wire, Stream):
            for index in range(self.job.consumers):
                self.broker.handle(Subscribe(index))

    def go(self, start: float) -> None:
        """Begin at `start`, a CLOCK_MONOTONIC that all sides share."""
        self.site.start = start
        self.cpu = time.process_time()
        self.switches = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        for actor in (self.source, self.broker, *self.consumers):
            if actor:
                actor.plan()

    def result(self) -> dict[str, Any]:
        """Return this side's part of the trace, and what it counted."""
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        log = getattr(self.broker.role if self.broker else None, "log", None)
        return {
            "columns": self.site.columns,
            "counters": self.site.counters,
            "cpu_seconds": time.process_time() - self.cpu,
            "wake_ups": switches - self.switches,
            "elapsed": self.site.now(),
            "log_length": log.end if log else 0,
            "errors": self.site.errors,
            "core": settings.cores(),
        }

    async def close(self) -> None:
        for task in list(self.site.tasks):
            task.cancel()
        for _, client in self.clients:
            await client.close()
        for server in self.servers.values():
            await server.close()


def _listen(pipe: Connection, commands: asyncio.Queue[tuple[str, Any]]) -> None:
    """Pass on what the session says, or that it is gone."""
    try:
        commands.put_nowait(pipe.recv())
    except (EOFError, OSError):
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        commands.put_nowait(("end", None))


async def run(name: str, pipe: Connection, job: Job) -> None:
    """Take part in one run, from `listen` to `stop`."""
    side = Side(name, job)
    commands: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), _listen, pipe, commands)
    try:
        pipe.send(await side.listen())
        while True:
            command, argument = await commands.get()
            if command == "connect":
                await side.connect(argument)
                pipe.send(None)
            elif command == "go":
                side.go(argument)
            elif command == "status":
                pipe.send((side.site.counts, side.site.errors))
            elif command == "stop":
                pipe.send(side.result())
                return
            else:
                raise SessionEnded
    finally:
        gc.enable()
        gc.unfreeze()
        loop.remove_reader(pipe.fileno())
        await side.close()


def main(name: str, pipe: Connection, core: int | None) -> None:
    """Take part in runs until the session closes the pipe. The entry point of a side's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the session ends its sides itself
    settings.prepare_process(core)
    try:
        while pipe.poll(None):
            pipe.send(_take_part(name, pipe))
    except (SessionEnded, EOFError, BrokenPipeError, ConnectionResetError):
        return


def _take_part(name: str, pipe: Connection) -> Any:
    """Take part in the next run; return "closed", or what went wrong."""
    try:
        job = pipe.recv()
        with asyncio.Runner(loop_factory=settings.new_event_loop) as runner:
            runner.run(run(name, pipe, job))
    except EOFError:
        raise SessionEnded from None
    except FAILURES as error:
        return common.MeasurementError(f"{type(error).__name__}: {error}")
    return "closed"
