"""What goes wrong in a run, and when: one schedule, obeyed by both engines.

Times are seconds from the start of the run. A connection is named by its `link`: `ingest` is the
producer's to the broker, `delivery` the one between the broker (or the source's sender) and a
`consumer`. A *request* travels from the side that asks, or sends, to the other; a *response* back.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from lab.description import Description, Natural, Number, PositiveSeconds, Rate, Seconds


class Fault(Description):
    """Something that goes wrong `at` a time and is over `duration` seconds later."""

    at: Seconds
    duration: Seconds = 0.0

    @property
    def until(self) -> float:
        return self.at + self.duration

    @property
    def name(self) -> str:
        return type(self).__name__

    def faster(self, times: float) -> Self:
        """Return the same fault that many times as early and as short."""
        changes = {"at": self.at / times, "duration": self.duration / times}
        return self.model_copy(update=changes) if times > 1 else self

    def __str__(self) -> str:
        lasts = f" for {self.duration:g} s" if self.duration else ""
        return f"{self.name} at {self.at:g} s{lasts}"


class LinkFault(Fault):
    """A fault of one connection."""

    link: Literal["ingest", "delivery"] = "delivery"
    consumer: Natural = 0


class ConsumerCrash(Fault):
    """A consumer is killed, and a new one begins `duration` later with nothing but what it saved."""

    kind: Literal["ConsumerCrash"] = "ConsumerCrash"
    duration: PositiveSeconds = 0.5
    consumer: Natural = 0


class BrokerRestart(Fault):
    """The broker (or the source's sender) is killed, and a new one begins `duration` later."""

    kind: Literal["BrokerRestart"] = "BrokerRestart"
    duration: PositiveSeconds = 0.5


class SlowConsumer(Fault):
    """A consumer's work takes `times` as long, at least `work` seconds a message."""

    kind: Literal["SlowConsumer"] = "SlowConsumer"
    duration: PositiveSeconds = 1.0
    consumer: Natural = 0
    times: Annotated[Number, Field(ge=1)] = 10.0
    work: Seconds = 0.0


class StalledLoop(Fault):
    """A side's event loop does nothing at all: a blocking call, a pause of the garbage collector."""

    kind: Literal["StalledLoop"] = "StalledLoop"
    duration: PositiveSeconds = 0.5
    side: Literal["source", "broker", "target"] = "target"


class LinkDown(LinkFault):
    """The connection breaks and cannot be made again meanwhile."""

    kind: Literal["LinkDown"] = "LinkDown"
    duration: PositiveSeconds = 0.5


class ConnectionReset(LinkFault):
    """The connection breaks; it can be made again at once."""

    kind: Literal["ConnectionReset"] = "ConnectionReset"
    duration: Literal[0] = 0


class HalfOpen(LinkFault):
    """Whatever is sent vanishes and nobody is told; in the end the connection is reset."""

    kind: Literal["HalfOpen"] = "HalfOpen"
    duration: PositiveSeconds = 0.5


class LostRequest(LinkFault):
    """The next request is lost on its way, and its connection with it."""

    kind: Literal["LostRequest"] = "LostRequest"
    duration: Literal[0] = 0


class LostResponse(LinkFault):
    """The next response is lost on its way back, and its connection with it."""

    kind: Literal["LostResponse"] = "LostResponse"
    duration: Literal[0] = 0


class AddedLatency(LinkFault):
    """Everything takes `delay` seconds more, each way."""

    kind: Literal["AddedLatency"] = "AddedLatency"
    duration: PositiveSeconds = 1.0
    delay: PositiveSeconds = 0.05


class LimitedBandwidth(LinkFault):
    """At most `rate` bytes a second pass, each way."""

    kind: Literal["LimitedBandwidth"] = "LimitedBandwidth"
    duration: PositiveSeconds = 1.0
    rate: Rate = 100_000.0


FAULTS: tuple[type[Fault], ...] = (
    ConsumerCrash,
    BrokerRestart,
    SlowConsumer,
    StalledLoop,
    LinkDown,
    ConnectionReset,
    HalfOpen,
    LostRequest,
    LostResponse,
    AddedLatency,
    LimitedBandwidth,
)
if TYPE_CHECKING:
    AnyFault = Fault
else:
    AnyFault = Annotated[reduce(or_, FAULTS), Field(discriminator="kind")]


def slowness(faults: Sequence[Fault], consumer: int, now: float) -> tuple[float, float]:
    """Return by how much a consumer's work takes longer `now`, and the least it takes in seconds."""
    times, least = 1.0, 0.0
    for fault in [f for f in faults if isinstance(f, SlowConsumer)]:
        if fault.consumer == consumer and fault.at <= now < fault.until:
            times, least = times * fault.times, max(least, fault.work)
    return times, least
