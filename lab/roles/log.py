"""The append-only log: records at consecutive offsets, read by anyone, forgotten by retention.

Reading changes nothing, so consumers cannot disturb one another: each keeps its own offset. A log
can be durable: a journal then has every record and every committed offset before the log answers.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lab.messages import OutOfRange

COMPACT_AT = 4096  # forgotten records are cut off the arrays in blocks, so that expiry stays O(1)
REFUSED_OFFSETS = "offsets out of range"


@dataclass(frozen=True)
class Retention:
    """What the log keeps: at most `count` records, `bytes` bytes, none of `age` seconds or more."""

    count: float = math.inf
    bytes: float = math.inf
    age: float = math.inf

    def __post_init__(self) -> None:
        if min(self.count, self.bytes, self.age) <= 0:
            raise ValueError("retention must be positive")


class Journal(Protocol):
    """Keeps what a log is told, over the end of its process. Each call returns when it is safe."""

    def append(
        self, offset: int, messages: Sequence[int], sequence: int | None, now: float
    ) -> None: ...

    def commit(self, reader: str, offset: int) -> None: ...

    def expire(self, start: int) -> None: ...


class Log:
    """Message numbers at offsets `start` … `end - 1`, and the offsets that `reader`s committed.

    `sizes[m]` is the size of message `m` in bytes; retention by bytes needs it. `epoch` tells a log
    from the one before it, of which a restart left nothing. A log that goes on may `start` late.
    """

    def __init__(
        self,
        retention: Retention | None = None,
        sizes: Sequence[int] = (),
        epoch: int = 0,
        journal: Journal | None = None,
        keeps_times: bool = False,
        start: int = 0,
    ) -> None:
        self.epoch = epoch
        self.journal = journal
        self.sequence: int | None = None  # the last one of the producer
        self.committed: dict[str, int] = {}
        self.retention = retention or Retention()
        if self.retention.bytes < math.inf and not len(sizes):
            raise ValueError("retention by bytes needs the sizes of the messages")
        self.sizes = sizes
        self.start = start
        self.end = start
        self.size = 0
        self._first = start  # the offset of the arrays' first element
        self._messages = array("q")
        self._times = array("d")
        self._keeps_times = keeps_times or self.retention.age < math.inf
        self._keeps_size = self.retention.bytes < math.inf
        self.bounded = self.retention != Retention()

    def append(self, messages: Sequence[int], now: float) -> int:
        """Append `messages` and return the offset of the first. `expire` is the caller's next."""
        offset = self.end
        if self.journal:
            self.journal.append(offset, messages, self.sequence, now)
        count = len(messages)
        if count == 1:  # the usual case, at half the cost
            self._messages.append(messages[0])
            if self._keeps_times:
                self._times.append(now)
        else:
            self._messages.extend(messages)
            if self._keeps_times:
                self._times.extend([now] * count)
        self.end = offset + count
        if self._keeps_size:
            self.size += sum(int(self.sizes[m]) for m in messages)
        return offset

    def commit(self, reader: str, offset: int) -> None:
        """Remember that `reader` is done with all records before `offset`."""
        if self.committed.get(reader) != offset:
            if self.journal:
                self.journal.commit(reader, offset)
            self.committed[reader] = offset

    def holds(self, offset: int, epoch: int) -> bool:
        """Say whether one can read on from `offset` of the log of that `epoch`.

        Not if that has expired, lies past the end or belongs to another log; at 0 any log will do.
        """
        return self.start <= offset <= self.end and (not offset or epoch == self.epoch)

    def read(self, offset: int, max_records: int) -> Sequence[int]:
        """Return up to `max_records` message numbers from `offset` on.

        Raises LookupError if `offset` has expired or lies past the end.
        """
        if not self.start <= offset <= self.end:
            raise LookupError(f"offset {offset} is not in {self.start}..{self.end}")
        first = offset - self._first
        return self._messages[first : first + max_records]

    def expire(self, now: float) -> tuple[int, Sequence[int]]:
        """Forget what retention no longer keeps; return its first offset and its messages."""
        if not self.bounded:
            return self.start, ()
        first, keep = self.start, self.retention
        while self.start < self.end and (
            self.end - self.start > keep.count
            or self.size > keep.bytes
            or self.oldest_expires_at() <= now
        ):
            if self._keeps_size:
                self.size -= int(self.sizes[self._messages[self.start - self._first]])
            self.start += 1
        gone = self._messages[first - self._first : self.start - self._first]
        if self.journal and len(gone):
            self.journal.expire(self.start)
        self._compact()
        return first, gone

    def offset_at(self, when: float) -> int:
        """Return the offset of the first record appended at or after `when` seconds.

        Raises LookupError if the log does not keep times.
        """
        if not self._keeps_times:
            raise LookupError("this log does not keep times")
        first = self.start - self._first
        return self._first + bisect_left(self._times, when, first)

    def oldest_expires_at(self) -> float:
        """Return when the oldest record grows too old, in seconds; infinity if it never does."""
        if self.retention.age == math.inf or self.start == self.end:
            return math.inf
        return self._times[self.start - self._first] + self.retention.age

    def _compact(self) -> None:
        unused = self.start - self._first
        if unused >= COMPACT_AT:
            del self._messages[:unused]
            if self._keeps_times:
                del self._times[:unused]
            self._first = self.start


def out_of_range(log: Log, consumer: int, events: dict[str, int]) -> OutOfRange:
    """Refuse an offset that `log` does not hold, say which it does, and count that in `events`."""
    events[REFUSED_OFFSETS] = events.get(REFUSED_OFFSETS, 0) + 1
    return OutOfRange(consumer, log.start, log.end, log.epoch)
