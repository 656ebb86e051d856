"""The pull broker: a log that answers fetches, at once or when there is enough to answer with.

The broker remembers how far each consumer has read only to tell which records expired unread, and
for destructive reads. A fetch from an earlier offset moves that position back.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from lab.messages import Check, Expired, Fetch, Message, OutOfRange, Publish, Records, Status
from lab.roles.log import Log


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
        self.position = [0] * consumers
        self.held: dict[int, Held] = {}
        self.wake_at = math.inf

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Publish):
            self.log.append(message.messages, now)
            if not (self.held or self.log.bounded):
                return ()
            replies = self._expire(now)
            replies.extend(self._answer_held(now))
            return replies
        if isinstance(message, Fetch):
            replies = self._expire(now)
            replies.extend(self._fetch(message, now))
            return replies
        if isinstance(message, Check):
            return (Status(message.consumer, self.log.end, self.log.end != message.offset),)
        return ()

    def wake(self, now: float) -> Sequence[Message]:
        """Answer the requests whose time is up, with whatever there is."""
        replies = self._expire(now)
        replies.extend(self._answer_held(now))
        return replies

    def _fetch(self, fetch: Fetch, now: float) -> Sequence[Message]:
        who = fetch.consumer
        self.held.pop(
            who, None
        )  # a consumer asks one thing at a time: a new fetch replaces the old
        offset = fetch.offset
        if offset is None:
            offset = max(self.position[who], self.log.start)
        if not self.log.start <= offset <= self.log.end:
            return (OutOfRange(who, self.log.start, self.log.end),)
        self.position[who] = offset
        if fetch.max_wait > 0 and self.log.end - offset < fetch.min_records:
            self.held[who] = Held(fetch, offset, now + fetch.max_wait)
            self._plan()
            return ()
        return (self._read(fetch, offset),)

    def _read(self, fetch: Fetch, offset: int) -> Records:
        messages = self.log.read(offset, fetch.max_records)
        self.position[fetch.consumer] = offset + len(messages)
        return Records(fetch.consumer, offset, messages)

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
