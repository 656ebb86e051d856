"""The push broker: it sends every message on to every subscribed consumer, as fast as it may.

A session may send while its connection is writable and its windows are open: `credits` messages
and `concurrency` deliveries not yet acknowledged. Until then messages wait in the session's buffer.
Without acks a delivery is forgotten as soon as it is sent: fire and forget. A consumer that is gone
is forgotten too, unless it acknowledges: then what it did not acknowledge waits for its return.
Offsets count anew after a loss of memory. So deliveries name their `epoch`, and what is acknowledged of
another is none of ours. Who resumes at an offset that the log does not hold is refused, and told which
it does: it is for the consumer to say where it goes on.
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
    Disconnect,
    Disconnected,
    Dropped,
    Message,
    Nack,
    Publish,
    Subscribe,
    Writable,
    make,
)
from lab.roles.intake import Intake
from lab.roles.log import Log, out_of_range
from lab.roles.retry import NO_LUCK, Luck, Retry

Overflow = Literal["drop_newest", "drop_oldest", "block", "disconnect"]


@dataclass(frozen=True)
class PushPolicy:
    """How a push broker delivers; the defaults are fire and forget, one message at a time.

    `batch_size` messages go in one delivery; a smaller batch waits `linger` seconds for more.
    `credits` (messages) and `concurrency` (deliveries) bound what is sent and not acknowledged.
    `buffer` messages may wait for one consumer; `overflow` says what happens beyond that: which is
    dropped, that the producer is blocked, or that the slow consumer is disconnected.
    A delivery not acknowledged within `timeout` seconds has failed; failures follow `retry`.
    With `adaptive`, deliveries outstanding begin at 1, double when one is acknowledged, up to
    `concurrency`, and halve when one fails (Pub/Sub's slow start).
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
    adaptive: bool = False


class Waiting(NamedTuple):
    """A message in a session's buffer, with its offset and the time it came."""

    offset: int
    message: int
    since: float
    attempt: int = 1


@dataclass(slots=True)
class Session:
    """What the broker knows of one subscribed consumer.

    `window` bounds the deliveries outstanding; `refusals` counts by offset how often the consumer
    asked to come back later, until `paused_until` the last time.
    """

    consumer: int
    window: float
    writable: bool = True
    buffer: deque[Waiting] = field(default_factory=deque)
    unacked: dict[int, Deliver] = field(default_factory=dict)  # by offset
    unacked_messages: int = 0
    refusals: dict[int, int] = field(default_factory=dict)
    paused_until: float = 0.0


class PushBroker:
    """Delivers what is published to all subscribers. `log`, if any, serves those who resume.

    With a durable log the broker remembers over a restart how far each consumer is. Without a log
    `epoch` says which of the brokers it is that began with nothing.
    """

    def __init__(
        self,
        policy: PushPolicy,
        log: Log | None = None,
        luck: Luck = NO_LUCK,
        durable: bool = False,
        epoch: int = 0,
    ) -> None:
        self.policy = policy
        self.log = log
        self.epoch = log.epoch if log else epoch
        self.luck = luck
        self.durable = durable and log is not None
        self.intake = Intake(log)
        self.accepting = True
        self.end = log.end if log else 0
        self.events: dict[str, int] = {}
        self.sessions: dict[int, Session] = {}
        self.wake_at = math.inf
        self._deadlines: deque[tuple[float, Deliver]] = deque()
        self._retries: list[tuple[float, int, int, Deliver]] = []
        self._cuts = policy.overflow == "disconnect"
        self._waits = policy.linger > 0 or policy.acks
        self._direct = policy.batch_size == 1 and not policy.acks and not self.durable

    @property
    def pending(self) -> int:
        """How many messages wait for a consumer, or for its acknowledgement."""
        return sum(len(s.buffer) + s.unacked_messages for s in self.sessions.values())

    @property
    def here(self) -> int:
        """How many messages are here and not on their way: in buffers, and until they are retried."""
        again = (d for *_, d in self._retries if not self._is_settled(d))
        buffered = sum(len(s.buffer) for s in self.sessions.values())
        return buffered + sum(len(delivery.messages) for delivery in again)

    def receive(self, message: Message, now: float) -> Iterable[Message]:
        if isinstance(message, Publish):
            return self._publish(message, now)
        if isinstance(message, Ack):
            return self._acked(message, now)
        if isinstance(message, Nack):
            return self._failed(message, now)
        if isinstance(message, Subscribe):
            return self._subscribe(message, now)
        if isinstance(message, Blocked | Writable):
            return self._writable(message.consumer, isinstance(message, Writable), now)
        if isinstance(message, Disconnected):
            self._gone(message.consumer, now)
        return ()

    def wake(self, now: float) -> Sequence[Message]:
        """Send batches that lingered, retry what is due, give up on what timed out."""
        outputs: list[Message] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, late = self._deadlines.popleft()
            failed = Nack(late.consumer, late.offset, late.attempt, epoch=self.epoch)
            outputs.extend(self._failed(failed, now))
        while self._retries and self._retries[0][0] <= now:
            outputs.extend(self._resend(heappop(self._retries)[-1], now))
        for session in self.sessions.values():
            outputs.extend(self._pump(session, now))
        self._plan()
        return outputs

    def _publish(self, publish: Publish, now: float) -> Sequence[Message]:
        messages, answer = publish.messages, publish.sequence is not None
        if answer:
            messages = self.intake.take(publish)
        offset = self.end
        self.end += len(messages)
        if self.log is not None and len(messages):
            self.log.append(messages, now)
            self.log.expire(now)
        outputs: list[Message] = list(self.intake.answer(publish)) if answer else []
        sessions = self.sessions.values()
        for session in list(sessions) if self._cuts else sessions:
            if self._direct and session.writable and not session.buffer:
                who, epoch = session.consumer, self.epoch
                for i, m in enumerate(messages, offset):
                    outputs.append(make(Deliver, (who, i, (m,), 1, epoch)))
            else:
                session.buffer.extend(Waiting(i, m, now) for i, m in enumerate(messages, offset))
                outputs.extend(self._pump(session, now))
                outputs.extend(self._overflow(session))
        if not self._direct:
            self._plan()
        return outputs

    def _subscribe(self, message: Subscribe, now: float) -> Iterable[Message]:
        who, log, first = message.consumer, self.log, message.offset
        session = self.sessions.get(who)
        if session is not None and first is None:  # it comes back to what waits for it
            self._put_back(session, list(session.unacked.values()), now)
            session.writable = True
            return self._pump(session, now)
        if log is not None and first is not None and not log.holds(first, message.epoch):
            self._forget(who)
            return (out_of_range(log, who, self.events),)
        session = self.sessions[who] = Session(who, self._first_window())
        if first is None and self.durable and log is not None:
            first = log.committed.get(str(who), log.start)
        if log is not None and first is not None:
            first = max(first, log.start)  # what is remembered here may have expired
            missed = log.read(first, log.end - first)
            session.buffer.extend(Waiting(i, m, now) for i, m in enumerate(missed, first))
        return self._pump(session, now)

    def _first_window(self) -> float:
        return 1.0 if self.policy.adaptive else self.policy.concurrency

    def _gone(self, who: int, now: float) -> None:
        """Forget a consumer whose connection is gone, or keep what it did not acknowledge."""
        session = self.sessions.get(who)
        if session is None:
            return
        if self.policy.acks:
            session.writable = False
            self._put_back(session, list(session.unacked.values()), now)
            self._resume_intake()
            self._plan()
        else:
            self._forget(who)

    def _forget(self, who: int) -> None:
        self.sessions.pop(who, None)
        self._resume_intake()
        self._plan()

    def _put_back(self, session: Session, deliveries: Iterable[Deliver], now: float) -> None:
        """Return what is not acknowledged to the head of the buffer, to be delivered again."""
        for delivery in sorted(deliveries, key=lambda d: d.offset, reverse=True):
            first, attempt = delivery.offset, delivery.attempt + 1
            back = [Waiting(i, m, now, attempt) for i, m in enumerate(delivery.messages, first)]
            session.buffer.extendleft(reversed(back))
            del session.unacked[first]
            session.unacked_messages -= len(back)

    def _writable(self, consumer: int, writable: bool, now: float) -> Iterable[Message]:
        session = self.sessions.get(consumer)
        if session is None:
            return ()
        session.writable = writable
        return self._pump(session, now)

    def _acked(self, ack: Ack, now: float) -> Sequence[Message]:
        delivery = self._outstanding(ack)
        if delivery is None:
            return ()
        session = self.sessions[ack.consumer]
        self._settle(session, delivery)
        if self.policy.adaptive:
            session.window = min(self.policy.concurrency, 2 * session.window)
        return list(self._pump(session, now))

    def _failed(self, nack: Nack, now: float) -> Sequence[Message]:
        who, offset, attempt = nack.consumer, nack.offset, nack.attempt
        delivery = self._outstanding(nack)
        if delivery is None:
            return ()
        session = self.sessions[who]
        if self.policy.adaptive:
            session.window = max(1.0, session.window / 2)
        retry = self.policy.retry
        if nack.retry_after:
            delay = nack.retry_after
            session.refusals[offset] = session.refusals.get(offset, 0) + 1
            session.paused_until = now + delay
        elif attempt - session.refusals.get(offset, 0) >= retry.attempts:
            self._settle(session, delivery)
            outputs: list[Message] = [DeadLettered(who, delivery.messages)]
            outputs.extend(self._pump(session, now))
            return outputs
        else:
            delay = retry.delay(attempt, next(self.luck))
        again = delivery._replace(attempt=attempt + 1)
        session.unacked[offset] = again
        heappush(self._retries, (now + delay, who, offset, again))
        self._plan()
        return ()

    def _outstanding(self, answer: Ack | Nack) -> Deliver | None:
        """Return the delivery answered; None if this attempt at it was acked, given up or not ours."""
        session = self.sessions.get(answer.consumer)
        delivery = session.unacked.get(answer.offset) if session else None
        known = delivery and (delivery.attempt, self.epoch) == (answer.attempt, answer.epoch)
        return delivery if known else None

    def _resend(self, delivery: Deliver, now: float) -> Sequence[Message]:
        if self._is_settled(delivery):
            return ()
        session = self.sessions[delivery.consumer]
        if not session.writable:  # it waits for the connection like everything else
            self._put_back(session, [delivery._replace(attempt=delivery.attempt - 1)], now)
            return ()
        self._watch(delivery, now)
        return (delivery,)

    def _settle(self, session: Session, delivery: Deliver) -> None:
        del session.unacked[delivery.offset]
        session.unacked_messages -= len(delivery.messages)
        session.refusals.pop(delivery.offset, None)
        if self.durable:
            self._commit(session)

    def _commit(self, session: Session) -> None:
        """Make the offset durable before which everything was delivered."""
        assert self.log is not None
        first = min(session.unacked, default=self.end)
        first = min(first, session.buffer[0].offset) if session.buffer else first
        self.log.commit(str(session.consumer), first)

    def _watch(self, delivery: Deliver, now: float) -> None:
        if self.policy.timeout < math.inf:
            self._deadlines.append((now + self.policy.timeout, delivery))

    def _pump(self, session: Session, now: float) -> Iterator[Message]:
        """Send from the session's buffer, as long as its connection and windows allow."""
        for batch in self._batches(session, now):
            for _ in batch:
                session.buffer.popleft()
            attempt = max(w.attempt for w in batch)
            messages = [w.message for w in batch]
            delivery = Deliver(session.consumer, batch[0].offset, messages, attempt, self.epoch)
            if self.policy.acks:
                session.unacked[delivery.offset] = delivery
                session.unacked_messages += len(batch)
                self._watch(delivery, now)
            elif self.durable:
                self._commit(session)
            yield delivery
        self._resume_intake()
        self._plan()

    def _batches(self, session: Session, now: float) -> Iterator[list[Waiting]]:
        policy, buffer = self.policy, session.buffer
        while buffer and session.writable and self._has_window(session):
            room = min(policy.batch_size, policy.credits - session.unacked_messages)
            full = len(buffer) >= policy.batch_size
            ready = full or buffer[0].since + policy.linger <= now
            if not ready or session.paused_until > now:
                return
            batch: list[Waiting] = []
            for waiting in buffer:
                if len(batch) >= room or (batch and waiting.offset != batch[-1].offset + 1):
                    break
                batch.append(waiting)
            yield batch

    def _overflow(self, session: Session) -> Sequence[Message]:
        """Do what the policy says about a buffer that is too long, or (to block) full."""
        policy, who, buffer = self.policy, session.consumer, session.buffer
        excess = len(buffer) - policy.buffer
        if policy.overflow == "block":
            self._resume_intake()
            return ()
        if excess <= 0:
            return ()
        if policy.overflow == "disconnect":
            cut: list[Message] = [Disconnect(who)]
            if self.log is None:
                cut.append(Dropped(who, [waiting.message for waiting in buffer]))
            del self.sessions[who]
            return cut
        take = buffer.pop if policy.overflow == "drop_newest" else buffer.popleft
        return (Dropped(who, [take().message for _ in range(int(excess))]),)

    def _resume_intake(self) -> None:
        if self.policy.overflow == "block":
            full = self.policy.buffer
            self.accepting = all(len(s.buffer) < full for s in self.sessions.values())

    def _plan(self) -> None:
        """Set `wake_at` to the first retry, deadline or end of a linger."""
        at = self._retries[0][0] if self._retries else math.inf
        while self._deadlines and self._is_settled(self._deadlines[0][1]):
            self._deadlines.popleft()
        if self._deadlines:
            at = min(at, self._deadlines[0][0])
        if self._waits:
            for session in self.sessions.values():
                if session.buffer and session.writable and self._has_window(session):
                    lingers = session.buffer[0].since + self.policy.linger
                    at = min(at, max(lingers, session.paused_until))
        self.wake_at = at

    def _is_settled(self, delivery: Deliver) -> bool:
        session = self.sessions.get(delivery.consumer)
        return session is None or session.unacked.get(delivery.offset) is not delivery

    def _has_window(self, session: Session) -> bool:
        credits = self.policy.credits
        return len(session.unacked) < session.window and session.unacked_messages < credits
