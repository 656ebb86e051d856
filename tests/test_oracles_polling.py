"""Polling formulas against polls that are played through message by message."""

import math

import numpy as np
import pytest
from samples import Floats, agrees, poisson_times, rng

from lab import oracles


def gates(polls: Floats, arrivals: Floats) -> Floats:
    """Return when each arrival is taken: at the first poll after it."""
    return polls[np.searchsorted(polls, arrivals)]


def test_short_poll() -> None:
    cycle, rate = 0.25, 3.0
    arrivals = poisson_times(rate, 40_000)
    polls = np.arange(0, arrivals[-1] + cycle, cycle)
    waits = gates(polls, arrivals) - arrivals
    costs = oracles.short_poll(rate, cycle)
    assert agrees(waits, costs.wait)
    assert len(polls) / len(arrivals) == pytest.approx(costs.requests_per_message, rel=0.02)
    empty = 1 - len(np.unique(np.searchsorted(polls, arrivals))) / len(polls)
    assert empty == pytest.approx(costs.empty_share, abs=0.01)
    for p in (0.5, 0.9, 0.99):
        expected = oracles.short_poll_wait_quantile(cycle, p)
        assert np.quantile(waits, p) == pytest.approx(expected, abs=0.01 * cycle)


@pytest.mark.parametrize("round_trip", [0.0, 0.02, 0.2])
def test_poll_then_pull(round_trip: float) -> None:
    rate, cycle = 3.0, 0.25
    arrivals = poisson_times(rate, 40_000).tolist()
    waits, now, i, requests, empty = [], 0.0, 0, 0, 0
    while i < len(arrivals):
        now, requests = now + cycle, requests + 1
        if arrivals[i] > now:
            empty += 1
            continue
        now, requests = now + round_trip, requests + 1
        while i < len(arrivals) and arrivals[i] <= now:
            waits.append(now - arrivals[i])
            i += 1
    costs = oracles.poll_then_pull(rate, cycle, round_trip)
    assert agrees(np.array(waits), costs.wait)
    assert requests / len(waits) == pytest.approx(costs.requests_per_message, rel=0.02)
    assert empty / requests == pytest.approx(costs.empty_share, abs=0.01)
    for p in (0.05, 0.5, 0.99):
        expected = oracles.poll_then_pull_wait_quantile(rate, cycle, round_trip, p)
        assert np.quantile(waits, p) == pytest.approx(expected, abs=0.01 * cycle)


def test_poll_then_pull_with_no_round_trip_is_a_short_poll() -> None:
    assert oracles.poll_then_pull(3, 0.25, 0).wait == pytest.approx(
        oracles.short_poll(3, 0.25).wait
    )


def batches(
    arrivals: Floats, services: Floats, pause: float, max_wait: float, gated: bool = True
) -> tuple[Floats, int, int]:
    """Poll, work, pause, poll again, message by message: waits, polls and empty polls.

    A poll that finds nothing is held for up to `max_wait`.
    """
    times, works = arrivals.tolist(), services.tolist()
    waits, now, i, polls, empty = [], 0.0, 0, 0, 0
    while i < len(times):
        polls += 1
        if times[i] > now:
            empty += times[i] > now + max_wait
            now = min(times[i], now + max_wait)
        gate = now
        while i < len(times) and times[i] <= (gate if gated else now):
            waits.append(now - times[i])
            now += works[i]
            i += 1
        now += pause
    return np.array(waits), polls, empty


@pytest.mark.parametrize("gated", [True, False])
def test_vacations(gated: bool) -> None:
    count, rate, pause = 200_000, 6.0, 0.3
    waits, polls, empty = batches(
        poisson_times(rate, count), rng(2).exponential(0.1, count), pause, 0.0, gated
    )
    moments = (0.1, 0.02, pause, pause**2)
    assert agrees(waits, oracles.gated_vacation_wait_mean(rate, *moments, gated=gated))
    if gated:
        share = oracles.gated_vacation_empty_share(rate, pause, lambda s: 1 / (1 + 0.1 * s))
        assert empty / polls == pytest.approx(share, rel=0.03)


def test_vacations_without_work_are_a_short_poll() -> None:
    plain = oracles.short_poll(3, 0.25)
    assert oracles.gated_vacation_wait_mean(3, 0, 0, 0.25, 0.25**2) == pytest.approx(plain.wait)
    assert oracles.gated_vacation_empty_share(3, 0.25) == pytest.approx(plain.empty_share)


def test_batches_of_a_short_poll_are_stable_or_not() -> None:
    # 10 records a poll, each poll takes 1 s and 0.05 s a record: 6.67 a second.
    assert oracles.short_poll_is_stable(6.6, 1, 10, 0.05)
    assert not oracles.short_poll_is_stable(6.7, 1, 10, 0.05)


@pytest.mark.parametrize("max_wait", [0.1, math.inf])
@pytest.mark.parametrize("mean", [0.0, 0.05, 0.12])
def test_long_poll(mean: float, max_wait: float) -> None:
    count, rate, gap = 200_000, 6.0, 0.1
    services = rng(2).exponential(mean, count) if mean else np.zeros(count)
    waits, polls, empty = batches(poisson_times(rate, count), services, gap, max_wait)
    costs = oracles.long_poll(rate, gap, max_wait, mean, 2 * mean**2, lambda s: 1 / (1 + mean * s))
    assert agrees(waits, costs.wait)
    assert polls / count == pytest.approx(costs.requests_per_message, rel=0.03)
    assert empty / polls == pytest.approx(costs.empty_share, abs=0.004)


def test_long_poll_without_work_is_the_formula_of_the_re_arm_gap() -> None:
    rate, gap, max_wait = 6.0, 0.1, 0.3
    a = math.exp(-rate * gap)
    k = a * (1 - math.exp(-rate * max_wait))
    costs = oracles.long_poll(rate, gap, max_wait)
    assert costs.wait == pytest.approx(rate * gap**2 / 2 / (rate * gap + k))
    assert costs.requests_per_message * rate == pytest.approx(1 / (gap + k / rate))
    assert costs.empty_share == pytest.approx(a * math.exp(-rate * max_wait))


def test_long_poll_that_costs_nothing_is_mg1() -> None:
    costs = oracles.long_poll(6, 0, math.inf, 0.1, 0.02, lambda s: 1 / (1 + 0.1 * s))
    assert costs.wait == pytest.approx(oracles.mg1_wait_mean(6, 0.1, 0.02))
    never_held = oracles.long_poll(6, 0.1, 1e-9, 0.1, 0.02, lambda s: 1 / (1 + 0.1 * s))
    gated = oracles.gated_vacation_wait_mean(6, 0.1, 0.02, 0.1, 0.01)
    assert never_held.wait == pytest.approx(gated, rel=1e-6)
