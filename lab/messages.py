"""The protocol messages that roles exchange, and the words in which roles and engines talk.

Plain tuples without behaviour. A *message* of the workload travels here as its number, the row
it has in the workload; its bytes are put in by the engine. Offsets are positions in a log.
`consumer` is the consumer's index, 0, 1, 2, …
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

# `make(Publish, (messages,))` is `Publish(messages)` at a third of its cost, for what is made once
# for every message of a run.
make = tuple.__new__


class Publish(NamedTuple):
    """Producer to broker: new messages."""

    messages: Sequence[int]


class Subscribe(NamedTuple):
    """Consumer to push broker: start delivering, from `offset` if given, else from now on."""

    consumer: int
    offset: int | None = None


class Deliver(NamedTuple):
    """Push broker to consumer: messages at consecutive offsets from `offset` on."""

    consumer: int
    offset: int
    messages: Sequence[int]
    attempt: int = 1


class Ack(NamedTuple):
    """Consumer to push broker: the delivery at `offset` is done with (an HTTP 2xx)."""

    consumer: int
    offset: int
    attempt: int = 1


class Nack(NamedTuple):
    """The delivery at `offset` failed: any HTTP answer but 2xx, or a broken connection."""

    consumer: int
    offset: int
    attempt: int = 1


class Fetch(NamedTuple):
    """Consumer to pull broker: records from `offset` on; None reads destructively."""

    consumer: int
    offset: int | None
    max_records: int
    min_records: int = 1
    max_wait: float = 0.0


class Records(NamedTuple):
    """Pull broker to consumer: the answer to `Fetch`, perhaps empty."""

    consumer: int
    offset: int
    messages: Sequence[int]


class OutOfRange(NamedTuple):
    """Pull broker to consumer: that offset is expired or past the end; `start` to `end` are not."""

    consumer: int
    start: int
    end: int


class Check(NamedTuple):
    """Consumer to pull broker: is there anything from `offset` on? (A conditional GET.)"""

    consumer: int
    offset: int


class Status(NamedTuple):
    """Pull broker to consumer: the answer to `Check`; nothing new if `end` is the offset asked."""

    consumer: int
    end: int
    changed: bool


class Blocked(NamedTuple):
    """Engine to role: the connection takes no more for now; hold what follows."""

    consumer: int = 0


class Writable(NamedTuple):
    """Engine to role: the connection takes data again."""

    consumer: int = 0


class Work(NamedTuple):
    """Consumer role to engine: work on these messages, one after the other."""

    consumer: int
    messages: Sequence[int]


class Worked(NamedTuple):
    """Engine to consumer role: the work last asked for is done."""

    consumer: int


class Dropped(NamedTuple):
    """Role to engine: these messages were dropped by the overflow policy."""

    consumer: int
    messages: Sequence[int]


class Expired(NamedTuple):
    """Role to engine: retention took these messages before the consumer had them."""

    consumer: int
    messages: Sequence[int]


class DeadLettered(NamedTuple):
    """Role to engine: every attempt at these messages failed."""

    consumer: int
    messages: Sequence[int]


Message = (
    Publish
    | Subscribe
    | Deliver
    | Ack
    | Nack
    | Fetch
    | Records
    | OutOfRange
    | Check
    | Status
    | Blocked
    | Writable
    | Work
    | Worked
    | Dropped
    | Expired
    | DeadLettered
)


class Role(Protocol):
    """What a producer, broker or consumer decides: a state machine to which time is an argument.

    `now` and `wake_at` are seconds from the start of the run. An engine calls `wake` at the first
    moment it can at or after `wake_at`, never before, and sends every message it gets back.
    While `accepting` is False the role wants nothing more read from its connection.

    Messages are to be sent in the order given, each before the next is asked for: a role that
    catches up after `Writable` makes them as it goes and stops when a send is `Blocked`.
    """

    wake_at: float
    accepting: bool

    def receive(self, message: Message, now: float) -> Iterable[Message]: ...

    def wake(self, now: float) -> Iterable[Message]: ...
