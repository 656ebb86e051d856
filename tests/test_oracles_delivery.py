"""Batching, buckets, credits, retries, overload and stalls, against what happens when tried."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from samples import agrees, poisson_times, rng

from lab import oracles


def test_linger() -> None:
    rate, linger = 20.0, 0.1
    waits, sends_at = [], -1.0
    for t in poisson_times(rate, 50_000).tolist():
        sends_at = t + linger if t > sends_at else sends_at
        waits.append(sends_at - t)
    assert agrees(np.array(waits), oracles.linger_wait_mean(rate, linger))
    for p in (0.3, 0.6, 0.9):
        expected = oracles.linger_wait_quantile(rate, linger, p)
        assert np.quantile(waits, p) == pytest.approx(expected, abs=0.01 * linger)
    assert oracles.linger_wait_mean(0, 0.1) == oracles.linger_wait_quantile(0, 0.1, 0.5) == 0.1


def test_fixed_batches() -> None:
    times = poisson_times(20, 50_000).reshape(-1, 5)
    waits = (times[:, -1:] - times).ravel()
    assert agrees(waits, oracles.fixed_batch_wait_mean(20, 5))
    assert oracles.fixed_batch_wait_mean(20, 1) == 0


def test_token_bucket() -> None:
    # By hand: a bucket of 3, refilled every second. Four at once: the fourth waits for a token.
    delays = oracles.token_bucket_delays([0, 0, 0, 0, 0, 10], 1, 3)
    assert delays.tolist() == [0, 0, 0, 1, 2, 0]
    arrivals = poisson_times(50, 2000)
    out = arrivals + oracles.token_bucket_delays(arrivals, 40, 5)
    for span in (0.01, 0.1, 1.0):
        most = max(np.searchsorted(out, out + span) - np.arange(len(out)))
        assert most <= oracles.token_bucket_limit(40, 5, span) + 1e-9
    # and it is as full as it may be: over a busy second nearly all of b + rt is used
    assert max(np.searchsorted(out, out + 1.0) - np.arange(len(out))) >= 44


def test_credits() -> None:
    # A window of 4 over 0.1 s: 4 messages each 0.1 + 0.01 s, unless offered or served fewer.
    assert oracles.credits_throughput(1000, 0.01, 4, 0.1) == pytest.approx(4 / 0.11)
    assert oracles.credits_throughput(20, 0.01, 4, 0.1) == 20
    assert oracles.credits_throughput(1000, 0.01, 1e9, 0.1) == 100
    assert oracles.credits_throughput(1000, 0, 4, 0) == 1000


def test_retries_by_trying() -> None:
    p, q, attempts, count = 0.3, 0.2, 4, 400_000
    request = rng(1).random((count, attempts)) >= p
    ack = rng(2).random((count, attempts)) >= q
    success = request & ack
    before: NDArray[np.int64] = np.cumsum(success, axis=1) - success
    tried: NDArray[np.bool_] = before == 0  # until the first success
    result = oracles.retries(p, q, attempts)
    assert (~request).all(axis=1).mean() == pytest.approx(result.never_delivered, rel=0.05)
    assert (~success).all(axis=1).mean() == pytest.approx(result.given_up, rel=0.05)
    assert (request & tried).sum() / count == pytest.approx(result.deliveries, rel=0.01)


def test_retries_limits() -> None:
    assert oracles.retries(0, 0, 5) == (0, 0, 1)
    assert oracles.retries(1, 0, 5) == (1, 1, 0)
    assert oracles.retries(0, 1, 5) == (0, 1, 5)  # every ack lost: delivered at each attempt


def test_overload() -> None:
    # 100 a second against 80: record n comes at n/100 and is read at n/80.
    assert oracles.overload_lag(100, 80, 10) == 200
    start = oracles.overload_expiry_starts(100, 80, 2)
    n = start * 80
    assert n / 80 - n / 100 == pytest.approx(2)
    assert oracles.overload_loss(100, 80) == pytest.approx(0.2)
    assert oracles.overload_lag(80, 100, 10) == oracles.overload_loss(80, 100) == 0
    assert oracles.overload_expiry_starts(80, 100, 2) == math.inf


def test_coordinated_omission() -> None:
    # A 1 s stall at 1,000/s over 100 s, stamped with intended times.
    created = np.arange(100_000) / 1000
    stalled = (created >= 40) & (created < 41)
    latency = np.where(stalled, 41 - created, 0)
    for p, expected in ((0.995, 0.5), (0.999, 0.9), (0.5, 0.0)):
        assert oracles.stall_quantile(p, 1, 100) == pytest.approx(expected)
        assert np.quantile(latency, p) == pytest.approx(expected, abs=0.002)
