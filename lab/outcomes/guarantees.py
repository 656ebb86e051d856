"""What a strategy may do to messages under the faults of a scenario, and no more than that.

The rules follow from until when a strategy takes care of a message (`Care`): what is beyond its care
when something breaks is lost, and what is in doubt comes twice. `allowance` adds up the faults.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.faults import (
    AddedLatency,
    BrokerRestart,
    ConsumerCrash,
    Fault,
    LimitedBandwidth,
    LinkFault,
    SlowConsumer,
    StalledLoop,
)
from lab.scenario import Scenario
from lab.strategies import Call, Care, Strategy, Stream

DELAYS = (AddedLatency, LimitedBandwidth, SlowConsumer, StalledLoop)
NOTHING = 0.0
ONE = 1.0  # the message at hand


@dataclass(frozen=True)
class Harm:
    """How many messages may be lost, and how many times work may be done again; what else may be.

    `forgotten` are those that may be lost beside: on their way to the broker, or with its memory. What
    the broker has that is there in the end is not among them.
    """

    lost: float = NOTHING
    forgotten: float = NOTHING
    again: float = NOTHING
    reordered: bool = False
    given_up: bool = False
    unaccepted: bool = False

    def __str__(self) -> str:
        said = [
            f"up to {_number(self.lost)} lost" if self.lost else "",
            f"up to {_number(self.forgotten)} lost before the broker had them, or with its log"
            if self.forgotten and not self.lost
            else "",
            f"up to {_number(self.again)} done again" if self.again else "",
            "reordered" if self.reordered else "",
            "given up" if self.given_up else "",
            "not accepted" if self.unaccepted else "",
        ]
        return ", ".join(part for part in said if part)

    def __add__(self, other: "Harm") -> "Harm":
        return Harm(
            self.lost + other.lost,
            self.forgotten + other.forgotten,
            self.again + other.again,
            self.reordered or other.reordered,
            self.given_up or other.given_up,
            self.unaccepted or other.unaccepted,
        )


@dataclass(frozen=True)
class Allowance(Harm):
    """What may happen to the messages of a run in all; `reasons` says which fault allows what."""

    reasons: list[str] = field(default_factory=list)


def _number(x: float) -> str:
    return "any number" if x == math.inf else f"{x:.0f}"


HARMLESS = Harm()
LOSES_ALL = Harm(lost=math.inf)


def allowance(scenario: Scenario, strategy: Strategy) -> Allowance | None:
    """Return what may happen to messages; None if the strategy promises nothing."""
    care = strategy.care
    if care is None:
        return None
    found = [
        (fault, harm)
        for fault in scenario.faults
        for harm in _harms(fault, care, scenario, strategy)
    ]
    told = [*found, *_without_faults(care, scenario, strategy)]
    usual = Harm(reordered=getattr(strategy, "concurrency", 1) > 1)
    total = sum((harm for _, harm in told), usual)
    reasons = [f"{why}: {harm}" for why, harm in told if harm != HARMLESS]
    return Allowance(**vars(total), reasons=reasons)


def _without_faults(
    care: Care, scenario: Scenario, strategy: Strategy
) -> Iterator[tuple[str, Harm]]:
    """Yield what may happen though nothing breaks, and why."""
    overflow = getattr(strategy, "overflow", "")
    if overflow == "block" and scenario.producer.acks == "retry":
        yield "a blocked producer repeats itself", Harm(again=math.inf, reordered=True)
    if scenario.poison:
        yield "poison", Harm(given_up=True, again=math.inf)
    if overflow == "disconnect":
        lost = 0.0 if care.replay else math.inf
        again = 0.0 if care.until == "sent" else math.inf
        yield "slow consumers are disconnected", Harm(lost=lost, again=again)
    if care.gives_up and _mean_work(scenario) * 20 > getattr(strategy, "timeout", math.inf):
        yield "a short time-out", Harm(again=math.inf, given_up=True)
    if strategy.shared and _works_too_long(scenario, strategy):
        yield "work that takes longer than max_poll", Harm(again=math.inf)


def _works_too_long(scenario: Scenario, strategy: Strategy) -> bool:
    """Say whether the work on one answer may take a member of a group longer than it is given."""
    work, limit = scenario.workload, getattr(strategy, "max_poll", math.inf)
    most = min(getattr(strategy, "max_records", 1), work.arrivals.mean_rate * work.duration)
    return work.per_batch + work.work.mean * most > limit / 2


def _mean_work(scenario: Scenario) -> float:
    """Return what a message takes if it comes alone, in seconds."""
    return scenario.workload.work.mean + scenario.workload.per_batch


def _harms(fault: Fault, care: Care, scenario: Scenario, strategy: Strategy) -> Iterator[Harm]:
    if strategy.shared and getattr(fault, "link", "delivery") == "delivery":
        yield _moves(care, fault)
    if isinstance(fault, DELAYS):
        yield _delay(care)
        yield _ingest(scenario, restart=False, delay=True)
    elif not isinstance(strategy.wire, Call):
        yield from _breaks(fault, care, scenario, strategy)


def _breaks(fault: Fault, care: Care, scenario: Scenario, strategy: Strategy) -> Iterator[Harm]:
    """Yield what a fault does that ends a process or a connection."""
    if isinstance(fault, ConsumerCrash):
        yield _crash(care)
        if getattr(strategy, "seeks", False):
            yield Harm(lost=care.window)  # what it had fetched, if it had no cursor yet
    elif isinstance(fault, LinkFault) and fault.link == "delivery":
        yield _network(care)
    elif not strategy.brokerless:
        restart = isinstance(fault, BrokerRestart)
        if restart:
            yield _restart(care, scenario, strategy)
        yield _ingest(scenario, restart)


def _crash(care: Care) -> Harm:
    """What the crash of a consumer does."""
    if care.until in ("worked", "after_work"):
        return Harm(again=care.window, given_up=care.gives_up, reordered=True)
    if care.until == "each" or care.replay and care.until == "sent":
        return Harm(again=ONE)
    if care.until == "received":
        return Harm(lost=care.window, again=care.window, given_up=care.gives_up)
    if care.until in ("before_work", "fetched"):
        return Harm(lost=care.window)
    return LOSES_ALL


def _moves(care: Care, fault: Fault) -> Harm:
    """What it does if meanwhile a member of a group seems to be gone, perhaps several times."""
    times = 1 + fault.duration // care.patience
    if care.until == "before_work":
        return Harm(lost=care.window * times, reordered=True)
    return Harm(again=care.window * times, reordered=True)


def _network(care: Care) -> Harm:
    """What a broken connection between broker and consumer does."""
    if care.until in ("worked", "received"):
        return Harm(again=care.window, given_up=care.gives_up, reordered=True)
    if care.until == "fetched":
        return Harm(lost=care.window)
    return HARMLESS if care.replay else LOSES_ALL


def _restart(care: Care, scenario: Scenario, strategy: Strategy) -> Harm:
    """What the restart of the broker does.

    Of a new log nothing is missed, but by a stream that cannot ask for what came before it was back.
    """
    if not scenario.durable:
        misses = isinstance(strategy.wire, Stream) and not care.replay
        return LOSES_ALL if misses else Harm(forgotten=math.inf)
    window = care.window * scenario.workload.consumers
    if care.until in ("worked", "received"):
        if care.gives_up and care.window > 1:  # the cursor waits for the oldest that has no answer
            window = math.inf
        return Harm(again=window, given_up=care.gives_up, reordered=True)
    if care.until == "fetched":
        return Harm(lost=window)
    return HARMLESS if care.replay else LOSES_ALL


def _delay(care: Care) -> Harm:
    """What it does if something takes longer: senders repeat what they take for lost."""
    if care.gives_up:
        return Harm(again=math.inf, given_up=True, reordered=True)
    return Harm(lost=care.window) if care.until == "fetched" else HARMLESS


def _ingest(scenario: Scenario, restart: bool, delay: bool = False) -> Harm:
    """What a broken connection, or a restart, does between producer and broker."""
    acks = scenario.producer.acks
    if acks == "none":
        return HARMLESS if delay else Harm(forgotten=math.inf, unaccepted=True)
    forgets = restart and not scenario.durable
    if acks == "retry" or forgets:
        return Harm(again=math.inf, reordered=acks == "retry", unaccepted=True)
    return Harm(unaccepted=True)
