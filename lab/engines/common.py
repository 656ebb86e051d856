"""What both engines share: who runs where, what an acknowledgement covers, the manifest, fates."""

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.faults import BrokerRestart, ConsumerCrash, Fault, LinkFault
from lab.messages import (
    Ack,
    Check,
    Committed,
    DeadLettered,
    Deliver,
    Dropped,
    Expired,
    Fetch,
    Message,
    Records,
    Role,
    Skipped,
)
from lab.scenario import Scenario
from lab.strategies import Call, Exchange, Strategy, Stream
from lab.strategies.base import Wire
from lab.trace import Fate
from lab.wire.formats import JsonStream

CHUNK = 65_536
FATES = {
    Dropped: Fate.DROPPED,
    Expired: Fate.EXPIRED,
    Skipped: Fate.SKIPPED,
    DeadLettered: Fate.DEAD_LETTERED,
}
LUCK_STREAM = 5  # of the seed; the workload and the simulation use those before
QUIET = 0.25  # seconds
HEAD_START = 0.05  # seconds between telling the sides to start, when all is ready, and the start


class MeasurementError(RuntimeError):
    """A measured run that could not be completed; the text says on which side and why."""


@dataclass(frozen=True)
class Layout:
    """Which process (or, in simulation, event loop) runs each part, and how the source publishes.

    `targets` says where each consumer is.
    """

    source: str
    broker: str
    targets: tuple[str, ...]
    ingest: Wire

    @property
    def sides(self) -> list[str]:
        return list(dict.fromkeys((self.source, self.broker, *self.targets)))

    def side(self, part: str) -> str:
        """Return the side of the source, the broker or the (first) target."""
        return {"source": self.source, "broker": self.broker, "target": self.targets[0]}[part]


def layout(scenario: Scenario, strategy: Strategy) -> Layout:
    """Return the layout: three sides, two where there is no broker, one where there is one process.

    Consumers share a process, unless one of several is to crash.

    The producer hands its messages to the broker through a WebSocket of their own, whatever the
    strategy, or by a call where they share a process by nature.
    """
    consumers = scenario.workload.consumers
    if isinstance(strategy.wire, Call):
        return Layout("all", "all", ("all",) * consumers, Call())
    ingest: Wire = Call() if strategy.brokerless else Stream(JsonStream())
    if scenario.processes == "one":
        return Layout("all", "all", ("all",) * consumers, ingest)
    targets = ["target"] * consumers
    if any(isinstance(fault, ConsumerCrash) for fault in scenario.faults):
        targets[1:] = [f"target {index}" for index in range(1, consumers)]
    return Layout("source", "source" if strategy.brokerless else "broker", tuple(targets), ingest)


class Ledger:
    """Knows which messages an ack, the cursor in a poll, or a commit that was taken acknowledges."""

    def __init__(self) -> None:
        self.deliveries: dict[tuple[int, int, int], Sequence[int]] = {}
        self.answers: dict[int, Records] = {}

    def sent(self, message: Message) -> None:
        if isinstance(message, Deliver):
            which = message.consumer, message.offset, message.epoch
            self.deliveries[which] = message.messages
        elif isinstance(message, Records) and len(message.messages):
            self.answers[message.consumer] = message

    def acknowledged(self, message: Message) -> Sequence[int]:
        if isinstance(message, Ack):
            return self.deliveries.pop((message.consumer, message.offset, message.epoch), ())
        if isinstance(message, Fetch | Check):
            answer = self.answers.get(message.consumer)
            if answer and (message.offset or 0) >= answer.offset + len(answer.messages):
                del self.answers[message.consumer]
                return answer.messages
        if isinstance(message, Committed) and message.consumer in self.answers:
            return self.answers.pop(message.consumer).messages
        return ()


def view(column: NDArray[Any]) -> Any:
    """Return a column as a memoryview, whose items are read and written much faster."""
    return column.data


def polls(wire: Wire) -> bool:
    """Say whether consumers ask over this wire, rather than being sent to."""
    return isinstance(wire, Call) or (isinstance(wire, Exchange) and wire.server == "broker")


def acknowledges(strategy: Strategy) -> bool:
    """Say whether the sender learns what was done: by acks, or by the cursor of the next poll."""
    if getattr(strategy, "destructive", False):
        return False
    return not isinstance(strategy.wire, Stream) or bool(getattr(strategy, "acks", False))


def manifest(
    scenario: Scenario, strategy: Strategy, engine: str, replication: int, messages: int
) -> dict[str, Any]:
    """Return what is needed to run it again, and to judge the trace."""
    workload = scenario.workload
    return {
        "scenario": scenario.model_dump(mode="json", exclude_none=True),
        "strategy": strategy.label,
        "strategy_index": scenario.strategies.index(strategy),
        "engine": engine,
        "seed": workload.seed,
        "replication": replication,
        "messages": messages,
        "consumers": 1 if strategy.shared else workload.consumers,
        "warm_up": workload.warm_up,
        "brokerless": strategy.brokerless,
        "ignored_faults": [str(f) for f in scenario.faults if not applies(f, strategy)],
        "ordered": getattr(strategy, "concurrency", 1) == 1,
        "versions": versions(),
    }


@cache
def _versions() -> dict[str, str]:
    names = ("aiohttp", "numpy", "pushpull-lab", "simpy", "websockets")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


@dataclass(frozen=True)
class Drained:
    """What is known at the end of a run in which nothing is under way any more.

    `kept` are the messages that the broker's log still has, if it forgets any; `lost_before` is when
    a restart of the broker emptied it; `acks` says that the producer waits to be told.
    """

    kept: Sequence[int] | None = None
    lost_before: float = -math.inf
    acks: bool = False


def settle(
    fate: NDArray[np.int8],
    columns: dict[str, NDArray[Any]],
    manifest: dict[str, Any],
    drained: Drained | None = None,
) -> None:
    """Give every message its fate: delivered if its work is done, whatever else was said of it.

    Without `drained` the others are in flight. With it they will never be delivered, so that they
    expired, were never accepted, or are lost. A producer that waits to be told, and was not, does
    not know.
    """
    done = ~np.isnan(columns["done"])
    fate[done] = Fate.DELIVERED
    open_rows = fate == Fate.IN_FLIGHT
    if drained is None:
        if open_rows.any():
            manifest["cut_off"] = True
        return
    if drained.lost_before > -math.inf:
        manifest["log_began_at"] = drained.lost_before
    sent, at_broker = columns["sent"], columns["at_broker"]
    ours = np.full_like(fate, Fate.LOST)
    if drained.kept is not None:
        gone = np.ones(fate.shape[1], bool)
        gone[np.asarray(drained.kept, np.intp)] = False
        ours[:, gone & (at_broker[0] > drained.lost_before)] = Fate.EXPIRED
    if drained.acks:
        ours[:, np.isnan(columns["accepted"][0])] = Fate.INDETERMINATE
    ours[:, np.isnan(sent[0])] = Fate.NEVER_ACCEPTED
    fate[open_rows] = ours[open_rows]


def luck(seed: int, replication: int, who: int) -> Iterator[float]:
    """Return numbers from 0 to 1 for the back-off of one part of a run, drawn from the seed."""
    draws = np.random.SeedSequence(seed, spawn_key=(replication, LUCK_STREAM, who))
    rng = np.random.default_rng(draws)
    while True:
        yield float(rng.random())


def versions() -> dict[str, str]:
    """Return the versions of what a run depends on."""
    return dict(_versions())


def applies(fault: Fault, strategy: Strategy) -> bool:
    """Say whether a fault can happen to this strategy: whether there is what it hits."""
    calls = isinstance(strategy.wire, Call)
    if isinstance(fault, BrokerRestart):
        return not (calls or strategy.brokerless)
    if isinstance(fault, ConsumerCrash):
        return not calls
    if isinstance(fault, LinkFault):
        return not calls and not (fault.link == "ingest" and strategy.brokerless)
    return True


def connection_kind(wire: Wire) -> Literal["stream", "push", "pull"]:
    """Return what connects a broker and a consumer."""
    if isinstance(wire, Exchange):
        return "pull" if wire.server == "broker" else "push"
    return "stream"


def troubled(scenario: Scenario, strategy: Strategy) -> bool:
    """Say whether a run may lose or break something, so that it ends when nothing more happens."""
    cuts = getattr(strategy, "overflow", "") == "disconnect" and getattr(strategy, "buffer", None)
    asked = scenario.faults or scenario.sample or scenario.poison or scenario.durable
    return bool(asked or cuts or scenario.producer.acks != "none")


class Stop(NamedTuple):
    """Something to do at a time of a run, in seconds."""

    at: float
    action: Callable[[], None]


def schedule(
    faults: Iterable[Fault], actions: Callable[[Fault], Iterable[tuple[float, Callable[[], None]]]]
) -> list[Stop]:
    """Return what each fault has done when, as `actions` tells, in the order of time."""
    stops = [Stop(*each) for fault in faults for each in actions(fault)]
    return sorted(stops, key=lambda stop: stop.at)


def waiting(role: Role) -> int:
    """Return how many messages are with a role and nowhere else."""
    return int(getattr(role, "here", role.pending))


def grace(strategy: Strategy) -> float:
    """Return for how long nothing must be pending, in seconds, until nothing more will come."""
    return QUIET + 2 * max((getattr(strategy, name) for name in strategy.paced), default=0.0)


def peak_queues(accepted: NDArray[np.float64], started: NDArray[np.float64], consumers: int) -> int:
    """Return the longest queue of any consumer; rows are sorted by consumer."""
    parts = zip(np.split(accepted, consumers), np.split(started, consumers), strict=True)
    return max(peak_queue(a, s) for a, s in parts)


def peak_queue(accepted: NDArray[np.float64], started: NDArray[np.float64]) -> int:
    """Return the most messages that were ever accepted and not yet started, for one consumer."""
    arrivals = np.sort(accepted[~np.isnan(accepted)])
    starts = np.sort(started[~np.isnan(started)])
    peak = len(arrivals) - len(starts)
    for first in range(0, len(starts), CHUNK):
        some = starts[first : first + CHUNK]
        before = np.searchsorted(arrivals, some, side="right") - np.arange(first, first + len(some))
        peak = max(peak, int(before.max()))
    return peak
