"""Builds the hosts, loops, links and actors of one run, runs them, and returns the trace."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import simpy

from lab.engines import common
from lab.engines.simulation.actor import Actor, Broker, Consumer, Run, Source, Writer
from lab.engines.simulation.keepalive import Answering, Asking, End
from lab.engines.simulation.link import Link, held_by_libraries
from lab.engines.simulation.loop import (
    RESUME,
    SECOND,
    STEP,
    Core,
    EventLoop,
    charge,
    depend,
)
from lab.engines.simulation.prices import FETCH, TYPICAL, Quotes, opening, prices
from lab.engines.simulation.record import Record
from lab.engines.simulation.trouble import Trouble
from lab.faults import SlowConsumer
from lab.messages import Accepted, Assigned, Deliver, Fetch, Publish, Records
from lab.physics import Physics
from lab.roles import Log, Producer
from lab.roles.partition import ranges
from lab.scenario import Scenario
from lab.strategies import BrokerSetting, Call, ConsumerGroup, Exchange, Start, Strategy, Stream
from lab.strategies.base import Wire
from lab.trace import Counters, Trace
from lab.workload import Messages

NOISE_STREAM, DRIFT_STREAM = 3, 4  # the workload's own draws use the streams before
SOURCE, BROKER = 100_000, 200_000  # whose luck it is; consumers have their own numbers


class Simulation:
    """One run of one strategy. Use `simulate`."""

    def __init__(
        self,
        scenario: Scenario,
        strategy: Strategy,
        physics: Physics,
        replication: int,
        chance: int = 0,
    ) -> None:
        self.scenario = scenario
        self.strategy = strategy
        self.physics = _at_speed_of_run(physics, scenario.workload.seed, replication)
        if isinstance(strategy.wire, Call):
            self.physics = self.physics.without_sockets()
        self.replication = replication
        self.streams = (replication, NOISE_STREAM, chance)[: 3 if chance else 2]
        self.workload = scenario.workload
        self.messages: Messages = self.workload.draw(replication)
        self.env = simpy.Environment(initial_time=0)
        self.finished = self.env.event()
        self.layout = common.layout(scenario, strategy)
        self.tracked = common.acknowledges(strategy)
        self.record = Record(self.messages, self.workload.consumers, strategy.shared)
        self.shared = Run(self.record, self.tracked, self._finish)
        self.troubled = common.troubled(scenario, strategy)
        self.record.has_work |= bool(scenario.poison or scenario.faults)
        self.answers: Link | None = None
        self.consumers: list[Consumer] = []
        self.links: list[Link] = []
        self.pings: list[Link] = []
        self.pongs: list[Link] = []
        self.ranks = iter(range(10**9))
        self._build()

    def _build(self) -> None:
        self.loops = self._event_loops()
        loops, place, run = self.loops, self.layout, self.shared
        policy = self.scenario.producer.policy()
        producer = Producer(self.record.created, policy, self.luck(SOURCE))
        self.source = Source(producer, loops[place.source], run, next(self.ranks))
        role = self.strategy.broker(self.setting())
        self.broker = Broker(role, loops[place.broker], run, next(self.ranks))
        wire, ingest = self.strategy.wire, place.ingest
        published = Quotes(prices(ingest, self.physics), Publish, self.record)
        self.source.quotes = self.broker.ingest = published
        self.broker.step = charge(_step(wire, self.physics), STEP, self.physics.loop.cold)
        asks = _typical_fetch(self.strategy, self.workload.consumers)
        costs = prices(wire, self.physics, asks)
        self.broker.quotes, self.broker.tracked = costs.without_records(), self.tracked
        self.broker.not_modified = costs.not_modified
        if costs.resume:
            self.broker.resume = self.broker.resuming = charge(
                costs.resume, RESUME, self.physics.loop.cold
            )
        kind = Records if common.polls(wire) else Deliver
        self.broker.outlet = Quotes(costs, kind, self.record)
        self.source.broker = self._link(self.source, self.broker, 0, ingest)
        self.broker.ingest_link = self.source.broker
        if self.scenario.durable:
            self.broker.sync = int(self.physics.sync * SECOND)
        if policy.acks != "none":
            self._answer_producer(ingest)
        for index in range(self.workload.consumers):
            self._add_consumer(index, wire)
        answers = not isinstance(wire, Stream) or self.tracked
        links = self.links if answers else [self.links[0], *self.links[2::2]]
        self._depend(links, both_ways=self.troubled)

    def _depend(self, links: list[Link], both_ways: bool) -> None:
        """Tell loops by which links others can reach them."""
        pairs = {(link.sender.loop, link.receiver.loop) for link in links}
        if both_ways:
            pairs |= {(b, a) for a, b in pairs}
        depend(list(self.loops.values()), pairs)

    def setting(self, kept: Log | None = None, epoch: int = 0) -> BrokerSetting:
        """Return what a broker begins with."""
        scenario = self.scenario
        return BrokerSetting(
            self.workload.consumers,
            scenario.retention.limits(),
            self.record.sizes,
            kept,
            scenario.durable,
            epoch,
            self.luck(BROKER + epoch),
        )

    def luck(self, who: int) -> Iterator[float]:
        return common.luck(self.workload.seed, self.replication, who)

    def _answer_producer(self, ingest: Wire) -> None:
        """Have the broker tell the producer what it accepted."""
        quotes = prices(ingest, self.physics).without_records()
        self.broker.quotes = {**self.broker.quotes, Accepted: quotes[Accepted]}
        self.source.answer = quotes[Accepted]
        physics = None if isinstance(ingest, Call) else self.physics.link
        self.answers = Link(self.broker, self.source, 0, next(self.ranks), physics)
        self.broker.producer = self.answers

    def _add_consumer(self, index: int, wire: Wire) -> None:
        rank = next(self.ranks)
        next(self.ranks)  # the worker's
        loop = self.loops[self.layout.targets[index]]
        role = self.strategy.consumer(index, Start(luck=self.luck(index)))
        consumer = Consumer(role, loop, self.shared, rank, index)
        consumer.poison = frozenset(self.scenario.poison)
        consumer.faults = [f for f in self.scenario.faults if isinstance(f, SlowConsumer)]
        consumer.quotes, consumer.inbound = self.broker.quotes, self.broker.outlet
        if not isinstance(wire, Call):
            consumer.peer = index
        if isinstance(wire, Exchange) and self.workload.consumers > 1:
            consumer.writer = Writer(consumer)
        consumer.broker = self._link(consumer, self.broker, index, wire)
        consumer.broker.gated = False
        consumer.inlet = self._link(self.broker, consumer, index, wire)
        if isinstance(wire, Exchange) and wire.keep_alive:
            asking = consumer.inlet if wire.server == "consumer" else consumer.broker
            asking.opening = opening(self.physics)
            asking.shut()
        self.broker.consumers.append(consumer.inlet)
        self.consumers.append(consumer)
        if common.polls(wire):
            consumer.plan()
        else:
            consumer.run(0, 0)  # subscribes before the run

    def _keep_alive(self, loop: EventLoop, index: int, interval: float) -> None:
        """Have a consumer's connection pinged from `loop`, beside what else it may carry."""
        run, physics, here = self.shared, self.physics, self.broker.loop
        asking = End(Asking(interval), loop, run, next(self.ranks), physics, masked=True)
        answering = End(Answering(), here, run, next(self.ranks), physics, masked=False)
        asking.link = Link(asking, answering, index, next(self.ranks), physics.link)
        answering.link = Link(answering, asking, index, next(self.ranks), physics.link)
        self.pings.append(asking.link)
        self.pongs.append(answering.link)
        asking.plan()

    def _event_loops(self) -> dict[str, EventLoop]:
        sides = self.layout.sides
        own = np.random.SeedSequence(self.workload.seed, spawn_key=self.streams)
        seeds = own.spawn(len(sides) + self.physics.cores)
        draws = [np.random.default_rng(seed) for seed in seeds]
        cores = self.cores = [Core(self.physics, rng) for rng in draws[len(sides) :]]
        return {
            side: EventLoop(self.env, rank, cores[self.physics.core_of(side)], self.physics, rng)
            for rank, (side, rng) in enumerate(zip(sides, draws, strict=False), start=1)
        }

    def _link(self, sender: Actor, receiver: Actor, consumer: int, wire: Wire) -> Link:
        physics = None if isinstance(wire, Call) else self.physics.link
        sockets = self.scenario.socket_buffer
        if physics and sockets and isinstance(wire, Stream):
            held = sockets + held_by_libraries(wire, float(self.messages.size.mean()))
            physics = physics.model_copy(update={"buffer": held})
        link = Link(sender, receiver, consumer, next(self.ranks), physics)
        self.links.append(link)
        return link

    def _pace(self) -> float:
        """Return by which factor the work of the run took longer than it usually does."""
        meant = sum(core.meant for core in self.cores)
        return sum(core.ran for core in self.cores) / meant if meant else 1.0

    def _finish(self) -> None:
        if not self.finished.triggered and not self.troubled:
            self.finished.succeed()
            for loop in self.loops.values():
                loop.horizon = 0  # no more looking ahead

    def run(self) -> Trace:
        """Run until every message is settled, or the time to drain is over."""
        trouble = None
        if self.troubled and len(self.messages):
            trouble = Trouble(self)
            with _no_garbage_collection():
                trouble.run()
        elif len(self.messages):
            self.source.plan()
            limit = int((self.workload.duration + self.scenario.drain) * SECOND)
            deadline = self.env.timeout(limit)
            for loop in self.loops.values():
                loop.limit = limit
            with _no_garbage_collection():
                self.env.run(until=self.finished | deadline)
        manifest = common.manifest(
            self.scenario, self.strategy, "simulation", self.replication, len(self.messages)
        )
        manifest["physics"] = self.physics.model_dump(mode="json")
        manifest["pace"] = self._pace()
        drained = trouble.drained() if trouble else None
        trace = self.record.trace(self.strategy.brokerless, Counters(), manifest, drained)
        places = trouble.places() if trouble else {}
        return Trace(**{**vars(trace), "counters": self._counters(trace), "places": places})

    def idle(self, seconds: float, ping_interval: float | None = None) -> Counters:
        """Run for so long without a message and return what was counted.

        With `ping_interval` consumers send a WebSocket ping every so many seconds.
        """
        limit = int(seconds * SECOND)
        if ping_interval is not None:
            for index in range(self.workload.consumers):
                self._keep_alive(self.loops[self.layout.targets[index]], index, ping_interval)
            self._depend(self.links + self.pings, both_ways=True)
        for loop in self.loops.values():
            loop.limit = limit
        with _no_garbage_collection():
            self.env.run(until=limit)
        manifest = common.manifest(self.scenario, self.strategy, "simulation", self.replication, 0)
        return self._counters(self.record.trace(self.strategy.brokerless, Counters(), manifest))

    def _counters(self, trace: Trace) -> Counters:
        back, out, wire = self.links[1::2], self.links[2::2], self.strategy.wire
        if common.polls(wire):
            requests = sum(link.sent for link in back)
        elif isinstance(wire, Exchange):
            requests = sum(link.sent for link in out)
        else:
            requests = self.workload.consumers
        accepted = trace.sent if self.strategy.brokerless else trace.at_broker
        return Counters(
            requests=requests,
            empty_replies=self.broker.empty_replies,
            bytes_in=_bytes(self.links[:1]),
            bytes_out=_bytes(out + self.pongs),
            bytes_back=_bytes(back + self.pings),
            peak_queue=common.peak_queues(accepted, trace.started, self.record.consumers),
            log_length=getattr(getattr(self.broker.role, "log", None), "end", 0),
            elapsed=max(loop.busy_until for loop in self.loops.values()) / SECOND,
            cpu_seconds={side: loop.cpu / SECOND for side, loop in self.loops.items()},
            wake_ups={side: loop.wake_ups for side, loop in self.loops.items()},
            events=self.broker.events(),
        )


def _typical_fetch(strategy: Strategy, consumers: int) -> Fetch:
    """Return a fetch of the size that most have."""
    consumer = strategy.consumer(0)
    outputs = consumer.wake(0.0)
    if isinstance(strategy, ConsumerGroup):
        mine = tuple((number, TYPICAL) for number in ranges(strategy.partitions, consumers)[0])
        outputs = consumer.receive(Assigned(0, 1, mine), 0.0)
    return next((m for m in outputs if isinstance(m, Fetch)), FETCH)


def _at_speed_of_run(physics: Physics, seed: int, replication: int) -> Physics:
    """Return the machine at the speed that it happens to have in this run."""
    if not physics.drift:
        return physics
    draws = np.random.SeedSequence(seed, spawn_key=(replication, DRIFT_STREAM))
    return physics.slower(float(np.random.default_rng(draws).lognormal(0.0, physics.drift)))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A run makes millions of tuples and no cycles: looking for cycles is time lost."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _bytes(links: list[Link]) -> int:
    """Return the bytes that went through sockets; a call within a process has none."""
    return sum(link.bytes for link in links if not link.is_call)


def _step(wire: Wire, physics: Physics) -> float:
    """Return what it costs a broker to decide what to send."""
    if isinstance(wire, Call):
        return physics.call.step
    return physics.stream.step if isinstance(wire, Stream) else physics.exchange.step


def simulate(
    scenario: Scenario,
    strategy: Strategy,
    physics: Physics,
    replication: int = 0,
    chance: int = 0,
) -> Trace:
    """Run `strategy` on the scenario's workload in virtual time and return its trace.

    The same arguments give the same trace, byte for byte. Another `chance` is another draw of noise,
    swings and stalls, on a machine of the same speed, which the messages of the replication meet.
    """
    return Simulation(scenario, strategy, physics, replication, chance).run()
