"""Actors: a role on an event loop. They pay for what it receives and sends, and stamp the trace."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from lab.engines.common import Ledger
from lab.engines.simulation.link import Link
from lab.engines.simulation.loop import NEVER, SECOND, TIMER, EventLoop
from lab.engines.simulation.prices import Prices
from lab.engines.simulation.record import Record
from lab.messages import (
    DeadLettered,
    Deliver,
    Dropped,
    Expired,
    Message,
    Publish,
    Records,
    Status,
    Subscribe,
    Work,
    Worked,
)
from lab.trace import Fate

FATES = {Dropped: Fate.DROPPED, Expired: Fate.EXPIRED, DeadLettered: Fate.DEAD_LETTERED}


class Run:
    """What is common to the actors of one run: the record, and what is left to be settled."""

    def __init__(self, record: Record, waits_for_acks: bool, finish: Callable[[], None]) -> None:
        self.record = record
        self.ledger = Ledger()
        rows = len(record.messages) * record.consumers
        self.unsettled = rows
        self.unacked = rows if waits_for_acks else 0
        self.finish = finish

    def settled(self, count: int = 1, acked: bool = False) -> None:
        """Count rows whose fate is known (or with `acked`, whose ack has come)."""
        if acked:
            self.unacked -= count
        else:
            self.unsettled -= count
        if self.unsettled <= 0 and self.unacked <= 0:
            self.finish()


class Actor:
    """Drives `role` on `loop`. Subclasses say what is stamped and where messages go."""

    def __init__(self, role: Any, loop: EventLoop, run: Run, rank: int) -> None:
        self.role = role
        self.loop = loop
        self.shared = run
        self.record = run.record
        self.rank = rank
        self.planned = NEVER  # the earliest wake-up of the role on the loop's agenda

    def plan(self) -> None:
        """Put the role's next wake-up on the loop's agenda."""
        wake_at = self.role.wake_at
        if wake_at != math.inf:
            at = int(wake_at * SECOND + 0.5) + self.loop.timer
            if at < self.planned:
                self.planned = at
                self.loop.add(at, TIMER, self)

    def run(self, now: int, begun: int) -> int:
        """Wake the role, if it is still due. The loop calls this."""
        self.planned = NEVER
        wake_at = self.role.wake_at
        if wake_at * SECOND <= now + 1:
            now = self.emit(self.role.wake(max(now / SECOND, wake_at)), now)
        self.plan()
        return now

    def take(self, message: Message, size: int, now: int) -> int:
        """Pay for a message that arrived and let the role have it; returns when that is done."""
        raise NotImplementedError

    def handle(self, message: Message, now: int) -> int:
        """Let the role have a message and send what it answers."""
        outputs = self.role.receive(message, now / SECOND)
        if outputs:
            now = self.emit(outputs, now)
        if self.role.wake_at != math.inf:
            self.plan()
        return now

    def emit(self, outputs: Sequence[Message], now: int) -> int:
        raise NotImplementedError


class Source(Actor):
    """The producer, which publishes to the broker."""

    role: Any
    broker: Link
    prices: Prices

    def take(self, message: Message, size: int, now: int) -> int:
        raise TypeError(f"a producer takes no {message!r}")

    def emit(self, outputs: Sequence[Message], now: int) -> int:
        price, head, sent = self.prices.send[Publish], self.prices.head[Publish], self.record.sent
        for output in outputs:
            messages = output.messages  # type: ignore[union-attr]
            for m in messages:
                sent[m] = now
            size = self.record.bytes_of(messages)
            now += self.loop.price(price[0] + price[1] * len(messages) + price[2] * size)
            self.broker.send(output, size + head, now)
        return now


class Broker(Actor):
    """The broker, or the sender inside a source. `consumers[c]` is the link to consumer `c`."""

    def __init__(self, role: Any, loop: EventLoop, run: Run, rank: int) -> None:
        super().__init__(role, loop, run, rank)
        self.consumers: list[Link] = []
        self.empty_replies = 0

    ingest: Prices
    prices: Prices

    def take(self, message: Message, size: int, now: int) -> int:
        kind = type(message)
        if kind is Publish:
            messages = message.messages  # type: ignore[union-attr]
            price = self.ingest.receive[Publish]
            now += self.loop.price(price[0] + price[1] * len(messages) + price[2] * size)
            at_broker = self.record.at_broker
            for m in messages:
                at_broker[m] = now
        else:
            price = self.prices.receive[kind]
            now += self.loop.price(price[0] + price[2] * size)
            self._acknowledge(message, now)
        return self.handle(message, now)

    def _acknowledge(self, message: Message, now: int) -> None:
        messages = self.shared.ledger.acknowledged(message)
        if messages:
            acked = self.record.acked[message.consumer]  # type: ignore[union-attr]
            for m in messages:
                acked[m] = now
            self.shared.settled(len(messages), acked=True)

    def emit(self, outputs: Sequence[Message], now: int) -> int:
        for output in outputs:
            kind = type(output)
            if kind is Deliver or kind is Records:
                now = self._deliver(output, now)
            elif kind in FATES:
                self._settle(output, FATES[kind])
            else:
                price = self.prices.send[kind]
                now += self.loop.price(price[0])
                self.empty_replies += kind is Status and not output.changed  # type: ignore[union-attr]
                link = self.consumers[output.consumer]  # type: ignore[union-attr]
                link.send(output, self.prices.head[kind], now)
        return now

    def _deliver(self, output: Any, now: int) -> int:
        who, messages = output.consumer, output.messages
        left, attempts = self.record.left_broker[who], self.record.attempts[who]
        for m in messages:
            left[m] = now
            attempts[m] += 1
        kind, count = type(output), len(messages)
        if self.prices.tracked:
            self.shared.ledger.sent(output)
        price = self.prices.send[kind]
        size = self.record.bytes_of(messages)
        now += self.loop.price(price[0] + price[1] * count + price[2] * size)
        if not count:
            self.empty_replies += 1
            self.consumers[who].send(output, self.prices.empty_head, now)
        else:
            self.consumers[who].send(output, size + self.prices.head[kind], now)
        return now

    def _settle(self, output: Any, fate: Fate) -> None:
        """Note a fate, unless the message was delivered after all."""
        fates, done = self.record.fate[output.consumer], self.record.done[output.consumer]
        count = 0
        for m in output.messages:
            if fates[m] == Fate.IN_FLIGHT and done[m] == NEVER:
                fates[m] = fate
                count += 1
        self.shared.settled(count)
        if self.shared.unacked:
            self.shared.settled(count, acked=True)


class Worker:
    """The consumer's one worker, busy for the work of each message in turn."""

    def __init__(self, consumer: "Consumer", rank: int) -> None:
        self.consumer = consumer
        self.rank = rank
        self.todo: Sequence[int] = ()
        self.next = 0

    def begin(self, messages: Sequence[int], now: int) -> int:
        self.todo = messages
        self.next = 0
        return self._continue(now)

    def run(self, now: int, begun: int) -> int:
        """Finish the message at hand; the loop calls this when its work is over."""
        m = self.todo[self.next]
        self.next += 1
        self._done(m, now)
        return self._continue(now)

    def _continue(self, now: int) -> int:
        consumer = self.consumer
        started, work = consumer.started, consumer.record.work
        for m in self.todo[self.next :] if self.next else self.todo:
            if started[m] == NEVER:
                started[m] = now
            duration = work[m]
            if duration:
                loop = consumer.loop
                loop.add(now + int(duration * SECOND + 0.5) + loop.timer, TIMER, self)
                return now
            self.next += 1
            self._done(m, now)
        return consumer.handle(Worked(consumer.index), now)

    def _done(self, m: int, now: int) -> None:
        consumer = self.consumer
        if consumer.done[m] == NEVER:
            consumer.done[m] = now
            if consumer.fate[m] == Fate.IN_FLIGHT:
                consumer.shared.settled()


class Consumer(Actor):
    """A consumer, with one worker. `broker` is the link back, `inlet` the one it reads from."""

    prices: Prices
    broker: Link
    inlet: Link

    def __init__(self, role: Any, loop: EventLoop, run: Run, rank: int, index: int) -> None:
        super().__init__(role, loop, run, rank)
        self.index = index
        self.worker = Worker(self, rank + 1)
        self.received = self.record.received[index]
        self.started = self.record.started[index]
        self.done = self.record.done[index]
        self.fate = self.record.fate[index]

    def take(self, message: Message, size: int, now: int) -> int:
        kind = type(message)
        price = self.prices.receive[kind]
        if kind is Deliver or kind is Records:
            messages = message.messages  # type: ignore[union-attr]
            now += self.loop.price(price[0] + price[1] * len(messages) + price[2] * size)
            received = self.received
            for m in messages:
                if received[m] == NEVER:
                    received[m] = now
        else:
            now += self.loop.price(price[0] + price[2] * size)
        return self.handle(message, now)

    def handle(self, message: Message, now: int) -> int:
        accepting = self.role.accepting
        now = super().handle(message, now)
        if not accepting and self.role.accepting:
            self.inlet.listen(now)
        return now

    def emit(self, outputs: Sequence[Message], now: int) -> int:
        for output in outputs:
            kind = type(output)
            if kind is Work:
                now = self.worker.begin(output.messages, now)  # type: ignore[union-attr]
            elif kind is Subscribe:  # connections are made before the run begins
                self.broker.receiver.handle(output, now)
            else:
                price = self.prices.send[kind]
                now += self.loop.price(price[0])
                self.broker.send(output, self.prices.head[kind], now)
        return now
