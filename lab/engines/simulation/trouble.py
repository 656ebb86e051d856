"""Runs with faults: it stops the clock at each of them, does what it says, and lets time go on.

Between stops no loop looks further ahead than the next stop. The run ends when nothing is under way
any more, and nothing that goes wrong is still to come.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab.engines import common
from lab.engines.simulation.connection import Connection
from lab.engines.simulation.link import Link, read_ahead
from lab.engines.simulation.loop import NEVER, SECOND
from lab.faults import (
    AddedLatency,
    BrokerRestart,
    ConnectionReset,
    ConsumerCrash,
    Fault,
    HalfOpen,
    LimitedBandwidth,
    LinkDown,
    LinkFault,
    LostRequest,
    LostResponse,
    StalledLoop,
)
from lab.messages import Subscribe
from lab.roles import Log
from lab.strategies import Start
from lab.strategies.base import Wire
from lab.trace import PLACES

if TYPE_CHECKING:
    from lab.engines.simulation.actor import Consumer
    from lab.engines.simulation.engine import Simulation

CHECK = SECOND // 20  # how often it is asked whether all is done
Action = Callable[[], None]


class Trouble:
    """Lets one `run` go wrong as its scenario says."""

    def __init__(self, run: "Simulation") -> None:
        self.run_ = run
        self.connections = {c.index: self._connect(c) for c in run.consumers}
        self.ingest = self._connect_source()
        self.samples: list[list[float]] = []
        self.restarts = 0
        self.lost_before = -np.inf
        self.quiet_since = -1
        self.drained_ = False
        mine = [f for f in run.scenario.faults if common.applies(f, run.strategy)]
        self.schedule = common.schedule(mine, self._actions)

    def _connect(self, consumer: "Consumer") -> Connection | None:
        kind = None if consumer.broker.is_call else common.connection_kind(self.run_.strategy.wire)
        if kind is None:
            return None
        ways = (consumer.inlet, consumer.broker)
        there, back = reversed(ways) if kind == "pull" else ways
        return Connection(kind, there, back, self.run_.ranks, consumer.index)

    def _connect_source(self) -> Connection | None:
        run = self.run_
        link = run.source.broker
        if link.is_call:
            return None
        answers = run.answers or Link(run.broker, run.source, 0, link.rank, run.physics.link)
        return Connection("ingest", link, answers, run.ranks)

    def _actions(self, fault: Fault) -> Iterator[tuple[float, Action]]:
        """Yield what happens when, for one fault."""
        if isinstance(fault, ConsumerCrash):
            yield fault.at, lambda: self._kill_consumer(fault.consumer)
            yield fault.until, lambda: self._start_consumer(fault.consumer)
        elif isinstance(fault, BrokerRestart):
            yield fault.at, self._kill_broker
            yield fault.until, self._start_broker
        elif isinstance(fault, StalledLoop):
            yield fault.at, lambda: self._stall(fault)
        elif isinstance(fault, LinkFault):
            yield from self._link_actions(fault)

    def _link_actions(self, fault: LinkFault) -> Iterator[tuple[float, Action]]:
        connection = self.ingest if fault.link == "ingest" else self.connections[fault.consumer]
        assert connection is not None
        if isinstance(fault, ConnectionReset):
            yield fault.at, lambda: connection.break_off(self._now())
        elif isinstance(fault, LinkDown):
            yield fault.at, lambda: self._cut(connection, 1)
            yield fault.until, lambda: self._cut(connection, -1)
        elif isinstance(fault, HalfOpen):
            yield fault.at, lambda: self._silence(connection, 1)
            yield fault.until, lambda: self._silence(connection, -1)
        elif isinstance(fault, LostRequest):
            yield fault.at, lambda: connection.losing.add(connection.there)
        elif isinstance(fault, LostResponse):
            yield fault.at, lambda: connection.losing.add(connection.back)
        elif isinstance(fault, AddedLatency):
            delay = int(fault.delay * SECOND)
            yield fault.at, lambda: connection.delay(delay)
            yield fault.until, lambda: connection.delay(-delay)
        elif isinstance(fault, LimitedBandwidth):
            yield fault.at, lambda: connection.limit(SECOND / fault.rate, self._now())
            yield fault.until, lambda: connection.limit(None, self._now())

    def _now(self) -> int:
        return int(self.run_.env.now)

    def _cut(self, connection: Connection, change: int) -> None:
        connection.down += change
        if change > 0:
            connection.break_off(self._now())

    def _silence(self, connection: Connection, change: int) -> None:
        connection.silent += change
        if change < 0:
            connection.break_off(self._now())

    def _stall(self, fault: StalledLoop) -> None:
        loop = self.run_.loops[self.run_.layout.side(fault.side)]
        loop.busy_until = max(loop.busy_until, int(fault.until * SECOND))

    def _kill_consumer(self, index: int) -> None:
        consumer = self.run_.consumers[index]
        connection = self.connections[index]
        assert connection is not None
        connection.break_off(self._now())
        consumer.die()

    def _start_consumer(self, index: int) -> None:
        run, consumer = self.run_, self.run_.consumers[index]
        luck = run.luck(index + 1000 * consumer.life)
        consumer.live(run.strategy.consumer(index, Start(*consumer.saved, luck)))
        consumer.loop.busy_until = max(consumer.loop.busy_until, self._now())
        consumer.plan()

    def _kill_broker(self) -> None:
        now = self._now()
        for connection in (self.ingest, *self.connections.values()):
            assert connection is not None
            connection.break_off(now)
        self.run_.broker.die()

    def _start_broker(self) -> None:
        run, broker, now = self.run_, self.run_.broker, self._now()
        self.restarts += 1
        log: Log | None = getattr(broker.role, "log", None)
        if not run.scenario.durable:
            log, self.lost_before = None, now / SECOND
        broker.live(run.strategy.broker(run.setting(log, self.restarts)))
        broker.loop.busy_until = max(broker.loop.busy_until, now)
        if common.connection_kind(run.strategy.wire) == "push":
            for consumer in run.consumers:  # webhooks are part of the broker's settings
                broker.handle(Subscribe(consumer.index), now)
        broker.plan()

    def run(self) -> None:
        """Go from stop to stop until all is done, or the time to drain is over."""
        run = self.run_
        run.source.plan()
        end = int((run.workload.duration + run.scenario.drain) * SECOND)
        last = max((fault.until for fault in run.scenario.faults), default=0.0)
        check_at = int(max(last, run.record.created[-1]) * SECOND)
        every = int((run.scenario.sample or 0) * SECOND)
        sample_at = 0 if every else NEVER
        stops = deque((int(stop.at * SECOND), stop.action) for stop in self.schedule)
        while not self.drained_:
            stop_at = stops[0][0] if stops else NEVER
            now = min(stop_at, sample_at, check_at, end)
            self._go_to(now)
            if now == end:
                return
            if stop_at == now:
                stops.popleft()[1]()
            elif sample_at == now:
                self.samples.append(self._sample(now))
                sample_at += every
            else:
                self._check(now)
                check_at += CHECK

    def _go_to(self, at: int) -> None:
        run = self.run_
        for loop in run.loops.values():
            loop.limit = at
        if at > run.env.now:
            run.env.run(until=at)

    def _check(self, now: int) -> None:
        """See whether nothing has been pending for long enough."""
        run = self.run_
        actors = (run.source, run.broker, *run.consumers)
        pending = sum(actor.role.pending for actor in actors)
        pending += sum(len(link.queue) + len(link.held_back) for link in run.links)
        if pending or not all(actor.alive for actor in actors):
            self.quiet_since = -1
        elif self.quiet_since < 0:
            self.quiet_since = now
        elif now - self.quiet_since >= common.grace(run.strategy) * SECOND:
            self.drained_ = True

    def drained(self) -> common.Drained | None:
        """Return what is known in the end; None if something was still under way."""
        if not self.drained_:
            return None
        run = self.run_
        log: Log | None = getattr(run.broker.role, "log", None)
        kept = None
        if log is not None and log.bounded:
            kept = log.read(log.start, log.end - log.start)
        acks = run.scenario.producer.acks != "none"
        return common.Drained(kept, self.lost_before, acks)

    def _sample(self, now: int) -> list[float]:
        """Return the time, and how many messages wait in each of `PLACES`."""
        run = self.run_
        source, broker = run.source.role, run.broker.role
        due = bisect_right(run.record.created, now / SECOND)
        ingest = run.source.broker
        wires = [_waiting(c.inlet, run.strategy.wire, now) for c in run.consumers]
        return [
            now / SECOND,
            due - source.next,
            len(ingest.queue) + len(ingest.held_back),
            common.waiting(broker),
            sum(wire[0] for wire in wires),
            sum(wire[1] for wire in wires),
            sum(wire[2] for wire in wires),
            sum(common.waiting(consumer.role) for consumer in run.consumers),
        ]

    def places(self) -> dict[str, NDArray[np.float64]]:
        columns = np.array(self.samples).T
        return dict(zip(("time", *PLACES), columns, strict=True)) if self.samples else {}


def _waiting(link: Link, wire: Wire, now: int) -> tuple[int, int, int]:
    """Return how many messages are with the sender's library, the kernel, the receiver's library."""
    arrived = [(message, size) for at, message, size in link.queue if at <= now]
    counts = [len(getattr(message, "messages", ())) for message, _ in arrived]
    ahead = read_ahead(wire, [size for _, size in arrived])
    held = sum(len(getattr(message, "messages", ())) for message, _ in link.held_back)
    return held, sum(counts[ahead:]), sum(counts[:ahead])
