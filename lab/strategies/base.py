"""What a strategy is: its knobs, the roles it pairs, and the wire between broker and consumer.

A strategy decides nothing and moves nothing itself. Its roles decide, its format turns their
messages into bytes, and an engine carries those over the kind of wire that the strategy names.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from lab.description import Description
from lab.messages import Role
from lab.roles import Log, Retention
from lab.roles.retry import NO_LUCK, Luck
from lab.wire.formats import HttpFormat, StreamFormat


@dataclass(frozen=True)
class Stream:
    """A long-lived connection that the consumer opens and the broker pushes frames into.

    `duplex` (a WebSocket) lets the consumer answer in it; otherwise it is one endless HTTP
    response (an event stream).
    """

    format: StreamFormat
    duplex: bool = True


@dataclass(frozen=True)
class Exchange:
    """HTTP requests and their answers; `server` says who listens: the broker or the consumer.

    Without `keep_alive` each request has a connection of its own.
    """

    format: HttpFormat
    server: Literal["broker", "consumer"]
    keep_alive: bool = True


@dataclass(frozen=True)
class Call:
    """No socket: broker and consumer share one process, and messages are function calls."""


Wire = Stream | Exchange | Call


@dataclass(frozen=True)
class BrokerSetting:
    """What the experiment gives every broker: how many consumers, what the log keeps, sizes.

    A broker that begins again after a crash has a log of the next `epoch`, unless the log is
    `durable` and was `kept`.
    """

    consumers: int
    retention: Retention = field(default_factory=Retention)
    sizes: Sequence[int] = ()
    kept: Log | None = None
    durable: bool = False
    epoch: int = 0
    luck: Luck = NO_LUCK

    def log(self) -> Log:
        """Return the log that survived or is durable, or else a new one in memory."""
        if self.kept is not None:
            return self.kept
        return Log(self.retention, self.sizes, self.epoch, keeps_times=True)


@dataclass(frozen=True)
class Start:
    """Where a consumer begins: at what one before it had saved, if anything."""

    offset: int | None = None
    epoch: int = 0
    luck: Luck = NO_LUCK


FRESH = Start()


@dataclass(frozen=True)
class Care:
    """Until when a strategy takes care of a message, which decides what a fault can do to it.

    `until` it is sent; received; worked on; fetched (a destructive read); or until a cursor is made
    safe before the work, after the work, or with each record. `window` messages at most are beyond
    care, or in doubt, at once. With `replay` a consumer can ask again for what it missed. `gives_up`
    says that a sender stops after so many attempts. Where consumers share the messages, the work of one
    that seems to be gone for `patience` seconds goes to another.
    """

    until: Literal["sent", "received", "worked", "fetched", "before_work", "after_work", "each"]
    window: float = math.inf
    replay: bool = False
    gives_up: bool = False
    patience: float = math.inf


class Strategy(Description):
    """A way of delivering messages from a source to its consumers."""

    brokerless: ClassVar[bool] = False  # the sender belongs to the source; there is no hop between
    shared: ClassVar[bool] = False  # consumers share the messages: each goes to one of them
    paced: ClassVar[tuple[str, ...]] = ()  # the knobs that set how often the consumer asks

    @property
    @abstractmethod
    def wire(self) -> Wire:
        """How messages travel between broker (or source) and consumer."""

    @abstractmethod
    def broker(self, setting: BrokerSetting) -> Role:
        """Return a new broker (or the source's sender)."""

    @abstractmethod
    def consumer(self, index: int, start: Start = FRESH) -> Role:
        """Return a new consumer."""

    @property
    def care(self) -> Care | None:
        """Until when it takes care of a message; None if nothing is promised."""
        return None

    @model_validator(mode="after")
    def _buffers_a_batch(self) -> Self:
        buffer, batch = getattr(self, "buffer", None), getattr(self, "batch_size", 1)
        if buffer is not None and buffer < batch:
            raise ValueError(f"need a buffer of at least a batch, got {buffer} and {batch}")
        return self

    def faster(self, times: float) -> Self:
        """Return the same strategy with everything in `paced` that many times as fast."""
        return self.model_copy(update={name: getattr(self, name) / times for name in self.paced})

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def label(self) -> str:
        """The name with the knobs that were turned, as `ShortPoll(interval=0.2)`."""
        changes = ", ".join(f"{k}={_show(v)}" for k, v in self.changes().items())
        return f"{self.name}({changes})" if changes else self.name


def ack_when(ack_on: Literal["work", "receipt"]) -> Literal["after_work", "on_receipt"]:
    """Return the reception's word for the knob `ack_on`."""
    return "after_work" if ack_on == "work" else "on_receipt"


def _show(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
