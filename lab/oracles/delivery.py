"""Batching, token buckets, credits, retries, overload, and what a stall does to quantiles."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.oracles.paths import lindley

Floats = NDArray[np.float64]


def linger_wait_mean(rate: float, linger: float) -> float:
    """Return the mean wait L(1+λL/2)/(1+λL), in seconds, of messages whose batch waits `linger`.

    The first of a batch waits L, the λL that follow L/2 each; no batch is full before.
    """
    follow = rate * linger
    return linger * (1 + follow / 2) / (1 + follow)


def linger_wait_quantile(rate: float, linger: float, p: float) -> float:
    """Return the p-quantile of that wait: uniform on (0, L) for those that follow, L for the first."""
    follow = rate * linger
    return linger * min(1.0, p * (1 + follow) / follow) if follow > 0 else linger


def fixed_batch_wait_mean(rate: float, batch: int) -> float:
    """Return the mean wait (B-1)/(2λ), in seconds, until a batch of exactly `batch` is full."""
    return (batch - 1) / (2 * rate)


def token_bucket_limit(rate: float, burst: float, time: float) -> float:
    """Return the most messages b + rt that a token bucket lets through in any `time` seconds."""
    return burst + rate * time


def token_bucket_delays(arrivals: ArrayLike, rate: float, burst: float) -> Floats:
    """Return the delay of each message, in seconds, in a shaper with a token bucket, full at first.

    It is max(0, V - (b-1)/r), with V the wait at a server that takes 1/r for each message.
    """
    services = np.full(len(np.asarray(arrivals)), 1 / rate)
    return np.maximum(0.0, lindley(arrivals, services) - (burst - 1) / rate)


def credits_throughput(rate: float, service: float, credits: float, round_trip: float) -> float:
    """Return the bound min(λ, 1/S, K/(RTT+S)), in messages per second, of a window of K credits."""
    bounds = [rate]
    if service > 0:
        bounds.append(1 / service)
    if round_trip + service > 0:
        bounds.append(credits / (round_trip + service))
    return min(bounds)


class Retries(NamedTuple):
    """Shares of messages, and deliveries per message, when each is tried a number of times."""

    never_delivered: float
    given_up: float
    deliveries: float


def retries(request_loss: float, ack_loss: float, attempts: int) -> Retries:
    """Return what `attempts` tries achieve if requests and acks are lost independently.

    With p, q the losses and f = 1-(1-p)(1-q): never delivered p^n, given up (though perhaps
    delivered) f^n, mean deliveries (1-p)(1-f^n)/(1-f).
    """
    fails = 1 - (1 - request_loss) * (1 - ack_loss)
    tries = attempts if fails == 1 else (1 - fails**attempts) / (1 - fails)
    return Retries(request_loss**attempts, fails**attempts, (1 - request_loss) * tries)


def overload_lag(rate: float, service_rate: float, time: float) -> float:
    """Return the mean backlog max(0, λ-μ)·t, in messages, after `time` seconds of overload."""
    return max(0.0, rate - service_rate) * time


def overload_expiry_starts(rate: float, service_rate: float, retention: float) -> float:
    """Return when a log that keeps `retention` seconds begins to lose: R/(1-μ/λ), in seconds.

    A record read at time t was written at tμ/λ; its age t(1-μ/λ) then reaches R.
    """
    return retention / (1 - service_rate / rate) if rate > service_rate else math.inf


def overload_loss(rate: float, service_rate: float) -> float:
    """Return the share max(0, 1-μ/λ) that is lost in the long run under overload."""
    return max(0.0, 1 - service_rate / rate)


def stall_quantile(p: float, stall: float, duration: float) -> float:
    """Return the p-quantile of latency, in seconds, at a constant rate with one stall of a server.

    Stamped with intended times: max(0, s-(1-p)T). Nothing else takes time. A load generator that
    waits for its answers sees a single slow message instead (coordinated omission).
    """
    return max(0.0, stall - (1 - p) * duration)
