"""A consumer group, simulated from end to end: with nothing wrong, and with each kind of trouble."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from lab import (
    Constant,
    ConsumerGroup,
    Periodic,
    Poisson,
    Scenario,
    Trace,
    Workload,
    simulate,
    theory,
)
from lab.description import InvalidInput
from lab.faults import (
    BrokerRestart,
    ConsumerCrash,
    Fault,
    HalfOpen,
    LinkDown,
    LostResponse,
    SlowConsumer,
    StalledLoop,
)
from lab.outcomes.checks import check
from lab.physics import reference
from lab.scenario import Producer, Retention
from lab.strategies import LongPoll, Strategy
from lab.trace import Fate

COSTS = reference().physics
MEMBERS, MOST = 3, 5
GROUP = ConsumerGroup(max_records=MOST, timeout=0.4)


def run(
    *faults: Fault,
    strategy: Strategy = GROUP,
    work: float = 0.004,
    rate: float = 200,
    consumers: int = MEMBERS,
    **settings: Any,
) -> Trace:
    """Return the trace of a run in which nothing is wrong but what may be."""
    workload = Workload(
        arrivals=Poisson(rate=rate),
        work=Constant(value=work),
        duration=3,
        consumers=consumers,
        seed=3,
    )
    scenario = Scenario(
        workload=workload,
        strategies=[strategy],
        faults=list(faults),
        producer=Producer(acks="idempotent"),
        **settings,
    )
    trace = simulate(scenario, strategy, COSTS)
    assert len(trace) == len(workload.draw())
    assert check(trace) == []
    return trace


def again(trace: Trace) -> int:
    return int((trace.completions - 1).clip(0).sum())


def delivered(trace: Trace) -> bool:
    return bool((trace.fate == Fate.DELIVERED).all())


@pytest.mark.parametrize("consumers", [1, 3, 10])
@pytest.mark.parametrize("commit", ["after_work", "before_work"])
def test_each_message_goes_to_one_member_once(consumers: int, commit: str) -> None:
    trace = run(strategy=GROUP.model_copy(update={"commit": commit}), consumers=consumers)
    assert delivered(trace)
    assert (trace.attempts == 1).all() and (trace.completions == 1).all()
    assert not np.isnan(trace.acked).any()
    assert trace.manifest["consumers"] == 1
    events = trace.counters.events
    assert events["rebalances"] >= 1
    assert events["evictions"] == events["refused commits"] == 0


def test_members_share_the_work() -> None:
    """Alone each would have more to do than time."""
    assert run(work=0.009).latency.mean() < 0.1
    assert run(work=0.009, consumers=1, strategy=ConsumerGroup(max_records=5)).latency.mean() > 0.5


@pytest.mark.parametrize("partitions", [1, 4])
def test_order_is_kept_in_each_partition(partitions: int) -> None:
    trace = run(strategy=GROUP.model_copy(update={"partitions": partitions}), rate=250)
    for number in range(partitions):
        assert (np.diff(trace.done[trace.message % partitions == number]) > 0).all()
    assert trace.manifest["ordered"] == (partitions == 1)


def test_what_a_member_had_not_committed_is_done_again_after_a_crash() -> None:
    trace = run(ConsumerCrash(at=1.0, consumer=1), work=0.012)
    assert delivered(trace)
    assert 0 < (trace.attempts > 1).sum() <= MOST
    assert again(trace) <= MOST
    assert trace.counters.events["evictions"] == 0, "it was back before it was missed"


def test_the_others_take_over_when_a_crashed_member_is_missed() -> None:
    strategy = GROUP.model_copy(update={"session_timeout": 0.3})
    gone = ConsumerCrash(at=1.0, duration=1.9, consumer=1)
    trace = run(gone, strategy=strategy)
    assert delivered(trace)
    assert trace.counters.events["evictions"] == 1
    assert trace.latency.max() < 0.4, "nobody waits much longer than the session time-out"
    slower = run(gone)
    assert slower.latency.max() > 0.9


def test_with_the_commit_first_a_crash_loses_and_never_repeats() -> None:
    first = GROUP.model_copy(update={"commit": "before_work"})
    trace = run(
        *(ConsumerCrash(at=t, consumer=1) for t in (0.5, 1.2, 2.0)), strategy=first, work=0.012
    )
    assert again(trace) == 0
    assert 0 < (trace.fate == Fate.LOST).sum() <= 3 * MOST


def test_a_slow_member_is_evicted_and_its_commit_refused() -> None:
    hasty = GROUP.model_copy(update={"max_poll": 0.5})
    trace = run(SlowConsumer(at=1.0, duration=1.5, consumer=1, work=0.2), strategy=hasty)
    events = trace.counters.events
    assert delivered(trace)
    assert events["evictions"] >= 1
    assert events["refused commits"] >= 1
    assert 0 < again(trace) <= MOST * events["evictions"]


def test_a_member_that_freezes_is_a_zombie_when_it_wakes_up() -> None:
    trace = run(StalledLoop(at=1.0, duration=1.5))
    events = trace.counters.events
    assert delivered(trace)
    assert events["evictions"] == MEMBERS, "all are on that loop"
    assert events["refused commits"] >= 1


@pytest.mark.parametrize(
    "fault",
    [
        LinkDown(at=1.0, duration=1.9, consumer=1),
        HalfOpen(at=1.0, duration=1.9, consumer=1),
        LostResponse(at=1.0, consumer=1),
    ],
    ids=lambda fault: fault.name,
)
def test_a_broken_network_loses_nothing(fault: Fault) -> None:
    trace = run(fault)
    assert delivered(trace)
    assert trace.counters.events["evictions"] == (fault.duration > 0)


def test_a_durable_broker_goes_on_where_the_group_was() -> None:
    trace = run(BrokerRestart(at=1.0, duration=0.3), work=0.012, durable=True)
    assert delivered(trace)
    assert again(trace) <= MEMBERS * MOST
    assert trace.counters.events["rebalances"] > MEMBERS


def test_retention_holds_for_the_log_as_a_whole() -> None:
    trace = run(LinkDown(at=1.0, duration=1.0), retention=Retention(count=20), consumers=1)
    assert (trace.fate == Fate.EXPIRED).any()
    assert (trace.fate != Fate.LOST).all()


def test_a_record_that_keeps_failing_is_put_aside() -> None:
    trace = run(poison=[10, 11, 100])
    assert list(np.flatnonzero(trace.fate == Fate.DEAD_LETTERED)) == [10, 11, 100]
    assert (trace.fate == Fate.DELIVERED).sum() == len(trace) - 3


def test_the_same_seed_gives_the_same_trace() -> None:
    one, two = (run(ConsumerCrash(at=1.0, consumer=1)) for _ in range(2))
    assert asdict(one.counters) == asdict(two.counters)
    for name, column in one.columns().items():
        assert column.tobytes() == getattr(two, name).tobytes(), name


def test_each_answer_costs_a_commit_more_than_a_long_poll() -> None:
    group, poll = run(consumers=1, work=0.0), run(strategy=LongPoll(), consumers=1, work=0.0)
    counters = group.counters
    fetches = poll.counters.requests
    assert 1.5 * fetches < counters.requests < 2.1 * fetches
    assert group.latency.mean() > poll.latency.mean()
    assert counters.bytes_back > 1.5 * poll.counters.bytes_back


def test_theory_knows_a_lone_member() -> None:
    lone = Workload(arrivals=Poisson(rate=100), duration=60, seed=2)
    scenario = Scenario(workload=lone, strategies=[ConsumerGroup()])
    trace = simulate(scenario, scenario.strategies[0], COSTS.steady())
    [transit] = simulate_one(scenario).latency
    requests = trace.counters.requests / len(trace)
    prediction = theory(scenario, scenario.strategies[0], transit, 0.0005)
    assert prediction is not None
    assert prediction.requests_per_message == pytest.approx(requests, rel=0.1)
    three = scenario.model_copy(update={"workload": lone.model_copy(update={"consumers": 3})})
    assert theory(three, scenario.strategies[0], transit, 0.0005) is None


def simulate_one(scenario: Scenario) -> Trace:
    one = Workload(arrivals=Periodic(rate=1), duration=1)
    alone = scenario.model_copy(update={"workload": one})
    return simulate(alone, alone.strategies[0], COSTS.steady())


@pytest.mark.parametrize(
    ("knobs", "text"),
    [
        ({"partitions": 0}, "partitions"),
        ({"partitions": 257}, "partitions"),
        ({"heartbeat": 1.0}, "need a heartbeat below session_timeout"),
        ({"commit": "each"}, "commit"),
        ({"begin": "latest"}, "begin"),
    ],
)
def test_knobs_that_cannot_be(knobs: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        ConsumerGroup.read(knobs, "strategy")
