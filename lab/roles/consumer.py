"""The consumer that is pushed to: one worker, first come first served.

While `accepting` is False it wants nothing more read from its connection.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.messages import (
    Ack,
    DeadLettered,
    Deliver,
    Disconnected,
    Message,
    Nack,
    OutOfRange,
    Save,
    Subscribe,
    Work,
    Worked,
    make,
)
from lab.roles.retry import NO_LUCK, Backoff, Luck, Retry

SHORTEST_WAIT = 0.001  # seconds; what comes back sooner is refused again
RECONNECT = Retry(first=0.05, limit=1.0)
AckWhen = Literal["never", "on_receipt", "after_work"]


@dataclass(frozen=True)
class RateLimit:
    """A token bucket: `rate` messages a second, and `burst` at once."""

    rate: float = math.inf
    burst: float = 1.0


class TokenBucket:
    """Lets messages in by `limit`. Full at the start."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.tokens = limit.burst
        self.filled_at = 0.0

    def take(self, count: int, now: float) -> float:
        """Take `count` tokens and return 0, or take none and return the seconds to wait for them."""
        limit = self.limit
        self.tokens = min(limit.burst, self.tokens + (now - self.filled_at) * limit.rate)
        self.filled_at = now
        missing = min(count, limit.burst) - self.tokens
        if missing > 1e-9:
            return max(SHORTEST_WAIT, missing / limit.rate)
        self.tokens -= count
        return 0.0


@dataclass(frozen=True)
class PushReception:
    """What a consumer does with what is pushed to it; by default it works and says nothing.

    `ack` says when it acknowledges; `queue` is how many messages may wait before it stops reading.
    With `idempotent`, a message seen before is acknowledged without working on it again (a PUT to
    a known id). With `resume` it subscribes from the offset after the last message it had, and says of
    which epoch that is; if the broker's log does not hold that offset, from the earliest that it does.
    More than `limit` allows is refused (429, with the seconds to wait).
    """

    ack: AckWhen = "never"
    queue: float = math.inf
    idempotent: bool = False
    resume: bool = False
    limit: RateLimit = RateLimit()


class PushConsumer:
    """Takes deliveries, works on them in order and acknowledges them as `how` says.

    `offset`, in the log of `epoch`, is where one before it, which crashed, had got to.
    """

    def __init__(
        self,
        index: int,
        how: PushReception = PushReception(),
        offset: int | None = None,
        luck: Luck = NO_LUCK,
        epoch: int = 0,
    ) -> None:
        self.index = index
        self.how = how
        self.says_nothing = how.ack == "never" and not how.resume
        self.resumes, self.early = how.resume, how.ack == "on_receipt"
        self.seen: set[int] | None = set() if how.idempotent else None
        self.bucket = TokenBucket(how.limit) if how.limit.rate < math.inf else None
        self.waiting: deque[Deliver] = deque()
        self.queued = 0
        self.current: Deliver | None = None
        self.offset = offset
        self.epoch = epoch
        self.backoff = Backoff(RECONNECT, luck)
        self.accepting = True
        self.wake_at = 0.0

    @property
    def pending(self) -> int:
        """How many messages wait here or are being worked on, and whether it must reconnect."""
        return self.here + (self.wake_at < math.inf)

    @property
    def here(self) -> int:
        """How many messages wait here or are being worked on."""
        return self.queued + (len(self.current.messages) if self.current else 0)

    def wake(self, now: float) -> Sequence[Message]:
        """Subscribe: at the start, and after the connection was lost."""
        self.wake_at = math.inf
        if not self.how.resume:
            return (Subscribe(self.index),)
        return (Subscribe(self.index, self.offset or 0, self.epoch),)

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Deliver):
            return self._deliver(message, now)
        if isinstance(message, Worked):
            return self._finish(message)
        if isinstance(message, Disconnected):
            self._lost_connection(now)
        if isinstance(message, OutOfRange):  # as a poller does, go on with the earliest there is
            self.offset, self.epoch, self.wake_at = message.start, message.epoch, now
        return ()

    def _deliver(self, delivery: Deliver, now: float) -> Sequence[Message]:
        if self.resumes or self.backoff.failures:
            self.backoff.succeeded()
            self.offset = delivery.offset + len(delivery.messages)
            self.epoch = delivery.epoch
        if self.bucket:
            wait = self.bucket.take(len(delivery.messages), now)
            if wait:
                return (self._nack(delivery)._replace(retry_after=wait),)
        if self.early:
            return (self._ack(delivery), *self._take_on(delivery))
        return self._take_on(delivery)

    def _ack(self, delivery: Deliver) -> Ack:
        return Ack(self.index, delivery.offset, delivery.attempt, delivery.epoch)

    def _nack(self, delivery: Deliver) -> Nack:
        return Nack(self.index, delivery.offset, delivery.attempt, epoch=delivery.epoch)

    def _take_on(self, delivery: Deliver) -> Sequence[Message]:
        """Work on a delivery at once, or when those before it are done."""
        if self.current is None:
            return (self._begin(delivery),)
        self.waiting.append(delivery)
        self.queued += len(delivery.messages)
        self.accepting = self.queued < self.how.queue
        return ()

    def _begin(self, delivery: Deliver) -> Work:
        self.current = delivery
        new = delivery.messages if self.seen is None else self._new(delivery.messages)
        return make(Work, (self.index, new))

    def _new(self, messages: Sequence[int]) -> Sequence[int]:
        assert self.seen is not None
        new = [m for m in messages if m not in self.seen]
        self.seen.update(new)
        return new

    def _finish(self, worked: Worked) -> Sequence[Message]:
        done, self.current = self.current, None
        assert done is not None, "Worked without Work"
        if self.says_nothing and not self.waiting and not worked.failed:
            return ()
        outputs: list[Message] = []
        if self.how.ack == "after_work":
            outputs.append(self._nack(done) if worked.failed else self._ack(done))
        elif worked.failed:
            outputs.append(DeadLettered(self.index, worked.failed))
        if worked.failed and self.seen is not None:
            self.seen.difference_update(worked.failed)
        if self.how.resume:
            outputs.append(Save(self.index, done.offset + len(done.messages), done.epoch))
        if self.waiting:
            delivery = self.waiting.popleft()
            self.queued -= len(delivery.messages)
            self.accepting = self.queued < self.how.queue
            outputs.append(self._begin(delivery))
        return outputs

    def _lost_connection(self, now: float) -> None:
        """Plan to come back; what waits here will be delivered again if it is acknowledged."""
        self.wake_at = now + self.backoff.failed()
        if self.how.ack == "after_work" and self.waiting:
            self.offset, self.epoch = self.waiting[0].offset, self.waiting[0].epoch
            self.waiting.clear()
            self.queued = 0
            self.accepting = True
