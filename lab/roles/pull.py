"""The pull broker: a log that answers fetches, at once or when there is enough to answer with.

The broker remembers how far each consumer has read only to tell which records expired unread, and
for destructive reads. A fetch from an earlier offset moves that position back.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from lab.messages import (
    Check,
    Disconnected,
    Expired,
    Fetch,
    Found,
    Message,
    Publish,
    Records,
    Seek,
    Skipped,
    Status,
)
from lab.roles.intake import Intake
from lab.roles.log import Log, out_of_range


class Held(NamedTuple):
    """A request that waits for records until `deadline`."""

    fetch: Fetch
    offset: int
    deadline: float


class PullBroker:
    """Answers `consumers` pollers from one log."""

    accepting = True

    def __init__(self, consumers: int, log: Log) -> None:
        self.log = log
        self.intake = Intake(log)
        self.position = [log.committed.get(str(c), log.start) for c in range(consumers)]
        self.held: dict[int, Held] = {}
        self.events: dict[str, int] = {}
        self.wake_at = log.oldest_expires_at()

    @property
    def pending(self) -> int:
        """How many records the log has that a consumer has not asked for yet."""
        start, end = self.log.start, self.log.end
        return sum(end - max(position, start) for position in self.position)

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Publish):
            return self._publish(message, now)
        if isinstance(message, Fetch):
            replies = self._expire(now)
            replies.extend(self._fetch(message, now))
            return replies
        if isinstance(message, Check):
            return (self._check(message),)
        if isinstance(message, Seek):
            replies = self._expire(now)
            replies.extend(self._seek(message))
            return replies
        if isinstance(message, Disconnected):
            self.held.pop(message.consumer, None)  # nobody waits for that answer any more
            self._plan()
        return ()

    def _publish(self, publish: Publish, now: float) -> Sequence[Message]:
        if publish.sequence is None:
            if publish.messages:
                self.log.append(publish.messages, now)
            if not (self.held or self.log.bounded):
                return ()
        else:
            messages = self.intake.take(publish)
            if len(messages):
                self.log.append(messages, now)
        replies = list(self.intake.answer(publish))
        replies.extend(self._expire(now))
        replies.extend(self._answer_held(now))
        return replies

    def _check(self, check: Check) -> Status:
        log = self.log
        if check.epoch == log.epoch and log.start <= check.offset <= log.end:
            self.position[check.consumer] = check.offset
        changed = log.end != check.offset or log.epoch != check.epoch
        return Status(check.consumer, log.end, changed)

    def _seek(self, seek: Seek) -> Sequence[Message]:
        """Find the offset asked for, and tell which records the consumer thereby leaves unread."""
        who, log, offset = seek.consumer, self.log, self._offset(seek)
        if not log.start <= offset <= log.end:
            return (out_of_range(log, who, self.events),)
        found = Found(who, offset, log.epoch)
        unread = max(self.position[who], log.start)
        if offset <= unread:
            return (found,)
        self.position[who] = offset
        return (Skipped(who, log.read(unread, offset - unread)), found)

    def _offset(self, seek: Seek) -> int:
        places = {"earliest": self.log.start, "latest": self.log.end, "offset": seek.offset}
        return places[seek.to] if isinstance(seek.to, str) else self.log.offset_at(seek.to)

    def wake(self, now: float) -> Sequence[Message]:
        """Answer the requests whose time is up, with whatever there is."""
        replies = self._expire(now)
        replies.extend(self._answer_held(now))
        return replies

    def _fetch(self, fetch: Fetch, now: float) -> Sequence[Message]:
        who = fetch.consumer
        self.held.pop(who, None)  # a consumer asks one thing at a time: the new replaces the old
        log, offset = self.log, fetch.offset
        if offset is None:
            offset = max(self.position[who], log.start)
        elif not log.holds(offset, fetch.epoch):
            return (out_of_range(log, who, self.events),)
        self.position[who] = offset
        if fetch.max_wait > 0 and log.end - offset < fetch.min_records:
            self.held[who] = Held(fetch, offset, now + fetch.max_wait)
            self._plan()
            return ()
        return (self._read(fetch, offset),)

    def _read(self, fetch: Fetch, offset: int) -> Records:
        messages = self.log.read(offset, fetch.max_records)
        self.position[fetch.consumer] = offset + len(messages)
        if fetch.offset is None:
            self.log.commit(str(fetch.consumer), self.position[fetch.consumer])
        return Records(fetch.consumer, offset, messages, self.log.epoch)

    def _answer_held(self, now: float) -> list[Message]:
        replies: list[Message] = []
        for who, (fetch, offset, deadline) in list(self.held.items()):
            first = max(offset, self.log.start)  # what expired meanwhile does not count
            if self.log.end - first >= fetch.min_records or now >= deadline:
                del self.held[who]
                replies.append(self._read(fetch, first))
        self._plan()
        return replies

    def _expire(self, now: float) -> list[Message]:
        first, gone = self.log.expire(now)
        if not len(gone):
            return []
        self._plan()
        end = first + len(gone)
        return [
            Expired(who, gone[max(0, position - first) :])
            for who, position in enumerate(self.position)
            if position < end
        ]

    def _plan(self) -> None:
        deadline = min((held.deadline for held in self.held.values()), default=math.inf)
        self.wake_at = min(deadline, self.log.oldest_expires_at())
