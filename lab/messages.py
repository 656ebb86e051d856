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

Pairs = Sequence[tuple[int, int]]  # of a partition and an offset in it


class Publish(NamedTuple):
    """Producer to broker: new messages; with a `sequence` number it wants to know of their fate.

    With `once` the broker takes each sequence number once, and in order.
    """

    messages: Sequence[int]
    sequence: int | None = None
    once: bool = False


class Accepted(NamedTuple):
    """Broker to producer: what was published under `sequence` is in the broker's keeping."""

    sequence: int


class Connect(NamedTuple):
    """Producer to engine: open the connection to the broker again."""


class Disconnected(NamedTuple):
    """Engine to role: the connection is gone, or could not be made; what was under way may be lost.

    For a consumer that asks by requests: this request failed.
    """

    consumer: int = 0


class Disconnect(NamedTuple):
    """Push broker to engine: cut this consumer off."""

    consumer: int


class Save(NamedTuple):
    """Consumer to engine: keep `offset` safe; it is where a new consumer begins after a crash."""

    consumer: int
    offset: int
    epoch: int = 0


class Subscribe(NamedTuple):
    """Consumer to push broker: start delivering, from `offset` if given, else from now on.

    The offset is one in the log of that `epoch`; one that the log does not hold is `OutOfRange`.
    """

    consumer: int
    offset: int | None = None
    epoch: int = 0


class Deliver(NamedTuple):
    """Push broker to consumer: messages at consecutive offsets from `offset` on, of that `epoch`."""

    consumer: int
    offset: int
    messages: Sequence[int]
    attempt: int = 1
    epoch: int = 0


class Ack(NamedTuple):
    """Consumer to push broker: the delivery at `offset` is done with (an HTTP 2xx)."""

    consumer: int
    offset: int
    attempt: int = 1
    epoch: int = 0


class Nack(NamedTuple):
    """The delivery at `offset` failed: any HTTP answer but 2xx, or a broken connection.

    `retry_after` are the seconds that a 429 asks to wait; such a refusal is not a failed attempt.
    """

    consumer: int
    offset: int
    attempt: int = 1
    retry_after: float = 0.0
    epoch: int = 0


class Fetch(NamedTuple):
    """Consumer to pull broker: records from `offset` on; None reads destructively.

    A member of a group (of that `generation`) gives its `positions` instead: for each of its partitions
    the offset from which on it wants records.
    """

    consumer: int
    offset: int | None
    max_records: int
    min_records: int = 1
    max_wait: float = 0.0
    epoch: int = 0
    generation: int = 0
    positions: Pairs = ()


class Records(NamedTuple):
    """Pull broker to consumer: the answer to `Fetch`, perhaps empty, from a log of that `epoch`.

    For a member of a group, `parts` says which they are: partition, first offset and count of each run.
    """

    consumer: int
    offset: int
    messages: Sequence[int]
    epoch: int = 0
    generation: int = 0
    parts: Sequence[tuple[int, int, int]] = ()


class OutOfRange(NamedTuple):
    """Broker to consumer: that offset is expired or past the end; `start` to `end` are not.

    Also if the log is not the one asked for, but a new one that began after a loss: `epoch`.
    """

    consumer: int
    start: int
    end: int
    epoch: int = 0


class Check(NamedTuple):
    """Consumer to pull broker: is there anything from `offset` on? (A conditional GET.)

    The offset is one of the log of that `epoch`: in another log there is always something new.
    """

    consumer: int
    offset: int
    epoch: int = 0


class Status(NamedTuple):
    """Pull broker to consumer: the answer to `Check`; nothing new if `end` is the offset asked."""

    consumer: int
    end: int
    changed: bool


class Seek(NamedTuple):
    """Consumer to pull broker: I begin at the "earliest" record, the "latest", or those from a time on.

    Or, if `to` is "offset", at that `offset`. An offset that is not there is `OutOfRange`; a time still
    to come is the end.
    """

    consumer: int
    to: str | float
    offset: int = 0


class Found(NamedTuple):
    """Pull broker to consumer: the answer to `Seek`, the offset of what it asked for."""

    consumer: int
    offset: int
    epoch: int = 0


class Join(NamedTuple):
    """Member to group broker: take me in, now or again; the answer may take a while."""

    consumer: int


class Assigned(NamedTuple):
    """Group broker to member: the answer to `Join`, the partitions that are yours in this `generation`.

    `offsets` says for each of them where the group left off.
    """

    consumer: int
    generation: int
    offsets: Pairs


class Heartbeat(NamedTuple):
    """Member to group broker: I am alive, and working."""

    consumer: int
    generation: int


class Beat(NamedTuple):
    """Group broker to member: the answer to `Heartbeat`."""

    consumer: int


class Commit(NamedTuple):
    """Member to group broker: the group is done with all records before these `offsets`."""

    consumer: int
    generation: int
    offsets: Pairs


class Committed(NamedTuple):
    """Group broker to member: the answer to `Commit`."""

    consumer: int


class Refused(NamedTuple):
    """Group broker to member: not in this `generation`, or not your partition; join again."""

    consumer: int
    generation: int


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
    """Engine to consumer role: the work last asked for is done, but it `failed` for some messages."""

    consumer: int
    failed: Sequence[int] = ()


class Dropped(NamedTuple):
    """Role to engine: these messages were dropped by the overflow policy."""

    consumer: int
    messages: Sequence[int]


class Expired(NamedTuple):
    """Role to engine: retention took these messages before the consumer had them."""

    consumer: int
    messages: Sequence[int]


class Skipped(NamedTuple):
    """Role to engine: the consumer chose to begin after these messages."""

    consumer: int
    messages: Sequence[int]


class DeadLettered(NamedTuple):
    """Role to engine: every attempt at these messages failed."""

    consumer: int
    messages: Sequence[int]


Message = (
    Publish
    | Accepted
    | Connect
    | Disconnected
    | Disconnect
    | Save
    | Subscribe
    | Deliver
    | Ack
    | Nack
    | Fetch
    | Records
    | OutOfRange
    | Check
    | Status
    | Seek
    | Found
    | Join
    | Assigned
    | Heartbeat
    | Beat
    | Commit
    | Committed
    | Refused
    | Blocked
    | Writable
    | Work
    | Worked
    | Dropped
    | Expired
    | Skipped
    | DeadLettered
)


class Role(Protocol):
    """What a producer, broker or consumer decides: a state machine to which time is an argument.

    `now` and `wake_at` are seconds from the start of the run. An engine calls `wake` at the first
    moment it can at or after `wake_at`, never before, and sends every message it gets back.
    While `accepting` is False the role wants nothing more read from its connection (a broker: from
    its producer's). `pending` says how much it still means to do without being asked.

    Messages are to be sent in the order given, each before the next is asked for: a role that
    catches up after `Writable` makes them as it goes and stops when a send is `Blocked`.
    """

    wake_at: float
    accepting: bool

    @property
    def pending(self) -> int: ...

    def receive(self, message: Message, now: float) -> Iterable[Message]: ...

    def wake(self, now: float) -> Iterable[Message]: ...
