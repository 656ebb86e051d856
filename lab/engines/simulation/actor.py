"""Actors: a role on an event loop. They pay for what it receives and sends, and stamp the trace."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from lab.engines.common import FATES, Ledger
from lab.engines.simulation.link import Link
from lab.engines.simulation.loop import ARRIVAL, NEVER, NOTHING, SECOND, TIMER, EventLoop, Ready
from lab.engines.simulation.prices import Quote, Quotes
from lab.engines.simulation.record import Record
from lab.faults import Fault, slowness
from lab.messages import (
    Accepted,
    Committed,
    Connect,
    Deliver,
    Disconnect,
    Message,
    OutOfRange,
    Publish,
    Records,
    Save,
    Status,
    Subscribe,
    Work,
    Worked,
)
from lab.trace import Fate


class Run:
    """What is common to the actors of one run: the record, and what is left to be settled."""

    def __init__(self, record: Record, waits_for_acks: bool, finish: Callable[[], None]) -> None:
        self.record = record
        self.ledger = Ledger()
        rows = len(record.messages) * record.consumers
        self.unsettled = rows  # rows whose fate is not known
        self.unacked = rows if waits_for_acks else 0
        self.finish = finish

    def settle(self, count: int) -> None:
        self.unsettled -= count
        if self.unsettled <= 0 and self.unacked <= 0:
            self.finish()

    def acknowledge(self, count: int) -> None:
        self.unacked -= count
        if self.unsettled <= 0 and self.unacked <= 0:
            self.finish()


class Actor(Ready):
    """Drives `role` on `loop`. Subclasses say what is stamped and where messages go."""

    def __init__(self, role: Any, loop: EventLoop, run: Run, rank: int) -> None:
        self.role = role
        self.loop = loop
        self.shared = run
        self.record = run.record
        self.rank = rank
        self.step = NOTHING  # what it costs to decide what to send
        self.planned = NEVER  # the earliest wake-up of the role on the loop's agenda
        self.alive = True
        self.life = 0  # how often it was killed

    def plan(self) -> None:
        """Put the role's next wake-up on the loop's agenda; one that moves back is left to `due`."""
        at = self._wake_at()
        if at < self.planned:
            if self.planned != NEVER:
                self.loop.forget(self)
            self.planned = at
            self.loop.add(at, TIMER, self)

    def due(self, at: int) -> int:
        self.planned = planned = self._wake_at()
        return planned

    def _wake_at(self) -> int:
        """Return when the role's next wake-up is due, or `NEVER`."""
        wake_at = self.role.wake_at
        return NEVER if wake_at == math.inf else int(wake_at * SECOND + 0.5) + self.loop.timer

    def run(self, now: int, begun: int) -> int:
        """Wake the role, if it is still due. The loop calls this."""
        self.planned = NEVER
        role, loop = self.role, self.loop
        if not self.alive:
            return now
        wake_at = role.wake_at
        while wake_at * SECOND <= now + 1:
            now = self.emit(role.wake(max(now / SECOND, wake_at)), now)
            wake_at = role.wake_at
            next_at = self._wake_at()
            if next_at == NEVER:
                return now
            if loop.go_on(next_at, now, timed=True) < 0:
                break
            now = loop.opened
        self.plan()
        return now

    def take(self, message: Any, first: bool, now: int) -> int:
        """Pay for a message that arrived and let the role have it; returns when that is done.

        `first` says that no other was read from its connection in this turn.
        """
        raise NotImplementedError

    def handle(self, message: Message, now: int) -> int:
        """Let the role have a message and send what it answers."""
        outputs = self.role.receive(message, now / SECOND)
        if outputs:
            now = self.emit(outputs, self.loop.pay(self.step, now))
        if self.role.wake_at != math.inf:
            self.plan()
        return now

    def emit(self, outputs: Iterable[Any], now: int) -> int:
        """Pay for what the role sends and send it; returns when that is done."""
        raise NotImplementedError

    def settle(self, output: Any) -> None:
        """Note a fate that the role told, unless the message was delivered after all."""
        fate = FATES[type(output)]
        fates, done = self.record.fate[output.consumer], self.record.done[output.consumer]
        count = 0
        for m in output.messages:
            if fates[m] == Fate.IN_FLIGHT and done[m] == NEVER:
                fates[m] = fate
                count += 1
        if self.shared.unacked:
            self.shared.unacked -= count
        self.shared.settle(count)

    def die(self) -> None:
        """End at once, and lose all that was only in memory."""
        self.alive = False
        self.life += 1
        self.loop.forget(self)
        self.planned = NEVER

    def live(self, role: Any) -> None:
        """Begin again with a new role."""
        self.role = role
        self.alive = True


class Source(Actor):
    """The producer, which publishes to the broker."""

    broker: Link
    quotes: Quotes
    answer: Quote  # for what the broker acknowledges
    left: Iterator[Any] | None = None  # to send when others are to have the core

    def run(self, now: int, begun: int) -> int:
        if self.left is not None:
            self.planned = NEVER
            now = self.emit((), now)
            if self.left is not None:
                return now
        return super().run(now, begun)

    def _wake_at(self) -> int:
        return super()._wake_at() if self.left is None else 0

    def die(self) -> None:
        super().die()
        self.left = None

    def take(self, message: Any, first: bool, now: int) -> int:
        now = self.loop.pay(self.answer[3] if first else self.answer[2], now)
        accepted = self.record.accepted
        if accepted[message.sequence] == NEVER:
            accepted[message.sequence] = now
        return self.handle(message, now)

    def emit(self, outputs: Iterable[Any], now: int) -> int:
        sent, loop, link, known = self.record.sent, self.loop, self.broker, self.quotes.known
        todo = iter(outputs) if self.left is None else chain(self.left, outputs)
        self.left = None
        until = loop.begun + loop.patience
        for output in todo:
            if type(output) is Connect:
                assert link.connection is not None
                link.connection.dial(None, now)
                continue
            for m in output.messages:
                if sent[m] == NEVER:
                    sent[m] = now
            quote = known.get(len(output.messages)) or self.quotes.of(output.messages)
            if link.written == loop.begun:
                now = loop.vary(now)
                charge = quote[0]
            else:
                charge = quote[1]
            link.written = loop.begun
            now = loop.pay(charge, now) if loop.varies else now + int(charge[0])
            if link.is_call:
                now = link.receiver.take(output, True, now)
            else:
                link.send(output, quote[5], now)
            if now > until:
                self.left = todo
                self.plan()
                loop.horizon = 0  # the others on the core have their chance first
                break
        return now


class Broker(Actor):
    """The broker, or the sender inside a source. `consumers[c]` is the link to consumer `c`."""

    ingest: Quotes
    outlet: Quotes
    quotes: Mapping[type, Quote]  # of messages without records
    tracked: bool

    def __init__(self, role: Any, loop: EventLoop, run: Run, rank: int) -> None:
        super().__init__(role, loop, run, rank)
        self.consumers: list[Link] = []
        self.empty_replies = 0
        self.not_modified = 0  # bytes of the answer to a check that nothing is new
        self.resume = self.resuming = NOTHING  # what answering costs if it was not just asked for
        self.left = run.record.left_broker
        self.repeats = run.record.repeats
        self.at_broker = run.record.at_broker
        self.sync = 0  # what a durable log takes to keep what is published
        self.ingest_link: Link | None = None
        self.producer: Link | None = None  # to which it answers
        self.before: dict[str, int] = {}  # what happened to the brokers before, by event

    def run(self, now: int, begun: int) -> int:
        return self._listen_again(self.role.accepting, super().run(now, begun))

    def handle(self, message: Message, now: int) -> int:
        return self._listen_again(self.role.accepting, super().handle(message, now))

    def _listen_again(self, accepting: bool, now: int) -> int:
        """Go on reading what is published if the role wants to again."""
        if not accepting and self.role.accepting and self.ingest_link:
            self.ingest_link.listen()
        return now

    def events(self) -> dict[str, int]:
        """Return how often what happened, by what the role calls it."""
        found: dict[str, int] = getattr(self.role, "events", {})
        return {name: self.before.get(name, 0) + count for name, count in found.items()}

    def die(self) -> None:
        super().die()
        self.before = self.events()

    def take(self, message: Any, first: bool, now: int) -> int:
        loop = self.loop
        if type(message) is Publish:
            ingest = self.ingest
            quote = ingest.known.get(len(message.messages)) or ingest.of(message.messages)
            charge = quote[3] if first else quote[2]
            now = loop.pay(charge, now) if loop.varies else now + int(charge[0])
            at_broker = self.at_broker
            for m in message.messages:
                if at_broker[m] == NEVER:
                    at_broker[m] = now
            now += self.sync
            outputs = self.role.receive(message, now / SECOND)
            if outputs:
                now = self.emit(outputs, loop.pay(self.step, now))
            if self.role.wake_at != math.inf:
                self.plan()
            return now
        quote = self.quotes[type(message)]
        now = loop.pay(quote[3] if first else quote[2], now)
        self._acknowledge(message, now)
        self.resuming = NOTHING
        now = self.handle(message, now)
        self.resuming = self.resume
        return now

    def _acknowledge(self, message: Any, now: int) -> None:
        messages = self.shared.ledger.acknowledged(message)
        if messages:
            acked = self.record.acked[message.consumer]
            for m in messages:
                acked[m] = now
            self.shared.acknowledge(len(messages))

    def emit(self, outputs: Iterable[Any], now: int) -> int:
        loop, tracked, known = self.loop, self.tracked, self.outlet.known
        for output in outputs:
            kind = type(output)
            if kind is Deliver or kind is Records:
                who, messages = output.consumer, output.messages
                left, repeats = self.left[who], self.repeats[who]
                for m in messages:
                    if left[m] == NEVER:
                        left[m] = now
                    else:
                        repeats[m] += 1
                if tracked:
                    self.shared.ledger.sent(output)
                if not messages:
                    self.empty_replies += 1
                quote = known.get(len(messages)) or self.outlet.of(messages)
                link = self.consumers[who]
                charge = quote[0] if link.written == loop.begun else quote[1]
                link.written = loop.begun
                now = loop.pay(charge, now) if loop.varies else now + int(charge[0])
                if link.to_open is not NOTHING:
                    now = link.open(now)
                if self.resuming is not NOTHING:
                    now = loop.pay(self.resuming, now)
                link.send(output, quote[5], now)
                if quote[4] is not NOTHING:
                    now = loop.pay(quote[4], now)
            else:
                now = self._emit_other(output, kind, now)
        return now

    def _emit_other(self, output: Any, kind: type, now: int) -> int:
        """Send, or do, what holds no records."""
        if kind in FATES:
            self.settle(output)
            return now
        if kind is Accepted:
            return self._accept(output, now)
        if kind is Disconnect:
            connection = self.consumers[output.consumer].connection
            assert connection is not None
            connection.break_off(now)
            return now
        if kind is OutOfRange and kind not in self.quotes:  # like a subscription, it has no price
            connection = self.consumers[output.consumer].connection
            assert connection is not None
            connection.refuse(output, now)
            return now
        if kind is Committed:
            self._acknowledge(output, now)
        quote = self.quotes[kind]
        now = self.loop.pay(quote[1], now)
        size = quote[5]
        if kind is Status and not output.changed:
            self.empty_replies += 1
            size = self.not_modified
        self.consumers[output.consumer].send(output, size, now)
        return self.loop.pay(quote[4], now)

    def _accept(self, output: Accepted, now: int) -> int:
        assert self.producer is not None
        if self.producer.is_call:
            return self.producer.receiver.take(output, True, now)
        quote = self.quotes[Accepted]
        now = self.loop.pay(quote[1], now)
        self.producer.send(output, quote[5], now)
        return now


class Worker(Ready):
    """The consumer's one worker, busy for the work of each message in turn."""

    def __init__(self, consumer: "Consumer", rank: int) -> None:
        self.consumer = consumer
        self.rank = rank
        self.todo: Iterator[int] = iter(())
        self.current = 0
        self.failed: list[int] = []

    def begin(self, messages: Sequence[int], now: int) -> int:
        self.todo = iter(messages)
        return self._continue(now, self.consumer.record.messages.per_batch)

    def run(self, now: int, begun: int) -> int:
        """Finish the message at hand; the loop calls this when its work is over."""
        if self.consumer.worker is not self:  # the consumer was killed meanwhile
            return now
        self._finish(self.current, now)
        return self._continue(now)

    def _finish(self, m: int, now: int) -> None:
        if m in self.consumer.poison:
            self.failed.append(m)
        else:
            self.consumer.finish(m, now)

    def _continue(self, now: int, before: float = 0.0) -> int:
        """Start on the next message, `before` which there is so many seconds' work for the batch."""
        consumer = self.consumer
        loop = consumer.loop
        started, work = consumer.started, consumer.record.work
        now = loop.pay(loop.begin, now)
        for m in self.todo:
            if started[m] == NEVER:
                started[m] = now
            duration, before = work[m] + before, 0.0
            if consumer.faults:
                times, least = slowness(consumer.faults, consumer.index, now / SECOND)
                duration = max(times * duration, least)
            if duration:
                self.current = m
                loop.add(now + int(duration * SECOND + 0.5) + loop.timer, TIMER, self)
                return now
            self._finish(m, now)
            now += int(loop.begin_next * loop.pace)
        worked = consumer.worked
        if self.failed:
            worked, self.failed = Worked(consumer.index, self.failed), []
        return consumer.handle(worked, loop.pay(loop.finish, now))


class Writer(Ready):
    """Sends what a consumer says to the broker in its loop's next turn.

    An HTTP library does so in a task of its own: messages for other consumers of the process that have
    arrived meanwhile are taken first.
    """

    def __init__(self, consumer: "Consumer") -> None:
        self.consumer = consumer
        self.rank = consumer.rank
        self.waiting: list[Any] = []

    def send(self, output: Any, now: int) -> int:
        """Keep a message for the next turn. It costs nothing before."""
        if not self.waiting:
            self.consumer.loop.add(now, ARRIVAL, self)
        self.waiting.append(output)
        return now

    def run(self, now: int, begun: int) -> int:
        waiting, self.waiting = self.waiting, []
        for output in waiting:
            now = self.consumer.send(output, now)
        return now


class Consumer(Actor):
    """A consumer, with one worker. `broker` is the link back, `inlet` the one it reads from."""

    quotes: Mapping[type, Quote]  # of messages without records
    inbound: Quotes
    broker: Link
    inlet: Link

    def __init__(self, role: Any, loop: EventLoop, run: Run, rank: int, index: int) -> None:
        super().__init__(role, loop, run, rank)
        self.index = index
        self.peer = 0  # which of several with connections of their own it is to its loop
        self.faults: Sequence[Fault] = ()
        self.poison: frozenset[int] = frozenset()
        self.saved: tuple[int | None, int] = None, 0  # offset and epoch, over a crash
        self.worker = Worker(self, rank + 1)
        self.writer: Writer | None = None  # where several consumers share a process
        self.worked = Worked(index)
        self.received = self.record.received[index]
        self.started = self.record.started[index]
        self.done = self.record.done[index]
        self.fate = self.record.fate[index]
        self.again = self.record.again[index]

    def take(self, message: Any, first: bool, now: int) -> int:
        kind, loop = type(message), self.loop
        if loop.peer != self.peer:
            loop.turn_to(self.peer)
        if kind is Deliver or kind is Records:
            inbound = self.inbound
            quote = inbound.known.get(len(message.messages)) or inbound.of(message.messages)
            charge = quote[3] if first else quote[2]
            now = loop.pay(charge, now) if loop.varies else now + int(charge[0])
            received = self.received
            for m in message.messages:
                if received[m] == NEVER:
                    received[m] = now
        else:
            quote = self.quotes[kind]
            now = loop.pay(quote[3] if first else quote[2], now)
        return self.handle(message, now)

    def handle(self, message: Message, now: int) -> int:
        role = self.role
        accepting = role.accepting
        outputs = role.receive(message, now / SECOND)
        if outputs:
            now = self.emit(outputs, now)
        if role.wake_at != math.inf:
            self.plan()
        if not accepting and role.accepting:
            self.inlet.listen()
        return now

    def finish(self, m: int, now: int) -> None:
        """Note that the work on a message is done, unless it was before."""
        if self.done[m] == NEVER:
            self.done[m] = now
            if self.fate[m] == Fate.IN_FLIGHT:
                shared = self.shared
                shared.unsettled -= 1
                if not shared.unsettled:
                    shared.settle(0)
        else:
            self.again[m] += 1

    def die(self) -> None:
        super().die()
        self.worker = Worker(self, self.rank + 1)
        if self.writer:
            self.writer.waiting.clear()

    def _finish_at_once(self, messages: Sequence[int], now: int) -> int:
        """Do the work of messages that takes no time; returns when all have begun."""
        started, done, fate, loop = self.started, self.done, self.fate, self.loop
        count, more = 0, int(loop.begin_next * loop.pace)
        now = loop.pay(loop.begin, now) - more
        for m in messages:
            now += more
            if done[m] == NEVER:
                started[m] = done[m] = now
                count += fate[m] == 0
            else:
                self.again[m] += 1
        shared = self.shared
        shared.unsettled -= count
        if not shared.unsettled:
            shared.settle(0)
        return now

    def _subscribe(self, message: Subscribe, now: int) -> None:
        """Subscribe. The connections of the first time are made before the run begins."""
        connection = self.inlet.connection
        if connection is None or now == 0:
            self.broker.receiver.handle(message, now)
        elif connection.kind == "stream":
            connection.dial(message, now)

    def emit(self, outputs: Iterable[Any], now: int) -> int:
        for output in outputs:
            kind = type(output)
            if kind is Work:
                if self.record.has_work:
                    now = self.worker.begin(output.messages, now)
                else:
                    now = self.loop.pay(
                        self.loop.finish, self._finish_at_once(output.messages, now)
                    )
                    more = self.role.receive(self.worked, now / SECOND)
                    if more:
                        now = self.emit(more, now)
            elif kind is Subscribe:
                self._subscribe(output, now)
            elif kind is Save:
                self.saved = output.offset, output.epoch
            elif kind in FATES:
                self.settle(output)
            else:
                now = (self.writer or self).send(output, now)
        return now

    def send(self, output: Any, now: int) -> int:
        """Pay for a message to the broker and send it; returns when that is done."""
        quote, link, loop = self.quotes[type(output)], self.broker, self.loop
        if loop.peer != self.peer:
            loop.turn_to(self.peer)
        now = loop.pay(quote[1], now)
        if link.to_open is not NOTHING:
            now = link.open(now)
        link.send(output, quote[5], now)
        return loop.pay(quote[4], now)
