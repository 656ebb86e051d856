"""Simulation with the physics that theory assumes reproduces theory, within 99 % intervals."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from lab import (
    Exponential,
    LogNormal,
    LongPoll,
    Periodic,
    Poisson,
    PollThenPull,
    Scenario,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
    Workload,
    compare,
    oracles,
    simulate,
)
from lab.physics import IDEAL, LinkPhysics
from lab.trace import Fate, Trace

REPLICATIONS = 20
RATE = 100.0


def run(
    strategy: Strategy, workload: Workload, figure: Callable[[Trace], float], delay: float = 0.0
) -> tuple[float, float]:
    """Return the 99 % interval of `figure` over replications with independent messages."""
    costs = IDEAL.model_copy(update={"link": LinkPhysics(delay=delay)})
    setting = Scenario(workload=workload, strategies=[strategy], drain=100)
    values = [figure(simulate(setting, strategy, costs, r)) for r in range(REPLICATIONS)]
    middle, error = np.mean(values), stats.sem(values)
    reach = stats.t.ppf(0.995, REPLICATIONS - 1) * error
    return float(middle - reach), float(middle + reach)


def latency(trace: Trace) -> float:
    return float(trace.latency[trace.counted].mean())


def quantile(p: float) -> Callable[[Trace], float]:
    return lambda trace: float(np.quantile(trace.latency[trace.counted], p))


def contains(interval: tuple[float, float], truth: float) -> bool:
    low, high = interval
    assert high - low < 0.25 * truth, "too wide to say anything"
    return low <= truth <= high


def queue(work: object) -> Workload:
    return Workload(arrivals=Poisson(rate=RATE), work=work, duration=60, warm_up=5, seed=11)


def test_mm1() -> None:
    workload = queue(Exponential(mean=0.006))
    push = WebSocketPush()
    assert contains(run(push, workload, latency), oracles.mm1_sojourn_mean(RATE, 1 / 0.006))
    for p in (0.5, 0.9, 0.99):
        truth = oracles.mm1_sojourn_quantile(RATE, 1 / 0.006, p)
        assert contains(run(push, workload, quantile(p)), truth)


def test_md1() -> None:
    truth = 0.006 + oracles.md1_wait_mean(RATE, 0.006)
    assert contains(run(WebSocketPush(), queue(0.006), latency), truth)


def test_mg1() -> None:
    work = LogNormal(mean=0.005, sigma=0.8)
    truth = oracles.mg1_sojourn_mean(RATE, work.mean, work.second_moment)
    assert contains(run(WebSocketPush(), queue(work), latency), truth)


@pytest.mark.parametrize("load", [0.6, 1.0, 1.5])
def test_mm1k_loss(load: float) -> None:
    """One message in service, four waiting in the broker's buffer: K = 5."""
    strategy = WebSocketPush(acks=True, credits=1, buffer=4)
    workload = queue(Exponential(mean=load / RATE))

    def loss(trace: Trace) -> float:
        return float((trace.fate[trace.counted] == Fate.DROPPED).mean())

    assert contains(run(strategy, workload, loss), oracles.mm1k_loss(load, 5))


def test_lindley_on_the_same_draws() -> None:
    strategy = WebSocketPush(queue=10_000)
    workload = queue(Exponential(mean=0.009))
    trace = simulate(Scenario(workload=workload, strategies=[strategy]), strategy, IDEAL)
    messages = workload.draw()
    waits = oracles.lindley(messages.created, messages.work)
    np.testing.assert_allclose(trace.started - trace.created, waits, rtol=0, atol=1e-9)


def test_littles_law_from_empty_to_empty() -> None:
    strategy = WebSocketPush()
    setting = Scenario(workload=queue(Exponential(mean=0.008)), strategies=[strategy])
    trace = simulate(setting, strategy, IDEAL)
    area = oracles.time_integral(trace.created, trace.done)
    assert area == pytest.approx(trace.latency.sum(), rel=1e-9)


@pytest.mark.parametrize("delay", [0.0, 0.004])
def test_short_poll(delay: float) -> None:
    interval = 0.1
    workload = Workload(arrivals=Poisson(rate=20), duration=120, warm_up=1, seed=5)
    polling = oracles.short_poll(20, interval + 2 * delay)
    strategy = ShortPoll(interval=interval)
    # To the broker and from the broker: two delays besides the wait for the next poll.
    assert contains(run(strategy, workload, latency, delay), polling.wait + 2 * delay)

    def empty(trace: Trace) -> float:
        return trace.counters.empty_replies / trace.counters.requests

    assert contains(run(strategy, workload, empty, delay), polling.empty_share)


def test_poll_then_pull() -> None:
    workload = Workload(arrivals=Poisson(rate=20), duration=120, warm_up=1, seed=6)
    truth = oracles.poll_then_pull(20, 0.1 + 2 * 0.004, 2 * 0.004).wait + 2 * 0.004
    assert contains(run(PollThenPull(interval=0.1), workload, latency, 0.004), truth)


def test_long_poll_rearms() -> None:
    """While the answer and the next request travel, nothing is held: that is the gap."""
    delay, rate, max_wait = 0.002, 200.0, 0.05
    workload = Workload(arrivals=Poisson(rate=rate), duration=60, warm_up=1, seed=5)
    polling = oracles.long_poll(rate, 2 * delay, max_wait)
    strategy = LongPoll(max_wait=max_wait)
    assert contains(run(strategy, workload, latency, delay), polling.wait + 2 * delay)

    def requests(trace: Trace) -> float:
        return trace.counters.requests / len(trace)

    assert contains(run(strategy, workload, requests, delay), polling.requests_per_message)


def test_a_steady_source_and_a_faster_consumer_never_queue() -> None:
    workload = Workload(arrivals=Periodic(rate=100), work=0.009, duration=5)
    low, high = run(WebSocketPush(), workload, latency)
    assert low == pytest.approx(0.009, abs=1e-9)
    assert high == pytest.approx(0.009, abs=1e-9)


@pytest.mark.parametrize(
    "strategy",
    [
        WebSocketPush(batch_size=10, linger=0.1),
        WebSocketPush(batch_size=1000, linger=0.02),
        Webhook(batch_size=10, linger=0.1),
        LongPoll(min_records=10, max_wait=0.1),
    ],
    ids=lambda s: s.label,
)
def test_the_row_of_theory_counts_the_wait_for_a_batch_once(strategy: Strategy) -> None:
    workload = Workload(arrivals=Poisson(rate=500), duration=10, seed=7)
    setting = Scenario(workload=workload, strategies=[strategy], replications=1)
    told, seen = compare(setting, engines=["theory", "simulation"]).results
    assert told.latency["mean"].mean == pytest.approx(seen.latency["mean"].mean, rel=0.1)
