"""The textbook's model, which the lab's must beat: single servers in a row, with fixed costs.

Source, broker and target each serve one message at a time, first come first served, in a time that
never changes. Cores are not shared and loops never sleep. A batch waits until it is full or its
linger has passed, a poll comes at a random phase, and a consumer's work queues for that consumer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lab.strategies import Strategy
from lab.trace import Floats, Trace
from lab.validation.latency import shown
from lab.validation.observed import Observation, Point
from lab.validation.rows import typical
from lab.workload import Messages

POLL_STREAM = 4  # of a replication; the workload and the simulation draw from those before it


@dataclass(frozen=True)
class Tandem:
    """The times of the servers, in seconds; a side that has none is passed at once.

    The source serves each message once, all others serve it once for each consumer. `delay` is
    added to the latency of every message.
    """

    services: dict[str, float]
    delay: float = 0.0

    def latencies(self, point: Point, replication: int) -> Floats:
        """Return the latency of every delivery if that replication of `point` came this way."""
        scenario, workload = point.scenario, point.scenario.workload
        messages = workload.draw(replication).faster(scenario.speed_up)
        strategy = point.strategy.faster(scenario.speed_up)
        seed = np.random.SeedSequence(workload.seed, spawn_key=(replication, POLL_STREAM))
        phase = float(np.random.default_rng(seed).uniform())
        return self._pass(messages, strategy, workload.consumers, phase)

    def _pass(self, messages: Messages, strategy: Strategy, consumers: int, phase: float) -> Floats:
        at = self._serve("source", messages.created)
        at = batched(at, getattr(strategy, "batch_size", 1), getattr(strategy, "linger", 0.0))
        at = self._serve("broker", np.repeat(at, consumers))
        at = polled(at, getattr(strategy, "interval", 0.0), phase)
        at = self._serve("all", self._serve("target", at)).reshape(-1, consumers)
        done = np.array([departures(column, messages.work) for column in at.T])
        return (done - messages.created + self.delay).reshape(-1)

    def _serve(self, side: str, arrivals: Floats) -> Floats:
        return departures(arrivals, np.full(len(arrivals), self.services.get(side, 0.0)))


def tandem(point: Point, family: Sequence[Observation]) -> Tandem:
    """Return the tandem for `point` by measured runs of `family`, which is in order of its rates.

    Services are the CPU seconds per message of each side at the middle rate; the delay makes the
    median latency at the lowest rate come out as measured. A point without a broker goes by runs
    with one as if its messages began in the broker.
    """
    brokerless = point.strategy.brokerless and not family[0].point.strategy.brokerless
    middle, lowest = family[len(family) // 2], family[0]
    sides = dict.fromkeys(s for trace in middle.measured for s in trace.counters.cpu_seconds)
    services = {
        side: typical(_per_message(trace, side) for trace in middle.measured)
        for side in sides
        if not (brokerless and side == "source")
    }
    without = Tandem(services)
    lone = typical(_median_latency(trace, brokerless) for trace in lowest.measured)
    explained = typical(
        float(np.median(without.latencies(lowest.point, k))) for k in lowest.replications
    )
    return replace(without, delay=max(0.0, lone - explained))


def _per_message(trace: Trace, side: str) -> float:
    consumers = trace.manifest.get("consumers", 1) if side == "source" else 1
    return trace.counters.cpu_seconds.get(side, np.nan) * consumers / max(1, len(trace))


def _median_latency(trace: Trace, from_broker: bool) -> float:
    start = trace.at_broker if from_broker else trace.created
    return float(np.median((trace.done - start)[shown(trace)]))


def departures(arrivals: Floats, services: Floats) -> Floats:
    """Return when each leaves a single server, first come first served (Lindley, 1952).

    `arrivals` do not decrease. It leaves after its own service and all those since the last arrival
    that found the server free: max over j ≤ i of A_j + S_j + … + S_i.
    """
    finished = np.cumsum(services)
    return finished + np.maximum.accumulate(arrivals - (finished - services))


def batched(arrivals: Floats, size: int, linger: float) -> Floats:
    """Return when the batch of each arrival is sent: when it has `size`, or after `linger` seconds."""
    if linger <= 0 or size <= 1:
        return arrivals
    sent, first = np.empty_like(arrivals), 0
    while first < len(arrivals):
        deadline = arrivals[first] + linger
        some = arrivals[first : first + size]
        count = int(np.searchsorted(some, deadline, side="right"))
        sent[first : first + count] = some[-1] if count == size else deadline
        first += count
    return sent


def polled(arrivals: Floats, interval: float, phase: float) -> Floats:
    """Return when the next poll after each arrival comes, every `interval` seconds.

    `phase` is the share of an interval at which the polls begin; an interval of 0 is no polling.
    """
    if interval <= 0:
        return arrivals
    start = phase * interval
    return np.ceil((arrivals - start) / interval) * interval + start
