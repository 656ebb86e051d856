"""The push broker: it sends every message on to every subscribed consumer, as fast as it may.

A session may send while its connection is writable and its windows are open: `credits` messages
and `concurrency` deliveries not yet acknowledged. Until then messages wait in the session's buffer.
Without acks a delivery is forgotten as soon as it is sent: fire and forget.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from lab.messages import (
    Ack,
    Blocked,
    DeadLettered,
    Deliver,
    Dropped,
    Message,
    Nack,
    Publish,
    Subscribe,
    Writable,
    make,
)
from lab.roles.log import Log
from lab.roles.retry import Retry

Overflow = Literal["drop_newest", "drop_oldest"]


@dataclass(frozen=True)
class PushPolicy:
    """How a push broker delivers; the defaults are fire and forget, one message at a time.

    `batch_size` messages go in one delivery; a smaller batch waits `linger` seconds for more.
    `credits` (messages) and `concurrency` (deliveries) bound what is sent and not acknowledged.
    `buffer` messages may wait for one consumer; `overflow` says which is dropped beyond that.
    A delivery not acknowledged within `timeout` seconds has failed; failures follow `retry`.
    """

    acks: bool = False
    batch_size: int = 1
    linger: float = 0.0
    credits: float = math.inf
    concurrency: float = math.inf
    buffer: float = math.inf
    overflow: Overflow = "drop_newest"
    timeout: float = math.inf
    retry: Retry = field(default_factory=Retry)


class Waiting(NamedTuple):
    """A message in a session's buffer, with its offset and the time it came."""

    offset: int
    message: int
    since: float


@dataclass(slots=True)
class Session:
    """What the broker knows of one subscribed consumer."""

    consumer: int
    writable: bool = True
    buffer: deque[Waiting] = field(default_factory=deque)
    unacked: dict[int, Deliver] = field(default_factory=dict)  # by offset
    unacked_messages: int = 0


class PushBroker:
    """Delivers what is published to all subscribers. `log`, if any, serves those who resume."""

    accepting = True

    def __init__(self, policy: PushPolicy, log: Log | None = None) -> None:
        self.policy = policy
        self.log = log
        self.end = 0
        self.sessions: dict[int, Session] = {}
        self.wake_at = math.inf
        self._deadlines: deque[tuple[float, Deliver]] = deque()
        self._retries: list[tuple[float, int, int, Deliver]] = []
        self._direct = policy.batch_size == 1 and not policy.acks

    def receive(self, message: Message, now: float) -> Iterable[Message]:
        if isinstance(message, Publish):
            return self._publish(message.messages, now)
        if isinstance(message, Ack):
            return self._acked(message, now)
        if isinstance(message, Nack):
            return self._failed(message.consumer, message.offset, message.attempt, now)
        if isinstance(message, Subscribe):
            return self._subscribe(message, now)
        if isinstance(message, Blocked | Writable):
            return self._writable(message.consumer, isinstance(message, Writable), now)
        return ()

    def wake(self, now: float) -> Sequence[Message]:
        """Send batches that lingered, retry what is due, give up on what timed out."""
        outputs: list[Message] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, late = self._deadlines.popleft()
            outputs.extend(self._failed(late.consumer, late.offset, late.attempt, now))
        while self._retries and self._retries[0][0] <= now:
            outputs.extend(self._resend(heappop(self._retries)[-1], now))
        for session in self.sessions.values():
            outputs.extend(self._pump(session, now))
        self._plan()
        return outputs

    def _publish(self, messages: Sequence[int], now: float) -> Sequence[Message]:
        offset = self.end
        self.end += len(messages)
        if self.log is not None:
            self.log.append(messages, now)
            self.log.expire(now)
        outputs: list[Message] = []
        for session in self.sessions.values():
            if self._direct and session.writable and not session.buffer:
                who = session.consumer
                for i, m in enumerate(messages, offset):
                    outputs.append(make(Deliver, (who, i, (m,), 1)))
            else:
                session.buffer.extend(Waiting(i, m, now) for i, m in enumerate(messages, offset))
                outputs.extend(self._pump(session, now))
                outputs.extend(self._overflow(session))
        if not self._direct:
            self._plan()
        return outputs

    def _subscribe(self, message: Subscribe, now: float) -> Iterable[Message]:
        session = self.sessions[message.consumer] = Session(message.consumer)
        if self.log is not None and message.offset is not None:
            first = min(max(message.offset, self.log.start), self.log.end)
            missed = self.log.read(first, self.log.end - first)
            session.buffer.extend(Waiting(i, m, now) for i, m in enumerate(missed, first))
        return self._pump(session, now)

    def _writable(self, consumer: int, writable: bool, now: float) -> Iterable[Message]:
        session = self.sessions.get(consumer)
        if session is None:
            return ()
        session.writable = writable
        return self._pump(session, now)

    def _acked(self, ack: Ack, now: float) -> Sequence[Message]:
        delivery = self._outstanding(ack.consumer, ack.offset, ack.attempt)
        if delivery is None:
            return ()
        session = self.sessions[ack.consumer]
        self._settle(session, delivery)
        return list(self._pump(session, now))

    def _failed(self, who: int, offset: int, attempt: int, now: float) -> Sequence[Message]:
        delivery = self._outstanding(who, offset, attempt)
        if delivery is None:
            return ()
        session = self.sessions[who]
        retry = self.policy.retry
        if attempt >= retry.attempts:
            self._settle(session, delivery)
            outputs: list[Message] = [DeadLettered(who, delivery.messages)]
            outputs.extend(self._pump(session, now))
            return outputs
        again = delivery._replace(attempt=attempt + 1)
        session.unacked[offset] = again
        heappush(self._retries, (now + retry.delay(attempt), who, offset, again))
        self._plan()
        return ()

    def _outstanding(self, who: int, offset: int, attempt: int) -> Deliver | None:
        """Return that delivery, or None if this attempt at it was already acked or given up."""
        session = self.sessions.get(who)
        delivery = session.unacked.get(offset) if session else None
        return delivery if delivery and delivery.attempt == attempt else None

    def _resend(self, delivery: Deliver, now: float) -> Sequence[Message]:
        if self.sessions[delivery.consumer].unacked.get(delivery.offset) is not delivery:
            return ()
        self._watch(delivery, now)
        return (delivery,)

    def _settle(self, session: Session, delivery: Deliver) -> None:
        del session.unacked[delivery.offset]
        session.unacked_messages -= len(delivery.messages)

    def _watch(self, delivery: Deliver, now: float) -> None:
        if self.policy.timeout < math.inf:
            self._deadlines.append((now + self.policy.timeout, delivery))

    def _pump(self, session: Session, now: float) -> Iterator[Message]:
        """Send from the session's buffer, as long as its connection and windows allow."""
        for batch in self._batches(session, now):
            for _ in batch:
                session.buffer.popleft()
            delivery = Deliver(session.consumer, batch[0].offset, [w.message for w in batch])
            if self.policy.acks:
                session.unacked[delivery.offset] = delivery
                session.unacked_messages += len(batch)
                self._watch(delivery, now)
            yield delivery
        self._plan()

    def _batches(self, session: Session, now: float) -> Iterator[list[Waiting]]:
        policy, buffer = self.policy, session.buffer
        while buffer and session.writable and len(session.unacked) < policy.concurrency:
            room = min(policy.batch_size, policy.credits - session.unacked_messages)
            full = len(buffer) >= policy.batch_size
            if room < 1 or not (full or buffer[0].since + policy.linger <= now):
                return
            batch: list[Waiting] = []
            for waiting in buffer:
                if len(batch) >= room or (batch and waiting.offset != batch[-1].offset + 1):
                    break
                batch.append(waiting)
            yield batch

    def _overflow(self, session: Session) -> Sequence[Message]:
        excess = len(session.buffer) - self.policy.buffer
        if excess <= 0:
            return ()
        take = (
            session.buffer.pop if self.policy.overflow == "drop_newest" else session.buffer.popleft
        )
        return (Dropped(session.consumer, [take().message for _ in range(int(excess))]),)

    def _plan(self) -> None:
        """Set `wake_at` to the first retry, deadline or end of a linger."""
        at = self._retries[0][0] if self._retries else math.inf
        while self._deadlines and self._is_settled(self._deadlines[0][1]):
            self._deadlines.popleft()
        if self._deadlines:
            at = min(at, self._deadlines[0][0])
        if self.policy.linger > 0:
            for session in self.sessions.values():
                if session.buffer and session.writable and self._has_window(session):
                    at = min(at, session.buffer[0].since + self.policy.linger)
        self.wake_at = at

    def _is_settled(self, delivery: Deliver) -> bool:
        return self.sessions[delivery.consumer].unacked.get(delivery.offset) is not delivery

    def _has_window(self, session: Session) -> bool:
        policy = self.policy
        return (
            len(session.unacked) < policy.concurrency and session.unacked_messages < policy.credits
        )
