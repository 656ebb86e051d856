"""The consumer that asks: it polls, works on what it got, makes its cursor safe, and asks again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.messages import (
    Check,
    DeadLettered,
    Disconnected,
    Fetch,
    Found,
    Message,
    OutOfRange,
    Records,
    Save,
    Seek,
    Status,
    Work,
    Worked,
)
from lab.roles.retry import NO_LUCK, Backoff, Luck, Retry

AGAIN = Retry(first=0.05, limit=1.0)
Commit = Literal["after_work", "before_work", "each", "never"]
Begin = Literal["earliest", "latest", "offset"] | float


@dataclass(frozen=True)
class Polling:
    """How a consumer polls.

    `interval` seconds pass between the end of the work and the next request, which asks for
    `max_records`; `max_wait` lets the broker hold it until there are `min_records` (a long poll). With
    `check_first` a cheap conditional request goes ahead, and the pull follows only if there is
    something new. With `destructive` the broker keeps the cursor and moves it on as it answers.
    The cursor is made safe (`commit`) after the work on all records of an answer, before it, or after
    each record, together with what the work wrote. `begin` is where a consumer without one begins: at
    the earliest or latest record, at `offset`, or with what came from a time on, in seconds. A record whose work fails is tried `tries` times in all and then put aside (dead-lettered). A request
    not answered within `timeout` (and `max_wait`) is repeated, as is a failed one, after `retry`.
    """

    interval: float = 0.0
    max_records: int = 10_000
    min_records: int = 1
    max_wait: float = 0.0
    check_first: bool = False
    destructive: bool = False
    commit: Commit = "after_work"
    begin: Begin = "earliest"
    offset: int = 0
    tries: float = 3
    timeout: float = 10.0
    retry: Retry = AGAIN


class Poller:
    """Polls as `how` says. `offset` in the log of `epoch` is what one before it had made safe."""

    accepting = True

    def __init__(
        self,
        index: int,
        how: Polling,
        offset: int | None = None,
        epoch: int = 0,
        luck: Luck = NO_LUCK,
    ) -> None:
        self.index = index
        self.how = how
        self.offset = offset or 0
        self.epoch = epoch
        self.batch: Sequence[int] = ()  # being worked on
        self.failures: dict[int, int] = {}  # of records, by number of message
        self.seeks = offset is None and how.begin != "earliest" and not how.destructive
        self.backoff = Backoff(how.retry, luck)
        self.asked = False
        self.wake_at = 0.0

    @property
    def pending(self) -> int:
        """How many records are being worked on, and whether a request failed."""
        return self.here + (self.backoff.failures > 0)

    @property
    def here(self) -> int:
        """How many records are being worked on."""
        return len(self.batch)

    def wake(self, now: float) -> Sequence[Message]:
        """Ask; or give up waiting for an answer, and ask again."""
        if self.asked:
            return self._failed(now)
        return (self._ask(now),)

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Worked):
            return self._worked(message, now)
        if isinstance(message, Disconnected):
            return self._failed(now) if self.asked else ()
        if not self.asked or self._is_stale(message):
            return ()
        self.asked = False
        self.backoff.succeeded()
        if isinstance(message, Records):
            return self._records(message, now)
        if isinstance(message, Status):
            return (self._fetch(now),) if message.changed else self._pause(now)
        if isinstance(message, Found):
            self.offset, self.epoch, self.seeks = message.offset, message.epoch, False
            return (self._ask(now),)
        if isinstance(message, OutOfRange):
            self.offset, self.epoch, self.seeks = message.start, message.epoch, False
            return (self._fetch(now),)
        return ()

    def _is_stale(self, message: Message) -> bool:
        """Say whether this answers a request that was given up and repeated."""
        if not isinstance(message, Records) or self.how.destructive:
            return False
        return message.offset < self.offset and message.epoch == self.epoch

    def _records(self, answer: Records, now: float) -> Sequence[Message]:
        self.epoch = answer.epoch
        self.offset = answer.offset + len(answer.messages)
        if not len(answer.messages):
            return self._pause(now)
        self.wake_at = math.inf
        how = self.how
        if how.commit == "each" and not how.destructive:
            return self._next_record(answer.messages, now)
        self.batch = answer.messages
        saved = self._save(self.offset) if how.commit == "before_work" else ()
        return (*saved, Work(self.index, self.batch))

    def _next_record(self, batch: Sequence[int], now: float) -> Sequence[Message]:
        self.batch = batch
        return (Work(self.index, batch[:1]),) if len(batch) else self._pause(now)

    def _worked(self, worked: Worked, now: float) -> Sequence[Message]:
        again, dead = self._judge(worked.failed)
        outputs: list[Message] = [DeadLettered(self.index, dead)] if dead else []
        if again:
            return (*outputs, Work(self.index, again))
        how = self.how
        if how.commit == "each" and not how.destructive:
            rest = self.batch[1:]
            saved = self._save(self.offset - len(rest))
            return (*outputs, *saved, *self._next_record(rest, now))
        self.batch = ()
        saved = self._save(self.offset) if how.commit == "after_work" else ()
        return (*outputs, *saved, *self._pause(now))

    def _judge(self, failed: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return which of the failed records to try again, and which to put aside."""
        again, dead = list[int](), list[int]()
        for m in failed:
            count = self.failures.get(m, 0) + 1
            if count >= self.how.tries:
                self.failures.pop(m, None)
                dead.append(m)
            else:
                self.failures[m] = count
                again.append(m)
        return again, dead

    def _save(self, offset: int) -> Sequence[Message]:
        return () if self.how.destructive else (Save(self.index, offset, self.epoch),)

    def _ask(self, now: float) -> Message:
        if self.seeks:
            return self._asks(Seek(self.index, self.how.begin, self.how.offset), now)
        if self.how.check_first:
            return self._asks(Check(self.index, self.offset, self.epoch), now)
        return self._fetch(now)

    def _fetch(self, now: float) -> Message:
        how, offset = self.how, None if self.how.destructive else self.offset
        wants = (how.max_records, how.min_records, how.max_wait)
        return self._asks(Fetch(self.index, offset, *wants, self.epoch), now)

    def _asks(self, request: Message, now: float) -> Message:
        self.asked = True
        self.wake_at = now + self.how.max_wait + self.how.timeout
        return request

    def _failed(self, now: float) -> Sequence[Message]:
        self.asked = False
        self.wake_at = now + self.backoff.failed()
        return ()

    def _pause(self, now: float) -> Sequence[Message]:
        if self.how.interval > 0:
            self.wake_at = now + self.how.interval
            return ()
        return (self._ask(now),)
