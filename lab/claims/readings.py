"""What the tests of claims read off single replications."""

import math
from collections.abc import Callable

import numpy as np

from lab.claims.base import OfTrace
from lab.metrics import Interval, Run
from lab.trace import Trace

Comparison = Callable[[Trace, Trace], float]  # of two replications with the same messages


def readings(run: Run, of: OfTrace) -> list[float]:
    """Return what is read off each replication."""
    return [of(trace) for trace in run.traces]


def compare(run: Run, other: Run, comparison: Comparison) -> list[float]:
    """Return a comparison of each replication of two runs."""
    return [comparison(a, b) for a, b in zip(run.traces, other.traces, strict=True)]


def known(interval: Interval) -> bool:
    """Say whether there is a mean."""
    return not math.isnan(interval.mean)


def mean_latency(trace: Trace) -> float:
    """Return the mean latency of the counted messages that were delivered, in seconds."""
    return _over_counted(trace, np.nanmean)


def median_latency(trace: Trace) -> float:
    """Return their median latency, in seconds."""
    return _over_counted(trace, np.nanmedian)


def _over_counted(trace: Trace, what: Callable[..., float]) -> float:
    delivered = trace.latency[trace.counted]
    return float(what(delivered)) if np.isfinite(delivered).any() else math.nan


def cores(trace: Trace) -> float:
    """Return how many cores all sides together kept busy."""
    return sum(trace.counters.cpu_seconds.values()) / trace.counters.elapsed


def requests_per_second(trace: Trace) -> float:
    """Return the requests between broker and consumers, per second of the run."""
    return trace.counters.requests / trace.counters.elapsed
