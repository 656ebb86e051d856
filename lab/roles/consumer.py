"""The consumers: one that is pushed to, and one that polls. One worker each, first come first served.

A consumer that is pushed to works on messages in the order of arrival. While `accepting` is False
it wants nothing more read from its connection. A poller asks, works on what it got, and asks again.
"""

import math
from collections import deque
from collections.abc import Sequence

from lab.messages import (
    Ack,
    Check,
    Deliver,
    Fetch,
    Message,
    OutOfRange,
    Records,
    Status,
    Subscribe,
    Work,
    Worked,
    make,
)


class PushConsumer:
    """Takes deliveries, works on them in order and, with `acks`, acknowledges each when done.

    `queue` is how many messages may wait before it stops reading. With `idempotent`, a message
    seen before is acknowledged without working on it again (a PUT to a known id).
    """

    def __init__(
        self, index: int, acks: bool = False, queue: float = math.inf, idempotent: bool = False
    ) -> None:
        self.index = index
        self.acks = acks
        self.limit = queue
        self.seen: set[int] | None = set() if idempotent else None
        self.waiting: deque[Deliver] = deque()
        self.queued = 0
        self.current: Deliver | None = None
        self.accepting = True
        self.wake_at = 0.0

    def wake(self, now: float) -> Sequence[Message]:
        """Subscribe, once, at the start."""
        self.wake_at = math.inf
        return (Subscribe(self.index),)

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Deliver):
            if self.current is None:
                self.current = message
                new = message.messages if self.seen is None else self._new(message.messages)
                return (make(Work, (self.index, new)),)
            self.waiting.append(message)
            self.queued += len(message.messages)
            self.accepting = self.queued < self.limit
        elif isinstance(message, Worked):
            return self._finish()
        return ()

    def _new(self, messages: Sequence[int]) -> Sequence[int]:
        if self.seen is None:
            return messages
        new = [m for m in messages if m not in self.seen]
        self.seen.update(new)
        return new

    def _finish(self) -> Sequence[Message]:
        done, self.current = self.current, None
        assert done is not None, "Worked without Work"
        acks = (Ack(self.index, done.offset, done.attempt),) if self.acks else ()
        if not self.waiting:
            return acks
        delivery = self.current = self.waiting.popleft()
        self.queued -= len(delivery.messages)
        self.accepting = self.queued < self.limit
        return (*acks, Work(self.index, self._new(delivery.messages)))


class Poller:
    """Asks a pull broker for records, works on them, waits `interval` seconds, and asks again.

    `max_wait` lets the broker hold the request (a long poll). With `check_first` a cheap
    conditional request goes ahead, and the pull follows only if there is something new. With
    `destructive` the broker keeps the cursor and moves it on as it answers.
    """

    accepting = True

    def __init__(
        self,
        index: int,
        interval: float,
        max_records: int,
        min_records: int = 1,
        max_wait: float = 0.0,
        check_first: bool = False,
        destructive: bool = False,
    ) -> None:
        self.index = index
        self.interval = interval
        self.offset = 0
        self.check_first = check_first
        self.destructive = destructive
        self.limits = (max_records, min_records, max_wait)
        self.wake_at = 0.0

    def wake(self, now: float) -> Sequence[Message]:
        self.wake_at = math.inf
        return (Check(self.index, self.offset) if self.check_first else self._fetch(),)

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Records):
            self.offset = message.offset + len(message.messages)
            if len(message.messages):
                return (Work(self.index, message.messages),)
            return self._pause(now)
        if isinstance(message, Worked):
            return self._pause(now)
        if isinstance(message, Status):
            return (self._fetch(),) if message.changed else self._pause(now)
        if isinstance(message, OutOfRange):
            self.offset = message.start
            return (self._fetch(),)
        return ()

    def _fetch(self) -> Fetch:
        return Fetch(self.index, None if self.destructive else self.offset, *self.limits)

    def _pause(self, now: float) -> Sequence[Message]:
        if self.interval > 0:
            self.wake_at = now + self.interval
            return ()
        return self.wake(now)
