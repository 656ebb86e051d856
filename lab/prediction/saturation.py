"""The load beyond which a strategy no longer keeps up, found by simulating overloads.

A run offers evenly spaced messages at a rate, until the last is delivered. Offering far more than
can be served tells little: a source that takes the core away from its consumers makes it less, and
large batches make it more. So the rate is narrowed down to a little more than what is delivered.
"""

import math
from dataclasses import dataclass

import numpy as np

from lab.engines import common
from lab.engines.simulation import simulate
from lab.physics import Physics
from lab.prediction.forecast import Resource
from lab.scenario import Scenario
from lab.strategies import Strategy
from lab.trace import Trace
from lab.workload import Periodic

MESSAGES = 3_000
FEWEST = 50  # with many consumers, each of which gets every message
ROUNDS = 20  # batches or polls that a run has at least
MOST = 20_000  # messages, however large the batches are
LARGEST_ANSWER = 500  # records: what a poll costs by itself hardly counts beyond that
KEPT_UP = 0.95  # of the rate, delivered: the rest is within what a run tells
CLOSE = 1.1  # how much more than what is delivered may be offered in the run that counts
STEPS = 20
SLOWEST = 1e-6  # seconds a message to begin with
FASTEST = 1e7  # messages a second: what keeps up with that is not limited
PATIENCE = 1e6  # seconds of virtual time
BUSY = 0.85  # the share of time from which on a resource counts as busy all the time


@dataclass(frozen=True)
class Load:
    """A run in which `rate` messages a second came, and `throughput` a second were delivered."""

    rate: float
    throughput: float
    trace: Trace

    @property
    def kept_up(self) -> bool:
        return self.throughput >= KEPT_UP * self.rate


def saturate(
    scenario: Scenario,
    strategy: Strategy,
    physics: Physics,
    guess: float,
    transit: float,
    replication: int = 0,
) -> Load | None:
    """Return a run that saturates: its throughput is the load from which on messages queue up.

    `guess` is a rate to begin with, `transit` the seconds that a message takes if nothing is in its
    way. None if every rate was kept up with.
    """
    kept: Load | None = None
    lost: Load | None = None
    rate = guess
    for _ in range(STEPS):
        small = _in_small(strategy, rate)
        trace = _offer(rate, scenario, small, physics, replication)
        late = transit + getattr(small, "interval", 0.0) / 2
        load = Load(rate, _throughput(trace, late), trace)
        if load.kept_up:
            kept = max(kept or load, load, key=lambda one: one.rate)
        else:
            lost = min(lost or load, load, key=lambda one: one.rate)
            if lost.rate <= CLOSE * lost.throughput:
                return lost
        if kept and lost and lost.rate <= kept.rate / KEPT_UP:
            return kept
        rate = _next_rate(kept, lost)
        if rate > FASTEST:
            return None
    return kept or lost


def _next_rate(kept: Load | None, lost: Load | None) -> float:
    """Return a rate between what was kept up with and what was not."""
    low = kept.rate if kept else 0.0
    if lost is None:
        return 4 * low
    likely = 1.08 * lost.throughput
    if low < likely < lost.rate:
        return likely
    return math.sqrt(low * lost.rate) if low else lost.rate / 4


def first_guess(scenario: Scenario, strategy: Strategy, core_seconds: float) -> float:
    """Return a rate that is likely too much, if a message takes that much of the busiest core."""
    pause = getattr(strategy, "interval", 0.0) / getattr(strategy, "max_records", 1)
    return 1.5 / max(scenario.workload.work.mean, core_seconds, pause, SLOWEST)


def _offer(
    rate: float, scenario: Scenario, strategy: Strategy, physics: Physics, replication: int
) -> Trace:
    """Simulate the scenario with evenly spaced messages at that rate."""
    workload, consumers = scenario.workload, scenario.workload.consumers
    rounds = min(ROUNDS * _together(strategy, rate), MOST)
    count = max(MESSAGES // consumers, FEWEST, rounds)
    changes = {"arrivals": Periodic(rate=rate), "duration": count / rate, "warm_up": 0.0}
    offered = {
        "workload": workload.model_copy(update=changes),
        "strategies": [strategy],
        "drain": PATIENCE,
    }
    return simulate(scenario.model_copy(update=offered), strategy, physics, replication)


def _in_small(strategy: Strategy, rate: float) -> Strategy:
    """Return a strategy that polls more often for fewer records, if a poll would fetch too many."""
    interval, most = getattr(strategy, "interval", 0.0), getattr(strategy, "max_records", 1)
    times = min(rate * interval, most) / LARGEST_ANSWER
    if times <= 1:
        return strategy
    smaller = {"interval": interval / times, "max_records": max(1, round(most / times))}
    return strategy.model_copy(update=smaller)


def _together(strategy: Strategy, rate: float) -> int:
    """Return how many messages go together: in a batch, or in an answer to a poll."""
    polled = rate * getattr(strategy, "interval", 0.0)
    batch = max(getattr(strategy, "batch_size", 1), getattr(strategy, "min_records", 1))
    return math.ceil(max(batch, min(polled, getattr(strategy, "max_records", 1))))


def _throughput(trace: Trace, late: float) -> float:
    """Return messages delivered a second; the last is `late` s even if nothing is in its way."""
    delivered = np.count_nonzero(~np.isnan(trace.done))
    if not delivered:
        return 0.0
    elapsed = max(float(np.nanmax(trace.done)) - late, float(trace.created.max()))
    return delivered / trace.manifest["consumers"] / elapsed


def limiting(load: Load, strategy: Strategy, physics: Physics) -> Resource:
    """Return what is busiest when saturated, or waiting if nothing is busy all the time."""
    messages = len(load.trace) / load.trace.manifest["consumers"]
    used = used_seconds(load.trace, physics)
    busiest = max(used, key=lambda resource: used[resource])
    if used[busiest] / messages * load.throughput >= BUSY:
        return busiest
    return Resource("waiting", _awaited(strategy))


def used_seconds(trace: Trace, physics: Physics) -> dict[Resource, float]:
    """Return how long each core, and the worker of the busiest consumer, was busy in a run."""
    cpu = trace.counters.cpu_seconds
    cores: dict[int, list[str]] = {}
    for side in cpu:
        cores.setdefault(physics.core_of(side), []).append(side)
    used = {
        Resource("core", _core_name(sides)): sum(cpu[side] for side in sides)
        for sides in cores.values()
    }
    worked = np.where(np.isnan(trace.done), 0.0, trace.done - trace.started)
    most = float(np.bincount(trace.consumer, worked).max()) if len(worked) else 0.0
    return used | {Resource("work", "work of a consumer"): most}


def _core_name(sides: list[str]) -> str:
    return "CPU of the one process" if sides == ["all"] else f"CPU of {' and '.join(sides)}"


def _awaited(strategy: Strategy) -> str:
    """Say what a strategy waits for, by its knobs."""
    interval, most = getattr(strategy, "interval", None), getattr(strategy, "max_records", None)
    if interval:
        return f"waiting: {most:,} records every {interval:g} s at most"
    if most:
        return "waiting: one poll at a time"
    outstanding = getattr(strategy, "concurrency", None)
    if outstanding:
        return f"waiting: {_count(outstanding, 'request')} at a time"
    if common.acknowledges(strategy):
        return f"waiting: {_count(getattr(strategy, 'credits', 1), 'message')} unacknowledged"
    return "waiting: the link"


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number:,} {what}s"
