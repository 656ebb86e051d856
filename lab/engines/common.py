"""What both engines share: who runs where, what an acknowledgement covers, the manifest, fates."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.formats import JsonStream
from lab.messages import Ack, Check, Deliver, Fetch, Message, Records
from lab.scenario import Scenario
from lab.strategies import Call, Exchange, Strategy, Stream
from lab.strategies.base import Wire
from lab.trace import Fate

CHUNK = 65_536


class MeasurementError(RuntimeError):
    """A measured run that could not be completed; the text says on which side and why."""


@dataclass(frozen=True)
class Layout:
    """Which process (or, in simulation, event loop) runs each part, and how the source publishes."""

    source: str
    broker: str
    target: str
    ingest: Wire

    @property
    def sides(self) -> list[str]:
        return list(dict.fromkeys((self.source, self.broker, self.target)))


def layout(scenario: Scenario, strategy: Strategy) -> Layout:
    """Return the layout: three sides, two where there is no broker, one where there is one process.

    The producer hands its messages to the broker through a WebSocket of their own, whatever the
    strategy, or by a call where they share a process by nature.
    """
    if isinstance(strategy.wire, Call):
        return Layout("all", "all", "all", Call())
    ingest: Wire = Call() if strategy.brokerless else Stream(JsonStream())
    if scenario.processes == "one":
        return Layout("all", "all", "all", ingest)
    return Layout("source", "source" if strategy.brokerless else "broker", "target", ingest)


class Ledger:
    """Knows which messages an ack, or the cursor in a poll, acknowledges."""

    def __init__(self) -> None:
        self.deliveries: dict[tuple[int, int], Sequence[int]] = {}
        self.answers: dict[int, Records] = {}

    def sent(self, message: Message) -> None:
        if isinstance(message, Deliver):
            self.deliveries[message.consumer, message.offset] = message.messages
        elif isinstance(message, Records) and len(message.messages):
            self.answers[message.consumer] = message

    def acknowledged(self, message: Message) -> Sequence[int]:
        if isinstance(message, Ack):
            return self.deliveries.pop((message.consumer, message.offset), ())
        if isinstance(message, Fetch | Check):
            answer = self.answers.get(message.consumer)
            if answer and (message.offset or 0) >= answer.offset + len(answer.messages):
                del self.answers[message.consumer]
                return answer.messages
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
        "consumers": workload.consumers,
        "warm_up": workload.warm_up,
        "ordered": getattr(strategy, "concurrency", 1) == 1,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    names = ("aiohttp", "numpy", "pushpull-lab", "simpy", "websockets")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def settle(fate: NDArray[np.int8], done: NDArray[np.float64]) -> None:
    """Whatever else was said of a message, it is delivered once its work is done."""
    fate[~np.isnan(done)] = Fate.DELIVERED


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
