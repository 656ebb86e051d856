"""Keys of lessons 1 to 4: right answers pass, and what one says without having looked does not."""

from functools import cache

import numpy as np
import pytest
from quizzes import verdicts

from lab import (
    Exponential,
    LongPoll,
    Periodic,
    Poisson,
    Scenario,
    ShortPoll,
    WebSocketPush,
    Workload,
    oracles,
    simulate,
)
from lab.metrics import Run, summarise
from lab.physics import LinkPhysics, reference
from lab.strategies import Strategy
from lab.trace import Trace

COSTS = reference().physics
FAR = COSTS.model_copy(update={"link": LinkPhysics(delay=0.02)})


@cache
def run(strategy: Strategy, rate: float, duration: float, far: bool = False) -> Trace:
    workload = Workload(arrivals=Poisson(rate=rate), duration=duration, seed=7)
    scenario = Scenario(workload=workload, strategies=[strategy])
    return simulate(scenario, strategy, FAR if far else COSTS)


def one_message(at: float) -> Trace:
    workload = Workload(arrivals=Periodic(rate=1, offset=at), duration=1)
    poll = ShortPoll(interval=0.1)
    return simulate(Scenario(workload=workload, strategies=[poll]), poll, COSTS)


def test_the_polled_message() -> None:
    trace = one_message(0.130)
    taken = trace.left_broker[0] * 1e3
    assert verdicts("1.2", taken, 200, 130, taken / 1e3, trace=trace) == [True] + [False] * 3
    share = trace.parts()["broker residence"][0] / trace.latency[0]
    assert verdicts("1.3", share * 100, 100, 50, share, trace=trace) == [True] + [False] * 3
    told = verdicts("1.4", taken - 149, 50, 82, 100, trace=one_message(0.150))
    assert told == [True, False, False, False]


def test_four_times_the_interval() -> None:
    rare, often = (ShortPoll(interval=interval) for interval in (0.4, 0.1))
    runs = [Run(poll.label, "simulation", [run(poll, 25, 60)]) for poll in (rare, often)]
    ratio = runs[0].traces[0].latency.mean() / runs[1].traces[0].latency.mean()
    told = verdicts("1.5", ratio, 1, 2, 0.25, 0.3, rare=runs[0], often=runs[1])
    assert told == [True] + [False] * 4


def test_a_measured_poll_is_compared_with_a_measured_push() -> None:
    push, poll = run(WebSocketPush(), 25, 8), run(ShortPoll(interval=0.1), 25, 8)
    ratio = poll.latency.mean() / push.latency.mean()
    told = verdicts("1.7", ratio, 1, 1 / ratio, 100, push=push, poll=poll)
    assert told == [True, False, False, False]


def test_queues() -> None:
    workload = Workload(
        arrivals=Poisson(rate=100), work=Exponential(mean=0.008), duration=40, seed=7
    )
    messages = workload.draw()
    gaps = np.diff(messages.created)
    share = 100 * (gaps < 0.005).mean()
    assert verdicts("2.1", share, 50, 63, 25, created=messages.created) == [True] + [False] * 3
    assert verdicts("2.2", 2, 1.125, 1.25) == [True, False, False]
    assert verdicts("2.3", 24, 16, 20, 40, 8) == [True] + [False] * 4
    wait = oracles.lindley(messages.created, messages.work).mean() * 1e3
    assert verdicts("2.4", wait, 32, 40, wait + 8, messages=messages) == [True] + [False] * 3
    push = WebSocketPush()
    trace = simulate(Scenario(workload=workload, strategies=[push]), push, COSTS)
    present = len(trace) / trace.done.max() * trace.latency.mean()
    assert verdicts("2.5", present, 4, 0.8, 1, trace=trace) == [True] + [False] * 3
    late = (trace.done - trace.started - messages.work).mean() * 1e3
    told = verdicts("2.6", late, 0, 8, late * 2, trace=trace, messages=messages)
    assert told == [True] + [False] * 3


def test_how_often_to_poll() -> None:
    trace = run(ShortPoll(interval=0.1), 20, 200)
    empty = 100 * np.exp(-20 * 0.1015)
    assert verdicts("3.1", empty, 0, 10, 36, 50, trace=trace) == [True] + [False] * 4
    assert verdicts("3.2", 1 / 2.03, 2, 1, trace=trace) == [True, False, False]
    assert verdicts("3.3", 98, 50, 200, 90, 100, trace=trace) == [True] + [False] * 4
    assert verdicts("3.7", 15, 30, 60, 7.5) == [True] + [False] * 3
    polls = [ShortPoll(interval=interval) for interval in (0.01, 0.05, 0.2)]
    runs = [Run(poll.label, "simulation", [run(poll, 20, 100)]) for poll in polls]
    assert verdicts("3.4", 25, 50, 20, 0.025, runs=runs) == [True] + [False] * 3
    often = run(ShortPoll(interval=0.02), 20, 50)
    cycle = often.counters.elapsed / often.counters.requests * 1e3
    assert verdicts("3.8", cycle, 100, 20, 50, trace=often) == [True, False, False, False]


def test_when_a_poll_costs_fewer_bytes() -> None:
    rates = (20, 100, 200, 1000)
    polled = {rate: run(ShortPoll(interval=0.05), rate, 400 / rate) for rate in rates}
    pushed = {rate: run(WebSocketPush(), rate, 400 / rate) for rate in rates}
    few, many = (summarise(polled[rate]) for rate in (100, 1000))
    saved = few.bytes_per_message - many.bytes_per_message
    heads = saved / (few.requests_per_message - many.requests_per_message)
    record = many.bytes_per_message - heads * many.requests_per_message
    crossover = heads / (130 - record)
    told = verdicts("3.6", crossover, 1, 2, 20, 200, polled=polled, pushed=pushed)
    assert told == [True] + [False] * 4


@pytest.mark.parametrize("rate", [20, 25])
def test_transits_of_a_long_poll(rate: float) -> None:
    trace = run(LongPoll(), rate, 2000 / rate, far=True)
    wait = trace.left_broker - trace.at_broker
    most = (trace.received - trace.at_broker).max() / 0.02
    assert verdicts("4.1", most, 3, 2, 1, trace=trace, transit=0.02) == [True, True, False, False]
    held = 100 * (wait < 0.001).mean()
    assert verdicts("4.2", held, 100, 50, 0, trace=trace) == [True] + [False] * 3
    if rate == 25:
        theory = oracles.long_poll(25, 0.04, 1.0).wait * 1e3
        told = verdicts("4.3", theory, wait.mean() * 1e3, 20, 40, 0, trace=trace)
        assert told == [True] * 2 + [False] * 3


def test_time_outs_and_load_of_a_long_poll() -> None:
    assert verdicts("4.4", 120, 0, 3600, 30) == [True] + [False] * 3
    trace = run(LongPoll(max_wait=2.0), 1, 400)
    assert verdicts("4.5", 100 * np.exp(-2), 0, 50, 37, trace=trace) == [True] + [False] * 3
    poll, push = run(LongPoll(), 2000, 1), run(WebSocketPush(), 2000, 1)
    batch = 1 / summarise(poll).requests_per_message
    assert verdicts("4.7", batch, 1, 1 / batch, 2000, trace=poll) == [True] + [False] * 3
    ratio = np.median(poll.latency) / np.median(push.latency)
    assert verdicts("4.8", ratio, 1, 1 / ratio, push=push, poll=poll) == [True, False, False]
