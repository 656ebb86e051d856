"""The open-loop producer: it sends each message at its intended time, whatever became of the last.

Only a connection that takes no more, or is gone, can hold it back, or a full window of messages
whose acknowledgement is missing. What is then due waits in the producer.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.messages import (
    Accepted,
    Blocked,
    Connect,
    Disconnected,
    Message,
    Publish,
    Writable,
    make,
)
from lab.roles.retry import NO_LUCK, Backoff, Luck, Retry

ALWAYS = Retry(first=0.05, limit=1.0, attempts=math.inf)
Acks = Literal["none", "retry", "idempotent"]


@dataclass(frozen=True)
class PublishPolicy:
    """What a producer does to have its messages accepted; by default it sends and forgets.

    With acks a message not accepted within `timeout` seconds is sent again, until it is; at most
    `in_flight` messages are under way. With "idempotent" they carry sequence numbers by which the
    broker tells a repetition.
    """

    acks: Acks = "none"
    timeout: float = 1.0
    in_flight: float = 100
    retry: Retry = ALWAYS


FORGET = PublishPolicy()


class Producer:
    """Publishes message `i` at `times[i]` seconds; `times` must not decrease."""

    accepting = True

    def __init__(
        self, times: Sequence[float], policy: PublishPolicy = FORGET, luck: Luck = NO_LUCK
    ) -> None:
        self.times = times
        self.count = len(times)
        self.next = 0
        self.blocked = False
        self.policy = policy
        self.acks = policy.acks != "none"
        self.once = policy.acks == "idempotent"
        self.forgets = not self.acks  # and is connected: nothing but the times decides
        self.unaccepted: dict[int, float] = {}  # sent, with the time by which an answer must come
        self.reconnect_at = math.inf
        self.backoff = Backoff(policy.retry, luck)
        self.wake_at = times[0] if len(times) else math.inf

    @property
    def pending(self) -> int:
        """How many messages are due, or sent, and not known to be accepted."""
        return self.count - self.next + len(self.unaccepted)

    def receive(self, message: Message, now: float) -> Iterable[Message]:
        if isinstance(message, Accepted):
            if self.unaccepted.pop(message.sequence, None) is not None:
                return self._catch_up(now)
        elif isinstance(message, Blocked):
            self.blocked = True
            self.wake_at = math.inf
        elif isinstance(message, Writable):
            return self._resume(now)
        elif isinstance(message, Disconnected):
            self.blocked, self.forgets = True, False
            self.wake_at = self.reconnect_at = now + self.backoff.failed()
        return ()

    def wake(self, now: float) -> Iterable[Message]:
        """Publish what is due, each message by itself; or connect again."""
        if not self.forgets:
            if self.reconnect_at <= now:
                self.wake_at = self.reconnect_at = math.inf
                self.forgets = not self.acks
                return (Connect(),)
            if self.acks:
                return self._wake_with_acks(now)
        due: list[Message] = []
        times, i, n = self.times, self.next, self.count
        while i < n and times[i] <= now:
            due.append(make(Publish, ((i,), None, False)))
            i += 1
        self.next = i
        self.wake_at = times[i] if i < n else math.inf
        return due

    def _resume(self, now: float) -> Iterator[Message]:
        """Go on: first with what was sent and never answered, if the connection was lost."""
        self.blocked = False
        if self.backoff.failures:
            self.backoff.succeeded()
            yield from self._repeat(list(self.unaccepted), now)
        yield from self._catch_up(now)

    def _wake_with_acks(self, now: float) -> Iterator[Message]:
        late = [m for m, deadline in self.unaccepted.items() if deadline <= now]
        if late:  # all after the first late one too, so that their order stays
            yield from self._repeat([m for m in self.unaccepted if m >= min(late)], now)
        yield from self._catch_up(now)

    def _repeat(self, messages: list[int], now: float) -> Iterator[Message]:
        for m in messages:
            if self.blocked:
                return
            if m in self.unaccepted:
                yield self._publish(m, now)

    def _catch_up(self, now: float) -> Iterator[Message]:
        """Publish what became due, one by one, until blocked or the window is full."""
        while not self.blocked and self._may_send(now):
            self.next += 1
            yield self._publish(self.next - 1, now)
        if not self.blocked:
            self._plan()

    def _may_send(self, now: float) -> bool:
        return (
            self.next < self.count
            and self.times[self.next] <= now
            and len(self.unaccepted) < self.policy.in_flight
        )

    def _publish(self, m: int, now: float) -> Publish:
        if not self.acks:
            return Publish((m,))
        self.unaccepted[m] = now + self.policy.timeout
        return Publish((m,), m, self.once)

    def _plan(self) -> None:
        room = len(self.unaccepted) < self.policy.in_flight
        at = self.times[self.next] if room and self.next < self.count else math.inf
        self.wake_at = min(at, min(self.unaccepted.values(), default=math.inf))
